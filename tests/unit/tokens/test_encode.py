# SPDX-License-Identifier: GPL-3.0-or-later
"""From prepared pictures to tokens: what the encoder gets to see."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from backend.data import PreparedImage
from backend.errors import CancelledError, InputError
from backend.models.dinov2.config import Dinov2Config
from backend.models.hunyuan3d.conditioner import ConditionerConfig, ImageConditioner
from backend.progress import Progress
from backend.tokens.encode import encode_image


class PixelConditioner:
    """Returns the pictures themselves as tokens."""

    def __init__(self, num_channels: int, is_multiview: bool = False) -> None:
        self.num_channels = num_channels
        self.is_multiview = is_multiview
        self.labels: Sequence[int] | None = None

    def __call__(
        self, image: torch.Tensor, view_labels: Sequence[int] | None = None
    ) -> torch.Tensor:
        self.labels = view_labels
        return image.flatten(-2).transpose(-1, -2).flatten(1, 2)  # [B, V H W, C]

    def null(self, batch: int, num_views: int = 1) -> torch.Tensor:
        return torch.zeros(batch, num_views * 4, self.num_channels)


def prepared(alpha: float, views: int = 1) -> PreparedImage:
    pixels = np.zeros((views, 2, 2, 4), np.float32)
    pixels[..., :] = (1.0, 0.5, 0.0, alpha)
    return PreparedImage(pixels, tuple(range(views)))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_encoder_sees_the_object_over_white(channels: int, alpha: float) -> None:
    tokens = encode_image(prepared(alpha), PixelConditioner(channels), Progress())
    over_white = [1.0, 1 - 0.5 * alpha, 1 - alpha, alpha][:channels]
    expected = torch.tensor(over_white) * 2 - 1
    assert torch.allclose(tokens.condition, expected.expand(1, 4, channels))
    assert tokens.null.shape == tokens.condition.shape


def test_views_reach_the_encoder_with_their_labels() -> None:
    conditioner = PixelConditioner(3, is_multiview=True)
    tokens = encode_image(prepared(1.0, views=3), conditioner, Progress())
    assert tokens.condition.shape == (1, 12, 3)
    assert conditioner.labels == (0, 1, 2)


def test_several_views_for_a_single_view_model_are_refused() -> None:
    with pytest.raises(InputError, match="one picture"):
        encode_image(prepared(1.0, views=2), PixelConditioner(3), Progress())


def test_cancel_is_obeyed() -> None:
    with pytest.raises(CancelledError):
        encode_image(prepared(1.0), PixelConditioner(3), Progress(is_cancelled=lambda: True))


def small_conditioner(**changes: object) -> ImageConditioner:
    torch.manual_seed(0)
    encoder = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        patch_size=4,
        image_size=16,
        num_channels=4,
    )
    return ImageConditioner(ConditionerConfig(encoder, 16, **changes)).eval()


def test_real_conditioner_sees_the_alpha_plane() -> None:
    conditioner = small_conditioner()
    white = PreparedImage(np.ones((1, 16, 16, 4), np.float32))
    hidden = PreparedImage(white.pixels * np.array([1, 1, 1, 0], np.float32))
    visible = encode_image(white, conditioner, Progress())
    invisible = encode_image(hidden, conditioner, Progress())
    assert visible.condition.shape == visible.null.shape == (1, 17, 16)
    assert not visible.null.any()
    assert (visible.condition - invisible.condition).abs().max() > 1e-3


def test_same_picture_in_another_view_gives_other_tokens() -> None:
    conditioner = small_conditioner(is_multiview=True)
    image = torch.rand(1, 1, 4, 16, 16) * 2 - 1
    front, back = conditioner(image, (0,)), conditioner(image, (2,))
    assert front.shape == back.shape == (1, 17, 16)
    assert (front - back).abs().max() > 0.5


def test_positions_are_resized_for_another_picture_size() -> None:
    encoder = small_conditioner().main_image_encoder.model
    positions = encoder.embeddings.position_embeddings
    with torch.no_grad():
        positions[:, 1:] = 3.0
        resized = encoder.embeddings._positions(6, 5)
    assert resized.shape == (1, 31, 16)
    assert torch.equal(resized[:, 0], positions[:, 0])
    assert torch.allclose(resized[:, 1:], torch.tensor(3.0), atol=1e-5)
    assert encoder(torch.rand(1, 4, 24, 20)).shape == (1, 31, 16)
