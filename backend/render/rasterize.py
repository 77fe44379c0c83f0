# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns triangles in screen space into what each pixel sees: a z-buffer in tensor operations."""

from dataclasses import dataclass

import torch

from .spans import find_spans, longest_edges, pixels_of, rows_of, split_by_count
from .thin import find_line_pixels, find_thin

MAX_ITEMS_CPU = 1 << 16
"""Rows of triangles, or pixels, that are worked on at a time: they stay in a processor's cache."""
MAX_ITEMS_GPU = 1 << 22
"""The same on a GPU, which wants much to do at once; about 1 GiB."""
OUTSIDE = -1e-6
"""A barycentric coordinate below this lies outside of the triangle."""


@dataclass(frozen=True, slots=True)
class Fragments:
    """What each pixel sees.

    Attributes:
        triangle: `[V, H, W]` int64, index of the nearest triangle, -1 where there is none.
        barycentric: `[V, H, W, 3]` float32, linear on the screen, each in 0..1, zero where there
            is none. Where a triangle passes beside the centre, that of its nearest point.
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
    *,
    has_thin_parts: bool = False,
) -> Fragments:
    """Find the nearest triangle at every pixel centre of every view.

    Memory besides the result and one number per pixel is bounded: by about 1 GiB on a GPU, and by
    some ten MiB on the CPU.

    Args:
        corners: `[K, 3, 3]` float32 or float64: per corner x and y in pixels (row 0 on top, pixel
            centres at .5) and the inverse depth, which is linear on the screen (constant minus
            depth for an orthographic camera); larger is nearer, and only triangles with positive
            values are drawn.
        view: `[K]` int64, which view each triangle is drawn in.
        num_views: Number of views V.
        height: Rows H.
        width: Columns W.
        has_thin_parts: Also draw wires and blades that fall between pixel centres, see `thin`.

    Returns:
        The fragments. Both sides of a triangle are drawn; of equal depths the higher index wins.
    """
    size = (height, width)
    buffer = find_nearest(corners, view, num_views, size, has_thin_parts=has_thin_parts)
    triangle, inverse = unpack(buffer)
    weights = torch.zeros(len(buffer), 3, device=corners.device)
    for pixel in split_visible(buffer):
        weights[pixel] = weights_at(corners, triangle[pixel], pixel, size)
    shape = (num_views, height, width)
    return Fragments(triangle.view(shape), weights.view(*shape, 3), inverse.view(shape))


def find_nearest(
    corners: torch.Tensor,
    view: torch.Tensor,
    num_views: int,
    size: tuple[int, int],
    *,
    has_thin_parts: bool,
) -> torch.Tensor:
    """The z-buffer itself, see `rasterize` for the arguments and `unpack` for what is in it.

    Returns:
        `[V * H * W]` int64.
    """
    height, width = size
    most = _most_items(corners.device)
    buffer = torch.zeros(num_views * height * width, dtype=torch.int64, device=corners.device)
    is_drawn = (corners[:, :, 2] > 0).all(1) & corners.flatten(1).isfinite().all(1)  # [K]
    first_row, num_rows = rows_of(corners, height, width)  # [K]
    chosen = torch.nonzero(is_drawn & (num_rows > 0)).squeeze(1)
    for group in split_by_count(num_rows[chosen], most):
        part = chosen[group]
        spans = find_spans(corners[part].double(), first_row[part], num_rows[part], width)
        spans.pixel.add_((view[part] * (height * width)).index_select(0, spans.owner))
        for run in split_by_count(spans.count, most):
            owner, pixel, near = pixels_of(spans, run)
            _put(buffer, pixel, near, part.index_select(0, owner))
    if has_thin_parts:
        _put_thin(buffer, corners, view, is_drawn, size, most)
    return buffer


def unpack(buffer: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest triangle (-1: none) and its inverse depth (0: none) of z-buffer entries `[N]`."""
    return (buffer & 0xFFFFFFFF) - 1, (buffer >> 32).to(torch.int32).view(torch.float32)


def split_visible(buffer: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The entries `[N]` of a z-buffer that show something, in parts that bound the memory."""
    return torch.nonzero(buffer).squeeze(1).split(_most_items(buffer.device))


def weights_at(
    corners: torch.Tensor, triangle: torch.Tensor, pixel: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """Where pixel centres lie in triangles.

    Args:
        corners: `[K, 3, 3]` as for `rasterize`.
        triangle: `[N]` int64.
        pixel: `[N]` int64, entries of the z-buffer.
        size: Rows and columns of the picture.

    Returns:
        `[N, 3]` float32 barycentric coordinates, linear on the screen, as `Fragments` has them.
    """
    height, width = size
    corner = corners[..., :2].flatten(1).index_select(0, triangle).view(-1, 3, 2).double()
    centre = torch.stack([pixel % width, pixel // width % height], 1) + 0.5  # [N, 2]
    return _weights(corner, centre.double()).float()


def _most_items(device: torch.device) -> int:
    """How many rows or pixels to work on at a time."""
    return MAX_ITEMS_GPU if device.type == "cuda" else MAX_ITEMS_CPU


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


def _put(
    buffer: torch.Tensor, pixel: torch.Tensor, near: torch.Tensor, owner: torch.Tensor
) -> None:
    """Keep the nearest of what the buffer holds and `[M]` pixels of triangles."""
    # A positive float's bits order like an integer, so one maximum keeps nearest and owner.
    key = (near.view(torch.int32).to(torch.int64) << 32) | (owner + 1)
    buffer.scatter_reduce_(0, pixel, key, "amax")


def _put_thin(
    buffer: torch.Tensor,
    corners: torch.Tensor,
    view: torch.Tensor,
    is_drawn: torch.Tensor,
    size: tuple[int, int],
    most: int,
) -> None:
    """Draw what falls between pixel centres."""
    chosen, num_steps = find_thin(corners, is_drawn, size)
    if len(chosen) == 0:
        return
    before = buffer.clone()  # so that the result does not depend on the order
    for group in split_by_count(num_steps, most):
        part = chosen[group]
        owner, pixel, near = find_line_pixels(corners, view, part, num_steps[group], before, size)
        _put(buffer, pixel, near, owner)


def _weights(corner: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    """Barycentric coordinates `[N, 3]` of points `[N, 2]` in triangles `[N, 3, 2]`."""
    a, b, c = corner.unbind(1)  # [N, 2]
    (bx, by), (cx, cy), (px, py) = ((end - a).unbind(1) for end in (b, c, point))
    area = bx * cy - by * cx
    area = torch.where(area == 0, torch.full_like(area, torch.inf), area)
    second = (px * cy - py * cx) / area
    third = (bx * py - by * px) / area
    weights = torch.stack([1 - second - third, second, third], 1)  # [N, 3]
    beside = torch.nonzero((weights.amin(1) < OUTSIDE) | area.isinf()).squeeze(1)
    weights = weights.clamp(min=0)
    weights /= weights.sum(1, keepdim=True)
    weights[beside] = _weights_on_edge(corner[beside], point[beside])
    return weights


def _weights_on_edge(corner: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    """Barycentric coordinates `[N, 3]` of the nearest point on each triangle's longest edge."""
    start, _, _ = longest_edges(corner)  # [N]
    item = torch.arange(len(start), device=start.device)
    end = (start + 1) % 3
    side = corner[item, end] - corner[item, start]  # [N, 2]
    share = ((point - corner[item, start]) * side).sum(1)
    share = (share / side.square().sum(1).clamp(min=1e-300)).clamp(0, 1)
    weights = torch.zeros_like(corner[..., 0])
    weights[item, start], weights[item, end] = 1 - share, share
    return weights
