# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns shapes on a grid into free places for them, many cells at once: eight to a byte."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BoolGrid = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]

_BITS = 8
_FIRST_LOOK = 8
"""One span in so many is looked up for all places; the others where these leave some free."""
_PLACES_AT_ONCE = 48
"""Of the remaining bytes of places, the lowest so many are looked at before those above them."""


@dataclass(frozen=True, slots=True)
class Stencil:
    """A shape as the runs of cells in its rows, each covered by two spans of a power of two.

    Attributes:
        mask: `[h, w]` the shape's cells, row 0 at the bottom.
        spans: `[S, 3]` exponent of the span's length, row and first column of each.
    """

    mask: BoolGrid
    spans: NDArray[np.int64]


def make_stencil(mask: BoolGrid) -> Stencil:
    """Find the runs of a shape `[h, w]` that has at least one cell."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    row, start = np.nonzero(change > 0)
    end = np.nonzero(change < 0)[1]
    exponent = np.frexp(end - start)[1].astype(np.int64) - 1  # 2^exponent <= length
    last = end - (1 << exponent)
    spans = np.stack([np.stack([exponent, row, x], -1) for x in (start, last)], 1)  # [S/2, 2, 3]
    return Stencil(mask, spans.reshape(-1, 3))


class Canvas:
    """A grid of cells, and for each power of two whether that many cells to the right are free.

    A shape fits where all its runs are free. Places are tried for all corners at once: the spans
    of the shape are looked up in copies of the grid that are shifted by up to seven cells, so that
    each look-up is one contiguous read.
    """

    def __init__(self, side: int, longest: int) -> None:
        """Make an empty canvas of `side` cells along each edge.

        Args:
            side: Rows and columns.
            longest: Cells in the longest run of the shapes that will be placed.
        """
        self.side = side
        self._stride = -(-side // _BITS)
        self._num_levels = int(longest).bit_length()
        reach = self._stride + (longest >> 3) + 2  # read beyond the last row, never relevant
        self._size = side * self._stride + reach
        self._spans = np.zeros((self._num_levels, _BITS, self._size), np.uint8)

    def find_place(self, stencil: Stencil) -> tuple[int, int] | None:
        """The lowest free place of a shape, and of these the leftmost.

        Args:
            stencil: The shape.

        Returns:
            x and y of the shape's lower left corner, or None.
        """
        height, width = stencil.mask.shape
        num_rows, num_columns = self.side - height + 1, self.side - width + 1
        if num_columns <= 0 or num_rows <= 0:
            return None
        is_beyond = np.arange(self._stride * _BITS) >= num_columns
        beyond = np.packbits(is_beyond, bitorder="little")
        taken = np.repeat(beyond[None], num_rows, axis=0).reshape(-1)  # [rows * stride]
        exponent, row, column = stencil.spans.T
        begin = (exponent * _BITS + (column & 7)) * self._size + row * self._stride + (column >> 3)
        flat = self._spans.reshape(-1)
        for start in begin[::_FIRST_LOOK].tolist():
            np.bitwise_or(taken, flat[start : start + len(taken)], out=taken)
        places = np.flatnonzero(taken != 255)
        for first in range(0, len(places), _PLACES_AT_ONCE):
            some = places[first : first + _PLACES_AT_ONCE]
            found = np.bitwise_or.reduce(flat[begin[:, None] + some], axis=0) | taken[some]
            is_free = found != 255
            index = int(is_free.argmax())
            if is_free[index]:
                y, byte = divmod(int(some[index]), self._stride)
                bit = (~int(found[index]) & -~int(found[index])).bit_length() - 1
                return byte * _BITS + bit, y
        return None

    def add(self, mask: BoolGrid, x: int, y: int) -> None:
        """Cover the cells of a shape `[h, w]` whose lower left corner is at x and y."""
        begin, end = y * self._stride, (y + len(mask)) * self._stride
        cells = np.zeros((len(mask), self._stride * _BITS), bool)
        cells[:, x : x + mask.shape[1]] = mask
        packed = np.packbits(cells, axis=1, bitorder="little").reshape(-1)
        ground = self._spans[0, 0]
        ground[begin:end] |= packed
        begin = max(0, begin - self._stride)  # shifted copies reach back across the row's start
        span = ground[begin : min(self._size, end + self._stride + (1 << self._num_levels >> 3))]
        shift = np.arange(1, _BITS, dtype=np.uint8)[:, None]
        for level in range(self._num_levels):
            if level:
                span = span | _shift(span, 1 << (level - 1))
            copies = self._spans[level, :, begin:end]
            here, ahead = span[: end - begin], span[1 : end - begin + 1]
            copies[0] = here
            copies[1:] = (here >> shift) | (ahead << (_BITS - shift))

    def grow(self, side: int) -> "Canvas":
        """A larger canvas with the same cells covered."""
        grown = Canvas(side, (1 << self._num_levels) - 1)
        ground = self._spans[0, 0, : self.side * self._stride].reshape(self.side, self._stride)
        cells = np.unpackbits(ground, axis=1, bitorder="little")[:, : self.side]
        grown.add(cells.astype(bool), 0, 0)
        return grown


def _shift(row: ByteArray, cells: int) -> ByteArray:
    """Each cell takes the value of the one `cells` to its right; zeros come in at the end."""
    num_bytes, bits = divmod(cells, _BITS)
    moved = np.zeros_like(row)
    moved[: len(row) - num_bytes] = row[num_bytes:]
    if bits:
        ahead = np.zeros_like(row)
        ahead[:-1] = moved[1:] << np.uint8(_BITS - bits)
        moved = (moved >> np.uint8(bits)) | ahead
    return moved
