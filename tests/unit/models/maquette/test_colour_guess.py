# SPDX-License-Identifier: GPL-3.0-or-later
"""The attention is the sum of Gaussian kernels that its text describes."""

import math

import pytest
import torch
from torch.nn import functional

from backend.models.maquette.colour_guess import NUM_KERNELS, ColourGuess


@pytest.fixture
def parts():
    generator = torch.Generator().manual_seed(2)

    def draw(count):
        place = torch.rand(2, count, 3, generator=generator) - 0.5
        facing = functional.normalize(torch.randn(2, count, 3, generator=generator), dim=2)
        return torch.cat([place, facing], 2)

    share = torch.rand(2, 30, generator=generator)
    share[:, ::3] = 0
    return draw(7), draw(30), torch.rand(2, 30, 3, generator=generator), share


@pytest.fixture
def guesser():
    """Another one than before the fit, with scales at which far parts count, too."""
    generator = torch.Generator().manual_seed(3)
    guesser = ColourGuess().requires_grad_(False)
    for scale in (guesser.side, guesser.round, guesser.height, guesser.loose):
        scale.copy_(-0.5 - torch.rand(scale.shape, generator=generator))
    guesser.bias.copy_(torch.randn(NUM_KERNELS, generator=generator))
    guesser.gate.copy_(torch.randn(guesser.gate.shape, generator=generator))
    return guesser


def by_hand(guesser, target, source, colour, share):
    """The colour of one target by loops."""
    x, z, y, nx, nz, ny = target.tolist()
    radius = math.hypot(x, z)
    conditions = torch.tensor([ny, abs(ny), nz, abs(nz), 2 * y, 2 * radius, 4 * y * y])
    bias = guesser.bias + guesser.gate @ conditions
    sides = [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1),
             (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0)]  # fmt: skip

    def kernel(differences, scale):
        lengths = [d * math.exp(-s) for d, s in zip(differences, scale.tolist(), strict=True)]
        return -sum(length**2 for length in lengths) / 2

    def spread(scale):
        level, up, turned, tipped = scale
        return torch.stack([level, level, up, turned, turned, tipped])

    total, weights = torch.zeros(3), 0.0
    for row, paint, much in zip(source, colour, share.tolist(), strict=True):
        if much == 0:
            continue
        a, b, c, na, nb, nc = row.tolist()
        other = math.hypot(a, b)
        logs = []
        for p, q, r, s in sides:
            place = (p * a + q * b, r * a + s * b, c, p * na + q * nb, r * na + s * nb, nc)
            apart = [u - v for u, v in zip(target.tolist(), place, strict=True)]
            logs.append(kernel(apart, spread(guesser.side)))
        outward = (x * nx + z * nz) / radius - (a * na + b * nb) / other
        logs.append(kernel([radius - other, y - c, outward, ny - nc], guesser.round))
        tall = guesser.height[[0, 1, 1, 2]]
        logs.append(kernel([y - c, nx - na, nz - nb, ny - nc], tall))
        plain = [u - v for u, v in zip(target.tolist(), row.tolist(), strict=True)]
        logs.append(kernel(plain, spread(guesser.loose)))
        weight = float((torch.tensor(logs) + bias).exp().sum()) * much
        total, weights = total + weight * paint, weights + weight
    return total / weights


def test_a_guess_is_the_weighted_mean_by_kernels_computed_by_hand(guesser, parts):
    target, source, colour, share = parts
    found = guesser(*parts)
    for row in range(2):
        for place in range(target.shape[1]):
            expected = by_hand(guesser, target[row, place], source[row], colour[row], share[row])
            assert torch.allclose(found[row, place], expected, atol=2e-4)


def test_no_colour_appears_that_is_nowhere_known(guesser, parts):
    target, source, colour, share = parts
    changed = torch.where(share[..., None] > 0, colour, 5.0)
    found = guesser(target, source, changed, share)
    known = colour[share > 0]
    assert (found >= known.amin(0) - 1e-4).all() and (found <= known.amax(0) + 1e-4).all()


def test_before_the_fit_the_same_place_wins_then_its_mirror_image(parts):
    guesser = ColourGuess().requires_grad_(False)
    target = torch.tensor([[[0.3, -0.2, 0.1, 1.0, 0.0, 0.0]]])
    mirrored = target * torch.tensor([-1.0, 1, 1, -1, 1, 1])
    source = torch.cat([target, mirrored], 1)
    colour = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    found = guesser(target, source, colour, torch.ones(1, 2))[0, 0]
    assert found[0] > 0.7 and found[1] > 0.2
    alone = guesser(target, source, colour, torch.tensor([[0.0, 1.0]]))[0, 0]
    assert torch.allclose(alone, torch.tensor([0.0, 1.0, 0.0]), atol=1e-4)
