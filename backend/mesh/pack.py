# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns flat charts into one atlas: turned, spaced and packed into the unit square."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from .charts import FloatRows, IndexArray
from .layout import Layout, find_border, signed_areas
from .rows import cross_rows

BoolGrid = NDArray[np.bool_]

_COARSE_CELLS, _FINE_CELLS = 128, 512  # along the square's edge, about: grids of the packing
_WORK = 2.0e7  # cells times pieces to pack, in all runs of a grid
_MOST_RUNS = 4
_FIRST_COVER = (0.86, 0.76)  # share of the square that is covered, hoped for by each run
_MOST_PIECES = 120  # packed by their true outline; smaller charts are set in rows first
_MOST_BLOCKS = 24  # of such rows
_MOST_TURNED = 32  # pieces tried in four orientations, the others in two
_FILLED = 0.7  # of the square, padding included, exceeded by most meshes
_ANGLES = 24  # tried to find a chart's smallest rectangle
_SAMPLE = 0.25  # cells between points on a chart's border
_PADDING_SHARE = 0.25  # of the square, at most, goes to padding around very many charts


@dataclass(frozen=True, slots=True)
class _Pieces:
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
class _Places:
    """Where the pieces went.

    Attributes:
        turns: `[M]` quarter turns of each piece.
        corner: `[M, 2]` x and y of its lower left cell after the turn.
        side: Cells along the square that holds all.
    """

    turns: IndexArray
    corner: IndexArray
    side: int


def pack_charts(layout: Layout, gap: float) -> FloatRows:
    """Place all charts in the unit square at one scale, without overlap.

    The largest charts are placed first, each at the lowest free place of a grid, found for all
    places at once by a Fourier transform. Small ones fill rows of blocks that are placed likewise.

    Args:
        layout: Flat charts at one scale.
        gap: Least distance between charts, along either axis, as a share of the square's edge,
            and half of it to the square's border; less where gaps would take most of the square.

    Returns:
        `[Q, 2]` in [0, 1]. Charts without an area are all at one point.
    """
    area = np.abs(signed_areas(layout.uv[layout.corners]))
    chart_area = np.bincount(layout.chart[layout.corners[:, 0]], area)
    is_flat = chart_area > 0
    packed = np.full(layout.uv.shape, gap / 2)
    if not is_flat.any():
        return packed
    kept, corners, chart = _without(layout, is_flat)
    uv, size = _turn_upright(layout.uv[kept], chart)
    num_charts = len(size)
    padding = min(gap, float(np.sqrt(_PADDING_SHARE / num_charts)))
    side = _expected_side(size, float(chart_area.sum()), padding)
    for cells in (_COARSE_CELLS, _FINE_CELLS):
        pieces = _make_pieces(uv, size, corners, chart, side / cells, padding * cells)
        places = _place_closely(pieces.masks, cells)
        side *= places.side / cells  # what the gaps are meant for, the second time
    packed[kept] = np.clip(_move(uv / pieces.cell, chart, pieces, places) / places.side, 0, 1)
    return packed


def _without(layout: Layout, is_kept: BoolGrid) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Indices of the kept charts' vertices, their faces' corners, and their charts, from 0."""
    is_vertex = is_kept[layout.chart]
    number = np.cumsum(is_vertex) - 1
    corners = number[layout.corners[is_vertex[layout.corners[:, 0]]]]
    chart = (np.cumsum(is_kept) - 1)[layout.chart[is_vertex]]
    return np.flatnonzero(is_vertex), corners, chart


def _turn_upright(uv: FloatRows, chart: IndexArray) -> tuple[FloatRows, FloatRows]:
    """Turn each chart so that its rectangle is smallest and lies on its long side, at the origin.

    Returns:
        The places `[Q, 2]` and each chart's width and height `[K, 2]`.
    """
    start = np.flatnonzero(np.append(True, np.diff(chart) != 0))
    least = np.full(len(start), np.inf)
    angle = np.zeros(len(start))
    for trial in np.arange(_ANGLES) * (np.pi / 2 / _ANGLES):
        width, height = _sizes(_rotate(uv, np.full(len(uv), trial)), start).T
        is_better = width * height < least * (1 - 1e-9)
        least[is_better], angle[is_better] = (width * height)[is_better], trial
    width, height = _sizes(_rotate(uv, angle[chart]), start).T
    turned = _rotate(uv, (angle + np.where(height > width, np.pi / 2, 0.0))[chart])
    turned -= np.minimum.reduceat(turned, start)[chart]
    return turned, np.maximum.reduceat(turned, start)


def _rotate(uv: FloatRows, angle_rad: FloatRows) -> FloatRows:
    """Turn each point `[Q, 2]` about the origin."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.stack([cosine * uv[:, 0] - sine * uv[:, 1], sine * uv[:, 0] + cosine * uv[:, 1]], -1)


def _sizes(uv: FloatRows, start: IndexArray) -> FloatRows:
    """Width and height `[K, 2]` of the charts that begin at `start`."""
    return np.maximum.reduceat(uv, start) - np.minimum.reduceat(uv, start)


def _expected_side(size: FloatRows, area: float, padding: float) -> float:
    """Edge of the square that the charts will need; `padding` is a share of it."""
    side = np.sqrt(area / _FILLED)
    for _ in range(4):
        gap = padding * side
        side = np.sqrt((area + gap * size.sum() + len(size) * gap**2) / _FILLED)
    return max(side, size.max() / (1 - 2 * padding))


def _make_pieces(
    uv: FloatRows,
    size: FloatRows,
    corners: IndexArray,
    chart: IndexArray,
    cell: float,
    padding: float,
) -> _Pieces:
    """Draw large charts on a grid and set the others in blocks of rows, `padding` cells apart."""
    uv, size = uv / cell, size / cell
    order = np.argsort(-size.prod(axis=1), kind="stable")
    num_large = len(size) if len(size) <= _MOST_PIECES else _MOST_PIECES - _MOST_BLOCKS
    large, small = order[:num_large], order[num_large:]
    number = np.full(len(size), -1)
    number[large] = np.arange(num_large)
    margin = padding / 2 + _SAMPLE / 2
    border, _ = find_border(corners)
    border = border[number[chart[border[:, 0]]] >= 0]
    masks = _draw(uv[border], number[chart[border[:, 0]]], size[large], margin)
    offset = np.full((len(size), 2), margin)
    blocks = np.array_split(small, min(_MOST_BLOCKS, len(small))) if len(small) else []
    for block in blocks:
        number[block] = len(masks)
        offset[block], (width, height) = _set_in_rows(size[block] + padding)
        offset[block] += padding / 2
        masks.append(np.ones((int(np.ceil(height)), int(np.ceil(width))), bool))
    return _Pieces(masks, number, offset, cell)


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


def _draw(edges: FloatRows, number: IndexArray, size: FloatRows, margin: float) -> list[BoolGrid]:
    """Draw charts by their border edges: all cells within `margin` of what a chart covers.

    Args:
        edges: `[E, 2, 2]` in cells.
        number: `[E]` the chart of each edge.
        size: `[K, 2]` width and height of the charts.
        margin: Cells around.

    Returns:
        One mask `[h, w]` per chart, whose origin is `margin` below and left of the chart's.
    """
    shape = np.ceil(size + 2 * margin + 1e-6).astype(np.int64)  # [K, 2]
    start = np.cumsum(shape.prod(axis=1)) - shape.prod(axis=1)
    edges = edges + margin
    width, begin = shape[number, 0], start[number]
    toggles = np.zeros(int(shape.prod(axis=1).sum()) + 1, np.int64)
    edge, row, x = cross_rows(edges)
    np.add.at(toggles, begin[edge] + row * width[edge] + np.ceil(x - 0.5).astype(np.int64), 1)
    cells = np.cumsum(toggles)[:-1] % 2 > 0  # inside after an odd number of borders
    edge, points = _sample_edges(edges)
    steps = np.linspace(-margin, margin, int(np.ceil(2 * margin)) + 1)
    for shift in np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2):
        column, row = np.clip(np.floor(points + shift), 0, shape[number[edge]] - 1).T
        cells[begin[edge] + (row * width[edge] + column).astype(np.int64)] = True
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


def _place_closely(masks: list[BoolGrid], cells: int) -> _Places:
    """Place pieces from several first sides, as many as the work allows; the closest packing."""
    num_runs = int(np.clip(_WORK / (len(masks) * cells**2), 1, _MOST_RUNS))
    box, covered = np.array([(mask.size, mask.sum()) for mask in masks]).T
    # Frames first, then what fits into them; or what covers most first. Each wins about as often.
    orders = [np.argsort(-box, kind="stable"), np.argsort(-covered, kind="stable")]
    first_sides = np.sqrt(covered.sum() / np.linspace(*_FIRST_COVER, num_runs + 2)[1:-1])
    tries = [_place(masks, orders[i % 2], int(side)) for i, side in enumerate(first_sides)]
    return min(tries, key=lambda places: places.side)


def _place(masks: list[BoolGrid], order: IndexArray, first_side: int) -> _Places:
    """Find a free place for each piece, in order, in a square that grows if it must."""
    side = max(first_side, *(max(mask.shape) for mask in masks))
    canvas = _empty_canvas(side)
    turns, corner = np.zeros(len(masks), np.int64), np.zeros((len(masks), 2), np.int64)
    for rank, k in enumerate(order):
        turned = [np.rot90(masks[k], turn) for turn in range(4 if rank < _MOST_TURNED else 2)]
        overlap = _overlaps(canvas, turned)
        while (found := _lowest_place(overlap, turned, side)) is None:
            side += max(1, side // 100)
            if side > len(canvas):
                old, canvas = canvas, _empty_canvas(side)
                canvas[: len(old), : len(old)] = old
                overlap = _overlaps(canvas, turned)
        turn, x, y = found
        rows, columns = turned[turn].shape
        canvas[y : y + rows, x : x + columns] += turned[turn]
        turns[k], corner[k] = turn, (x, y)
    return _Places(turns, corner, side)


def _empty_canvas(side: int) -> NDArray[np.float32]:
    """Room for a square that will grow a little, of a size that transforms fast."""
    size = int(fft.next_fast_len(side + side // 10, real=True) or side)
    return np.zeros((size, size), np.float32)


def _overlaps(canvas: NDArray[np.float32], turned: list[BoolGrid]) -> NDArray[np.float32]:
    """Cells that each piece would share with what is there, for each place of its corner."""
    kernel = np.zeros((len(turned), *canvas.shape), np.float32)
    for image, mask in zip(kernel, turned, strict=True):
        image[: mask.shape[0], : mask.shape[1]] = mask
    product = np.asarray(fft.rfft2(canvas)) * np.conj(np.asarray(fft.rfft2(kernel)))
    return np.asarray(fft.irfft2(product, canvas.shape))


def _lowest_place(
    overlap: NDArray[np.float32], turned: list[BoolGrid], side: int
) -> tuple[int, int, int] | None:
    """The turn, x and y of the free place whose middle is lowest, or None."""
    best, lowest = None, np.inf
    for turn, mask in enumerate(turned):
        rows, columns = mask.shape
        is_free = overlap[turn, : side - rows + 1, : side - columns + 1] < 0.5
        y, x = np.unravel_index(is_free.argmax(), is_free.shape)
        middle = y + rows / 2 + 0.2 * (x + columns / 2)
        if is_free[y, x] and middle < lowest:
            best, lowest = (turn, int(x), int(y)), middle
    return best


def _move(uv: FloatRows, chart: IndexArray, pieces: _Pieces, places: _Places) -> FloatRows:
    """Take each chart to its place, in cells."""
    piece = pieces.piece[chart]
    x, y = (uv + pieces.offset[chart]).T
    height, width = np.array([mask.shape for mask in pieces.masks])[piece].T
    choices = ((x, y), (y, width - x), (width - x, height - y), (height - y, x))
    turn = places.turns[piece]
    moved = [np.choose(turn, parts) for parts in zip(*choices, strict=True)]
    return np.stack(moved, -1).astype(np.float64) + places.corner[piece]
