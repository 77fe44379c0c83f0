# SPDX-License-Identifier: GPL-3.0-or-later
"""Lit pictures of known colours lose their light."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backend.paint.unlight import remove_shading
from backend.texture.colour import linear_to_srgb, srgb_to_linear

SIZE = 96


def make_ball() -> tuple[Tensor, Tensor]:
    """Normals and mask of a ball that fills the picture."""
    line = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    y, x = torch.meshgrid(-line, line, indexing="ij")
    square = x * x + y * y
    normals = torch.stack([x, y, (1 - square).clamp(min=0).sqrt()], -1)
    return functional.normalize(normals, dim=-1), square < 0.95


def make_albedo() -> Tensor:
    """Red and cream stripes with a blue emblem, sRGB."""
    albedo = torch.empty(SIZE, SIZE, 3)
    albedo[:] = torch.tensor([0.75, 0.2, 0.15])
    albedo[:, (torch.arange(SIZE) // 8) % 2 == 0] = torch.tensor([0.8, 0.75, 0.6])
    albedo[40:56, 40:56] = torch.tensor([0.2, 0.3, 0.7])
    return albedo


def light_up(albedo: Tensor, normals: Tensor, tint: tuple[float, ...] = (1, 1, 1)) -> Tensor:
    """A key light from the upper left, a sky, and some ambient light."""
    key = functional.normalize(torch.tensor([-0.6, 0.6, 0.5]), dim=0)
    level = 0.65 * (normals @ key).clamp(min=0) + 0.2 * (1 + normals[..., 1]) / 2 + 0.2
    light = srgb_to_linear(albedo) * level[..., None] * torch.tensor(tint)
    return linear_to_srgb(light.clamp(0, 1))


def error(colour: Tensor, truth: Tensor, mask: Tensor) -> float:
    """Mean difference in the mask, overall brightness left aside."""
    light, target = srgb_to_linear(colour[mask]), srgb_to_linear(truth[mask])
    light = light * ((light * target).sum() / light.square().sum())
    return float((linear_to_srgb(light) - truth[mask]).abs().mean())


def test_error_of_a_lit_picture_is_at_least_halved():
    normals, mask = make_ball()
    albedo = make_albedo()
    lit = light_up(albedo, normals, (1.05, 1.0, 0.92))
    result = remove_shading(lit, normals, mask)
    assert error(result, albedo, mask) < 0.5 * error(lit, albedo, mask)
    assert torch.equal(result[~mask], lit[~mask])


def test_picture_without_shading_keeps_its_colours():
    normals, mask = make_ball()
    albedo = make_albedo()
    result = remove_shading(albedo, normals, mask)
    assert (result - albedo)[mask].abs().mean() < 0.04


def test_emblem_keeps_its_contrast():
    normals, mask = make_ball()
    albedo = make_albedo()
    lit = light_up(albedo, normals)
    result = remove_shading(lit, normals, mask)
    # At an edge of the pattern the light is the same on both sides, so the ratio must stay.
    for row, left, right in ((30, 47, 48), (48, 39, 40), (70, 31, 32)):
        before, after = (
            srgb_to_linear(p[row, left] / 1) / srgb_to_linear(p[row, right] / 1)
            for p in (lit, result)
        )
        assert after == pytest.approx(before, rel=0.08)


def test_bright_saturated_colours_are_not_darkened():
    normals, mask = make_ball()
    yellow = torch.tensor([0.9, 0.8, 0.3]).expand(SIZE, SIZE, 3)
    lit = light_up(yellow, normals)
    result = remove_shading(lit, normals, mask)
    bright = lit[mask].quantile(0.75, dim=0)
    assert (result[mask].median(0).values > 0.88 * bright).all()
    assert result[mask].std(0).max() < 0.3 * lit[mask].std(0).max()


def test_too_little_to_see_changes_nothing():
    normals, mask = make_ball()
    black = torch.zeros(SIZE, SIZE, 3)
    assert torch.equal(remove_shading(black, normals, mask), black)
    assert torch.equal(remove_shading(black, normals, torch.zeros_like(mask)), black)


def test_repeats_exactly_and_stays_in_range():
    normals, mask = make_ball()
    lit = light_up(make_albedo(), normals)
    first = remove_shading(lit, normals, mask)
    assert torch.equal(first, remove_shading(lit, normals, mask))
    assert first.min() >= 0 and first.max() <= 1
