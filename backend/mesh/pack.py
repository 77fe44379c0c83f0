# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns flat charts into one atlas: turned, spaced and packed into the unit square."""

from dataclasses import replace

import numpy as np

from .bitmap import BoolGrid
from .charts import FloatRows, IndexArray
from .layout import Layout, find_border, signed_areas
from .pieces import Outlines, Pieces, draw_pieces
from .place import Places, place_shapes

_ROUGH_CELLS = 128  # along the square's edge, of a first estimate
_FEW, _FEW_CELLS, _MANY_CELLS = 100, 512, 1024  # then, for few and for many charts
_WORK = 1e10  # bytes that are looked at in all tries, for small meshes
_LARGE_MESH = 50_000  # faces; the more there are, the less time is left for tries
_LEAST_WORK = 0.3  # of that for small meshes
_SIDE_ROUNDS = 12  # until gaps and side agree
_FILLED = 0.7  # of the square, padding included, exceeded by most meshes
_ANGLES = 24  # tried to find a chart's smallest rectangle
_TURNED = 40  # pieces times angles between those of the rectangles that are tried
_MOST_ANGLES = 4
_BOXY, _STICK = 0.8, 12  # share of its rectangle that a box covers, and length of a stick
_PADDING_SHARE = 0.25  # of the square, at most, goes to padding around very many charts


def pack_charts(layout: Layout, gap: float) -> FloatRows:
    """Place all charts in the unit square at one scale, without overlap.

    Large charts are placed by their outlines on a grid, each at the lowest free place, in several
    orders; small ones fill rows of blocks that are placed likewise. First rounds find out how large
    the square will be, as the gaps are meant for that.

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
    outlines = Outlines(uv, size, chart, find_border(corners)[0])
    padding = min(gap, float(np.sqrt(_PADDING_SHARE / len(size))))
    variants = _turn_all(outlines, int(np.clip(_TURNED // len(size), 1, _MOST_ANGLES)))
    fine = _FEW_CELLS if len(size) <= _FEW else _MANY_CELLS
    filled = _FILLED
    most_work = _WORK * max(1 / (1 + len(corners) / _LARGE_MESH), _LEAST_WORK)
    for cells, work in ((_ROUGH_CELLS, most_work / 50), (fine, 0), (fine, most_work)):
        side = _expected_side(outlines, float(chart_area.sum()), padding, filled, 1 / fine)
        turned, pieces, places = _place_all(variants, side, padding, cells, work)
        filled = sum(int(mask.sum()) for mask in pieces.masks) / places.side**2
    moved = _move(turned.uv / pieces.cell, chart, pieces, places)
    packed[kept] = np.clip(moved / places.side, 0, 1)
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


def _turn_all(outlines: Outlines, count: int) -> list[Outlines]:
    """All charts as they are, and turned by shares of a quarter turn."""
    start = np.flatnonzero(np.append(True, np.diff(outlines.chart) != 0))
    variants = [outlines]
    for angle in np.arange(1, count) * (np.pi / 2 / count):
        uv = _rotate(outlines.uv, np.full(len(outlines.uv), angle))
        uv -= np.minimum.reduceat(uv, start)[outlines.chart]
        variants.append(replace(outlines, uv=uv, size=np.maximum.reduceat(uv, start)))
    return variants


def _rotate(uv: FloatRows, angle_rad: FloatRows) -> FloatRows:
    """Turn each point `[Q, 2]` about the origin."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.stack([cosine * uv[:, 0] - sine * uv[:, 1], sine * uv[:, 0] + cosine * uv[:, 1]], -1)


def _sizes(uv: FloatRows, start: IndexArray) -> FloatRows:
    """Width and height `[K, 2]` of the charts that begin at `start`."""
    return np.maximum.reduceat(uv, start) - np.minimum.reduceat(uv, start)


def _expected_side(
    outlines: Outlines, area: float, padding: float, filled: float, grain: float
) -> float:
    """Edge of the square that charts will need.

    Args:
        outlines: K charts.
        area: Sum of theirs.
        padding: Between them, as a share of the square's edge.
        filled: Share of the square that is covered by charts and padding.
        grain: Edge of the cells that they are drawn with, as a share of the square's.
    """
    ends = outlines.uv[outlines.border]
    length = float(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum())
    side = np.sqrt(area / filled)
    for _ in range(_SIDE_ROUNDS):
        side = np.sqrt((area + length * side * (padding + grain) / 2) / filled)
    return max(float(side), float(outlines.size.max(axis=1).min()))


def _place_all(
    variants: list[Outlines], side: float, padding: float, cells: int, work: float
) -> tuple[Outlines, Pieces, Places]:
    """Place charts on a grid of about `cells` along the edge of a square of about `side`.

    Args:
        variants: The charts, turned in one or more ways; only one way if they are many.
        side: In the charts' units.
        padding: Between charts, as a share of the side.
        cells: Along the side.
        work: How much may be done, see `place_shapes`.

    Returns:
        The charts turned as they were placed, their pieces, and where these went; the turns of
        the places are quarters.
    """
    drawn = [draw_pieces(variant, side / cells, padding * cells) for variant in variants]
    shapes = [
        [np.rot90(mask, quarter) for mask in _useful(masks) for quarter in range(4)]
        for masks in zip(*(pieces.masks for pieces in drawn), strict=True)
    ]
    places = place_shapes(shapes, work)
    variant, quarter = np.divmod(places.turns, 4)
    of_chart = variant[drawn[0].piece]  # [K]
    chart = variants[0].chart
    uv = np.stack([one.uv for one in variants])[of_chart[chart], np.arange(len(chart))]
    size = np.stack([one.size for one in variants])[of_chart, np.arange(len(of_chart))]
    masks = [drawn[index].masks[piece] for piece, index in enumerate(variant)]
    turned = replace(variants[0], uv=uv, size=size)
    return turned, replace(drawn[0], masks=masks), replace(places, turns=quarter)


def _useful(masks: tuple[BoolGrid, ...]) -> tuple[BoolGrid, ...]:
    """Of a shape that is turned in several ways, the first one alone if it is nearly a rectangle.

    Long sticks may also lie across the square.
    """
    is_box = masks[0].mean() > _BOXY and max(masks[0].shape) < _STICK * min(masks[0].shape)
    return masks[:1] if is_box else masks


def _move(uv: FloatRows, chart: IndexArray, pieces: Pieces, places: Places) -> FloatRows:
    """Take each chart to its place, in cells."""
    piece = pieces.piece[chart]
    x, y = (uv + pieces.offset[chart]).T
    height, width = np.array([mask.shape for mask in pieces.masks])[piece].T
    choices = ((x, y), (y, width - x), (width - x, height - y), (height - y, x))
    turn = places.turns[piece]
    moved = [np.choose(turn, parts) for parts in zip(*choices, strict=True)]
    return np.stack(moved, -1).astype(np.float64) + places.corner[piece]
