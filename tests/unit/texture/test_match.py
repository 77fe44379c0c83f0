# SPDX-License-Identifier: GPL-3.0-or-later
import torch

from backend.texture.match import match_views


def views(gains, overlap=0.3, cells=3000, seed=0):
    """A chain of views, each of which shares cells with the next one only."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(cells, 3, generator=generator) * 0.5 + 0.2
    quality = torch.zeros(len(gains), cells)
    step = cells / len(gains)
    for view in range(len(gains)):
        start, end = int(view * step), int((view + 1 + overlap) * step)
        quality[view, start:end] = 1
    colour = truth * torch.tensor(gains)[:, None, None]
    noise = torch.randn(colour.shape, generator=generator) * 0.01
    return (colour + noise).clamp(0, 1) * (quality > 0)[..., None], quality


def test_gains_along_a_chain_are_undone_and_the_heaviest_view_changes_least():
    gains = torch.tensor([0.9, 1.0, 1.2, 0.8])
    colour, quality = views(gains.tolist())
    found = match_views(colour, quality, (0.01, 1.0, 0.01, 0.01)) * gains[:, None]
    assert (found / found[1] - 1).abs().max() < 0.02
    level = gains.log() @ torch.tensor([0.1, 1.0, 0.1, 0.1]) / 1.3
    assert (found.log() - level).abs().max() < 0.02


def test_views_that_agree_are_left_alone():
    colour, quality = views([1.0, 1.0, 1.0])
    assert (match_views(colour, quality, (1.0, 0.5, 0.5)) - 1).abs().max() < 0.01


def test_a_third_of_wrong_cells_does_not_matter():
    colour, quality = views([1.0, 0.85])
    both = torch.nonzero((quality > 0).all(0)).squeeze(1)
    colour[1, both[::3]] = 0.95 * torch.rand(len(both[::3]), 3) ** 3
    found = match_views(colour, quality, (1.0, 0.5))
    assert (found[1] * 0.85 / found[0] - 1).abs().max() < 0.03


def test_views_without_overlap_keep_their_colours():
    colour, quality = views([1.0, 0.8], overlap=0.0)
    assert torch.allclose(match_views(colour, quality, (1.0, 1.0)), torch.ones(2, 3))
