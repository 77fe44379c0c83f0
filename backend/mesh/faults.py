# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns flat charts into the list of those that fold or overlap themselves, and where."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .charts import FloatRows, IndexArray, Surface
from .layout import Layout, find_border, signed_areas
from .rows import cross_rows

_NO_AREA = 1e-8  # of the whole surface: a hundredth of a texel; its folds cannot be seen
_BLOCK = 1 << 20  # pairs of edges tested at a time
_CELL = 1 / 1024  # of the edge of a square with the surface's area
_MOST_CELLS = 1 << 23


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with K charts.

    Attributes:
        is_faulty: `[K]` bool, the chart folds or overlaps itself.
        seeds: `[K, 2]` two faces whose borders cross each other, or -1.
    """

    is_faulty: NDArray[np.bool_]
    seeds: IndexArray


def find_faults(surface: Surface, faces: IndexArray, layout: Layout) -> Faults:
    """Find the charts that have a fold, or a border that crosses itself.

    Without both, a chart covers each point once: the times it does are the sum of its borders'
    winding numbers, and simple loops whose turns add up to the chart's Euler number leave 0 or 1.
    Borders that only touch, or meet at a vertex, escape that test, so points of a grid are counted
    as well.
    """
    num_charts = int(layout.chart[-1]) + 1
    is_faulty, seeds = np.zeros(num_charts, bool), np.full((num_charts, 2), -1)
    area = signed_areas(layout.uv[layout.corners])
    limit = np.where(surface.areas[faces] > _NO_AREA, 0.0, -_NO_AREA)
    is_faulty[layout.chart[layout.corners[area <= limit, 0]]] = True
    is_faulty[layout.chart[~np.isfinite(layout.uv).all(axis=1)]] = True
    border, owner = find_border(layout.corners)
    is_right = ~is_faulty[layout.chart[border[:, 0]]]
    border, owner = border[is_right], owner[is_right]
    for one, other in _near_edges(layout, border):
        is_crossing = _cross(layout.uv[border[one]], layout.uv[border[other]])
        is_crossing &= (border[one][:, :, None] != border[other][:, None, :]).all(axis=(1, 2))
        one, other = one[is_crossing], other[is_crossing]
        chart = layout.chart[border[one, 0]]
        is_faulty[chart] = True
        seeds[chart] = faces[np.stack([owner[one], owner[other]], -1)]
    for chart, cell in _covered_twice(layout, is_faulty):
        is_faulty[chart] = True
        seeds[chart] = faces[_faces_at(layout, chart, cell)]
    return Faults(is_faulty, seeds)


def _near_edges(layout: Layout, border: IndexArray) -> Iterator[tuple[IndexArray, IndexArray]]:
    """Pairs of border edges of one chart whose boxes touch, in blocks."""
    if not len(border):
        return
    chart = layout.chart[border[:, 0]]
    ends = layout.uv[border]  # [E, 2, 2]
    span = np.ptp(layout.uv, axis=0).max() + 1.0
    low, high = ends.min(axis=1), ends.max(axis=1)  # [E, 2]
    shift = 2 * span * chart - layout.uv[:, 0].min()  # charts side by side, so far apart
    order = np.argsort(low[:, 0] + shift, kind="stable")
    low, high, shift = low[order], high[order], shift[order]
    left, right = low[:, 0] + shift, high[:, 0] + shift + 1e-9
    num_after = np.searchsorted(left, right, side="right") - np.arange(len(order)) - 1
    total = np.cumsum(num_after)
    cuts = np.searchsorted(total, np.arange(_BLOCK, total[-1] + _BLOCK, _BLOCK), side="right")
    for begin, end in zip(np.append(0, cuts), np.append(cuts, len(order)), strict=True):
        number = num_after[begin:end]
        one = np.repeat(np.arange(begin, end), number)
        step = np.arange(len(one)) - np.repeat(np.cumsum(number) - number, number)
        other = one + 1 + step
        is_near = (low[one, 1] <= high[other, 1]) & (low[other, 1] <= high[one, 1])
        yield order[one[is_near]], order[other[is_near]]


def _cross(one: FloatRows, other: FloatRows) -> NDArray[np.bool_]:
    """Whether segments `[N, 2, 2]` cross each other; touching is not crossing."""

    def side(segment: FloatRows, point: FloatRows) -> FloatRows:
        return signed_areas(np.concatenate([segment, point[:, None]], axis=1))

    splits_other = side(one, other[:, 0]) * side(one, other[:, 1]) < 0
    return splits_other & (side(other, one[:, 0]) * side(other, one[:, 1]) < 0)


def _covered_twice(layout: Layout, is_known: NDArray[np.bool_]) -> Iterator[tuple[int, FloatRows]]:
    """Charts, other than the known ones, that cover a point of a grid twice, and that point."""
    start = np.flatnonzero(np.append(True, np.diff(layout.chart) != 0))
    low = np.minimum.reduceat(layout.uv, start)
    size = np.maximum.reduceat(layout.uv, start) - low
    cell = _CELL
    while (np.ceil(size / cell) + 2).prod(axis=1).sum() > _MOST_CELLS:
        cell *= 2
    shape = np.ceil(size / cell).astype(np.int64) + 2  # [K, 2]
    begin = np.cumsum(shape.prod(axis=1)) - shape.prod(axis=1)
    placed = (layout.uv - low[layout.chart]) / cell
    edges = np.stack([layout.corners, np.roll(layout.corners, -1, axis=1)], -1).reshape(-1, 2)
    edges = edges[~is_known[layout.chart[edges[:, 0]]]]
    ends, chart = placed[edges], layout.chart[edges[:, 0]]
    edge, row, x = cross_rows(ends)
    index = begin[chart[edge]] + row * shape[chart[edge], 0] + np.ceil(x - 0.5).astype(np.int64)
    sign = np.where(ends[edge, 0, 1] > ends[edge, 1, 1], 1.0, -1.0)  # down on the left side
    cover = np.cumsum(np.bincount(index, sign, int(shape.prod(axis=1).sum())))
    twice = np.flatnonzero(cover > 1.5)
    charts = np.searchsorted(begin, twice, side="right") - 1
    for found, first in zip(*np.unique(charts, return_index=True), strict=True):
        row, column = divmod(int(twice[first] - begin[found]), int(shape[found, 0]))
        yield int(found), low[found] + cell * (np.array((column, row)) + 0.5)


def _faces_at(layout: Layout, chart: int, point: FloatRows) -> IndexArray:
    """Two faces of a chart that cover a point; the two nearest ones if rounding hides them."""
    faces = np.flatnonzero(layout.chart[layout.corners[:, 0]] == chart)
    corners = layout.uv[layout.corners[faces]]  # [F, 3, 2]
    inside = np.full(len(faces), np.inf)
    for side in range(3):
        triangle = corners.copy()
        triangle[:, side] = point
        inside = np.minimum(inside, signed_areas(triangle))
    return faces[np.argsort(-inside, kind="stable")[:2]]
