# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from backend.mesh.bitmap import Canvas, make_stencil
from backend.mesh.place import place_shapes


def lowest_free(cells: np.ndarray, mask: np.ndarray) -> tuple[int, int] | None:
    """By trying one place after the other."""
    rows, columns = mask.shape
    for y in range(cells.shape[0] - rows + 1):
        for x in range(cells.shape[1] - columns + 1):
            if not (cells[y : y + rows, x : x + columns] & mask).any():
                return x, y
    return None


@pytest.mark.parametrize("side", [40, 61, 64])
def test_lowest_free_place_is_found(side: int) -> None:
    rng = np.random.default_rng(side)
    canvas, cells = Canvas(side, 40), np.zeros((side, side), bool)
    for _ in range(60):
        mask = rng.random(rng.integers(1, 15, 2)) < 0.7
        mask[0, 0] = True
        expected = lowest_free(cells, mask)
        assert canvas.find_place(make_stencil(mask)) == expected
        if expected is not None:
            x, y = expected
            canvas.add(mask, x, y)
            cells[y : y + len(mask), x : x + mask.shape[1]] |= mask


def test_larger_canvas_keeps_what_is_covered() -> None:
    canvas = Canvas(10, 8)
    canvas.add(np.ones((10, 8), bool), 0, 0)
    block = make_stencil(np.ones((3, 3), bool))
    assert canvas.find_place(block) is None
    assert canvas.grow(13).find_place(block) == (8, 0)


def test_shape_wider_than_the_canvas_has_no_place() -> None:
    assert Canvas(5, 9).find_place(make_stencil(np.ones((1, 9), bool))) is None
    assert Canvas(5, 9).find_place(make_stencil(np.ones((9, 1), bool))) is None


def test_shapes_do_not_overlap_and_lie_in_the_square() -> None:
    rng = np.random.default_rng(1)
    shapes = [[rng.random(rng.integers(4, 20, 2)) < 0.8] for _ in range(20)]
    shapes = [[np.rot90(masks[0], turn) for turn in range(4)] for masks in shapes]
    places = place_shapes(shapes, 1e8)
    count = np.zeros((places.side, places.side), int)
    for masks, turn, (x, y) in zip(shapes, places.turns, places.corner, strict=True):
        rows, columns = masks[turn].shape
        assert x + columns <= places.side
        assert y + rows <= places.side
        count[y : y + rows, x : x + columns] += masks[turn]
    assert count.max() == 1


def test_more_work_finds_a_smaller_square() -> None:
    rng = np.random.default_rng(5)
    shapes = [[np.ones(rng.integers(3, 24, 2), bool)] for _ in range(24)]
    shapes = [[masks[0], masks[0].T] for masks in shapes]
    quick, thorough = place_shapes(shapes, 0), place_shapes(shapes, 1e9)
    assert thorough.side < quick.side
    covered = sum(masks[0].size for masks in shapes)
    assert covered / thorough.side**2 > 0.88


def test_holes_are_used() -> None:
    frame = np.ones((30, 30), bool)
    frame[5:25, 5:25] = False
    places = place_shapes([[frame], [np.ones((20, 20), bool)]], 0)
    assert places.side == 30
    assert places.corner.tolist() == [[0, 0], [5, 5]]
