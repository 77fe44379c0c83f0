# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns painted views into lookups: which texels a view sees, how well, and in which colour."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from ..data import Camera
from ..render.camera import (
    CameraTensors,
    project_local,
    screen_to_pixels,
    stack_cameras,
    to_camera_space,
)
from ..render.rasterize import find_nearest, unpack
from .atlas import Surface, Texels
from .colour import srgb_to_linear
from .edges import (
    CREASE_COSINE,
    TOLERANCE_PX,
    depth_tolerance,
    edge_distance,
    find_breaks,
    look_beyond,
    mark_edges,
    measure_bleeding,
    ramp_px,
)

_STEEPEST = 8.0
"""Depth change per pixel, in pixels' extents, up to which a face's plane is followed."""
_ACROSS_CREASE = 0.02
_CREASE_SUPPORT = 0.2
"""Pixels beyond a crease alone do not show a texel: it may lie just below another surface."""
_LEAST_SUPPORT = 0.25
"""Share of the bilinear weight that must fall on the texel's own layer."""
_GUARD_UNIT = 512
"""The guard strip is given in pixels of a picture of this size."""
_CLEAN_PX = 2.0
"""Pixels from edges and creases at which a cubic kernel stays within its layer."""
_EDGE_TRUST = 1e-4
_BACK_TRUST = 0.05


@dataclass(frozen=True, slots=True)
class ViewMap:
    """One view: what its pixels see, and their colours.

    Attributes:
        camera: Its camera.
        stacked: The same as tensors, V = 1.
        triangle: `[S, S]` int64, -1 where there is nothing or the pixel may not be read.
        nearness: `[S, S]`, linear on the screen, see `backend.render.camera.project`.
        light: `[S, S, 3]` linear light.
        distances: `[2, S, S]`, `edge` and `crease`.
        beyond: `[S, S, 3]`, sRGB values on the other side of the edge, valid in the guard strip.
        guard: Width in pixels of the strip along edges into which other colours have bled.
        slopes: `[F, 2]`, change of the nearness of each face per column and row.
    """

    camera: Camera
    stacked: CameraTensors
    triangle: torch.Tensor
    nearness: torch.Tensor
    light: torch.Tensor
    distances: torch.Tensor
    beyond: torch.Tensor
    guard: float
    slopes: torch.Tensor

    @property
    def size(self) -> int:
        """Pixels per side."""
        return self.triangle.shape[0]

    @property
    def edge(self) -> torch.Tensor:
        """Pixels `[S, S]` to the nearest depth edge, silhouette or border, up to a limit."""
        return self.distances[0]

    @property
    def crease(self) -> torch.Tensor:
        """The same with creases among the edges."""
        return self.distances[1]


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where the M texels that a view sees lie in it.

    Attributes:
        chosen: `[M]` int64, their places among those asked for.
        place: `[M, 2]` columns and rows, pixel centres at .5.
        nearest: `[M]` int64, the flat index of the pixel that shows the texel best.
        quality: `[M]`, trust, > 0.
        is_strict: `[M]` bool, outside of the guard strip.
        rough: `[R]` int64, the texels (their places among the M) near an edge or a crease.
        pixels: `[R, 4]` int64, the flat indices of the four pixels around each of those.
        weights: `[R, 4]`, bilinear among the pixels of the texel's own layer, sum 1.
    """

    chosen: torch.Tensor
    place: torch.Tensor
    nearest: torch.Tensor
    quality: torch.Tensor
    is_strict: torch.Tensor
    rough: torch.Tensor
    pixels: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True, slots=True)
class Trust:
    """How a view's trust is weighed.

    Attributes:
        power: Of the facing cosine.
        least_facing: Cosine below which a view sees nothing.
        guard_px: Widest strip along depth edges into which other colours may have bled, in pixels
            of a picture of 512.
    """

    power: float
    least_facing: float
    guard_px: float

    def guard(self, size: int) -> float:
        """The same in pixels of a picture of this size."""
        return self.guard_px * size / _GUARD_UNIT


def map_views(
    surface: Surface,
    cameras: Sequence[Camera],
    colour: torch.Tensor,
    mask: torch.Tensor | None,
    trust: Trust,
) -> list[ViewMap]:
    """Rasterise the mesh from cameras at the size of their pictures.

    All are worked on at once, which takes some 100 bytes per pixel besides the result.

    Args:
        surface: The mesh.
        cameras: The views' cameras.
        colour: `[V, S, S, 3]` sRGB.
        mask: `[V, S, S]` bool, the pixels that may be read; None for all.
        trust: Tells the width of the guard strip.
    """
    size, device = colour.shape[1], surface.corners.device
    stacked = stack_cameras(cameras, device)
    triangle, nearness, slopes = _rasterise(surface, cameras, stacked, size)
    if mask is not None:
        triangle = torch.where(mask.to(device), triangle, -1)
    tolerance = _tolerances(cameras, size, nearness)
    breaks, creases = find_breaks(triangle, nearness, slopes, surface.normals, tolerance)
    edges = mark_edges(breaks) | (triangle < 0)
    colour = colour.to(device, torch.float32)
    guards = measure_bleeding(colour, triangle, trust.guard(size))
    beyond = look_beyond(colour, breaks, edges, [math.ceil(guard) for guard in guards])
    both = torch.stack([edges, edges | creases], 1)  # [V, 2, S, S]
    distances = edge_distance(both.flatten(0, 1)).view(both.shape)
    light = srgb_to_linear(colour)
    single = [stacked.take(view) for view in range(len(cameras))]
    maps = (cameras, single, triangle, nearness, light, distances, beyond, guards, slopes)
    return [ViewMap(*parts) for parts in zip(*maps, strict=True)]


def _rasterise(
    surface: Surface, cameras: Sequence[Camera], stacked: CameraTensors, size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Triangle and nearness per pixel, `[V, S, S]` each, and the faces' slopes `[V, F, 2]`."""
    shape = (len(cameras), len(surface.corners))
    local = to_camera_space(surface.corners.flatten(0, 1), stacked)  # [V, F * 3, 3]
    screen = project_local(local, stacked)
    pixels = screen_to_pixels(screen[..., :2], size)
    corners = torch.cat([pixels, screen[..., 2:]], 2).view(*shape, 3, 3)  # [V, F, 3, 3]
    view = torch.arange(shape[0], device=local.device)[:, None].expand(shape).flatten()
    flat = corners.flatten(0, 1)  # [V * F, 3, 3]
    buffer = find_nearest(flat, view, shape[0], (size, size), has_thin_parts=False)
    triangle, nearness = (part.view(-1, size, size) for part in unpack(buffer))
    triangle = torch.where(triangle < 0, triangle, triangle % max(shape[1], 1))
    anchor = local.view(*shape, 3, 3)[:, :, 0]  # [V, F, 3]
    slopes = _slopes(surface.normals, anchor, cameras, stacked, corners[..., 2].mean(2), size)
    return triangle, nearness, slopes


def look_up(view: ViewMap, surface: Surface, texels: Texels, trust: Trust) -> Lookup:
    """Find texels in a view, with a visibility test against the view's own depth.

    A pixel counts if its depth is where the texel's plane lies at that pixel, so the bias follows
    the slope by itself and neither background nor another layer is ever mixed in.
    """
    facing = _facing(view, texels)  # [N]
    chosen = torch.nonzero(facing.abs() >= trust.least_facing).squeeze(1)
    local = to_camera_space(texels.point[chosen], view.stacked)  # [1, M, 3]
    screen = project_local(local, view.stacked)[0]  # [M, 3]
    place, nearness = screen_to_pixels(screen[:, :2], view.size), screen[:, 2]
    centre = torch.floor(place) + 0.5
    near, is_inside = _flat_pixel(centre, view.size)
    # From behind, only the very face that the pixel shows: it is a sheet without a back.
    is_own = view.triangle.view(-1)[near] == texels.face[chosen]
    kept = torch.nonzero(is_inside & (nearness > 0) & ((facing[chosen] > 0) | is_own)).squeeze(1)
    chosen, place, nearness, near, centre, facing = (
        part[kept] for part in (chosen, place, nearness, near, centre, facing[chosen])
    )
    maps = _sample_maps(view.distances, place)  # [2, M]
    target = _Targets(place, nearness, texels.face[chosen], texels.normal[chosen])
    is_seen = _is_layer(view, target, near[:, None], centre[:, None])[:, 0]
    rough = torch.nonzero(maps[1] < _CLEAN_PX).squeeze(1)
    pixels, weights = _weigh_pixels(view, surface, target.take(rough))
    is_seen[rough] = weights.sum(1) > 0
    near[rough] = pixels.gather(1, weights.argmax(1, keepdim=True)).squeeze(1)
    quality = _quality(view, maps[0], facing, trust, nearness) * is_seen
    is_kept = quality > 0
    kept = torch.nonzero(is_kept).squeeze(1)
    order = torch.cumsum(is_kept, 0) - 1
    still = torch.nonzero(is_kept[rough]).squeeze(1)
    return Lookup(
        chosen[kept],
        place[kept],
        near[kept],
        quality[kept],
        maps[0, kept] >= view.guard,
        order[rough[still]],
        pixels[still],
        weights[still],
    )


def _facing(view: ViewMap, texels: Texels) -> torch.Tensor:
    """Cosine `[N]` of the angle at which texels see the camera."""
    axes, translation = view.stacked.axes[0], view.stacked.translation[0]
    if view.camera.is_orthographic:
        return texels.normal @ axes[2]
    towards = functional.normalize(-translation @ axes - texels.point, dim=1)
    return (towards * texels.normal).sum(1)


@dataclass(frozen=True, slots=True)
class _Targets:
    """Texels on the screen: place `[M, 2]`, nearness `[M]`, face `[M]`, normal `[M, 3]`."""

    place: torch.Tensor
    nearness: torch.Tensor
    face: torch.Tensor
    normal: torch.Tensor

    def take(self, rows: torch.Tensor) -> "_Targets":
        return _Targets(self.place[rows], self.nearness[rows], self.face[rows], self.normal[rows])


def _is_layer(
    view: ViewMap, target: _Targets, pixel: torch.Tensor, centre: torch.Tensor
) -> torch.Tensor:
    """Whether pixels `[M, K]` with centres `[M, K, 2]` show the layer that the texels are on."""
    seen, slope = view.triangle.view(-1)[pixel], view.slopes[target.face]  # [M, K], [M, 2]
    column, row = (centre - target.place[:, None]).unbind(2)  # [M, K]
    change = torch.addcmul(slope[:, :1] * column, slope[:, 1:], row)
    gap = (view.nearness.view(-1)[pixel] - target.nearness[:, None] - change).abs()
    is_near = gap <= depth_tolerance(view.camera, view.size, target.nearness)[:, None]
    return (seen >= 0) & (is_near | (seen == target.face[:, None]))


def _weigh_pixels(
    view: ViewMap, surface: Surface, target: _Targets
) -> tuple[torch.Tensor, torch.Tensor]:
    """The four pixels around each texel and their weights, `[R, 4]` each; 0 if not seen."""
    base = torch.floor(target.place - 0.5)
    part = target.place - 0.5 - base
    number = torch.arange(4, device=base.device)
    step = torch.stack([number & 1, number >> 1], 1)  # [4, 2]
    centre = base[:, None] + (step + 0.5)  # [R, 4, 2]
    pixels, is_inside = _flat_pixel(centre, view.size)  # [R, 4]
    is_layer = _is_layer(view, target, pixels, centre) & is_inside
    across, down = (1 - step - part[:, None]).abs().unbind(2)
    weight = across * down * is_layer
    seen = view.triangle.view(-1)[pixels]
    cosine = (surface.normals[seen.clamp(min=0)] * target.normal[:, None]).sum(2)
    is_smooth = (seen == target.face[:, None]) | (cosine > CREASE_COSINE)
    hard = torch.where(is_smooth, weight, weight * _CREASE_SUPPORT)
    weights = torch.where(is_smooth, weight, weight * _ACROSS_CREASE)
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
    return pixels, weights * (hard.sum(1, keepdim=True) >= _LEAST_SUPPORT)


def sample_nearest(view: ViewMap, lookup: Lookup) -> torch.Tensor:
    """Linear light `[M, 3]` of the one pixel that shows each texel best."""
    return view.light.view(-1, 3)[lookup.nearest]


def sample_sharp(view: ViewMap, lookup: Lookup) -> torch.Tensor:
    """Linear light `[M, 3]`: cubic where the surface is smooth all around, else bilinear.

    Near edges and creases only the pixels of the texel's own layer are read.

    Source: Keys 1981, "Cubic Convolution Interpolation" (a = -1/2).
    """
    light = view.light.view(-1, 3)
    base = torch.floor(lookup.place - 0.5)
    across, down = _cubic_weights(lookup.place - 0.5 - base).unbind(2)  # [4, M]
    step = torch.arange(-1, 3, device=base.device)[:, None, None]  # [4, 1, 1]
    columns, rows = (base.long() + step).clamp(0, view.size - 1).unbind(2)  # [4, M]
    values = light[columns + rows[:1] * view.size]  # [4, M, 3]
    low, high = values.aminmax(dim=0)
    total = (values * (across * down[:1])[..., None]).sum(0)
    for row in (1, 2, 3):
        values = light[columns + rows[row] * view.size]  # [4, M, 3]
        low, high = torch.minimum(low, values.amin(0)), torch.maximum(high, values.amax(0))
        total += (values * (across * down[row])[..., None]).sum(0)
    total = torch.minimum(torch.maximum(total, low), high)
    total[lookup.rough] = (light[lookup.pixels] * lookup.weights[..., None]).sum(1)
    return total


def _cubic_weights(part: torch.Tensor) -> torch.Tensor:
    """Weights `[4, M, 2]` of the four pixels around a place, its fraction `[M, 2]` given."""
    square, cube = part * part, part * part * part
    first = -0.5 * cube + square - 0.5 * part
    second = 1.5 * cube - 2.5 * square + 1
    third = -1.5 * cube + 2 * square + 0.5 * part
    return torch.stack([first, second, third, 0.5 * cube - 0.5 * square])


def _quality(
    view: ViewMap, edge: torch.Tensor, facing: torch.Tensor, trust: Trust, nearness: torch.Tensor
) -> torch.Tensor:
    """Trust `[M]` from the facing angle, the distance to depth edges and the resolution."""
    angle = facing.abs() ** trust.power
    angle = torch.where(facing > 0, angle, angle * _BACK_TRUST)
    ramp = ((edge - view.guard) / (ramp_px(view.size) - view.guard)).clamp(0, 1)
    pixels_per_unit = view.size / view.camera.width
    quality = angle * (_EDGE_TRUST + ramp) * pixels_per_unit
    return quality if view.camera.is_orthographic else quality * nearness


def _flat_pixel(place: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat index of the pixels at places `[..., 2]`, clamped to the picture, and which are inside.

    The places are pixel centres.
    """
    pixel = place.long()  # the centre of a pixel outside, at -0.5, becomes 0 and is told by `place`
    column, row = pixel.clamp(0, size - 1).unbind(-1)
    column_at, row_at = place.unbind(-1)
    is_inside = (torch.minimum(column_at, row_at) > 0) & (torch.maximum(column_at, row_at) < size)
    return row * size + column, is_inside


def _sample_maps(values: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Bilinear values `[K, M]` of maps `[K, S, S]`; zero outside."""
    grid = (place * (2 / values.shape[-1]) - 1)[None, None]  # [1, 1, M, 2]
    return functional.grid_sample(values[None], grid, align_corners=False)[0, :, 0]


def _slopes(
    normals: torch.Tensor,
    anchor: torch.Tensor,
    cameras: Sequence[Camera],
    stacked: CameraTensors,
    nearness: torch.Tensor,
    size: int,
) -> torch.Tensor:
    """Change of the nearness per column and row over each face's plane, `[V, F, 2]`.

    Args:
        normals: `[F, 3]`.
        anchor: `[V, F, 3]`, a point of each face in the cameras' axes.
        cameras: V of them.
        stacked: The same.
        nearness: `[V, F]`, of the faces.
        size: Pixels per side.
    """
    normal = torch.einsum("fk,vck->vfc", normals, stacked.axes)  # [V, F, 3]
    is_parallel = stacked.is_orthographic[:, None]
    divisor = torch.where(is_parallel, -normal[..., 2], (normal * anchor).sum(2))  # [V, F]
    divisor = torch.where(divisor.abs() < 1e-6, 1e-6, divisor)
    scale = (stacked.width / size)[:, None] / divisor
    slopes = torch.stack([normal[..., 0] * scale, normal[..., 1] * -scale], 2)  # rows grow down
    limit = _STEEPEST / TOLERANCE_PX * _tolerances(cameras, size, nearness)[..., None]
    return slopes * (limit / slopes.norm(dim=2, keepdim=True).clamp(min=1e-12)).clamp(max=1)


def _tolerances(cameras: Sequence[Camera], size: int, nearness: torch.Tensor) -> torch.Tensor:
    """`depth_tolerance` of every view, the shape of `nearness`, `[V, ...]`."""
    pairs = zip(cameras, nearness, strict=True)
    return torch.stack([depth_tolerance(camera, size, near) for camera, near in pairs])
