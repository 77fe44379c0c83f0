# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns cameras and their pictures into maps: what each pixel sees, and how near edges are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from ..data import Camera
from ..render.camera import (
    CameraTensors,
    project_local,
    screen_to_pixels,
    stack_cameras,
    to_camera_space,
)
from ..render.rasterize import find_nearest, unpack
from .atlas import Surface
from .colour import srgb_to_linear
from .edges import (
    TOLERANCE_PX,
    depth_tolerance,
    edge_distance,
    find_breaks,
    look_beyond,
    mark_edges,
    measure_bleeding,
)

_STEEPEST = 8.0
"""Depth change per pixel, in pixels' extents, up to which a face's plane is followed."""
_GUARD_UNIT = 512
"""The guard strip is given in pixels of a picture of this size."""
_PIXELS_GPU = 1 << 23
"""Pixels that a GPU works on at a time, at some 100 bytes each; a CPU's cache holds one view."""


@dataclass(frozen=True, slots=True)
class ViewMaps:
    """V views: what their pixels see, and their colours.

    Attributes:
        triangle: `[V, S, S]` int64, -1 where there is nothing or the pixel may not be read.
        nearness: `[V, S, S]`, linear on the screen, see `backend.render.camera.project`.
        light: `[V, S, S, 3]` linear light.
        distance: `[V, 2, S, S]`, pixels to the nearest depth edge, silhouette or border, up to a
            limit; and the same with creases among the edges.
        beyond: `[V, S, S, 3]`, sRGB values on the other side of the edge, valid in the guard strip.
        guard: `[V]`, width in pixels of the strip along edges into which other colours have bled.
        slopes: `[V, F, 2]`, change of the nearness of each face per column and row.
    """

    triangle: torch.Tensor
    nearness: torch.Tensor
    light: torch.Tensor
    distance: torch.Tensor
    beyond: torch.Tensor
    guard: torch.Tensor
    slopes: torch.Tensor

    @property
    def size(self) -> int:
        """Pixels per side."""
        return self.triangle.shape[1]


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
) -> ViewMaps:
    """Rasterise the mesh from cameras at the size of their pictures.

    Args:
        surface: The mesh.
        cameras: The views' cameras.
        colour: `[V, S, S, 3]` sRGB.
        mask: `[V, S, S]` bool, the pixels that may be read; None for all.
        trust: Tells the width of the guard strip.
    """
    most = _PIXELS_GPU if surface.corners.device.type == "cuda" else 0
    at_a_time = max(1, most // colour.shape[1] ** 2)
    parts = []
    for start in range(0, len(cameras), at_a_time):
        part = slice(start, start + at_a_time)
        readable = None if mask is None else mask[part]
        parts.append(_map_some(surface, cameras[part], colour[part], readable, trust))
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(ViewMaps)]
    return ViewMaps(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def _map_some(
    surface: Surface,
    cameras: Sequence[Camera],
    colour: torch.Tensor,
    mask: torch.Tensor | None,
    trust: Trust,
) -> ViewMaps:
    """The same for a few views."""
    size, device = colour.shape[1], surface.corners.device
    triangle, nearness, slopes = _rasterise(surface, cameras, size)
    if mask is not None:
        triangle = torch.where(mask.to(device), triangle, -1)
    tolerance = _tolerances(cameras, size, nearness)
    breaks, creases = find_breaks(triangle, nearness, slopes, surface.normals, tolerance)
    edges = mark_edges(breaks) | (triangle < 0)
    colour = colour.to(device, torch.float32)
    guards = measure_bleeding(colour, triangle, trust.guard(size))
    beyond = look_beyond(colour, breaks, edges, [math.ceil(guard) for guard in guards])
    distances = edge_distance(torch.cat([edges, edges | creases])).chunk(2)  # [V, S, S] each
    distance = torch.stack(distances, 1)  # [V, 2, S, S]
    guard = torch.tensor(guards, device=device)
    light = srgb_to_linear(colour)
    return ViewMaps(triangle, nearness, light, distance, beyond, guard, slopes)


def _rasterise(
    surface: Surface, cameras: Sequence[Camera], size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Triangle and nearness per pixel, `[V, S, S]` each, and the faces' slopes `[V, F, 2]`."""
    shape = (len(cameras), len(surface.corners))
    stacked = stack_cameras(cameras, surface.corners.device)
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
