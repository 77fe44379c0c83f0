# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a box and a resolution into nested levels of query points, and samples a field on them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..data import FloatArray
from ..progress import Progress

BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.int64]

MIN_COARSE_CELLS = 32
MAX_STRIDE = 4
_PROGRESS_STEPS = 1000
_ROW_BLOCK = 64  # whole blocks: matrix products then give a point the same bits in any chunk


def level_axes(resolution: int) -> tuple[IndexArray, ...]:
    """Positions of every level's samples along one axis, coarse to fine, as indices 0..R.

    Each level halves the stride of the one before and contains all of its positions. Where the
    stride does not divide R, the last cell is shorter, so every R works. The coarsest stride is
    at most `MAX_STRIDE`, for small parts to show up, and leaves `MIN_COARSE_CELLS` or more.

    Args:
        resolution: R, cells per edge.

    Returns:
        One rising `[n]` int64 array per level; the last one is 0, 1, ..., R.
    """
    stride = MAX_STRIDE
    while stride > 1 and resolution // stride < MIN_COARSE_CELLS:
        stride //= 2
    axes: list[IndexArray] = []
    while stride:
        axes.append(np.append(np.arange(0, resolution, stride, dtype=np.int64), resolution))
        stride //= 2
    return tuple(axes)


@dataclass(frozen=True, slots=True)
class Refinement:
    """How the samples of a fine level lie between those of the next coarser one, along one axis.

    Attributes:
        lower: `[n_fine]` coarse cell that holds the fine sample.
        other: `[n_fine]` the second cell that touches it, the same as `lower` if there is none.
        weight: `[n_fine]` float32 in [0, 1], place within the cell `lower`.
        shared: `[n_coarse]` fine index of each coarse sample.
    """

    lower: IndexArray
    other: IndexArray
    weight: FloatArray
    shared: IndexArray

    @classmethod
    def between(cls, coarse: IndexArray, fine: IndexArray) -> "Refinement":
        """Relate two levels of `level_axes`."""
        lower = np.searchsorted(coarse, fine, side="right") - 1
        lower = np.minimum(lower, len(coarse) - 2)
        weight = (fine - coarse[lower]) / (coarse[lower + 1] - coarse[lower])
        other = np.where(weight == 0, np.maximum(lower - 1, 0), lower)
        return cls(lower, other, weight.astype(np.float32), np.searchsorted(fine, coarse))

    def interpolate_plane(self, values: FloatArray, x: int) -> FloatArray:
        """Trilinear values of fine plane `x` from coarse `values` `[n, n, n]`."""
        plane = _mix(values[self.lower[x]], values[self.lower[x] + 1], self.weight[x])
        for _ in range(2):  # z, then y: gathering whole rows is fast
            plane = np.ascontiguousarray(plane.T)
            plane = _mix(plane[self.lower], plane[self.lower + 1], self.weight[:, None])
        return plane  # [n_fine, n_fine]

    def points_of_cells(self, cells: BoolArray, x: int) -> BoolArray:
        """Which samples of fine plane `x` lie in or on the marked coarse `cells` `[n, n, n]`."""
        plane = cells[self.lower[x]] | cells[self.other[x]]
        if not plane.any():
            return np.zeros((len(self.lower),) * 2, bool)
        plane = plane[self.lower] | plane[self.other]
        return plane[:, self.lower] | plane[:, self.other]  # [n_fine, n_fine]


def _mix(low: FloatArray, high: FloatArray, weight: FloatArray | np.float32) -> FloatArray:
    """Linear interpolation, exact at both ends."""
    return low * (1 - weight) + high * weight


class Sampler:
    """Samples the field at grid points, a chunk at a time, and reports progress.

    Args:
        query: Field values `[Q]` at points `[Q, 3]` (float32, on the CPU).
        box: Half the edge of the box, which is centred on the origin.
        resolution: R of the finest grid.
        chunk_size: Points in one query, padded to a multiple of 64.
        progress: Told, and asked for a cancel, after every chunk.

    Attributes:
        num_queries: Points sampled so far.
    """

    def __init__(
        self,
        query: Callable[[torch.Tensor], torch.Tensor],
        box: float,
        resolution: int,
        chunk_size: int,
        progress: Progress,
    ) -> None:
        self._query = query
        self._positions = np.linspace(-box, box, resolution + 1).astype(np.float32)
        self._chunk_size = chunk_size
        self._progress = progress
        self._span = (0.0, 1.0)
        self.num_queries = 0

    def set_span(self, start: float, end: float) -> None:
        """Say which share of the stage, within 0..1, the next `fill` is."""
        self._span = (start, end)

    def fill(
        self, values: FloatArray, axis: IndexArray, planes: Iterable[tuple[int, IndexArray]]
    ) -> None:
        """Sample points plane by plane into `values`.

        Args:
            values: `[n, n, n]`, written in place.
            axis: `[n]` positions of its samples on the finest grid.
            planes: (x, flat indices into `values`) in rising x; consumed as chunks fill up.

        Raises:
            CancelledError: The user cancelled the job.
        """
        waiting: list[IndexArray] = []
        count = 0
        for x, index in planes:
            waiting.append(index)
            count += len(index)
            while count >= self._chunk_size:
                merged = np.concatenate(waiting)
                self._sample(values, axis, merged[: self._chunk_size])
                waiting, count = [merged[self._chunk_size :]], count - self._chunk_size
                self._report((x + 1) / len(axis))
        if count:
            self._sample(values, axis, np.concatenate(waiting))
        self._report(1.0)

    def sample_points(self, points: IndexArray) -> FloatArray:
        """Field values `[Q]` at `points` `[Q, 3]`, given as finest-grid indices."""
        chunks = np.array_split(points, max(1, -(-len(points) // self._chunk_size)))
        return np.concatenate([self._values(self._positions[chunk]) for chunk in chunks])

    def _sample(self, values: FloatArray, axis: IndexArray, index: IndexArray) -> None:
        """Sample the flat `index` into `values`."""
        corner = np.stack(np.unravel_index(index, values.shape), -1)  # [Q, 3]
        values.reshape(-1)[index] = self._values(self._positions[axis[corner]])

    def _values(self, points: FloatArray) -> FloatArray:
        """One query: `[Q, 3]` coordinates to `[Q]` values."""
        self.num_queries += len(points)
        spare = -len(points) % _ROW_BLOCK
        padded = np.pad(points, ((0, spare), (0, 0)))
        return self._query(torch.from_numpy(padded)).float().cpu().numpy()[: len(points)]

    def _report(self, share: float) -> None:
        """Report the share of the current span that is finished."""
        start, end = self._span
        done = round(_PROGRESS_STEPS * (start + (end - start) * share))
        self._progress.step(done, _PROGRESS_STEPS)


def all_points(num: int) -> Iterator[tuple[int, IndexArray]]:
    """Every point of a `[num, num, num]` array, for `Sampler.fill`."""
    for x in range(num):
        yield x, np.arange(x * num * num, (x + 1) * num * num, dtype=np.int64)
