# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns shapes into pictures that are not lit yet, and normals into light on them."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.models.maquette.light_guess import LightGuess
from training.pictures import Cameras, draw_cameras, render_materials
from training.shape_mix import ShapeMix
from training.variations import Variation, vary

_TOGETHER = 64
_SIDE_LIGHT = 1.7
"""Radians that the key light may stand to the side of the camera."""


@dataclass(slots=True)
class LightEntries:
    """E pictures before they are lit.

    Attributes:
        base: `[E, H, H, 4]` uint8, colour (straight sRGB) and coverage.
        normal: `[E, H, H, 3]` int8, in the picture's frame, see `LightGuess.forward`.
    """

    base: Tensor
    normal: Tensor

    def __len__(self) -> int:
        return len(self.base)


@torch.no_grad()
def make_light_entries(
    mix: ShapeMix, shapes: Tensor, variation: Variation | None, generator: torch.Generator
) -> LightEntries:
    """Render each of these shapes once, varied if told to, from a random camera."""
    rows: list[tuple[Tensor, Tensor]] = []
    device = generator.device
    for part in shapes.split(_TOGETHER):
        props, index = mix.props, part
        if variation is not None:
            props = vary(props, part, variation, generator)
            index = torch.arange(len(part), device=device)
        unit = torch.eye(3, device=device).expand(len(part), 3, 3)
        cameras = draw_cameras(len(part), device, generator)
        base, normal = render_materials(
            props, index, unit, cameras, LightGuess.size_px, 1 - LightGuess.filled
        )
        rows.append((base, turn_normals(normal, cameras)))
    base, normal = (torch.cat(column) for column in zip(*rows, strict=True))
    return LightEntries(base, normal)


def turn_normals(normal: Tensor, cameras: Cameras) -> Tensor:
    """World normals `[B, H, W, 3]` int8 in the pictures' frames: as seen by level cameras."""
    cos, sin = (f(cameras.azimuth)[:, None, None] for f in (torch.cos, torch.sin))
    x, y, z = normal.float().unbind(-1)
    turned = torch.stack([cos * x - sin * z, y, sin * x + cos * z], -1)
    return turned.round().clamp(-127, 127).to(torch.int8)


def draw_light(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Light `[B, H, W]` on surfaces with these unit normals `[B, H, W, 3]`.

    A key light, some from the sky, some from everywhere, and sometimes a second lamp; hard or
    wrapped around. The brightest direction gets about 1, as exposed pictures have it.
    """
    count, device = len(normal), normal.device
    rand = torch.rand(count, 12, device=device, generator=generator)
    is_soft = rand[:, 0] < 0.4
    wrap = torch.where(is_soft, 0.6 * rand[:, 1], 0.0)[:, None, None]
    key = _direction((rand[:, 2] * 2 - 1) * _SIDE_LIGHT, 1.45 * rand[:, 3])  # [B, 3]
    second = _direction((rand[:, 4] * 2 - 1) * math.pi, 1.2 * rand[:, 5])
    strength = (0.25 + 0.65 * rand[:, 6])[:, None, None]
    fill = torch.where(rand[:, 7] < 0.3, 0.35 * rand[:, 8], 0.0)[:, None, None]
    sky, ambient = ((0.4 * rand[:, 9])[:, None, None], (0.1 + 0.45 * rand[:, 10])[:, None, None])

    def level(n: Tensor) -> Tensor:
        """Light on normals `[B, H, W, 3]`."""
        facing, beside = (
            (((n * d[:, None, None]).sum(-1) + wrap) / (1 + wrap)).clamp(min=0)
            for d in (key, second)
        )
        return strength * facing + fill * beside + sky * (0.5 + 0.5 * n[..., 1]) + ambient

    brightest = torch.maximum(
        level(key[:, None, None]), level(normal.new_tensor([0.0, 1.0, 0.0]).expand(count, 1, 1, 3))
    )  # [B, 1, 1]
    exposure = torch.randn(count, device=device, generator=generator)[:, None, None] * 0.13
    light = level(normal) / brightest * torch.exp(exposure)
    is_even = (rand[:, 11] < 0.08)[:, None, None]
    return torch.where(is_even, torch.ones_like(light), light)


def _direction(azimuth: Tensor, height: Tensor) -> Tensor:
    """Unit vectors `[B, 3]`; azimuth 0 is the camera's side."""
    level = torch.cos(height)
    return torch.stack([level * azimuth.sin(), height.sin(), level * azimuth.cos()], 1)
