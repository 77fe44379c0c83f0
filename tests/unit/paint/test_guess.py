# SPDX-License-Identifier: GPL-3.0-or-later
"""A box seen from four sides: what is known of some of them is carried to those like it."""

import torch

from backend.models.maquette.colour_guess import ColourGuess
from backend.paint.guess import SeenSurface, guess_views

SIZE, CELLS = 16, 8
RED, BLUE, GREY = (0.9, 0.1, 0.1), (0.1, 0.2, 0.9), (0.5, 0.5, 0.5)
# Front, right, back, left: the direction faced, and the one to the right of the picture.
SIDES = [((0, 0, 1), (1, 0, 0)), ((1, 0, 0), (0, 0, -1)), ((0, 0, -1), (-1, 0, 0)),
         ((-1, 0, 0), (0, 0, 1))]  # fmt: skip


def to_map(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors `[..., 3]` in -1..1 in the colours x, -z, y."""
    x, y, z = vectors.unbind(-1)
    return torch.stack([x, -z, y], -1) / 2 + 0.5


def make_box() -> SeenSurface:
    line = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    down, across = torch.meshgrid(-line, line, indexing="ij")
    inside = (down.abs() < 0.75) & (across.abs() < 0.75)
    normals, positions = [], []
    for facing, right in torch.tensor(SIDES, dtype=torch.float32):
        up = torch.tensor([0.0, 1.0, 0.0])
        points = 0.4 * (facing + across[..., None] * right + down[..., None] * up)
        normals.append(to_map(facing.expand(SIZE, SIZE, 3)))
        positions.append(to_map(2 * points / 1.15))
    normal, position = (torch.stack(x).permute(0, 3, 1, 2)[None] for x in (normals, positions))
    return SeenSurface(normal, position, inside.expand(1, 4, -1, -1))


def paint_sides(*colours) -> torch.Tensor:
    return torch.tensor(colours)[None, :, :, None, None].expand(1, -1, 3, SIZE, SIZE).clone()


def know(*is_known: bool) -> torch.Tensor:
    return torch.tensor(is_known)[None, :, None, None].expand(1, -1, CELLS, CELLS).clone()


DEFAULT = torch.tensor([[0.2, 0.6, 0.3]])


def test_the_left_side_is_like_the_right_and_the_back_like_the_front():
    box = make_box()
    colour = paint_sides(BLUE, RED, GREY, GREY)
    found = guess_views(ColourGuess(), box, colour, know(True, True, False, False), DEFAULT)
    inner = found[0, :, :, 4:12, 4:12]
    # The box is square, so that its other neighbour has a say, too, but a smaller one.
    for view, like, unlike in ((2, BLUE, RED), (3, RED, BLUE)):
        mean = inner[view].mean((1, 2))
        apart = [(mean - torch.tensor(colour)).abs().mean() for colour in (like, unlike)]
        assert apart[0] < 0.6 * apart[1]


def test_known_pixels_on_the_object_stay_and_hidden_ones_are_never_read():
    box = make_box()
    known = know(True, True, False, False)
    known[0, 0, 5:] = False  # of the front only the upper part
    colour = paint_sides(BLUE, RED, GREY, GREY)
    found = guess_views(ColourGuess(), box, colour, known, DEFAULT)
    pixels = known.repeat_interleave(2, 2).repeat_interleave(2, 3) & box.is_object
    assert torch.equal(found.movedim(2, -1)[pixels], colour.movedim(2, -1)[pixels])
    other = torch.where(pixels[:, :, None], colour, torch.rand(colour.shape))
    assert torch.equal(guess_views(ColourGuess(), box, other, known, DEFAULT), found)


def test_an_object_of_which_nothing_is_known_takes_the_default():
    box = make_box()
    both = SeenSurface(*(x.repeat(2, *(1,) * (x.ndim - 1)) for x in
                         (box.normal, box.position, box.is_object)))  # fmt: skip
    colour = paint_sides(BLUE, RED, GREY, GREY).repeat(2, 1, 1, 1, 1)
    known = torch.cat([know(False, False, False, False), know(True, False, False, False)])
    found = guess_views(ColourGuess(), both, colour, known, DEFAULT.repeat(2, 1))
    assert (found[0].movedim(1, -1)[box.is_object[0]] - DEFAULT).abs().max() < 1e-5
    assert (found[1, 2, :, 6:10, 6:10].mean((1, 2)) - torch.tensor(BLUE)).abs().max() < 0.05
    alone = guess_views(ColourGuess(), box, colour[1:], known[1:], DEFAULT)
    assert (alone[0] - found[1]).abs().max() < 1e-5  # the rows do not read each other


def test_a_view_without_the_object_is_finite():
    box = make_box()
    empty = SeenSurface(box.normal, box.position, torch.zeros_like(box.is_object))
    found = guess_views(
        ColourGuess(), empty, paint_sides(BLUE, RED, GREY, GREY), know(*[True] * 4), DEFAULT
    )
    assert bool(found.isfinite().all())
