# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import pytest
import torch

from backend.models.stable_diffusion.config import UNetConfig
from backend.models.stable_diffusion.unet import Context, UNet

SMALL = UNetConfig(
    in_channels=4,
    out_channels=3,
    block_out_channels=(16, 32),
    down_has_attention=(True, False),
    up_has_attention=(False, True),
    layers_per_block=1,
    num_heads=(2, 4),
    cross_attention_dim=12,
    norm_num_groups=4,
    norm_eps=1e-5,
    use_linear_projection=True,
)
PUBLISHED = {
    "in_channels": 4,
    "out_channels": 3,
    "block_out_channels": [16, 32],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "attention_head_dim": [2, 4],
    "cross_attention_dim": 12,
    "norm_num_groups": 4,
    "norm_eps": 1e-5,
    "use_linear_projection": True,
}
TEXT = Context(torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(1)))


def make_unet(config: UNetConfig) -> UNet:
    torch.manual_seed(0)
    return UNet(config).eval()


@torch.no_grad()
@pytest.mark.parametrize("size", [(8, 8), (7, 10), (5, 3)])
def test_pictures_of_any_size_keep_their_size(size: tuple[int, int]) -> None:
    out = make_unet(SMALL)(torch.randn(2, 4, *size), torch.tensor(300.0), TEXT)
    assert out.shape == (2, 3, *size)
    assert out.isfinite().all()


@torch.no_grad()
def test_rows_of_a_batch_do_not_see_each_other() -> None:
    unet, sample = make_unet(SMALL), torch.randn(2, 4, 8, 8)
    times = torch.tensor([10.0, 900.0])
    both = unet(sample, times, TEXT)
    for row in range(2):
        alone = unet(sample[row, None], times[row], Context(TEXT.text[row, None]))
        assert torch.allclose(both[row], alone[0], atol=1e-5)


@torch.no_grad()
def test_kernels_of_one_pixel_are_the_same_map_as_linear_layers() -> None:
    linear, kernels = make_unet(SMALL), make_unet(replace(SMALL, use_linear_projection=False))
    state = {
        name: linear.state_dict()[name].reshape(tensor.shape)
        for name, tensor in kernels.state_dict().items()
    }
    kernels.load_state_dict(state)
    sample = torch.randn(2, 4, 8, 8)
    time = torch.tensor(300.0)
    assert torch.allclose(kernels(sample, time, TEXT), linear(sample, time, TEXT), atol=1e-5)


def test_published_configuration_is_read() -> None:
    assert UNetConfig.from_published(PUBLISHED) == SMALL
    one_number = UNetConfig.from_published({**PUBLISHED, "attention_head_dim": 8})
    assert one_number.num_heads == (8, 8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("act_fn", "gelu"),
        ("freq_shift", 1),
        ("only_cross_attention", True),
        ("down_block_types", ["AttnDownBlock2D", "DownBlock2D"]),
    ],
)
def test_switch_that_is_not_built_here_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"known"):
        UNetConfig.from_published({**PUBLISHED, name: value})
