# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from backend.texture.atlas import find_texels, load_surface
from backend.texture.cells import build_pyramid
from backend.texture.fill import Sight, fill_unseen
from tests.unit.texture.scenes import CPU, box, join


def scene(mesh, size=128):
    texels = find_texels(load_surface(mesh, CPU), size)
    return texels, build_pyramid(texels, 3 * texels.size)


def see(is_seen, is_strict=None, beyond=None, is_exact=True):
    nothing = torch.zeros(len(is_seen), 3)
    return Sight(
        is_seen,
        torch.ones_like(is_seen) if is_strict is None else is_strict,
        torch.full_like(is_seen, is_exact),
        nothing if beyond is None else beyond,
    )


def fill(mesh, colour_of, is_hidden, size=128):
    texels, pyramid = scene(mesh, size)
    truth = colour_of(texels.point)
    is_seen = ~is_hidden(texels.point)
    given = torch.where(is_seen[:, None], truth, torch.full_like(truth, 7.0))
    filled, seen = fill_unseen(pyramid, texels, given, see(is_seen), size)
    assert torch.equal(seen, is_seen)
    assert torch.equal(filled[is_seen], truth[is_seen])
    return filled, truth, is_seen, texels


def linear(point):
    return 0.5 + point * torch.tensor([0.5, 0.4, 0.3])


def test_a_hole_across_seams_continues_a_linear_colour():
    filled, truth, is_seen, _ = fill(
        box(), linear, lambda p: (p - torch.tensor([0.3, 0.0, 0.3])).norm(dim=1) < 0.15
    )
    error = (filled - truth)[~is_seen].abs().max(1).values
    assert (~is_seen).sum() > 300 and error.mean() < 0.03 and error.max() < 0.09


def test_filling_over_the_surface_beats_filling_in_the_texture_by_far():
    size = 128
    filled, truth, is_seen, texels = fill(box(), linear, lambda p: p[:, 1] > 0.299, size)
    error = (filled - truth)[~is_seen].square().mean()
    image, known = np.zeros((size * size, 3)), np.zeros(size * size, bool)
    image[texels.index], known[texels.index[is_seen]] = truth, True
    nearest = distance_transform_edt(
        ~known.reshape(size, size), return_distances=False, return_indices=True
    )
    plane = image.reshape(size, size, 3)[tuple(nearest)].reshape(-1, 3)[texels.index]
    in_plane = np.square(plane - truth.numpy())[~is_seen.numpy()].mean()
    assert error < in_plane / 10


def test_filled_colours_lie_between_the_seen_ones():
    filled, truth, is_seen, _ = fill(box(), linear, lambda p: p[:, 2] < 0)
    low, high = truth[is_seen].amin(0), truth[is_seen].amax(0)
    assert (filled[~is_seen] >= low - 1e-3).all() and (filled[~is_seen] <= high + 1e-3).all()


def test_a_thin_wall_keeps_its_two_sides():
    def sides(point):
        red, blue = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9])
        return torch.where(point[:, 2:] > 0, red, blue)

    wall = box((0.8, 0.8, 0.004))
    filled, truth, is_seen, _ = fill(wall, sides, lambda p: p[:, :2].abs().amax(1) < 0.2)
    assert (~is_seen).sum() > 500
    assert (filled - truth)[~is_seen].abs().max() < 0.05


def test_an_unseen_piece_takes_the_colour_of_the_nearest_one():
    mesh = join(
        box((0.3, 0.3, 0.3), (-0.4, 0, 0)),
        box((0.1, 0.1, 0.1), (-0.15, 0, 0)),
        box((0.3, 0.3, 0.3), (0.45, 0, 0)),
    )

    def colour(point):
        red, green = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.9, 0.1])
        return torch.where(point[:, :1] < 0.2, red, green)

    filled, truth, is_seen, _ = fill(mesh, colour, lambda p: (p[:, 0] + 0.15).abs() < 0.06)
    assert (filled - truth)[~is_seen].abs().mean() < 0.25


def test_outline_that_looks_like_what_lies_beyond_is_dropped_and_another_colour_kept():
    texels, pyramid = scene(box())
    red = torch.tensor([0.8, 0.1, 0.1]).expand(len(texels.index), 3).clone()
    white = torch.ones_like(red)
    outline = (texels.point[:, 0] > 0.25) & (texels.normal[:, 2] > 0.9)
    spoiled, green = outline & (texels.point[:, 1] > 0), outline & (texels.point[:, 1] <= 0)
    given = red.clone()
    given[spoiled] = 0.95
    given[green] = torch.tensor([0.1, 0.1, 0.1])
    everything = torch.ones_like(outline)
    filled, seen = fill_unseen(pyramid, texels, given, see(everything, ~outline, white), 128)
    assert not seen[spoiled].any() and seen[~spoiled].all()
    away = spoiled & (texels.point[:, 1] > 0.1)
    assert (filled - red)[away].abs().max() < 0.02
    assert torch.equal(filled[green], given[green])


def test_a_glimpse_that_differs_is_believed_only_of_exact_views():
    texels, pyramid = scene(box(), 256)
    given = torch.tensor([0.8, 0.1, 0.1]).expand(len(texels.index), 3).clone()
    top = texels.normal[:, 1] > 0.9
    glimpse = top & (texels.point[:, [0, 2]].abs().amax(1) < 0.012)
    given[glimpse] = 1.0
    for is_exact in (True, False):
        sight = see(~top | glimpse, beyond=given, is_exact=is_exact)
        filled, seen = fill_unseen(pyramid, texels, given, sight, 256)
        assert glimpse.sum() > 5 and seen[~top].all()
        assert (seen[glimpse] == is_exact).all()
        assert ((filled[glimpse, 1] > 0.9) == is_exact).all()
