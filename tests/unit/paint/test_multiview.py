# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.paint.multiview import paint_latents
from backend.paint.schedule import DDIM, NoiseConfig

CONFIG = NoiseConfig(timestep_spacing="trailing")
VIEWS, PICTURES = 3, 2


class Network:
    """Predicts the noise of a picture that is the weighted reference, and notes its calls."""

    def __init__(self) -> None:
        self.text = torch.ones(1, 4, 5)
        self.num_encoded = 0
        self.calls: list[tuple[torch.Tensor, ...]] = []

    def encode_reference(self, latents: torch.Tensor) -> dict[str, torch.Tensor]:
        assert latents.shape == (1, PICTURES, 4, 2, 2)
        self.num_encoded += 1
        return {"mid_0_0": latents.flatten(1, 2).flatten(2)}  # [1, R*C, h*w]

    def __call__(
        self, sample, timestep, geometry, cameras, reference, text=None, reference_scale=1.0
    ):
        self.calls.append((sample, geometry, cameras, text, reference_scale))
        mean = reference["mid_0_0"].mean(dim=(1, 2)) * reference_scale  # [rows]
        return sample.new_zeros(sample.shape) + mean[:, None, None, None, None]


def paint(guidance_scale: float | None, reference_value: float = 1.0) -> tuple[Network, list]:
    network, latents = Network(), []
    paint_latents(
        network,
        torch.full((PICTURES, 4, 2, 2), reference_value),
        torch.randn(VIEWS, 8, 2, 2),
        torch.tensor([21, 12, 15]),
        DDIM.make(CONFIG, 2),
        guidance_scale,
        torch.zeros(VIEWS, 4, 2, 2),
        lambda step: torch.zeros(VIEWS, 4, 2, 2),
        lambda step, x: latents.append(x),
    )
    return network, latents


def test_reference_pictures_are_read_once_for_all_steps() -> None:
    network, latents = paint(2.0)
    assert network.num_encoded == 1
    assert len(network.calls) == len(latents) == 2


def test_unguided_row_has_neither_text_nor_reference_but_the_same_geometry() -> None:
    network, _ = paint(2.0)
    for sample, geometry, cameras, text, scale in network.calls:
        assert sample.shape == (2, VIEWS, 4, 2, 2)
        assert torch.equal(geometry[0], geometry[1])
        assert torch.equal(cameras[0], cameras[1])
        assert not text[0].any()
        assert torch.equal(text[1:], network.text)
        assert scale.tolist() == [0.0, 1.0]


def test_without_guidance_there_is_one_row_with_everything() -> None:
    network, _ = paint(None)
    for sample, _, _, text, scale in network.calls:
        assert len(sample) == 1
        assert torch.equal(text, network.text)
        assert scale.tolist() == [1.0]


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_guidance_multiplies_what_the_reference_adds(scale: float) -> None:
    _, plain = paint(None)
    _, guided = paint(scale)
    assert plain[-1].abs().min() > 0.1
    assert torch.allclose(guided[-1], scale * plain[-1], rtol=1e-4)
