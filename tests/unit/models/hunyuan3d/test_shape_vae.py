# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import pytest
import torch

from backend.models.hunyuan3d.config import SHAPE_VAE_VARIANTS, ShapeVAEConfig
from backend.models.hunyuan3d.shape_vae import ShapeVAE

SMALL = ShapeVAEConfig(
    num_latents=12,
    embed_dim=4,
    width=32,
    heads=2,
    num_encoder_layers=1,
    num_decoder_layers=1,
    pc_size=60,
    pc_sharpedge_size=30,
    downsample_ratio=4,
)
ANCHORED = replace(SMALL, has_latent_anchors=True)


def make_vae(config: ShapeVAEConfig) -> ShapeVAE:
    torch.manual_seed(0)
    return ShapeVAE(config).eval()


def make_surface(num_points: int = 90) -> torch.Tensor:
    """Points of two spheres with their normals; the last third is flagged as sharp."""
    normal = torch.nn.functional.normalize(torch.randn(2, num_points, 3), dim=-1)
    flag = (torch.arange(num_points) >= 2 * num_points // 3).float().expand(2, -1)[..., None]
    return torch.cat([0.7 * normal, normal, flag], dim=-1)


@torch.no_grad()
@pytest.mark.parametrize("ratio", [1, 2])
def test_query_does_not_depend_on_how_the_points_are_cut(ratio: int) -> None:
    vae = make_vae(replace(SMALL, geo_decoder_downsample_ratio=ratio))
    decoded = vae.decode(torch.randn(1, 12, 4))
    points = 2 * torch.rand(1, 103, 3) - 1
    whole = vae.query(points, decoded)
    assert whole.shape == (1, 103)
    for size in (1, 7, 64):
        parts = [vae.query(part, decoded) for part in points.split(size, dim=1)]
        assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-6)


@torch.no_grad()
def test_batch_rows_do_not_mix() -> None:
    vae = make_vae(ANCHORED)
    surface, points = make_surface(), 2 * torch.rand(2, 9, 3) - 1
    both = vae.query(points, vae.decode(vae.encode(surface)[0]))
    for row in range(2):
        alone = vae.decode(vae.encode(surface[row : row + 1])[0])
        assert torch.allclose(vae.query(points[row : row + 1], alone)[0], both[row], atol=1e-5)


@torch.no_grad()
def test_anchored_encoding_ignores_the_order_of_the_points_and_takes_any_number() -> None:
    vae = make_vae(ANCHORED)
    surface = make_surface(77)
    mean, logvar = vae.encode(surface)
    shuffled, _ = vae.encode(surface[:, torch.randperm(77)])
    assert mean.shape == logvar.shape == (2, 12, 4)
    assert torch.allclose(mean, shuffled, atol=1e-5)


@torch.no_grad()
def test_encoding_without_generator_repeats_and_with_another_seed_differs() -> None:
    vae, surface = make_vae(SMALL), make_surface()
    first, again = vae.encode(surface)[0], vae.encode(surface)[0]
    other = vae.encode(surface, generator=torch.Generator().manual_seed(1))[0]
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-3


def test_wrong_number_of_points_is_said() -> None:
    with pytest.raises(ValueError, match="expected 90 surface points, got 89"):
        make_vae(SMALL).encode(make_surface(89))


@torch.no_grad()
def test_logvar_is_clamped() -> None:
    vae = make_vae(SMALL)
    vae.pre_kl.bias.fill_(1e4)
    assert vae.encode(make_surface())[1].max() == 20


@torch.no_grad()
def test_decode_undoes_the_scale_factor() -> None:
    plain, scaled = make_vae(SMALL), make_vae(replace(SMALL, scale_factor=3.0))
    latents = torch.randn(1, 12, 4)
    assert torch.allclose(plain.decode(latents), scaled.decode(3 * latents), atol=1e-5)


@torch.no_grad()
def test_latent_positions_tell_equal_latents_apart_only_when_anchored() -> None:
    latents = torch.ones(1, 12, 4)
    assert make_vae(SMALL).decode(latents).var(dim=1).max() < 1e-8
    assert make_vae(ANCHORED).decode(latents).var(dim=1).max() > 1e-6


def test_decoder_only_config_has_no_encoder_and_no_anchors() -> None:
    names = make_vae(replace(SMALL, num_encoder_layers=0)).state_dict()
    assert not any(name.startswith(("encoder", "pre_kl", "latent_")) for name in names)


def test_anchors_start_spread_out_in_the_box() -> None:
    with torch.device("cpu"):
        anchors = ShapeVAE(SHAPE_VAE_VARIANTS["maquette-mini"]).latent_anchors.detach()
    distance = torch.cdist(anchors, anchors).fill_diagonal_(torch.inf)
    assert anchors.abs().max() <= 0.9
    # An ideal cubic packing of 256 points in this box has a spacing of about 0.28.
    assert distance.min() > 0.14
    assert distance.min(dim=1).values.max() < 0.4


def test_bfloat16_autocast_stays_close_to_float32_and_trains() -> None:
    vae, surface = make_vae(ANCHORED), make_surface()
    points = 2 * torch.rand(2, 40, 3) - 1
    exact = vae.query(points, vae.decode(vae.encode(surface)[0]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = vae.query(points, vae.decode(vae.encode(surface)[0]))
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()
    rough.float().mean().backward()
    missing = [name for name, weight in vae.named_parameters() if weight.grad is None]
    assert missing == []
