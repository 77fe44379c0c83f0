# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns triangles into horizontal runs of pixels, and runs into pixels with a nearness."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

FLATTEST_PX = 1e-9
"""A triangle lower than this has no area: it is seen edge-on."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Runs of S pixels that lie in a triangle, each in one row.

    Attributes:
        owner: `[S]` int64, the triangle.
        pixel: `[S]` int64, the leftmost one's number within its picture.
        count: `[S]` int64, pixels.
        nearness: `[S]` float32, at the centre of the first pixel.
        slope: `[S]` float32, what nearness gains per pixel.
    """

    owner: torch.Tensor
    pixel: torch.Tensor
    count: torch.Tensor
    nearness: torch.Tensor
    slope: torch.Tensor


def longest_edges(corners: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The longest edge of triangles on the screen.

    Args:
        corners: `[K, 3, C]`, x and y first.

    Returns:
        Its first corner `[K]` int64 (the second is the next one), its length `[K]`, and twice the
        triangle's area `[K]`.
    """
    xy = corners[..., :2]
    side = xy.roll(-1, 1) - xy  # [K, 3, 2]
    length, start = side.square().sum(2).max(1)  # [K]
    area = side[:, 0, 0] * side[:, 2, 1] - side[:, 0, 1] * side[:, 2, 0]
    return start, length.sqrt(), area.abs()


def split_by_count(count: torch.Tensor, most: int) -> Iterator[slice]:
    """Runs of items whose counts `[N]` add up to about `most` or less."""
    if len(count) == 0:
        return
    part = torch.cumsum(count, 0) // most  # [N]
    borders = (torch.nonzero(part[1:] != part[:-1]).squeeze(1) + 1).tolist()
    yield from map(slice, [0, *borders], [*borders, len(count)])


def expand(count: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Repeat items by their counts `[N]`: index of the item and number within it, each `[M]`."""
    owner = torch.repeat_interleave(count)  # [M]
    number = torch.arange(len(owner), device=count.device)
    return owner, number.sub_((torch.cumsum(count, 0) - count).index_select(0, owner))


def rows_of(corners: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """First row and number of rows `[K]` whose pixel centres each triangle may hold."""
    low, high = corners[:, :, :2].amin(1), corners[:, :, :2].amax(1)  # [K, 2]
    first = torch.ceil(low[:, 1] - 0.5).clamp(0, height)
    last = torch.floor(high[:, 1] - 0.5).clamp(-1, height - 1)
    _, length, area = longest_edges(corners)
    is_drawn = (area > FLATTEST_PX * length) & (high[:, 0] >= 0.5) & (low[:, 0] <= width - 0.5)
    count = torch.where(is_drawn, last - first + 1, torch.zeros_like(first))
    return first.long(), count.clamp(min=0).long()


def find_spans(
    corners: torch.Tensor, first_row: torch.Tensor, num_rows: torch.Tensor, width: int
) -> Spans:
    """Find the pixels that triangles cover.

    Both triangles at an edge compute the same crossing from the same corners, so that no pixel
    centre falls between them; a centre on the edge belongs to both.

    Args:
        corners: `[K, 3, 3]` float64: column, row, nearness.
        first_row: `[K]` from `rows_of`.
        num_rows: `[K]` from `rows_of`.
        width: Columns of the picture.

    Returns:
        Spans with at least one pixel.
    """
    owner, number = expand(num_rows)  # [S]
    row = first_row.index_select(0, owner) + number
    y = row + 0.5
    top, middle, bottom = _sorted_by_row(corners)  # [3, K] each
    a, b, c = (point.index_select(1, owner) for point in (top, middle, bottom))  # [3, S]
    is_upper = y <= b[1]
    x0, z0 = _cross(a, c, y)
    # A horizontal edge on the row itself is crossed at its end b.
    start, end = torch.where(is_upper, a, b), torch.where(is_upper, b, c)  # [3, S]
    x1, z1 = _cross(start, end, y)
    is_swapped = x0 > x1
    left, right = torch.minimum(x0, x1), torch.maximum(x0, x1)
    z_left, z_right = torch.where(is_swapped, z1, z0), torch.where(is_swapped, z0, z1)
    first = torch.ceil(left - 0.5).clamp(min=0)
    count = torch.floor(right - 0.5).clamp(max=width - 1) - first + 1
    kept = torch.nonzero(count > 0).squeeze(1)
    left, right, z_left, z_right = left[kept], right[kept], z_left[kept], z_right[kept]
    first, run = first[kept], right - left
    share = ((first + 0.5 - left) / run.clamp(min=1e-300)).clamp(0, 1)
    # A run shorter than a pixel holds one centre at most and needs no slope.
    slope = (z_right - z_left) / run.clamp(min=1)
    near = torch.lerp(z_left, z_right, share)
    pixel = row[kept] * width + first.long()
    return Spans(owner[kept], pixel, count[kept].long(), near.float(), slope.float())


def pixels_of(spans: Spans, part: slice) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pixels of some spans: owner, number of the pixel in its picture, nearness, each `[M]`."""
    index, number = expand(spans.count[part])  # [M]
    near = spans.nearness[part].index_select(0, index)
    slope = spans.slope[part].index_select(0, index)
    pixel = spans.pixel[part].index_select(0, index) + number
    return spans.owner[part].index_select(0, index), pixel, near.addcmul_(slope, number.float())


def _sorted_by_row(corners: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Corners from the top down, each `[3, K]`: column, row, nearness."""
    a, b, c = corners.permute(1, 2, 0).contiguous().unbind(0)  # [3, K] each
    a, b = torch.where(a[1] <= b[1], a, b), torch.where(a[1] <= b[1], b, a)
    b, c = torch.where(b[1] <= c[1], b, c), torch.where(b[1] <= c[1], c, b)
    a, b = torch.where(a[1] <= b[1], a, b), torch.where(a[1] <= b[1], b, a)
    return a, b, c


def _cross(
    start: torch.Tensor, end: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Column and nearness `[S]` where edges `[3, S]`, going down, cross rows `[S]`."""
    fall = end[1] - start[1]
    share = torch.where(fall > 0, (y - start[1]) / fall.clamp(min=1e-300), torch.ones_like(y))
    return torch.lerp(start[0], end[0], share), torch.lerp(start[2], end[2], share)
