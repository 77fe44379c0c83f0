# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what the pixels of views see into edges, and into how far colours bled across them."""

import torch
from torch.nn import functional

from ..data import Camera

TOLERANCE_PX = 1.5
"""Depths that agree within this many pixels' extent belong to one layer."""
CREASE_COSINE = 0.85
"""Faces that meet at a smaller cosine than this are not mixed if it can be avoided."""
_RAMP_SHARE = 1 / 64
"""Distance from a depth edge, in picture widths, over which trust rises to its full height."""
_LEAST_CONTRAST = 0.15
_BLED_SHARE = 0.3
_CLEAN_SHARE = 0.1
"""Share of a silhouette's pixels that may look like the background by chance."""


def find_breaks(
    triangle: torch.Tensor,
    nearness: torch.Tensor,
    slopes: torch.Tensor,
    normals: torch.Tensor,
    tolerance: torch.Tensor,
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Where neighbours show different layers, and which pixels `[V, S, S]` lie at a crease.

    Args:
        triangle: `[V, S, S]` int64, -1 for the background.
        nearness: `[V, S, S]`.
        slopes: `[V, F, 2]`, change of the nearness of each face per column and row.
        normals: `[F, 3]`, of the faces.
        tolerance: `[V, S, S]`, difference of nearness within one layer.

    Returns:
        The breaks between columns, `[V, S, S - 1]`, and between rows, `[V, S - 1, S]`; the creases.
    """
    count = triangle.shape[1] - 1
    face = triangle.clamp(min=0)
    first_face = torch.arange(len(slopes), device=face.device)[:, None, None] * slopes.shape[1]
    slope = slopes.flatten(0, 1)[face + first_face]  # [V, S, S, 2]
    normal = normals[face]  # [V, S, S, 3]
    breaks, creases = [], torch.zeros_like(triangle, dtype=torch.bool)
    for axis, other in ((0, 2), (1, 1)):  # along columns, along rows
        first, second = (
            [part.narrow(other, start, count) for part in (triangle, nearness, slope, normal)]
            for start in (0, 1)
        )
        step = second[1] - first[1]
        gap = torch.minimum((step - first[2][..., axis]).abs(), (step - second[2][..., axis]).abs())
        is_joined = (gap <= tolerance.narrow(other, 0, count)) | (first[0] == second[0])
        breaks.append(~(is_joined & (torch.minimum(first[0], second[0]) >= 0)))
        is_crease = (first[3] * second[3]).sum(-1) < CREASE_COSINE
        for start in (0, 1):
            creases.narrow(other, start, count).logical_or_(is_crease)
    return breaks, creases


def mark_edges(breaks: list[torch.Tensor]) -> torch.Tensor:
    """Pixels `[V, S, S]` on both sides of breaks, and at the border."""
    num_views, size = breaks[0].shape[:2]
    edges = torch.zeros(num_views, size, size, dtype=torch.bool, device=breaks[0].device)
    for broken, other in zip(breaks, (2, 1), strict=True):
        for start in (0, 1):
            edges.narrow(other, start, size - 1).logical_or_(broken)
            edges.select(other, -start).fill_(True)
    return edges


def look_beyond(
    colour: torch.Tensor, breaks: list[torch.Tensor], edges: torch.Tensor, guards: list[int]
) -> torch.Tensor:
    """What lies across the edge from the pixels near it, far enough not to be mixed itself.

    Args:
        colour: `[V, S, S, 3]`.
        breaks: From `find_breaks`.
        edges: `[V, S, S]` bool, beside a break.
        guards: Per view the width of the strip in pixels.

    Returns:
        `[V, S, S, 3]`, valid within the strip.
    """
    size, device = edges.shape[1], edges.device
    own = torch.arange(edges.numel(), dtype=torch.int32, device=device).view(edges.shape)
    source = torch.where(edges, own, -1)  # [V, S, S], the pixel whose colour is taken
    line = torch.arange(size, dtype=torch.int32, device=device)
    width = torch.tensor(guards, dtype=torch.int32, device=device)[:, None]  # [V, 1]
    for broken, other in zip(breaks, (2, 1), strict=True):
        shape, pitch = ((-1, 1, size), 1) if other == 2 else ((-1, size, 1), size)
        for start, reach in ((0, width + 1), (1, -1 - width)):
            shift = ((line + reach).clamp(0, size - 1) - line) * pitch  # [V, S]
            across = (own + shift.view(shape)).narrow(other, start, size - 1)
            target = source.narrow(other, start, size - 1)
            target.copy_(torch.where(broken, across, target))
    for ring in range(max(guards)):
        is_within = (width > ring)[..., None]  # [V, 1, 1]
        for other, step in ((1, 1), (1, -1), (2, 1), (2, -1)):
            is_next = (source < 0) & is_within
            source = torch.where(is_next, source.roll(step, other), source)
    source = torch.where(source < 0, own, source).long()
    return colour.reshape(-1, colour.shape[-1])[source]


def ramp_px(size: int) -> int:
    """Pixels over which trust rises, at least what a cubic kernel needs."""
    return max(3, round(size * _RAMP_SHARE))


def edge_distance(edges: torch.Tensor) -> torch.Tensor:
    """Pixels to the nearest edge pixel (larger of columns and rows), up to a limit.

    Args:
        edges: `[K, S, S]` bool.

    Returns:
        `[K, S, S]` float32.
    """
    size, limit = edges.shape[-1], ramp_px(edges.shape[-1])
    grown = functional.pad(edges, [limit - 1] * 4)
    near = edges.to(torch.uint8)  # how many of the squares around a pixel hold an edge
    for margin in range(limit - 2, -1, -1):
        for other in (2, 1, 2, 1):  # twice each way: one pixel on both sides
            count = grown.shape[other] - 1
            grown = grown.narrow(other, 0, count) | grown.narrow(other, 1, count)
        near += grown[:, margin : margin + size, margin : margin + size]
    return limit - near.float()


def measure_bleeding(colour: torch.Tensor, triangle: torch.Tensor, limit: float) -> list[float]:
    """Find how far the background reaches into the silhouettes.

    A painter's outlines miss the mesh's by a pixel or two. Along the silhouette, pixels are
    compared with those farther in and with the background farther out.

    Args:
        colour: `[V, S, S, 3]` sRGB.
        triangle: `[V, S, S]` int64, -1 for the background.
        limit: The most pixels.

    Returns:
        Per view the first distance at which hardly a pixel looks like the background; 0 for exact
        views.
    """
    reach, size = int(limit) + 2, triangle.shape[1]
    shown, inside = colour.reshape(-1, colour.shape[-1]), triangle >= 0
    distance = torch.arange(reach + 2, device=colour.device)
    distance[-1] = -reach
    counts = torch.zeros(len(triangle), reach + 1, dtype=torch.int64, device=colour.device)
    for axis, step in ((1, 1), (1, -1), (2, 1), (2, -1)):
        at_border = inside & ~inside.roll(step, axis)  # the background lies `step` back
        deep = inside.roll(-step * reach, axis)
        start = torch.nonzero((at_border & deep).flatten())  # [M, 1]
        pitch = size if axis == 1 else 1
        line = start // pitch % size
        place = start + ((line + step * distance).clamp(0, size - 1) - line) * pitch
        look = shown[place]  # [M, reach + 2, 3]
        centre = look[:, reach : reach + 1]
        contrast = look[:, -1:] - centre  # [M, 1, 3]
        clear = contrast.abs().amax(2) > _LEAST_CONTRAST  # [M, 1]
        share = ((look[:, :reach] - centre) * contrast).sum(2)  # [M, reach]
        share = share / contrast.square().sum(2).clamp(min=1e-6)
        hits = torch.cat([(share > _BLED_SHARE) & clear, clear], 1)
        counts.index_add_(0, start[:, 0] // size**2, hits.long())
    return [_first_clean(view[:-1], view[-1], limit) for view in counts.tolist()]


def _first_clean(bled: list[int], total: int, limit: float) -> float:
    """The first distance at which few of all pixels look like the background."""
    most = _CLEAN_SHARE * max(total, 1)
    return min(next((float(k) for k, count in enumerate(bled) if count <= most), limit), limit)


def depth_tolerance(camera: Camera, size: int, nearness: torch.Tensor) -> torch.Tensor:
    """Nearness that `TOLERANCE_PX` pixels' extents make, the shape of `nearness`."""
    extent = TOLERANCE_PX * camera.width / size
    # Of a perspective camera a pixel spans depth * width / size, and d(1 / depth) = d / depth^2.
    return torch.full_like(nearness, extent) if camera.is_orthographic else extent * nearness
