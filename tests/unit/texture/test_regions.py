# SPDX-License-Identifier: GPL-3.0-or-later
import torch

from backend.texture.atlas import find_texels, load_surface
from backend.texture.cells import build_pyramid
from backend.texture.fill import Sight, fill_unseen
from backend.texture.regions import guess_colours
from tests.unit.texture.scenes import CPU, box

RED, BLUE = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9])


def test_guess_lies_between_the_known_colours() -> None:
    texels = find_texels(load_surface(box(), CPU), 96)
    colour = torch.rand(len(texels.index), 3, generator=torch.Generator().manual_seed(0))
    known = texels.point[:, 2] > 0
    guess = guess_colours(texels, colour, known)
    assert guess.shape == colour.shape
    assert (guess >= colour[known].amin(0) - 1e-5).all()
    assert (guess <= colour[known].amax(0) + 1e-5).all()


def test_one_known_colour_is_the_guess_everywhere() -> None:
    texels = find_texels(load_surface(box(), CPU), 96)
    known = texels.normal[:, 1] > 0.9
    colour = torch.where(known[:, None], RED, BLUE)
    assert torch.allclose(guess_colours(texels, colour, known), RED.expand_as(colour), atol=1e-5)


def test_rear_is_rather_like_the_sides_than_like_the_front() -> None:
    texels = find_texels(load_surface(box(), CPU), 128)
    front, back = texels.normal[:, 2] > 0.9, texels.normal[:, 2] < -0.9
    colour = torch.where(front[:, None], RED, BLUE)
    guess = guess_colours(texels, colour, ~back)
    assert (guess[back] - BLUE).abs().max() < 0.1


def test_colours_at_the_edge_go_on_near_it() -> None:
    texels = find_texels(load_surface(box(), CPU), 128)
    pyramid = build_pyramid(texels, 3 * texels.size)
    hidden = (texels.normal[:, 1] > 0.9) & (texels.point[:, 0] > 0)
    colour = torch.where((texels.normal[:, 1] > 0.9)[:, None], RED, BLUE)
    yes, no = torch.ones_like(hidden), torch.zeros(len(hidden), 3)
    filled, _ = fill_unseen(pyramid, texels, colour, Sight(~hidden, yes, yes, no), 128)
    near = hidden & (texels.point[:, 0] < 0.03) & (texels.point[:, 2].abs() < 0.2)
    assert near.any()
    assert (filled[near] - RED).abs().max() < 0.15
