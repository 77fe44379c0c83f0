# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns pictures of objects with alpha into pictures as cameras take them: with something behind.

All of it is made up from random numbers, no photographs: what counts is that floors, walls,
shadows and patterns are told from objects.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_OBJECT_SHARES = (0.3, 1.05)
"""Of the picture's edge that the object's frame takes up."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A batch of pictures.

    Attributes:
        colour: `[B, 3, H, W]` sRGB in 0..1.
        coverage: `[B, 1, H, W]` of the object.
    """

    colour: Tensor
    coverage: Tensor


def draw_scene(shown: Tensor, generator: torch.Generator) -> Scene:
    """Put objects `[B, 4, H, W]` (sRGB, straight alpha) before backgrounds, and photograph them."""
    placed = _place(shown, generator)  # premultiplied
    alpha = placed[:, 3:]
    behind = draw_background(placed, generator)
    behind = behind * _draw_shadow(alpha, generator)
    behind = _mirror_below(behind, placed, generator)
    colour = placed[:, :3] + behind * (1 - alpha)
    return Scene(*_photograph(colour, alpha, generator))


def draw_background(placed: Tensor, generator: torch.Generator) -> Tensor:
    """What is behind objects `[B, 4, H, W]` (premultiplied): `[B, 3, H, W]`."""
    count, _, height, width = placed.shape
    device = placed.device
    rand = _rand(count, 24, generator)
    y, x = _axes(height, width, device)
    wall = _draw_colour(count, generator)
    # In some pictures the background is of the object's own colour.
    own = placed[:, :3].sum((2, 3)) / placed[:, 3:].sum((2, 3)).clamp(min=1)
    own = (own + 0.1 * (rand[:, :3, 0, 0] - 0.5))[:, :, None, None].clamp(0, 1)
    wall = torch.where(rand[:, 3:4] < 0.12, own, wall)
    floor = torch.where(
        rand[:, 4:5] < 0.5, wall * (0.6 + 0.7 * rand[:, 5:6]), _draw_colour(count, generator)
    )
    edge = rand[:, 6:7] * 1.6 - 0.8 + (rand[:, 7:8] - 0.5) * 0.5 * x  # [B, 1, H, W]
    softness = torch.where(rand[:, 8:9] < 0.6, 0.01, 0.3 * rand[:, 9:10]) + 0.005
    is_floor = torch.sigmoid((y - edge) / softness * 2) * (rand[:, 10:11] < 0.55)
    colour = wall + (floor - wall) * is_floor
    slope = (rand[:, 11:12] - 0.5) * x + (rand[:, 12:13] - 0.5) * y
    lamp = (x - 2 * rand[:, 13:14] + 1).square() + (y - 2 * rand[:, 14:15] + 1).square()
    light = 1 + 0.5 * rand[:, 15:16] * slope - 0.25 * rand[:, 16:17].square() * lamp
    colour = colour * light.clamp(0.2, 1.5)
    colour = colour + _draw_grain(count, height, width, generator)
    return _add_things(colour, generator).clamp(0, 1)


def _draw_grain(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Patterns `[B, 3, H, W]` about 0: clouds, streaks like wood's, boards and tiles."""
    device = generator.device
    rand = _rand(count, 8, generator)
    is_plain = rand[:, 5:6] < 0.45
    grain = torch.zeros(count, 3, height, width, device=device)
    for rows, columns in ((4, 4), (16, 16), (48, 48), (64, 5), (5, 64)):
        noise = torch.randn(count, 3, rows, columns, device=device, generator=generator)
        noise = noise.mean(1, keepdim=True) * 0.8 + noise * 0.2
        strength = 0.12 * _rand(count, 2, generator).prod(1, keepdim=True)
        strength = strength * (_rand(count, 1, generator) < 0.35)
        grain = grain + strength * functional.interpolate(
            noise, (height, width), mode="bicubic", align_corners=False
        )
    y, x = _axes(height, width, device)
    turn = rand[:, :1] * math.pi
    along = torch.cos(turn) * x + torch.sin(turn) * y  # [B, 1, H, W]
    across = torch.cos(turn) * y - torch.sin(turn) * x
    size = 0.1 + 0.5 * rand[:, 1:2]
    is_line = ((along / size).frac().abs() < 0.06) | (
        ((across / size).frac().abs() < 0.06) & (rand[:, 2:3] < 0.5)
    )
    lines = is_line * (rand[:, 3:4] - 0.6) * 0.4 * (rand[:, 4:5] < 0.12)
    return torch.where(is_plain, 0.0, grain + lines)


def _add_things(colour: Tensor, generator: torch.Generator) -> Tensor:
    """Other things at the picture's border: parts of boxes and discs."""
    count, _, height, width = colour.shape
    y, x = _axes(height, width, colour.device)
    for _ in range(3):
        rand = _rand(count, 12, generator)
        angle = rand[:, :1] * 2 * math.pi
        middle_x, middle_y = 1.15 * torch.cos(angle), 1.15 * torch.sin(angle)
        turned_x = (x - middle_x) / (0.1 + 0.4 * rand[:, 1:2])
        turned_y = (y - middle_y) / (0.1 + 0.4 * rand[:, 2:3])
        is_disc = turned_x.square() + turned_y.square() < 1
        is_box = torch.maximum(turned_x.abs(), turned_y.abs()) < 1
        is_thing = torch.where(rand[:, 3:4] < 0.5, is_disc, is_box) & (rand[:, 4:5] < 0.15)
        shade = 1 + 0.4 * (rand[:, 8:9] - 0.5) * turned_x.clamp(-1, 1)
        colour = torch.where(is_thing, rand[:, 5:8] * shade, colour)
    return colour


def _draw_shadow(alpha: Tensor, generator: torch.Generator) -> Tensor:
    """Factor `[B, 1, H, W]` of the light that objects leave: lying shadows and the dark below."""
    rand = _rand(len(alpha), 10, generator)
    foot = _foot(alpha)  # [B, 1, 1, 1]
    lying = _warp(alpha, foot, (rand[:, :1] - 0.5) * 3, 0.1 + 0.6 * rand[:, 1:2])
    lying = _blur(lying, 0.4 + 5 * rand[:, 2:3].square())
    below = _warp(alpha, foot - 0.02, torch.zeros_like(foot), 0.08 + 0.12 * rand[:, 3:4])
    below = _blur(below, 1 + 3 * rand[:, 4:5])
    # On a wall close behind, the shadow is the object's outline, moved.
    moved = torch.roll(alpha, (3, 5), (2, 3)) * (rand[:, 5:6] < 0.15)
    moved = _blur(moved, 1 + 3 * rand[:, 6:7])
    strength = (0.75 * rand[:, 7:8], 0.7 * rand[:, 8:9], 0.5 * rand[:, 9:10])
    light = torch.ones_like(alpha)
    for shadow, weight in zip((lying, below, moved), strength, strict=True):
        light = light * (1 - weight * shadow)
    return torch.where(_rand(len(alpha), 1, generator) < 0.2, 1.0, light)


def _mirror_below(behind: Tensor, placed: Tensor, generator: torch.Generator) -> Tensor:
    """A faint mirror image on polished floors."""
    rand = _rand(len(placed), 2, generator)
    foot = _foot(placed[:, 3:])
    height = placed.shape[2]
    y, x = _axes(height, placed.shape[3], placed.device)
    rows = (2 * foot - y).expand(len(placed), 1, height, placed.shape[3])
    grid = torch.cat([x.expand_as(rows), rows], 1).movedim(1, -1)  # [B, H, W, 2]
    image = functional.grid_sample(placed, grid, align_corners=False)
    weight = 0.3 * rand[:, :1] * (rand[:, 1:2] < 0.15) * (y > foot)
    return behind * (1 - weight * image[:, 3:]) + weight * image[:, :3]


def _photograph(colour: Tensor, alpha: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Tint, exposure, blur, noise, and borders repeated as in pictures that are not square."""
    count, _, height, _ = colour.shape
    rand = _rand(count, 12, generator)
    tint = 0.88 + 0.24 * rand[:, :3]
    gamma = torch.exp(0.5 * (rand[:, 3:4] - 0.5))
    colour = (colour.clamp(1e-4, 1) ** gamma * tint).clamp(0, 1)
    soft = torch.where(rand[:, 4:5] < 0.5, 0.05, 1.2 * rand[:, 5:6])
    colour = _blur(colour, soft)
    noise = torch.randn(colour.shape, device=colour.device, generator=generator)
    colour = colour + noise * 0.05 * rand[:, 6:7].square()
    # A wide picture is padded above and below by its own edge rows.
    share = torch.where(rand[:, 7:8] < 0.35, 0.25 * rand[:, 8:9], 0.0)  # [B, 1, 1, 1]
    first, last = ((s * (height - 1)).round().long() for s in (share, 1 - share))
    row = torch.arange(height, device=colour.device)[None, None, :, None]
    is_upright = rand[:, 9:10] < 0.5
    kept = torch.minimum(torch.maximum(row, first), last).expand(count, 1, height, 1)
    is_inside = (row == kept).float()
    for turn in (False, True):
        chosen = is_upright if turn else ~is_upright
        planes = torch.cat([colour, alpha], 1)
        planes = planes.transpose(2, 3) if turn else planes
        padded = planes.gather(2, kept.expand_as(planes))
        padded = torch.cat([padded[:, :3], padded[:, 3:] * is_inside], 1)
        padded = padded.transpose(2, 3) if turn else padded
        colour = torch.where(chosen, padded[:, :3], colour)
        alpha = torch.where(chosen, padded[:, 3:], alpha)
    return colour.clamp(0, 1), alpha


def _place(shown: Tensor, generator: torch.Generator) -> Tensor:
    """Scale, turn a little and move objects -> premultiplied `[B, 4, H, W]`."""
    count = len(shown)
    flat = torch.cat([shown[:, :3] * shown[:, 3:], shown[:, 3:]], 1)
    rand = torch.rand(count, 5, device=shown.device, generator=generator)
    low, high = _OBJECT_SHARES
    share = low + (high - low) * rand[:, 0].sqrt()
    angle = 0.16 * (rand[:, 1] - 0.5)
    room = (1 - 0.8 * share).clamp(min=0.05)
    move = (rand[:, 2:4] * 2 - 1) * room[:, None]  # of the object's middle, in -1..1
    cos, sin = torch.cos(angle) / share, torch.sin(angle) / share
    theta = torch.stack(
        [
            *(cos, -sin, -(cos * move[:, 0] - sin * move[:, 1])),
            *(sin, cos, -(sin * move[:, 0] + cos * move[:, 1])),
        ],
        1,
    ).view(-1, 2, 3)
    # Smaller pictures are averaged first, or edges would flicker.
    small = functional.avg_pool2d(flat, 2)
    small = functional.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
    flat = torch.where((share < 0.6)[:, None, None, None], small, flat)
    grid = functional.affine_grid(theta, list(flat.shape), align_corners=False)
    return functional.grid_sample(flat, grid, align_corners=False)


def _foot(alpha: Tensor) -> Tensor:
    """Where objects `[B, 1, H, W]` end below: `[B, 1, 1, 1]` in -1..1, downwards."""
    height = alpha.shape[2]
    row = torch.arange(height, device=alpha.device)
    is_seen = (alpha > 0.5).any(3)  # [B, 1, H]
    last = torch.where(is_seen, row, 0).amax(2)  # [B, 1]
    return ((last + 0.5) / height * 2 - 1)[:, :, None, None]


def _warp(alpha: Tensor, foot: Tensor, shear: Tensor, squash: Tensor) -> Tensor:
    """Lay objects down about their foot line: squashed to this share of their height, sheared."""
    y, x = _axes(alpha.shape[2], alpha.shape[3], alpha.device)
    up = (foot - y) / squash
    columns, rows = x - shear * (foot - y), (foot - up).expand_as(alpha)
    grid = torch.cat([columns, rows], 1).movedim(1, -1)  # [B, H, W, 2]
    return functional.grid_sample(alpha, grid, align_corners=False)


def _blur(planes: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian of `[B, 1, 1, 1]` pixels, each picture its own."""
    count, channels = planes.shape[:2]
    offset = torch.arange(-8.0, 9.0, device=planes.device)
    kernel = torch.exp(-(offset**2) / (2 * sigma.view(-1, 1).clamp(min=0.05) ** 2))  # [B, 17]
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    flat = functional.pad(planes, (8, 8, 8, 8), mode="replicate").flatten(0, 1)[None]
    flat = functional.conv2d(flat, kernel[:, None, :, None], groups=count * channels)
    flat = functional.conv2d(flat, kernel[:, None, None, :], groups=count * channels)
    return flat[0].view_as(planes)


def _draw_colour(count: int, generator: torch.Generator) -> Tensor:
    """Colours `[B, 3, 1, 1]`: mostly pale, grey or brownish ones."""
    rand = _rand(count, 6, generator)
    grey = 0.1 + 0.9 * rand[:, :1].sqrt()
    reach = torch.where(rand[:, 1:2] < 0.6, 0.12, 0.7)
    return (grey + reach * (rand[:, 2:5] - 0.5)).clamp(0.02, 1)


def _rand(count: int, columns: int, generator: torch.Generator) -> Tensor:
    """Uniform numbers `[B, columns, 1, 1]`."""
    shape = (count, columns, 1, 1)
    return torch.rand(shape, device=generator.device, generator=generator)


def _axes(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Places of pixels in -1..1, downwards `[1, 1, H, 1]` and to the right `[1, 1, 1, W]`."""
    y, x = ((torch.arange(n, device=device) + 0.5) / n * 2 - 1 for n in (height, width))
    return y[None, None, :, None], x[None, None, None, :]
