# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns triangles in screen space into what each pixel sees: a z-buffer in tensor operations."""

from dataclasses import dataclass

import torch

MAX_CANDIDATES = 1 << 25
"""Pairs of triangle and pixel that are tested at a time; bounds the memory."""


@dataclass(frozen=True, slots=True)
class Fragments:
    """What each pixel sees.

    Attributes:
        triangle: `[V, H, W]` int64, index of the nearest triangle, -1 where there is none.
        barycentric: `[V, H, W, 3]` float32, linear on the screen, zero where there is none.
        inverse_depth: `[V, H, W]` float32, 1 / distance along the view axis, 0 where there is none.
    """

    triangle: torch.Tensor
    barycentric: torch.Tensor
    inverse_depth: torch.Tensor


def rasterize(
    corners: torch.Tensor,
    view: torch.Tensor,
    num_views: int,
    height: int,
    width: int,
) -> Fragments:
    """Find the nearest triangle at every pixel centre of every view.

    Args:
        corners: `[K, 3, 3]` float32: per corner x and y in pixels (row 0 on top, pixel centres at
            .5) and the inverse depth, which is linear on the screen (constant minus depth for an
            orthographic camera); larger is nearer, and only positive values are drawn.
        view: `[K]` int64, which view each triangle is drawn in.
        num_views: Number of views V.
        height: Rows H.
        width: Columns W.

    Returns:
        The fragments. Both sides of a triangle are drawn; of equal depths the higher index wins.

    Source: Pineda 1988, "A Parallel Algorithm for Polygon Rasterization" (edge functions).
    """
    buffer = torch.zeros(num_views * height * width, dtype=torch.int64, device=corners.device)
    low, size = _pixel_boxes(corners, height, width)  # [K, 2]
    counts = size[:, 0] * size[:, 1]  # [K]
    drawn = torch.nonzero((counts > 0) & (corners[:, :, 2] > 0).all(1)).squeeze(1)
    for chunk in _chunks(drawn, counts[drawn]):
        owner, pixel, depth = _candidates(corners, view, low, size, chunk, height, width)
        # A positive float's bits order like an integer, so one maximum keeps nearest and owner.
        key = (depth.view(torch.int32).to(torch.int64) << 32) | (owner + 1)
        buffer.scatter_reduce_(0, pixel, key, "amax")
    triangle = ((buffer & 0xFFFFFFFF) - 1).view(num_views, height, width)  # [V, H, W]
    inverse = (buffer >> 32).to(torch.int32).view(torch.float32).view(num_views, height, width)
    return Fragments(triangle, _barycentric(corners, triangle), inverse)


def interpolate(
    attributes: torch.Tensor, fragments: Fragments, inverse_depth: torch.Tensor | None = None
) -> torch.Tensor:
    """Blend per-corner values over the pixels.

    Args:
        attributes: `[K, 3, C]` per-corner values.
        fragments: From `rasterize`.
        inverse_depth: `[K, 3]` of the corners makes the blend perspective-correct; None is linear
            on the screen.

    Returns:
        `[V, H, W, C]`, zero where nothing is seen.
    """
    seen = fragments.triangle.clamp(min=0)  # [V, H, W]
    weights = fragments.barycentric  # [V, H, W, 3]
    if inverse_depth is not None:
        weights = weights * inverse_depth[seen]
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
    return torch.einsum("vhwk,vhwkc->vhwc", weights, attributes[seen].to(weights.dtype))


def _pixel_boxes(
    corners: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """First pixel and size `[K, 2]` (columns, rows) of each triangle's box of pixel centres."""
    limit = torch.tensor([width, height], device=corners.device)
    low = torch.ceil(corners[:, :, :2].amin(1) - 0.5).clamp(min=0)  # [K, 2]
    high = torch.floor(corners[:, :, :2].amax(1) - 0.5)
    high = torch.minimum(high, limit - 1.0)
    return low.long(), (high - low + 1).clamp(min=0).long()


def _chunks(drawn: torch.Tensor, counts: torch.Tensor) -> list[torch.Tensor]:
    """Split the drawn triangles so that a part has at most about MAX_CANDIDATES pixels to test."""
    if drawn.numel() == 0:
        return []
    part = torch.cumsum(counts, 0) // MAX_CANDIDATES
    borders = torch.nonzero(part[1:] != part[:-1]).squeeze(1) + 1
    return list(torch.tensor_split(drawn, borders.cpu()))


def _candidates(
    corners: torch.Tensor,
    view: torch.Tensor,
    low: torch.Tensor,
    size: torch.Tensor,
    chunk: torch.Tensor,
    height: int,
    width: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs of a triangle and a pixel in it: owner, flat pixel, inverse depth, each `[M]`."""
    counts = size[chunk, 0] * size[chunk, 1]  # [K]
    owner = torch.repeat_interleave(chunk, counts)  # [M]
    first = torch.repeat_interleave(torch.cumsum(counts, 0) - counts, counts)  # [M]
    local = torch.arange(owner.numel(), device=owner.device) - first
    columns = size[owner, 0]
    x = low[owner, 0] + local % columns
    y = low[owner, 1] + local // columns
    weights = _weights(corners[owner], x + 0.5, y + 0.5)  # [M, 3]
    depth = (weights * corners[owner, :, 2]).sum(1)  # [M]
    inside = (weights.amin(1) >= 0) & (depth > 0)
    owner, pixel = owner[inside], ((view[owner] * height + y) * width + x)[inside]
    return owner, pixel, depth[inside].float()


def _weights(corner: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Barycentric coordinates `[M, 3]` of points in triangles `[M, 3, 3]`; -1 where flat."""
    ax, ay = corner[:, 0, 0], corner[:, 0, 1]
    bx, by = corner[:, 1, 0] - ax, corner[:, 1, 1] - ay
    cx, cy = corner[:, 2, 0] - ax, corner[:, 2, 1] - ay
    px, py = x - ax, y - ay
    area = bx * cy - by * cx
    flat = area.abs() < 1e-12
    area = torch.where(flat, torch.ones_like(area), area)
    second = (px * cy - py * cx) / area
    third = (bx * py - by * px) / area
    weights = torch.stack([1 - second - third, second, third], 1)  # [M, 3]
    return torch.where(flat[:, None], torch.full_like(weights, -1.0), weights)


def _barycentric(corners: torch.Tensor, triangle: torch.Tensor) -> torch.Tensor:
    """Barycentric coordinates `[V, H, W, 3]` of every pixel centre in the triangle it sees."""
    if corners.shape[0] == 0:
        return torch.zeros(*triangle.shape, 3, device=corners.device)
    _, height, width = triangle.shape
    seen = triangle.clamp(min=0).flatten()  # [V * H * W]
    rows = torch.arange(height, device=corners.device) + 0.5
    columns = torch.arange(width, device=corners.device) + 0.5
    y, x = torch.meshgrid(rows, columns, indexing="ij")  # [H, W]
    x, y = (grid.expand_as(triangle).flatten() for grid in (x, y))  # [V * H * W]
    weights = _weights(corners[seen], x, y).view(*triangle.shape, 3)  # [V, H, W, 3]
    return torch.where((triangle >= 0)[..., None], weights, torch.zeros_like(weights))
