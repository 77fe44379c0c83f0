# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns flat charts into more compact ones: awkward shapes are cut where that saves most room."""

import numpy as np
from numpy.typing import NDArray

from .charts import FloatRows, IndexArray, Surface, split_pieces
from .layout import Layout, find_border, number_corners, signed_areas

_DIRECTIONS = 24  # in which a chart's extent is measured; cuts lie across half of them
_BINS = 24  # places along each, between which a cut may be
_LEAST_CHART = 4e-3  # of the area of all; smaller charts fill gaps as they are
_LEAST_GAIN = 2e-3  # of the area of all: room that a cut must save
_LEAST_SHARE = 0.06  # of the chart's room
_FILLED = 0.85  # of all rooms together, exceeded by charts that need no cut
_CRUMB = 0.05  # of a chart's area; smaller pieces that a cut leaves stay on its other side
_MOST_ROUNDS = 8
_FAR = 1e15


def divide_charts(surface: Surface, layout: Layout) -> Layout:
    """Cut large charts that leave much of their convex hull empty: arcs, angles, open frames.

    Cuts that save most come first, and end when charts fill most of their hulls. The parts stay
    as flat as they are, so nothing is stretched anew. Closed rings stay: others fit into them.

    Args:
        surface: F faces.
        layout: K charts.

    Returns:
        The same faces in K charts or more.
    """
    label = layout.chart[layout.corners[:, 0]]
    area = np.abs(signed_areas(layout.uv[layout.corners]))
    least = _LEAST_CHART * float(area.sum())
    rim = np.unique(find_border(layout.corners)[1])
    rooms = _hull_areas(_measure_extents(layout.uv[layout.corners[rim]], label[rim]))
    excess = float(rooms[np.unique(label[rim])].sum() - area.sum() / _FILLED)
    is_open = np.bincount(label, area) >= least
    for _ in range(_MOST_ROUNDS):
        faces = np.flatnonzero(is_open[label])
        if excess <= 0 or not len(faces):
            break
        chart, part = np.unique(label[faces], return_inverse=True)
        piece, gain = _cut_once(surface, layout, faces, part, float(area.sum()))
        order = np.argsort(-gain, kind="stable")
        is_cut = np.zeros(len(chart), bool)
        is_cut[order] = np.cumsum(gain[order]) - gain[order] < excess
        is_cut &= gain > 0
        excess -= gain[is_cut].sum()
        owner, start = part[np.unique(piece, return_index=True)[1]], len(is_open)
        is_kept = np.append(True, np.diff(owner) != 0)  # the first piece has the chart's number
        fresh = np.where(is_kept, chart[owner], start - 1 + np.cumsum(~is_kept))
        is_moved = is_cut[part]
        label[faces[is_moved]] = fresh[piece[is_moved]]
        is_open = np.zeros(start + int((~is_kept).sum()), bool)
        is_open[label[faces[is_moved]]] = True
        is_open &= np.bincount(label, area, len(is_open)) >= least
    return _relabel(layout, label)


def _cut_once(
    surface: Surface, layout: Layout, faces: IndexArray, part: IndexArray, total: float
) -> tuple[IndexArray, FloatRows]:
    """Cut each chart in two or more pieces where that saves most.

    Args:
        surface: All faces.
        layout: All charts.
        faces: `[F]` those of the charts that are looked at.
        part: `[F]` their charts, counted from 0.
        total: Area of all charts.

    Returns:
        The pieces `[F]`, those of each chart in a row, and the room that each chart's cut saves
        `[K]`, 0 if it is not worth it.
    """
    index = layout.corners[faces]
    corners = layout.uv[index]
    rim = np.unique(find_border(index)[1])
    direction, place = _find_cuts(corners[rim], part[rim], int(part.max()) + 1)
    along = np.einsum("fd,fd->f", corners.mean(axis=1), direction[part])
    pairs = _inner_pairs(surface, faces, part)
    piece = _separate(pairs, part, along > place[part], surface.areas[faces])
    rim = np.union1d(rim, pairs[piece[pairs[:, 0]] != piece[pairs[:, 1]]])
    return piece, _measure_gain(corners[rim], part[rim], piece[rim], total)


def _find_cuts(
    corners: FloatRows, part: IndexArray, num_charts: int
) -> tuple[FloatRows, FloatRows]:
    """The best straight cut through each chart, as far as the faces at its border tell.

    Args:
        corners: `[F, 3, 2]` places of those.
        part: `[F]` their charts, counted from 0.
        num_charts: K.

    Returns:
        The direction across each cut `[K, 2]`, and its place along that `[K]`.
    """
    directions = _directions()
    extent = (corners @ directions.T).max(axis=1)  # [F, D]
    middle = corners.mean(axis=1) @ directions[: _DIRECTIONS // 2].T  # [F, D/2]
    most, chosen, place = np.zeros((3, num_charts))
    for number, along in enumerate(middle.T):
        low = -_largest_by(part, -along[:, None], num_charts)[:, 0]
        high = _largest_by(part, along[:, None], num_charts)[:, 0]
        step = np.maximum(high - low, 1e-12) / _BINS
        bins = np.minimum((along - low[part]) / step[part], _BINS - 1).astype(np.int64)
        reach = _largest_by(part * _BINS + bins, extent, num_charts * _BINS)
        reach = reach.reshape(num_charts, _BINS, _DIRECTIONS)
        before = np.maximum.accumulate(reach, axis=1)[:, :-1]
        after = np.maximum.accumulate(reach[:, ::-1], axis=1)[:, -2::-1]
        both = _hull_areas(before) + _hull_areas(after)  # [K, bins - 1]
        saved = _hull_areas(reach.max(axis=1)) - both.min(axis=1)
        is_better = saved > most
        most[is_better], chosen[is_better] = saved[is_better], number
        place[is_better] = (low + step * (both.argmin(axis=1) + 1))[is_better]
    return directions[chosen.astype(np.int64)], place


def _directions() -> FloatRows:
    """Unit vectors `[D, 2]` all around."""
    angle = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
    return np.stack([np.cos(angle), np.sin(angle)], -1)


def _measure_gain(
    corners: FloatRows, part: IndexArray, piece: IndexArray, total: float
) -> FloatRows:
    """Room that cutting each chart `[K]` saves; 0 if that is too little."""
    reach = _measure_extents(corners, piece)
    chart = part[np.unique(piece, return_index=True)[1]]
    whole = _hull_areas(_largest_by(chart, reach, int(part.max()) + 1))
    saved = whole - np.bincount(chart, _hull_areas(reach), len(whole))
    return np.where(saved >= np.maximum(_LEAST_GAIN * total, _LEAST_SHARE * whole), saved, 0.0)


def _measure_extents(corners: FloatRows, part: IndexArray) -> FloatRows:
    """How far charts of faces `[F, 3, 2]` reach in each direction, `[K, D]`."""
    return _largest_by(part, (corners @ _directions().T).max(axis=1), int(part.max()) + 1)


def _largest_by(label: IndexArray, values: FloatRows, count: int) -> FloatRows:
    """The largest of the rows `[N, D]` of each label -> `[count, D]`; far below 0 without any."""
    largest = np.full((count, values.shape[1]), -_FAR)
    order = np.argsort(label, kind="stable")
    start = np.flatnonzero(np.append(True, np.diff(label[order]) != 0))
    largest[label[order[start]]] = np.maximum.reduceat(values[order], start)
    return largest


def _hull_areas(extent: FloatRows) -> FloatRows:
    """Areas `[...]` of the polygons around shapes that reach so far in D directions `[..., D]`."""
    turn = 2 * np.pi / extent.shape[-1]
    around = np.roll(extent, 1, axis=-1) + np.roll(extent, -1, axis=-1)
    side = (around - 2 * np.cos(turn) * extent) / np.sin(turn)
    return (extent * side).sum(axis=-1) / 2


def _inner_pairs(surface: Surface, faces: IndexArray, part: IndexArray) -> IndexArray:
    """Neighbours `[E, 2]` in the same chart, by their places in `faces`."""
    number = np.full(len(surface.faces), -1)
    number[faces] = np.arange(len(faces))
    pairs = number[surface.pairs]
    pairs = pairs[(pairs >= 0).all(axis=1)]
    return pairs[part[pairs[:, 0]] == part[pairs[:, 1]]]


def _separate(
    pairs: IndexArray, part: IndexArray, is_beyond: NDArray[np.bool_], area: FloatRows
) -> IndexArray:
    """The connected pieces `[F]` that cuts leave of charts, without crumbs.

    Args:
        pairs: `[E, 2]` neighbours in the same chart.
        part: `[F]` the faces' charts, counted from 0.
        is_beyond: `[F]` on which side of the chart's cut they are.
        area: `[F]` of theirs.

    Returns:
        Numbers of the pieces, counted from 0; those of a chart follow each other.
    """
    piece = split_pieces(pairs, is_beyond)
    is_crumb = np.bincount(piece, area)[piece] < _CRUMB * np.bincount(part, area)[part]
    piece = split_pieces(pairs, is_beyond ^ is_crumb)
    first = np.unique(piece, return_index=True)[1]
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(part[first], kind="stable")] = np.arange(len(first))
    return rank[piece]


def _relabel(layout: Layout, label: IndexArray) -> Layout:
    """The same places, with the faces' charts as given."""
    label = np.unique(label, return_inverse=True)[1].reshape(-1)
    corners, chart, old = number_corners(layout.corners, label)
    return Layout(layout.uv[old], corners, chart, layout.vertex[old])
