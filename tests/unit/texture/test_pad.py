# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import torch

from backend.texture.pad import pad_texture


def two_charts(size=64):
    colour, covered = torch.zeros(size, size, 3), torch.zeros(size, size, dtype=torch.bool)
    covered[4:28, 4:28] = covered[36:60, 36:60] = True
    colour[4:28, 4:28] = torch.tensor([1.0, 0.2, 0.0])
    colour[36:60, 36:60] = torch.tensor([0.0, 0.2, 1.0])
    return colour, covered


def test_covered_texels_stay_and_no_other_colour_appears():
    colour, covered = two_charts()
    padded = pad_texture(colour, covered)
    assert torch.equal(padded[covered], colour[covered])
    assert (padded[..., 1] - 0.2).abs().max() < 1e-5
    assert (padded.sum(2) - 1.2).abs().max() < 1e-5


def test_border_continues_a_chart():
    colour, covered = two_charts()
    padded = pad_texture(colour, covered)
    assert (padded[0:32, 0:32] - torch.tensor([1.0, 0.2, 0.0])).abs().max() < 1e-5


def test_mip_levels_of_a_chart_hold_its_colour_alone():
    colour, covered = two_charts()
    mip = pad_texture(colour, covered).permute(2, 0, 1)[None]
    for _ in range(3):
        mip = torch.nn.functional.avg_pool2d(mip, 2)
        quarter = mip[0, :, : mip.shape[2] // 2, : mip.shape[3] // 2]
        assert (quarter - torch.tensor([1.0, 0.2, 0.0])[:, None, None]).abs().max() < 1e-5


def test_texture_of_odd_size_and_empty_texture_are_accepted():
    colour, covered = two_charts()
    padded = pad_texture(colour[:61, :61], covered[:61, :61])
    assert np.isfinite(padded.numpy()).all() and padded.shape == (61, 61, 3)
    nothing = torch.zeros(8, 8, dtype=torch.bool)
    assert torch.equal(pad_texture(colour[:8, :8], nothing), colour[:8, :8])
