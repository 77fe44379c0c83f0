# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns painted views into lookups: which texels a view sees, how well, and in which colour."""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from ..data import Camera
from ..render.camera import directions_to_camera, project, screen_to_pixels, stack_cameras
from ..render.rasterize import rasterize
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
        triangle: `[S, S]` int64, -1 where there is nothing or the pixel may not be read.
        nearness: `[S, S]`, linear on the screen, see `backend.render.camera.project`.
        light: `[S, S, 3]` linear light.
        edge: `[S, S]`, pixels to the nearest depth edge, silhouette or border, up to a limit.
        crease: `[S, S]`, the same with creases among the edges.
        beyond: `[S, S, 3]`, sRGB values on the other side of the edge, valid in the guard strip.
        guard: Width in pixels of the strip along edges into which other colours have bled.
        slopes: `[F, 2]`, change of the nearness of each face per column and row.
    """

    camera: Camera
    triangle: torch.Tensor
    nearness: torch.Tensor
    light: torch.Tensor
    edge: torch.Tensor
    crease: torch.Tensor
    beyond: torch.Tensor
    guard: float
    slopes: torch.Tensor

    @property
    def size(self) -> int:
        """Pixels per side."""
        return self.triangle.shape[0]


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


def map_view(
    surface: Surface, camera: Camera, colour: torch.Tensor, mask: torch.Tensor | None, trust: Trust
) -> ViewMap:
    """Rasterise the mesh from one camera at the size of its picture.

    Args:
        surface: The mesh.
        camera: The view's camera.
        colour: `[S, S, 3]` sRGB.
        mask: `[S, S]` bool, the pixels that may be read; None for all.
        trust: Tells the width of the guard strip.
    """
    size = colour.shape[0]
    device = surface.corners.device
    screen = project(surface.corners.reshape(-1, 3), [camera])[0]  # [F * 3, 3]
    pixels = screen_to_pixels(screen[:, :2], size)
    corners = torch.cat([pixels, screen[:, 2:]], 1).view(-1, 3, 3)  # [F, 3, 3]
    view = torch.zeros(len(corners), dtype=torch.int64, device=device)
    fragments = rasterize(corners, view, 1, size, size)
    triangle, nearness = fragments.triangle[0], fragments.inverse_depth[0]
    slopes = _slopes(surface, camera, size, corners[:, :, 2].mean(1))
    if mask is not None:
        triangle = torch.where(mask.to(device), triangle, torch.full_like(triangle, -1))
    breaks, creases = find_breaks(triangle, nearness, slopes, surface.normals, camera)
    edges = mark_edges(breaks) | (triangle < 0)
    colour = colour.to(device, torch.float32)
    guard = measure_bleeding(colour, triangle, trust.guard(size))
    beyond = look_beyond(colour, breaks, edges, math.ceil(guard))
    edge, crease = edge_distance(edges), edge_distance(edges | creases)
    light = srgb_to_linear(colour)
    return ViewMap(camera, triangle, nearness, light, edge, crease, beyond, guard, slopes)


def look_up(view: ViewMap, surface: Surface, texels: Texels, trust: Trust) -> Lookup:
    """Find texels in a view, with a visibility test against the view's own depth.

    A pixel counts if its depth is where the texel's plane lies at that pixel, so the bias follows
    the slope by itself and neither background nor another layer is ever mixed in.
    """
    towards = directions_to_camera(texels.point, view.camera)
    facing = (towards * texels.normal).sum(1)  # [N]
    chosen = torch.nonzero(facing.abs() >= trust.least_facing).squeeze(1)
    screen = project(texels.point[chosen], [view.camera])[0]  # [M, 3]
    place, nearness = screen_to_pixels(screen[:, :2], view.size), screen[:, 2]
    near, is_inside = _flat_pixel(torch.floor(place), view.size)
    # From behind, only the very face that the pixel shows: it is a sheet without a back.
    is_own = view.triangle.view(-1)[near] == texels.face[chosen]
    kept = torch.nonzero(is_inside & (nearness > 0) & ((facing[chosen] > 0) | is_own)).squeeze(1)
    chosen, place, nearness, near = (part[kept] for part in (chosen, place, nearness, near))
    maps = _sample_maps(torch.stack([view.edge, view.crease]), place)  # [2, M]
    target = _Targets(place, nearness, texels.face[chosen], texels.normal[chosen])
    is_seen = _is_layer(view, target, near, torch.floor(place) + 0.5)
    rough = torch.nonzero(maps[1] < _CLEAN_PX).squeeze(1)
    pixels, weights = _weigh_pixels(view, surface, target.take(rough))
    is_seen[rough] = weights.sum(1) > 0
    near[rough] = pixels.gather(1, weights.argmax(1, keepdim=True)).squeeze(1)
    quality = _quality(view, maps[0], facing[chosen], trust, nearness) * is_seen
    kept = torch.nonzero(quality > 0).squeeze(1)
    order = torch.cumsum(is_seen & (quality > 0), 0) - 1
    still = is_seen[rough] & (quality[rough] > 0)
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
    """Whether pixels `[M]` with centres `[M, 2]` show the layer that the texels are on."""
    seen = view.triangle.view(-1)[pixel]
    slope = view.slopes[target.face]  # [M, 2]
    expected = target.nearness + (slope * (centre - target.place)).sum(1)
    gap = (view.nearness.view(-1)[pixel] - expected).abs()
    is_near = gap <= depth_tolerance(view.camera, view.size, target.nearness)
    return (seen >= 0) & (is_near | (seen == target.face))


def _weigh_pixels(
    view: ViewMap, surface: Surface, target: _Targets
) -> tuple[torch.Tensor, torch.Tensor]:
    """The four pixels around each texel and their weights, `[R, 4]` each; 0 if not seen."""
    base = torch.floor(target.place - 0.5)
    part = target.place - 0.5 - base
    pixels, hard, soft = [], [], []
    for row in (0, 1):
        for column in (0, 1):
            step = torch.tensor([column, row], device=base.device)
            pixel, is_inside = _flat_pixel(base + step, view.size)
            is_layer = _is_layer(view, target, pixel, base + step + 0.5) & is_inside
            weight = (1 - step - part).abs().prod(1) * is_layer  # [R]
            seen = view.triangle.view(-1)[pixel]
            cosine = (surface.normals[seen.clamp(min=0)] * target.normal).sum(1)
            is_smooth = (seen == target.face) | (cosine > CREASE_COSINE)
            pixels.append(pixel)
            hard.append(weight * torch.where(is_smooth, 1.0, _CREASE_SUPPORT))
            soft.append(weight * torch.where(is_smooth, 1.0, _ACROSS_CREASE))
    is_seen = torch.stack(hard).sum(0) >= _LEAST_SUPPORT  # [R]
    weights = torch.stack(soft, 1)  # [R, 4]
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
    return torch.stack(pixels, 1), weights * is_seen[:, None]


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
    kernel = _cubic_weights(lookup.place - 0.5 - base)  # [M, 2, 4]
    total = torch.zeros(len(base), 3, device=base.device)
    low, high = torch.full_like(total, torch.inf), torch.full_like(total, -torch.inf)
    for row in range(4):
        for column in range(4):
            step = torch.tensor([column - 1, row - 1], device=base.device)
            value = light[_flat_pixel(base + step, view.size)[0]]  # [M, 3]
            total.addcmul_(value, (kernel[:, 0, column] * kernel[:, 1, row])[:, None])
            torch.minimum(low, value, out=low)
            torch.maximum(high, value, out=high)
    total = torch.minimum(torch.maximum(total, low), high)
    total[lookup.rough] = torch.einsum("rk,rkc->rc", lookup.weights, light[lookup.pixels])
    return total


def _cubic_weights(part: torch.Tensor) -> torch.Tensor:
    """Weights `[M, 2, 4]` of the four pixels around a place, its fraction `[M, 2]` given."""
    square, cube = part * part, part * part * part
    first = -0.5 * cube + square - 0.5 * part
    second = 1.5 * cube - 2.5 * square + 1
    third = -1.5 * cube + 2 * square + 0.5 * part
    return torch.stack([first, second, third, 0.5 * cube - 0.5 * square], -1)


def _quality(
    view: ViewMap, edge: torch.Tensor, facing: torch.Tensor, trust: Trust, nearness: torch.Tensor
) -> torch.Tensor:
    """Trust `[M]` from the facing angle, the distance to depth edges and the resolution."""
    angle = facing.abs() ** trust.power * torch.where(facing > 0, 1.0, _BACK_TRUST)
    ramp = ((edge - view.guard) / (ramp_px(view.size) - view.guard)).clamp(0, 1)
    pixels_per_unit = view.size / view.camera.width
    scale = torch.ones_like(nearness) if view.camera.is_orthographic else nearness
    return angle * (_EDGE_TRUST + ramp) * scale * pixels_per_unit


def _flat_pixel(pixel: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat index of pixels `[N, 2]`, clamped to the picture, and which are inside."""
    clamped = pixel.clamp(0, size - 1)
    is_inside = (clamped == pixel).all(1)
    clamped = clamped.long()
    return clamped[:, 1] * size + clamped[:, 0], is_inside


def _sample_maps(values: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Bilinear values `[K, M]` of maps `[K, S, S]`; zero outside."""
    grid = (place * (2 / values.shape[-1]) - 1)[None, None]  # [1, 1, M, 2]
    return functional.grid_sample(values[None], grid, align_corners=False)[0, :, 0]


def _slopes(surface: Surface, camera: Camera, size: int, nearness: torch.Tensor) -> torch.Tensor:
    """Change of the nearness per column and row over each face's plane, `[F, 2]`."""
    stacked = stack_cameras([camera], surface.normals.device)
    normal = surface.normals @ stacked.axes[0].T  # [F, 3]
    if camera.is_orthographic:
        divisor = -normal[:, 2]
    else:
        corner = surface.corners[:, 0] @ stacked.axes[0].T + stacked.translation[0]
        divisor = (normal * corner).sum(1)
    divisor = torch.where(divisor.abs() < 1e-6, divisor.new_tensor(1e-6), divisor)
    pixel = camera.width / size
    slopes = normal[:, :2] / divisor[:, None] * pixel
    slopes = slopes * torch.tensor([1.0, -1.0], device=slopes.device)  # rows grow downwards
    limit = _STEEPEST / TOLERANCE_PX * depth_tolerance(camera, size, nearness)[:, None]
    return slopes * (limit / slopes.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)
