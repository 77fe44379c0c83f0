# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.paint.upscale import spread_colours, trim_rim, upscale_colours


def disc(size: int = 33) -> tuple[torch.Tensor, torch.Tensor]:
    """A horizontal ramp of red inside a disc, pure green outside."""
    axis = torch.linspace(-1, 1, size)
    mask = (axis[None] ** 2 + axis[:, None] ** 2 < 0.5)[None]
    colour = torch.zeros(1, size, size, 3)
    colour[..., 0] = (axis + 1) / 2
    colour[~mask] = torch.tensor([0.0, 1.0, 0.0])
    return colour, mask


def test_masked_colours_stay_and_the_others_never_show():
    colour, mask = disc()
    spread = spread_colours(colour, mask)
    assert torch.equal(spread[mask], colour[mask])
    assert spread[..., 1].max() < 1e-6
    assert spread[..., 0].min() >= colour[mask][:, 0].min() - 1e-6
    assert spread[..., 0].max() <= colour[mask][:, 0].max() + 1e-6


def test_colours_beside_the_outline_continue_it():
    colour, mask = disc()
    spread = spread_colours(colour, mask)
    row = mask[0, 16].nonzero()[:, 0]
    for inside, outside in ((row[0], row[0] - 1), (row[-1], row[-1] + 1)):
        assert spread[0, 16, outside, 0] == pytest.approx(colour[0, 16, inside, 0].item(), abs=0.12)


def test_one_colour_fills_everything_exactly_from_one_pixel():
    colour, mask = torch.zeros(1, 40, 40, 3), torch.zeros(1, 40, 40, dtype=torch.bool)
    colour[0, 31, 7] = torch.tensor([0.25, 0.5, 0.75])
    mask[0, 31, 7] = True
    spread = spread_colours(colour, mask)
    assert torch.allclose(spread, colour[0, 31, 7].expand_as(spread), atol=1e-5)


def test_view_that_shows_nothing_becomes_black_and_harms_no_other():
    colour, mask = disc()
    both = spread_colours(torch.cat([colour, colour]), torch.cat([mask, torch.zeros_like(mask)]))
    assert torch.equal(both[0], spread_colours(colour, mask)[0])
    assert not both[1].any()


def test_enlarged_picture_keeps_a_ramp_and_takes_no_background():
    colour, mask = disc()
    wide = upscale_colours(colour, mask, 132)
    assert wide.shape == (1, 132, 132, 3)
    assert wide[..., 1].max() < 1e-5
    middle = wide[0, 66, 40:92, 0]
    assert (middle.diff() > 0).all()
    assert wide.min() >= 0 and wide.max() <= 1


def test_smaller_size_keeps_the_pixels():
    colour, mask = disc()
    assert upscale_colours(colour, mask, 16).shape == colour.shape


def test_rim_is_trimmed_but_thin_parts_stay():
    mask = torch.zeros(1, 20, 20, dtype=torch.bool)
    mask[0, 2:12, 2:12] = True
    mask[0, 16, 2:18] = True  # a wire
    trimmed = trim_rim(mask)
    assert trimmed[0, 3:11, 3:11].all() and trimmed[0, :14].sum() == 64
    assert torch.equal(trimmed[0, 14:], mask[0, 14:])


def test_white_rim_of_a_decoded_picture_does_not_show_in_the_enlarged_one():
    colour, mask = disc(64)
    colour[mask & ~trim_rim(mask)] = 1.0
    wide = upscale_colours(colour, mask, 128)
    assert wide[..., 1:].max() < 1e-5
