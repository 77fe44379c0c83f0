# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a sampler into the field on the whole grid, querying only the points near the surface.

Source: own method. Octree-like refinement as usual for implicit surfaces (Mescheder et al.,
"Occupancy Networks", 2019, section 3.3), with a slope bound, probes and surface tracking added.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.ndimage import maximum_filter

from ..data import FloatArray
from .grid import BoolArray, IndexArray, Refinement, Sampler, all_points, level_axes

NUM_PROBES = 4096
_HALF_DIAGONAL = np.sqrt(3) / 2  # no point of a unit cell is farther from its nearest corner
_RISKY_ERROR = 0.5  # a probe this far, relative to its value, towards the other sign is risky
_RISK_MARGIN = 1.25
_DENSE_SHARE = 0.5  # of the cells; beyond it skipping saves less than it risks


def sample_hierarchical(sampler: Sampler, resolution: int, level: float) -> FloatArray:
    """Sample the field coarse to fine.

    A coarse grid is queried fully. Each finer level queries the cells in which the field may
    cross the level and interpolates the rest. A cell is refined when its slope could carry a
    corner's value to the level, or when probes at random points show that the interpolation of
    such values cannot be trusted (a noisy field is thus refined everywhere). Then the surface is
    followed until every cell that it crosses has queried corners only.

    Args:
        sampler: The field.
        resolution: R, cells per edge.
        level: Field value of the surface.

    Returns:
        `[R+1, R+1, R+1]` float32 values, indexed x, y, z.

    Raises:
        CancelledError: The user cancelled the job.
    """
    axes = level_axes(resolution)
    spans = np.cumsum([0.0] + [4.0**depth for depth in range(len(axes))])  # surface grows by 4
    spans /= spans[-1]
    sampler.set_span(spans[0], spans[1])
    values = np.empty((len(axes[0]),) * 3, np.float32)
    sampler.fill(values, axes[0], all_points(len(axes[0])))
    is_known = np.ones(values.shape, bool)
    for depth, (coarse, fine) in enumerate(pairwise(axes), start=1):
        sampler.set_span(spans[depth], spans[depth + 1])
        step = Refinement.between(coarse, fine)
        cells = _near_cells(values, level, is_widened=depth == 1)
        _add_risky_cells(cells, values, level, sampler, coarse, fine)
        values, is_known = _interpolate(values, is_known, step)
        sampler.fill(values, fine, _unknown_points(cells, is_known, step))
        follow_surface(values, is_known, level, sampler, fine)
    return values


def _near_cells(values: FloatArray, level: float, is_widened: bool) -> BoolArray:
    """Cells `[n, n, n]` in which the level may be reached, by the slope in and around each.

    Crossed cells are among them: across a crossed edge the smaller value is at most half the slope.
    """
    slope = np.zeros([num - 1 for num in values.shape], np.float32)
    for axis in range(3):
        change = np.abs(np.diff(values, axis=axis))
        for other in {0, 1, 2} - {axis}:
            change = _pairs(np.maximum, change, other)
        slope += change * change
    slope = maximum_filter(np.sqrt(slope, out=slope), size=3, mode="nearest")
    is_near = np.less_equal(_smallest(values, level), _HALF_DIAGONAL * slope)
    return np.asarray(maximum_filter(is_near, size=3) if is_widened else is_near, bool)


def _add_risky_cells(
    cells: BoolArray,
    values: FloatArray,
    level: float,
    sampler: Sampler,
    coarse: IndexArray,
    fine: IndexArray,
) -> None:
    """Mark, in place, the cells whose interpolated values probes show to be no safe guide."""
    rng = np.random.default_rng(0)
    smallest = _smallest(values, level)
    while not cells.all():
        picked = _pick_cells(cells, smallest, rng)
        centre = (coarse[picked] + coarse[picked + 1]) // 2  # [Q, 3], sample of the fine level
        actual = sampler.sample_points(centre) - np.float32(level)
        guess = _trilinear(values, coarse, picked, centre) - np.float32(level)
        is_risky = np.abs(actual - guess) > _RISKY_ERROR * np.abs(guess)
        if not is_risky.any():
            return
        reach = smallest[tuple(picked[is_risky].T)].max() * _RISK_MARGIN
        cells |= smallest <= reach
        if cells.mean() > _DENSE_SHARE:
            cells[...] = True


def _pick_cells(cells: BoolArray, smallest: FloatArray, rng: np.random.Generator) -> IndexArray:
    """Cells `[Q, 3]` that are not marked: half at random, half those nearest to the level."""
    drawn = rng.integers(0, cells.size, 16 * NUM_PROBES) if cells.size > 16 * NUM_PROBES else None
    drawn = np.arange(cells.size) if drawn is None else drawn
    drawn = drawn[~cells.reshape(-1)[drawn]]
    if not len(drawn):
        drawn = np.flatnonzero(~cells)
    order = np.argsort(smallest.reshape(-1)[drawn], kind="stable")
    nearest = drawn[order[: NUM_PROBES // 2]]
    chosen = np.concatenate([nearest, rng.choice(drawn, min(len(drawn), NUM_PROBES // 2))])
    return np.stack(np.unravel_index(chosen, cells.shape), -1)


def _trilinear(
    values: FloatArray, axis: IndexArray, cell: IndexArray, points: IndexArray
) -> FloatArray:
    """Values `[Q]` at `points` `[Q, 3]` (finest-grid indices) within `cell` `[Q, 3]`."""
    weight = (points - axis[cell]) / (axis[cell + 1] - axis[cell])
    total = np.zeros(len(points), np.float32)
    for corner in np.ndindex(2, 2, 2):
        share = np.where(corner, weight, 1 - weight).prod(axis=1)
        total += (share * values[tuple((cell + corner).T)]).astype(np.float32)
    return total


def _interpolate(
    values: FloatArray, is_known: BoolArray, step: Refinement
) -> tuple[FloatArray, BoolArray]:
    """The next level's array, interpolated, and which of its samples were queried."""
    num = len(step.lower)
    finer = np.empty((num, num, num), np.float32)
    for x in range(num):
        finer[x] = step.interpolate_plane(values, x)
    known = np.zeros(finer.shape, bool)
    known[np.ix_(step.shared, step.shared, step.shared)] = is_known
    return finer, known


def _unknown_points(
    cells: BoolArray, is_known: BoolArray, step: Refinement
) -> Iterator[tuple[int, IndexArray]]:
    """Points of the marked coarse cells that were not queried yet; marks them as known."""
    area = is_known[0].size
    for x in range(len(is_known)):
        plane = step.points_of_cells(cells, x) & ~is_known[x]
        is_known[x] |= plane
        yield x, np.flatnonzero(plane) + x * area


def follow_surface(
    values: FloatArray, is_known: BoolArray, level: float, sampler: Sampler, axis: IndexArray
) -> None:
    """Query, in place, until each crossed cell has known corners only.

    Args:
        values: `[n, n, n]` queried or interpolated samples.
        is_known: `[n, n, n]`, which of them were queried.
        level: Field value of the surface.
        sampler: The field.
        axis: `[n]` positions of the samples on the finest grid.

    Raises:
        CancelledError: The user cancelled the job.
    """
    missing = _missing_corners(values, is_known, level)
    num = len(axis)
    offsets = np.array([(x * num + y) * num + z for x, y, z in np.ndindex(2, 2, 2)])
    while len(missing):
        is_known.reshape(-1)[missing] = True
        sampler.fill(values, axis, [(num - 1, missing)])
        corner = np.stack(np.unravel_index(missing, values.shape), -1)  # [Q, 3]
        around = (corner[:, None] - np.array(list(np.ndindex(2, 2, 2)))).reshape(-1, 3)
        around = around[((around >= 0) & (around < num - 1)).all(axis=1)]
        cell = np.unique(np.ravel_multi_index(tuple(around.T), values.shape))
        corners = cell[:, None] + offsets  # [K, 8]
        is_inside = values.reshape(-1)[corners] > level
        corners = np.unique(corners[is_inside.any(axis=1) & ~is_inside.all(axis=1)])
        missing = corners[~is_known.reshape(-1)[corners]]


def _missing_corners(values: FloatArray, is_known: BoolArray, level: float) -> IndexArray:
    """Flat indices of the unknown corners of crossed cells, found slab by slab."""
    num = len(values)
    found = [np.empty(0, np.int64)]
    for x in range(num - 1):
        is_inside = values[x : x + 2] > level
        is_crossed = _corners(np.logical_or, is_inside) & ~_corners(np.logical_and, is_inside)
        is_unknown = ~_corners(np.logical_and, is_known[x : x + 2])
        for cell in np.argwhere(is_crossed & is_unknown):
            block = np.array(list(np.ndindex(2, 2, 2))) + cell + (x, 0, 0)
            found.append(np.atleast_1d(np.ravel_multi_index(tuple(block.T), values.shape)))
    index = np.unique(np.concatenate(found))
    return index[~is_known.reshape(-1)[index]]


def _smallest(values: FloatArray, level: float) -> FloatArray:
    """Smallest distance to the level over the corners of each cell."""
    return _corners(np.minimum, np.abs(values - np.float32(level)))


def _corners(combine: np.ufunc, values: np.ndarray) -> np.ndarray:
    """Combine the 8 corners of each cell."""
    for axis in range(3):
        values = _pairs(combine, values, axis)
    return values


def _pairs(combine: np.ufunc, values: np.ndarray, axis: int) -> np.ndarray:
    """Combine neighbours along one axis."""
    first = [slice(None)] * 3
    second = [slice(None)] * 3
    first[axis], second[axis] = slice(None, -1), slice(1, None)
    return combine(values[tuple(first)], values[tuple(second)])
