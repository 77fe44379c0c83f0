# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns props into new ones: stretched, sheared, tapered, twisted, recoloured, put together.

What comes out is made of triangles like what goes in, so that points, normals and pictures of a
varied shape cannot disagree.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from training.datasets import Props, gather_shapes

_HUES = 8
"""Colours of a shape that are told apart by their hue, and grey beside them."""


@dataclass(frozen=True, slots=True)
class Variation:
    """How far a new prop may be from its source.

    Attributes:
        stretch: Each axis is scaled by up to exp(+-stretch).
        turn_chance: Chance of a quarter, half or three-quarter turn about up.
        bend_chance: Chance of each of shear, taper and twist.
        shear: Up to this far sideways per unit of height.
        taper: Width and depth are scaled by up to exp(+-taper) at the top, inversely at the bottom.
        twist: Turn about up at the top, and back at the bottom, up to so many radians.
        compose_chance: Chance that a second prop stands beside the first or on it.
        recolour_chance: Chance that the colours of a shape are exchanged for others.
    """

    stretch: float = 0.25
    turn_chance: float = 0.0
    bend_chance: float = 0.0
    shear: float = 0.15
    taper: float = 0.3
    twist: float = 0.3
    compose_chance: float = 0.0
    recolour_chance: float = 0.0


@dataclass(frozen=True, slots=True)
class _Warp:
    """Of S shapes: a matrix `[S, 3, 3]`, then taper `[S]` and twist `[S]` along y."""

    matrix: torch.Tensor
    taper: torch.Tensor
    twist: torch.Tensor

    def apply(self, points: torch.Tensor, shape: torch.Tensor) -> torch.Tensor:
        """Move points `[K, P, 3]` of shapes `[K]`."""
        moved = torch.einsum("kpi,kji->kpj", points, self.matrix[shape])
        x, y, z = moved.unbind(-1)  # [K, P]
        wide = torch.exp(self.taper[shape][:, None] * y)
        angle = self.twist[shape][:, None] * y
        cos, sin = torch.cos(angle) * wide, torch.sin(angle) * wide
        return torch.stack([cos * x + sin * z, y, cos * z - sin * x], -1)

    def turn_normals(
        self, points: torch.Tensor, normals: torch.Tensor, shape: torch.Tensor
    ) -> torch.Tensor:
        """Unit normals `[K, 3]` after the move, from two neighbours of each point in its plane."""
        helper = torch.where(normals[:, :1].abs() < 0.6, 1.0, 0.0) * _axis(0, normals)
        helper = helper + (1 - helper.sum(1, keepdim=True)) * _axis(1, normals)
        first = functional.normalize(torch.linalg.cross(normals, helper), dim=1)
        second = torch.linalg.cross(normals, first)
        near = torch.stack([points, points + 1e-2 * first, points + 1e-2 * second], 1)  # [K, 3, 3]
        a, b, c = self.apply(near, shape).unbind(1)
        turned = torch.linalg.cross(b - a, c - a) * torch.linalg.det(self.matrix)[shape][:, None]
        return functional.normalize(turned, dim=1)


def _axis(number: int, like: torch.Tensor) -> torch.Tensor:
    """A unit vector `[3]`."""
    return torch.eye(3, device=like.device)[number]


def vary(
    props: Props, shapes: torch.Tensor, config: Variation, generator: torch.Generator
) -> Props:
    """Make one new prop of each of these shapes.

    Args:
        props: The sources.
        shapes: `[B]`.
        config: How far to go.
        generator: On the props' device.

    Returns:
        B shapes, each with its box centred and its longest side 2, facing as their sources face.
    """
    count, device = len(shapes), shapes.device
    is_pair = torch.rand(count, device=device, generator=generator) < config.compose_chance
    partner = torch.randint(props.num_shapes, (count,), device=device, generator=generator)
    owner = torch.cat([torch.arange(count, device=device), torch.nonzero(is_pair)[:, 0]])
    parts = gather_shapes(props, torch.cat([shapes, partner[is_pair]]))
    warp = _draw_warp(parts.num_shapes, config, generator, device)
    _move(parts, warp)
    _fit(parts, torch.arange(parts.num_shapes, device=device), parts.num_shapes)
    _recolour(parts, config.recolour_chance, generator)
    _place_partners(parts, owner, count, generator)
    joined = gather_shapes(parts, owner.argsort(stable=True))
    counts = torch.bincount(owner, minlength=count)
    last = functional.pad(counts.cumsum(0), (1, 0))  # [B + 1]
    joined.first, joined.first_edge = joined.first[last], joined.first_edge[last]
    main = last[:-1].tolist()
    joined.names = [joined.names[k] for k in main]
    joined.groups = [joined.groups[k] for k in main]
    _fit(joined, torch.arange(count, device=device), count)
    return joined


def _draw_warp(
    count: int, config: Variation, generator: torch.Generator, device: torch.device
) -> _Warp:
    """Random warps; every second one mirrors left and right."""
    rand = torch.rand(count, 12, device=device, generator=generator)
    even = rand * 2 - 1
    scale = torch.exp(even[:, :3] * config.stretch)
    mirror = torch.where(rand[:, 3] < 0.5, -1.0, 1.0)
    scale = torch.stack([scale[:, 0] * mirror, scale[:, 1], scale[:, 2]], 1)
    quarter = torch.where(rand[:, 4] < config.turn_chance, (rand[:, 5] * 3).floor() + 1, 0.0)
    angle = quarter * (math.pi / 2)
    cos, sin = torch.cos(angle).round(), torch.sin(angle).round()
    is_bent = rand[:, 6:9] < config.bend_chance  # [S, 3]
    shear = torch.where(is_bent[:, :1], even[:, 9:11] * config.shear, 0.0)  # [S, 2]
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    turn = torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], 1).view(-1, 3, 3)
    slant = torch.stack([one, shear[:, 0], zero, zero, one, zero, zero, shear[:, 1], one], 1)
    matrix = slant.view(-1, 3, 3) @ turn @ torch.diag_embed(scale)
    taper = torch.where(is_bent[:, 1], even[:, 11] * config.taper, 0.0)
    twist = torch.where(is_bent[:, 2], even[:, 5] * config.twist, 0.0)
    return _Warp(matrix, taper, twist)


def _owners(first: torch.Tensor) -> torch.Tensor:
    """Which shape each of the rows `first` counts belongs to."""
    return torch.repeat_interleave(
        torch.arange(len(first) - 1, device=first.device), first[1:] - first[:-1]
    )


def _move(parts: Props, warp: _Warp) -> None:
    """Warp triangles and edges; mirrored triangles are wound the other way, to face outwards."""
    owner, edge_owner = _owners(parts.first), _owners(parts.first_edge)
    ends = parts.edges[:, :6].view(-1, 2, 3)  # [E, 2, 3]
    normals = warp.turn_normals(ends.mean(1), parts.edges[:, 6:], edge_owner)
    parts.edges = torch.cat([warp.apply(ends, edge_owner).flatten(1), normals], 1)  # [E, 9]
    corners = warp.apply(parts.corners, owner)  # [T, 3, 3]
    is_mirrored = (torch.linalg.det(warp.matrix) < 0)[owner][:, None, None]
    parts.corners = torch.where(is_mirrored, corners.flip(1), corners)
    parts.colors = torch.where(is_mirrored, parts.colors.flip(1), parts.colors)


def _fit(parts: Props, group: torch.Tensor, count: int) -> None:
    """Centre the box of each group of shapes and make its longest side 2; `group` is `[S]`."""
    owner = group[_owners(parts.first)]
    index = owner[:, None].expand(-1, 3)
    low = torch.full((count, 3), math.inf, device=owner.device)
    low = low.scatter_reduce(0, index, parts.corners.amin(1), "amin")
    high = torch.full((count, 3), -math.inf, device=owner.device)
    high = high.scatter_reduce(0, index, parts.corners.amax(1), "amax")
    scale = 2 / (high - low).amax(1).clamp(min=1e-6)  # [G]
    _shift(parts, -(low + high) / 2 * scale[:, None], scale, group)
    parts.extent = (high - low) / 2 * scale[:, None]


def _shift(parts: Props, offset: torch.Tensor, scale: torch.Tensor, group: torch.Tensor) -> None:
    """Scale by `[G]`, then move by `[G, 3]`, the shapes of each group."""
    owner, edge_owner = group[_owners(parts.first)], group[_owners(parts.first_edge)]
    parts.corners = parts.corners * scale[owner][:, None, None] + offset[owner][:, None]
    ends = parts.edges[:, :6] * scale[edge_owner][:, None]
    ends = ends + offset[edge_owner].repeat(1, 2)  # [E, 6]
    parts.edges = torch.cat([ends, parts.edges[:, 6:]], 1)  # [E, 9]


def _place_partners(
    parts: Props, owner: torch.Tensor, count: int, generator: torch.Generator
) -> None:
    """Put the shapes from `count` on beside, before or on top of the shape that owns them."""
    device, number = owner.device, parts.num_shapes
    rand = torch.rand(number, 4, device=device, generator=generator)
    scale = 0.4 + 0.6 * rand[:, 0]
    base, own = parts.extent[owner], parts.extent * scale[:, None]  # [S, 3]
    side = torch.where(rand[:, 1] < 0.5, -1.0, 1.0)
    beside = (base + own)[:, 0] * side
    along = (rand[:, 3] * 2 - 1) * (base - own)[:, 2].abs()
    floor = own[:, 1] - base[:, 1]
    over = (base + own)[:, 1]
    off_x, off_z = ((rand[:, k] - 0.5) * base[:, axis] for k, axis in ((3, 0), (1, 2)))
    is_over = (rand[:, 2] < 0.4)[:, None]
    offset = torch.where(
        is_over, torch.stack([off_x, over, off_z], 1), torch.stack([beside, floor, along], 1)
    )
    is_partner = torch.arange(number, device=device) >= count
    offset = torch.where(is_partner[:, None], offset, 0.0)
    each = torch.arange(number, device=device)
    _shift(parts, offset, torch.where(is_partner, scale, 1.0), each)


def _recolour(parts: Props, chance: float, generator: torch.Generator) -> None:
    """Turn the hue, saturation and brightness of each colour of a shape by amounts of its own.

    Triangles of like hue change alike, so a shape's parts stay of one colour and its shading stays.
    """
    owner = _owners(parts.first)
    luma, chroma = to_luma_chroma(parts.colors)  # [T, 3], [T, 3, 2]
    mean = chroma.mean(1)  # [T, 2]
    hue = torch.atan2(mean[:, 1], mean[:, 0]) / (2 * math.pi) + 0.5
    kind = (hue * _HUES).long().clamp(max=_HUES - 1)
    kind = torch.where(mean.norm(dim=1) < 0.04, _HUES, kind)  # [T]
    shape = (parts.num_shapes, _HUES + 1, 5)
    rand = torch.rand(shape, device=owner.device, generator=generator)[owner, kind]  # [T, 5]
    chosen = torch.rand(parts.num_shapes, device=owner.device, generator=generator) < chance
    angle = (rand[:, 0] * 2 - 1) * math.pi
    turned = turn_chroma(chroma, angle[:, None]) * (0.4 + 1.2 * rand[:, 1, None, None])
    tint = 0.12 * (rand[:, 3:] * 2 - 1)[:, None]  # [T, 1, 2]
    gain = torch.exp((rand[:, 2] * 2 - 1) * 0.5)[:, None]
    changed = from_luma_chroma(luma * gain, turned + tint).clamp(0, 1)
    parts.colors = torch.where(chosen[owner][:, None, None], changed, parts.colors)


def to_luma_chroma(color: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Colours `[..., 3]`, sRGB -> brightness `[...]` and two colour differences `[..., 2]`."""
    red, green, blue = color.unbind(-1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma, torch.stack([(red - luma) * 0.713, (blue - luma) * 0.564], -1)


def from_luma_chroma(luma: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    """The inverse of `to_luma_chroma`; the result may lie outside [0, 1]."""
    red = luma + chroma[..., 0] / 0.713
    blue = luma + chroma[..., 1] / 0.564
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return torch.stack([red, green, blue], -1)


def turn_chroma(chroma: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Turn colour differences `[..., 2]` by angles `[...]`: another hue, the same brightness."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    a, b = chroma.unbind(-1)
    return torch.stack([cos * a - sin * b, sin * a + cos * b], -1)
