# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns maps of views into lookups: which texels a view sees, how well, and in which colour."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

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
from .atlas import Surface, Texels
from .edges import CREASE_COSINE, depth_tolerance, ramp_px
from .view_maps import Trust, ViewMaps

_ACROSS_CREASE = 0.02
_CREASE_SUPPORT = 0.2
"""Pixels beyond a crease alone do not show a texel: it may lie just below another surface."""
_LEAST_SUPPORT = 0.25
"""Share of the bilinear weight that must fall on the texel's own layer."""
_CLEAN_PX = 2.0
"""Pixels from edges and creases at which a cubic kernel stays within its layer."""
_EDGE_TRUST = 1e-4
_BACK_TRUST = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """Texels to be looked up in a view.

    Attributes:
        view: Its number.
        camera: Its camera.
        texel: `[N]` int64, the texels; None for all.
    """

    view: int
    camera: Camera
    texel: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where the M texels that views see lie in them.

    Attributes:
        view: `[M]` int64, the view; they come in the order of the requests.
        chosen: `[M]` int64, their places among those asked for, all requests one after another.
        place: `[M, 2]` columns and rows, pixel centres at .5.
        nearest: `[M]` int64, the index among all views' pixels of the one that shows the
            texel best.
        quality: `[M]`, trust, > 0.
        is_strict: `[M]` bool, outside of the guard strip.
        rough: `[R]` int64, the texels (their places among the M) near an edge or a crease.
        pixels: `[R, 4]` int64, the indices of the four pixels around each of those.
        weights: `[R, 4]`, bilinear among the pixels of the texel's own layer, sum 1.
    """

    view: torch.Tensor
    chosen: torch.Tensor
    place: torch.Tensor
    nearest: torch.Tensor
    quality: torch.Tensor
    is_strict: torch.Tensor
    rough: torch.Tensor
    pixels: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Targets:
    """M texels on the screen.

    Attributes:
        view: `[M]` int64.
        chosen: `[M]` int64, their places among those asked for.
        place: `[M, 2]`, columns and rows.
        nearness: `[M]`.
        facing: `[M]`, cosine.
        tolerance: `[M]`, difference of nearness within one layer.
        scale: `[M]`, pixels per world unit, up to a factor in perspective.
        texel: `[M]` int64, their places among all.
        face: `[M]` int64.
    """

    view: torch.Tensor
    chosen: torch.Tensor
    place: torch.Tensor
    nearness: torch.Tensor
    facing: torch.Tensor
    tolerance: torch.Tensor
    scale: torch.Tensor
    texel: torch.Tensor
    face: torch.Tensor

    def take(self, rows: torch.Tensor) -> "_Targets":
        return _Targets(*(getattr(self, field.name)[rows] for field in fields(self)))


def look_up(
    views: ViewMaps, surface: Surface, texels: Texels, requests: Sequence[Request], trust: Trust
) -> Lookup:
    """Find texels in views, with a visibility test against the views' own depth.

    A pixel counts if its depth is where the texel's plane lies at that pixel, so the bias follows
    the slope by itself and neither background nor another layer is ever mixed in.
    """
    target, near, centre = _find_targets(views, texels, requests, trust)
    edge, crease = _sample_distances(views, target, [request.view for request in requests])
    is_seen = _is_layer(views, target, near[:, None], centre[:, None])[:, 0]
    rough = torch.nonzero(crease < _CLEAN_PX).squeeze(1)
    pixels, weights = _weigh_pixels(views, surface, texels, target.take(rough))
    is_seen[rough] = weights.sum(1) > 0
    near[rough] = pixels.gather(1, weights.argmax(1, keepdim=True)).squeeze(1)
    guard = views.guard[target.view]
    quality = _quality(target, edge, guard, ramp_px(views.size), trust.power) * is_seen
    is_kept = quality > 0
    kept = torch.nonzero(is_kept).squeeze(1)
    order = torch.cumsum(is_kept, 0) - 1
    still = torch.nonzero(is_kept[rough]).squeeze(1)
    return Lookup(
        target.view[kept],
        target.chosen[kept],
        target.place[kept],
        near[kept],
        quality[kept],
        (edge >= guard)[kept],
        order[rough[still]],
        pixels[still],
        weights[still],
    )


def _find_targets(
    views: ViewMaps, texels: Texels, requests: Sequence[Request], trust: Trust
) -> tuple[_Targets, torch.Tensor, torch.Tensor]:
    """The texels that lie in the pictures and face the right way, their pixels and the centres."""
    stacked = stack_cameras([request.camera for request in requests], texels.point.device)
    parts, start = [], 0
    for number, request in enumerate(requests):
        camera = stacked.take(number)
        parts.append(_place_texels(views.size, texels, request, camera, start, trust.least_facing))
        start += len(texels.point if request.texel is None else request.texel)
    target = parts[0] if len(parts) == 1 else _join(parts)
    centre = torch.floor(target.place) + 0.5
    near, is_inside = _flat_pixel(centre, target.view, views.size)
    # From behind, only the very face that the pixel shows: it is a sheet without a back.
    is_own = views.triangle.view(-1)[near] == target.face
    is_shown = is_inside & (target.nearness > 0) & ((target.facing > 0) | is_own)
    kept = torch.nonzero(is_shown).squeeze(1)
    return target.take(kept), near[kept], centre[kept]


def _place_texels(
    size: int,
    texels: Texels,
    request: Request,
    camera: CameraTensors,
    start: int,
    least_facing: float,
) -> _Targets:
    """Those texels of one request that do not lie too aslant."""
    point, normal = texels.point, texels.normal
    if request.texel is not None:
        point, normal = point[request.texel], normal[request.texel]
    facing = _facing(point, normal, request.camera, camera)  # [N]
    chosen = torch.nonzero(facing.abs() >= least_facing).squeeze(1)
    texel = chosen if request.texel is None else request.texel[chosen]
    screen = project_local(to_camera_space(point[chosen], camera), camera)[0]  # [M, 3]
    place, nearness = screen_to_pixels(screen[:, :2], size), screen[:, 2]
    tolerance = depth_tolerance(request.camera, size, nearness)
    resolution = size / request.camera.width
    is_parallel = request.camera.is_orthographic
    scale = torch.full_like(nearness, resolution) if is_parallel else nearness * resolution
    view = torch.full_like(chosen, request.view)
    return _Targets(
        *(view, chosen + start, place, nearness, facing[chosen], tolerance, scale),
        *(texel, texels.face[texel]),
    )


def _join(parts: Sequence[_Targets]) -> _Targets:
    """One after another."""
    names = [field.name for field in fields(_Targets)]
    return _Targets(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def _facing(
    point: torch.Tensor, normal: torch.Tensor, camera: Camera, stacked: CameraTensors
) -> torch.Tensor:
    """Cosine `[N]` of the angle at which points `[N, 3]` with normals see the camera."""
    axes, translation = stacked.axes[0], stacked.translation[0]
    if camera.is_orthographic:
        return normal @ axes[2]
    return (functional.normalize(-translation @ axes - point, dim=1) * normal).sum(1)


def _is_layer(
    views: ViewMaps, target: _Targets, pixel: torch.Tensor, centre: torch.Tensor
) -> torch.Tensor:
    """Whether pixels `[M, K]` with centres `[M, K, 2]` show the layer that the texels are on."""
    seen = views.triangle.view(-1)[pixel]  # [M, K]
    slope = views.slopes.flatten(0, 1)[target.face + target.view * views.slopes.shape[1]]  # [M, 2]
    column, row = (centre - target.place[:, None]).unbind(2)  # [M, K]
    change = torch.addcmul(slope[:, :1] * column, slope[:, 1:], row)
    gap = (views.nearness.view(-1)[pixel] - target.nearness[:, None] - change).abs()
    is_near = gap <= target.tolerance[:, None]
    return (seen >= 0) & (is_near | (seen == target.face[:, None]))


def _weigh_pixels(
    views: ViewMaps, surface: Surface, texels: Texels, target: _Targets
) -> tuple[torch.Tensor, torch.Tensor]:
    """The four pixels around each texel and their weights, `[R, 4]` each; 0 if not seen."""
    base = torch.floor(target.place - 0.5)
    part = target.place - 0.5 - base
    number = torch.arange(4, device=base.device)
    step = torch.stack([number & 1, number >> 1], 1)  # [4, 2]
    centre = base[:, None] + (step + 0.5)  # [R, 4, 2]
    pixels, is_inside = _flat_pixel(centre, target.view[:, None], views.size)  # [R, 4]
    is_layer = _is_layer(views, target, pixels, centre) & is_inside
    across, down = (1 - step - part[:, None]).abs().unbind(2)
    weight = across * down * is_layer
    seen = views.triangle.view(-1)[pixels]
    cosine = (surface.normals[seen.clamp(min=0)] * texels.normal[target.texel][:, None]).sum(2)
    is_smooth = (seen == target.face[:, None]) | (cosine > CREASE_COSINE)
    hard = torch.where(is_smooth, weight, weight * _CREASE_SUPPORT)
    weights = torch.where(is_smooth, weight, weight * _ACROSS_CREASE)
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
    return pixels, weights * (hard.sum(1, keepdim=True) >= _LEAST_SUPPORT)


def sample_nearest(views: ViewMaps, lookup: Lookup) -> torch.Tensor:
    """Linear light `[M, 3]` of the one pixel that shows each texel best."""
    return views.light.view(-1, 3)[lookup.nearest]


def sample_sharp(views: ViewMaps, lookup: Lookup) -> torch.Tensor:
    """Linear light `[M, 3]`: cubic where the surface is smooth all around, else bilinear.

    Near edges and creases only the pixels of the texel's own layer are read.

    Source: Keys 1981, "Cubic Convolution Interpolation" (a = -1/2).
    """
    light = views.light.view(-1, 3)
    base = torch.floor(lookup.place - 0.5)
    across, down = _cubic_weights(lookup.place - 0.5 - base).unbind(2)  # [4, M]
    step = torch.arange(-1, 3, device=base.device)[:, None, None]  # [4, 1, 1]
    columns, rows = (base.long() + step).clamp(0, views.size - 1).unbind(2)  # [4, M]
    rows = (rows + lookup.view * views.size) * views.size
    values = light[columns + rows[:1]]  # [4, M, 3]
    low, high = values.aminmax(dim=0)
    total = (values * (across * down[:1])[..., None]).sum(0)
    for row in (1, 2, 3):
        values = light[columns + rows[row]]  # [4, M, 3]
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
    target: _Targets, edge: torch.Tensor, guard: torch.Tensor, ramp: int, power: float
) -> torch.Tensor:
    """Trust `[M]` from the facing angle, the distance to depth edges and the resolution."""
    angle = target.facing.abs() ** power
    angle = torch.where(target.facing > 0, angle, angle * _BACK_TRUST)
    rise = ((edge - guard) / (ramp - guard)).clamp(0, 1)
    return angle * (_EDGE_TRUST + rise) * target.scale


def _flat_pixel(
    place: torch.Tensor, view: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Index of the pixels with centres `[..., 2]`, clamped to the picture, and which are inside."""
    pixel = place.long()  # the centre of a pixel outside, at -0.5, becomes 0 and is told by `place`
    column, row = pixel.clamp(0, size - 1).unbind(-1)
    column_at, row_at = place.unbind(-1)
    is_inside = (torch.minimum(column_at, row_at) > 0) & (torch.maximum(column_at, row_at) < size)
    return (view * size + row) * size + column, is_inside


def _sample_distances(views: ViewMaps, target: _Targets, numbers: list[int]) -> torch.Tensor:
    """Bilinear distances `[2, M]` to edges, and to edges or creases; zero outside."""
    grid = (target.place * (2 / views.size) - 1)[None, None]  # [1, 1, M, 2]
    wanted = torch.tensor(numbers, device=grid.device)
    ends = torch.searchsorted(target.view, wanted, right=True).tolist()
    parts = [
        functional.grid_sample(
            views.distance[number][None], grid[:, :, start:end], align_corners=False
        )[0, :, 0]
        for number, start, end in zip(numbers, [0, *ends], ends, strict=False)
    ]
    return torch.cat(parts, 1)
