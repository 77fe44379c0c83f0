# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import pytest
import torch

from backend.models.hunyuan3d.config import DENOISER_VARIANTS, DenoiserConfig
from backend.models.hunyuan3d.denoiser import Denoiser

SMALL = DenoiserConfig(
    in_channels=4,
    context_in_dim=12,
    hidden_size=32,
    mlp_ratio=2.0,
    num_heads=2,
    depth=1,
    depth_single_blocks=2,
    axes_dim=(16,),
    theta=10000,
    qkv_bias=True,
)
X, T, CONTEXT = torch.randn(2, 9, 4), torch.tensor([0.1, 0.8]), torch.randn(2, 5, 12)


def make_denoiser(config: DenoiserConfig, is_trained: bool = True) -> Denoiser:
    torch.manual_seed(0)
    denoiser = Denoiser(config)
    if is_trained:
        for weight in denoiser.parameters():
            torch.nn.init.normal_(weight, std=0.2)
    return denoiser.eval()


@torch.no_grad()
def test_new_denoiser_predicts_zero() -> None:
    assert (make_denoiser(SMALL, is_trained=False)(X, T, CONTEXT) == 0).all()


@torch.no_grad()
def test_latents_without_positions_are_a_set() -> None:
    order = torch.randperm(9)
    unordered, ordered = make_denoiser(SMALL), make_denoiser(replace(SMALL, num_latents=9))
    assert torch.allclose(
        unordered(X[:, order], T, CONTEXT), unordered(X, T, CONTEXT)[:, order], atol=1e-4
    )
    moved = ordered(X[:, order], T, CONTEXT) - ordered(X, T, CONTEXT)[:, order]
    assert moved.abs().max() > 1e-2
    assert ordered.latent_positions.shape == (9, 32)


@torch.no_grad()
def test_velocity_depends_on_time_and_picture_of_its_own_row_only() -> None:
    denoiser = make_denoiser(SMALL)
    base = denoiser(X, T, CONTEXT)
    other_time = denoiser(X, torch.tensor([0.1, 0.3]), CONTEXT)
    other_picture = denoiser(X, T, torch.stack([CONTEXT[0], -CONTEXT[1]]))
    for changed in (other_time, other_picture):
        assert torch.allclose(changed[0], base[0], atol=1e-5)
        assert (changed[1] - base[1]).abs().max() > 1e-2


@torch.no_grad()
def test_embedded_guidance_is_needed_and_matters() -> None:
    denoiser = make_denoiser(replace(SMALL, guidance_embed=True))
    with pytest.raises(ValueError, match="guidance"):
        denoiser(X, T, CONTEXT)
    weak, strong = (denoiser(X, T, CONTEXT, torch.full((2,), scale)) for scale in (1.0, 5.0))
    assert (weak - strong).abs().max() > 1e-2


def test_bfloat16_autocast_stays_close_to_float32_and_trains() -> None:
    denoiser = make_denoiser(replace(SMALL, num_latents=9))
    exact = denoiser(X, T, CONTEXT)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = denoiser(X, T, CONTEXT)
    assert (rough - exact).abs().max() < 0.1 * exact.abs().max()
    rough.float().square().mean().backward()
    missing = [name for name, weight in denoiser.named_parameters() if weight.grad is None]
    assert missing == []


def test_mini_denoiser_fits_its_share_of_the_package() -> None:
    with torch.device("meta"):
        denoiser = Denoiser(DENOISER_VARIANTS["maquette-mini"])
    assert 12e6 < sum(weight.numel() for weight in denoiser.parameters()) < 18e6
