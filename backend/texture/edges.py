# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what the pixels of a view see into its edges, and into how far colours bled across them."""

import torch

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
    camera: Camera,
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Where neighbours show different layers, and which pixels `[S, S]` lie at a crease.

    The breaks lie between columns, `[S, S - 1]`, and between rows, `[S - 1, S]`.
    """
    count = triangle.shape[0] - 1
    face = triangle.clamp(min=0)
    slope, normal = slopes[face], normals[face]  # [S, S, 2], [S, S, 3]
    tolerance = depth_tolerance(camera, triangle.shape[0], nearness)
    breaks, creases = [], torch.zeros_like(triangle, dtype=torch.bool)
    for axis, other in ((0, 1), (1, 0)):  # along columns, along rows
        first = [part.narrow(other, 0, count) for part in (triangle, nearness, slope, normal)]
        second = [part.narrow(other, 1, count) for part in (triangle, nearness, slope, normal)]
        step = second[1] - first[1]
        gap = torch.minimum((step - first[2][..., axis]).abs(), (step - second[2][..., axis]).abs())
        is_joined = (gap <= tolerance.narrow(other, 0, count)) | (first[0] == second[0])
        breaks.append(~(is_joined & (first[0] >= 0) & (second[0] >= 0)))
        is_crease = (first[3] * second[3]).sum(-1) < CREASE_COSINE
        for start in (0, 1):
            creases.narrow(other, start, count).logical_or_(is_crease)
    return breaks, creases


def mark_edges(breaks: list[torch.Tensor]) -> torch.Tensor:
    """Pixels `[S, S]` on both sides of breaks, and at the border."""
    size = breaks[0].shape[0]
    edges = torch.zeros(size, size, dtype=torch.bool, device=breaks[0].device)
    for broken, other in zip(breaks, (1, 0), strict=True):
        for start in (0, 1):
            edges.narrow(other, start, size - 1).logical_or_(broken)
    edges[[0, -1]] = True
    edges[:, [0, -1]] = True
    return edges


def look_beyond(
    colour: torch.Tensor, breaks: list[torch.Tensor], edges: torch.Tensor, guard: int
) -> torch.Tensor:
    """What lies across the edge from the pixels near it, far enough not to be mixed itself.

    Args:
        colour: `[S, S, 3]`.
        breaks: From `find_breaks`.
        edges: `[S, S]` bool, beside a break.
        guard: Width of the strip in pixels.

    Returns:
        `[S, S, 3]`, valid within the strip.
    """
    size, reach = len(colour), guard + 1
    line = torch.arange(size, device=colour.device)
    beyond = colour.clone()
    for broken, other in zip(breaks, (1, 0), strict=True):
        for start, step in ((0, reach), (1, -reach)):
            across = colour.index_select(other, (line + step).clamp(0, size - 1))
            target = beyond.narrow(other, start, size - 1)
            source = across.narrow(other, start, size - 1)
            target.copy_(torch.where(broken[..., None], source, target))
    done = edges
    for _ in range(guard):
        for other, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            known = done.roll(step, other) & ~done
            rows, columns = torch.nonzero(known, as_tuple=True)
            places = [rows, columns]
            places[other] = (places[other] - step) % size
            beyond[rows, columns] = beyond[places[0], places[1]]
            done = done | known
    return beyond


def ramp_px(size: int) -> int:
    """Pixels over which trust rises, at least what a cubic kernel needs."""
    return max(3, round(size * _RAMP_SHARE))


def edge_distance(edges: torch.Tensor) -> torch.Tensor:
    """Pixels `[S, S]` to the nearest edge pixel (larger of columns and rows), up to a limit."""
    grown = edges.to(torch.uint8)
    distance = 1 - grown
    for _ in range(ramp_px(len(edges)) - 1):
        wide = grown.clone()
        wide[:, 1:] |= grown[:, :-1]
        wide[:, :-1] |= grown[:, 1:]
        grown = wide.clone()
        grown[1:] |= wide[:-1]
        grown[:-1] |= wide[1:]
        distance += 1 - grown
    return distance.float()


def measure_bleeding(colour: torch.Tensor, triangle: torch.Tensor, limit: float) -> float:
    """Find how far the background reaches into the silhouette.

    A painter's outlines miss the mesh's by a pixel or two. Along the silhouette, pixels are
    compared with those farther in and with the background farther out.

    Args:
        colour: `[S, S, 3]` sRGB.
        triangle: `[S, S]` int64, -1 for the background.
        limit: The most pixels.

    Returns:
        The first distance at which hardly a pixel looks like the background; 0 for exact views.
    """
    reach = int(limit) + 2
    bled, total = torch.zeros(reach, dtype=torch.float64), 0
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        inside = triangle >= 0
        at_border = inside & ~inside.roll(step, axis)  # the background lies `step` back
        deep = inside.roll(-reach, axis) if step > 0 else inside.roll(reach, axis)
        rows, columns = torch.nonzero(at_border & deep, as_tuple=True)

        def look(distance: int, rows=rows, columns=columns, axis=axis, step=step) -> torch.Tensor:
            places = [rows, columns]
            places[axis] = (places[axis] + step * distance).clamp(0, len(colour) - 1)
            return colour[places[0], places[1]]

        contrast = look(-reach) - look(reach)  # [M, 3]
        clear = contrast.abs().amax(1) > _LEAST_CONTRAST
        size = contrast.square().sum(1).clamp(min=1e-6)
        total += int(clear.sum())
        for distance in range(reach):
            share = ((look(distance) - look(reach)) * contrast).sum(1) / size
            bled[distance] += int(((share > _BLED_SHARE) & clear).sum())
    clean = torch.nonzero(bled <= _CLEAN_SHARE * max(total, 1)).squeeze(1)
    return min(float(clean[0]) if len(clean) else limit, limit)


def depth_tolerance(camera: Camera, size: int, nearness: torch.Tensor) -> torch.Tensor:
    """Nearness that `TOLERANCE_PX` pixels' extents make, the shape of `nearness`."""
    extent = TOLERANCE_PX * camera.width / size
    # Of a perspective camera a pixel spans depth * width / size, and d(1 / depth) = d / depth^2.
    return torch.full_like(nearness, extent) if camera.is_orthographic else extent * nearness
