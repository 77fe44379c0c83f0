# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns shapes on a grid into places in a small square: many orders are tried."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bitmap import BoolGrid, Canvas, Stencil, make_stencil
from .charts import IndexArray

FloatArray = NDArray[np.float64]

_FIRST_COVER = 0.82  # share of the square hoped to be covered by the first try
_GROWTH = 64  # a square that is too small grows by one part in so many
_STEP = 100  # a square that was filled is followed by one smaller by one part in so many
_ENOUGH = 0.87  # share of the square that is hard to exceed, so that further tries are not worth it
_CALL = 1500  # bytes that could be looked at in the time that starting to look takes
_NEAR = 0.8  # share of the orders that are variations of the best one so far
_NOISE = 0.2  # of the logarithm of what the shapes are ordered by
_LIFT, _DRIFT = 0.5, 0.2  # weights of a place's height, the shape's own share of it, and its x


@dataclass(frozen=True, slots=True)
class Places:
    """Where M shapes went.

    Attributes:
        turns: `[M]` which of its orientations each shape has.
        corner: `[M, 2]` x and y of its lower left cell.
        side: Cells along the square that holds all.
    """

    turns: IndexArray
    corner: IndexArray
    side: int


def place_shapes(shapes: Sequence[Sequence[BoolGrid]], most_work: float) -> Places:
    """Place shapes without overlap in a square that is as small as found.

    The first ones go where they come to lie lowest, in the orientation for which that is lowest.
    Several orders are tried, then variations of the best one; each must fit into a smaller square.

    Args:
        shapes: M of them, each in one or more orientations `[h, w]`.
        most_work: Bytes that may be looked at in all tries, about; there is always one.
    """
    stencils = [_distinct(masks) for masks in shapes]
    box, covered, length = np.array(
        [(mask.size, mask.sum(), max(mask.shape)) for mask, *_ in shapes], np.float64
    ).T
    least = max(min(max(s.mask.shape) for _, s in choices) for choices in stencils)
    rng = np.random.default_rng(0)
    first = max(least, int(np.sqrt(covered.sum() / _FIRST_COVER)))
    best, keys = None, [box, covered, length]
    best_key = keys[0]
    for trial in range(max(1, int(most_work / _estimate_work(stencils, first)))):
        key = keys[trial] if trial < len(keys) else _vary(best_key, keys, rng)
        order = np.argsort(-key, kind="stable")
        if best is None:
            best = _place(stencils, order, first, can_grow=True)
            continue
        side = best.side - max(1, best.side // _STEP)
        if side < least or covered.sum() > _ENOUGH * best.side**2:
            break
        found = _place(stencils, order, side, can_grow=False)
        if found is not None:
            best, best_key = found, key
    assert best is not None
    return best


def _extent(shapes: Sequence[BoolGrid], corner: IndexArray) -> int:
    """Edge of the square from the origin that holds all shapes."""
    size = np.array([mask.shape[::-1] for mask in shapes])
    return int((corner + size).max())


def _distinct(masks: Sequence[BoolGrid]) -> list[tuple[int, Stencil]]:
    """The orientations that look different, and their numbers."""
    kept: dict[tuple[tuple[int, ...], bytes], tuple[int, Stencil]] = {}
    for index, mask in enumerate(masks):
        key = mask.shape, np.packbits(mask).tobytes()
        if key not in kept:
            kept[key] = index, make_stencil(mask)
    return list(kept.values())


def _estimate_work(stencils: list[list[tuple[int, Stencil]]], side: int) -> float:
    """Bytes that are looked at in one try, and what could be while waiting."""
    choices = [stencil for each in stencils for _, stencil in each]
    spans = sum(len(stencil.spans) for stencil in choices)
    return spans * (_CALL + side * side / 64) + len(choices) * 100 * _CALL


def _vary(best: FloatArray, keys: Sequence[FloatArray], rng: np.random.Generator) -> FloatArray:
    """Another key to order shapes by: near the best one so far, or near one of the first ones."""
    base = best if rng.random() < _NEAR else keys[rng.integers(len(keys))]
    return base * np.exp(rng.normal(0, _NOISE, len(base)))


def _place(
    stencils: list[list[tuple[int, Stencil]]], order: IndexArray, side: int, *, can_grow: bool
) -> Places | None:
    """Find a free place for each shape, in order; None if they do not fit and it cannot grow."""
    longest = max(max(s.mask.shape) for choices in stencils for _, s in choices)
    canvas = Canvas(side, longest)
    turns, corner = np.zeros(len(stencils), np.int64), np.zeros((len(stencils), 2), np.int64)
    placed = [choices[0][1].mask for choices in stencils]
    for k in order:
        while (found := _lowest_place(canvas, stencils[k])) is None:
            if not can_grow:
                return None
            canvas = canvas.grow(canvas.side + max(1, canvas.side // _GROWTH))
        turn, stencil, x, y = found
        canvas.add(stencil.mask, x, y)
        turns[k], corner[k], placed[k] = turn, (x, y), stencil.mask
    return Places(turns, corner, _extent(placed, corner))


def _lowest_place(
    canvas: Canvas, choices: list[tuple[int, Stencil]]
) -> tuple[int, Stencil, int, int] | None:
    """Orientation, x and y of the free place whose middle is lowest, or None."""
    best, lowest = None, np.inf
    for turn, stencil in choices:
        place = canvas.find_place(stencil)
        if place is None:
            continue
        x, y = place
        rows, columns = stencil.mask.shape
        height = y + _LIFT * rows + _DRIFT * (x + columns / 2)
        if height < lowest:
            best, lowest = (turn, stencil, x, y), height
    return best
