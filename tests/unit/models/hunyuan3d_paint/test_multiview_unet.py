# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.models.hunyuan3d_paint.config import (
    CAMERA_OFFSET,
    NUM_CAMERA_EMBEDS,
    MultiviewUNetConfig,
    camera_label,
)
from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from backend.models.stable_diffusion.config import UNetConfig

CONFIG = MultiviewUNetConfig(
    UNetConfig(
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        down_has_attention=(True, False),
        up_has_attention=(False, True),
        layers_per_block=1,
        num_heads=(2, 4),
        cross_attention_dim=12,
        norm_num_groups=4,
        norm_eps=1e-5,
        use_linear_projection=True,
    ),
    text_length=3,
)
TIME = torch.tensor(400.0)
CAMERAS = torch.tensor([[21, 12, 15]])


@pytest.fixture
def network() -> MultiviewUNet:
    torch.manual_seed(0)
    return MultiviewUNet(CONFIG).eval().requires_grad_(False)


@pytest.fixture
def sample() -> torch.Tensor:
    return torch.randn(1, 3, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def geometry() -> torch.Tensor:
    return torch.randn(1, 3, 8, 8, 8, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.randn(1, 2, 4, 8, 8, generator=torch.Generator().manual_seed(3))


def test_order_of_the_views_does_not_matter(network, sample, geometry, pictures) -> None:
    reference, order = network.encode_reference(pictures), torch.tensor([2, 0, 1])
    straight = network(sample, TIME, geometry, CAMERAS, reference)
    turned = network(sample[:, order], TIME, geometry[:, order], CAMERAS[:, order], reference)
    assert torch.allclose(turned, straight[:, order], atol=1e-5)
    assert (turned - straight).abs().max() > 1e-3


def test_order_of_the_reference_pictures_does_not_matter(
    network, sample, geometry, pictures
) -> None:
    straight = network(sample, TIME, geometry, CAMERAS, network.encode_reference(pictures))
    turned_reference = network.encode_reference(pictures.flip(1))
    turned = network(sample, TIME, geometry, CAMERAS, turned_reference)
    assert torch.allclose(turned, straight, atol=1e-5)


def test_views_that_do_not_see_each_other_are_painted_as_if_alone(
    network, sample, geometry, pictures
) -> None:
    reference = network.encode_reference(pictures)
    apart = network(sample, TIME, geometry, CAMERAS, reference, multiview_scale=0.0)
    together = network(sample, TIME, geometry, CAMERAS, reference)
    for view in range(3):
        part = slice(view, view + 1)
        alone = network(sample[:, part], TIME, geometry[:, part], CAMERAS[:, part], reference)
        assert torch.allclose(apart[:, part], alone, atol=1e-5)
    assert (apart - together).abs().max() > 1e-3


def test_reference_scale_of_zero_forgets_the_pictures_of_that_row_only(
    network, sample, geometry, pictures
) -> None:
    two = [x.repeat(2, *[1] * (x.ndim - 1)) for x in (sample, geometry, CAMERAS)]
    scale = torch.tensor([0.0, 1.0])

    def predict(given: torch.Tensor) -> torch.Tensor:
        reference = network.encode_reference(given.repeat(2, 1, 1, 1, 1))
        return network(two[0], TIME, two[1], two[2], reference, reference_scale=scale)

    one, other = predict(pictures), predict(-pictures)
    assert torch.equal(one[0], other[0])
    assert (one[1] - other[1]).abs().max() > 1e-3


def test_cameras_and_geometry_matter(network, sample, geometry, pictures) -> None:
    reference = network.encode_reference(pictures)
    base = network(sample, TIME, geometry, CAMERAS, reference)
    for changed in (
        network(sample, TIME, geometry, CAMERAS + 1, reference),
        network(sample, TIME, -geometry, CAMERAS, reference),
    ):
        assert (changed - base).abs().amax(dim=(0, 2, 3, 4)).min() > 1e-3


def test_each_trained_direction_of_view_has_its_own_label() -> None:
    around = range(0, 360, 30)
    labels = [camera_label(azimuth, elevation) for elevation in (-20, 0, 20) for azimuth in around]
    poles = [camera_label(azimuth, tilt) for tilt in (-90, 90) for azimuth in range(0, 360, 90)]
    assert sorted(labels + poles) == list(range(44))
    assert camera_label(-30, 0) == camera_label(330, 0)
    assert max(labels + poles) + CAMERA_OFFSET == NUM_CAMERA_EMBEDS - 1


def test_direction_that_was_not_trained_is_refused() -> None:
    with pytest.raises(ValueError, match="45 degrees"):
        camera_label(0, 45)
