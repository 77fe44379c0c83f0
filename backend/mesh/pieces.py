# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns flat charts into shapes on a grid: large ones by their outline, small ones in rows."""

from dataclasses import dataclass

import numpy as np

from .bitmap import BoolGrid
from .charts import FloatRows, IndexArray
from .rows import cross_rows

_MOST_PIECES = 300  # packed by their true outline; smaller charts are set in rows first
_MOST_BLOCKS = 30  # of such rows
_SAMPLE = 0.25  # cells between points on a chart's border


@dataclass(frozen=True, slots=True)
class Pieces:
    """What is packed, in cells: single charts, or blocks of small charts in rows.

    Attributes:
        masks: One `[h, w]` per piece, the cells that nothing else may touch, row 0 at v = 0.
        piece: `[K]` the piece of each chart.
        offset: `[K, 2]` where the chart's lower left corner is in the piece.
        cell: Edge of a cell in the charts' units.
    """

    masks: list[BoolGrid]
    piece: IndexArray
    offset: FloatRows
    cell: float


@dataclass(frozen=True, slots=True)
class Outlines:
    """Charts as packing sees them.

    Attributes:
        uv: `[Q, 2]` places of their vertices; each chart's lower left corner is the origin.
        size: `[K, 2]` width and height of each chart.
        chart: `[Q]` chart of each vertex.
        border: `[E, 2]` vertices at the ends of the edges of all outlines.
    """

    uv: FloatRows
    size: FloatRows
    chart: IndexArray
    border: IndexArray


def draw_pieces(outlines: Outlines, cell: float, padding: float) -> Pieces:
    """Draw large charts on a grid and set the others in blocks of rows.

    Args:
        outlines: K charts.
        cell: Edge of a cell in their units.
        padding: Cells between charts.
    """
    uv, size = outlines.uv / cell, outlines.size / cell
    order, num_large = np.arange(len(size)), len(size)
    if len(size) > _MOST_PIECES:
        order = np.argsort(-size.prod(axis=1), kind="stable")
        num_large = _MOST_PIECES - _MOST_BLOCKS
    large, small = order[:num_large], order[num_large:]
    number = np.full(len(size), -1)
    number[large] = np.arange(num_large)
    margin = padding / 2 + _SAMPLE / 2
    owner = number[outlines.chart[outlines.border[:, 0]]]
    is_drawn = owner >= 0
    shape = np.ceil(size[large] + 2 * margin + 1e-6).astype(np.int64)
    masks = _draw(uv[outlines.border[is_drawn]] + margin, owner[is_drawn], shape, margin)
    offset = np.full((len(size), 2), margin)
    blocks = np.array_split(small, min(_MOST_BLOCKS, len(small))) if len(small) else []
    for block in blocks:
        number[block] = len(masks)
        offset[block], (width, height) = _set_in_rows(size[block] + padding)
        offset[block] += padding / 2
        masks.append(np.ones((int(np.ceil(height)), int(np.ceil(width))), bool))
    return Pieces(masks, number, offset, cell)


def _set_in_rows(size: FloatRows) -> tuple[FloatRows, tuple[float, float]]:
    """Set rectangles `[K, 2]` in rows of about a square; their corners, and the whole's size.

    Source: Coffman, Garey, Johnson and Tarjan, "Performance Bounds for Level-Oriented
    Two-Dimensional Packing Algorithms", 1980 (first fit, decreasing height).
    """
    room = max(float(np.sqrt(size.prod(axis=1).sum())), float(size[:, 0].max()))
    left = np.full(len(size), room)  # free width of each row
    bottom, top, num_rows = np.zeros(len(size)), 0.0, 0
    corner = np.empty_like(size)
    for k in np.lexsort((-size[:, 0], -size[:, 1])):
        row = int((left[: num_rows + 1] >= size[k, 0]).argmax())
        if row == num_rows:
            bottom[row], num_rows = top, num_rows + 1
            top += size[k, 1]
        corner[k] = room - left[row], bottom[row]
        left[row] -= size[k, 0]
    return corner, (room, top)


def _draw(edges: FloatRows, number: IndexArray, shape: IndexArray, margin: float) -> list[BoolGrid]:
    """Draw charts by their border edges: all cells within `margin` of what a chart covers.

    Args:
        edges: `[E, 2, 2]` in cells.
        number: `[E]` the chart of each edge.
        shape: `[K, 2]` columns and rows of each chart's mask.
        margin: Cells around.

    Returns:
        One mask `[h, w]` per chart.
    """
    start = np.cumsum(shape.prod(axis=1)) - shape.prod(axis=1)
    width, begin = shape[number, 0], start[number]
    toggles = np.zeros(int(shape.prod(axis=1).sum()) + 1, np.int64)
    edge, row, x = cross_rows(edges)
    np.add.at(toggles, begin[edge] + row * width[edge] + np.ceil(x - 0.5).astype(np.int64), 1)
    cells = np.cumsum(toggles)[:-1] % 2 > 0  # inside after an odd number of borders
    edge, points = _sample_edges(edges)
    steps = np.linspace(-margin, margin, int(np.ceil(2 * margin)) + 1)
    limit = shape[number[edge]] - 1
    near = [np.clip(np.floor(points + step).astype(np.int64), 0, limit) for step in steps]
    low = [begin[edge] + place[:, 1] * width[edge] for place in near]
    for first in low:
        for place in near:
            cells[first + place[:, 0]] = True
    flat = np.split(cells, start[1:])
    return [mask.reshape(rows, columns) for mask, (columns, rows) in zip(flat, shape, strict=True)]


def _sample_edges(edges: FloatRows) -> tuple[IndexArray, FloatRows]:
    """Points along edges, at most `_SAMPLE` cells apart, ends included; and the edge of each."""
    length = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    number = np.ceil(length / _SAMPLE).astype(np.int64) + 1
    edge = np.repeat(np.arange(len(edges)), number)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number)
    share = (step / np.maximum(number - 1, 1)[edge])[:, None]
    return edge, edges[edge, 0] + share * (edges[edge, 1] - edges[edge, 0])
