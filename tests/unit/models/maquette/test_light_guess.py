# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.models.maquette.light_guess import LightGuess


@pytest.fixture(scope="module")
def network() -> LightGuess:
    torch.manual_seed(0)
    return LightGuess().requires_grad_(False)


def batch(edge: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    colour, normal = torch.rand(2, 2, 3, edge, edge, generator=generator)
    alpha = (torch.rand(2, 1, edge, edge, generator=generator) > 0.4).float()
    return colour, alpha, torch.nn.functional.normalize(normal * 2 - 1, dim=1)


@pytest.mark.parametrize("edge", [64, 128])
def test_one_number_for_each_pixel(network, edge):
    light = network(*batch(edge))
    assert light.shape == (2, 1, edge, edge) and torch.isfinite(light).all()


def test_what_lies_outside_the_object_does_not_matter(network):
    colour, alpha, normal = batch(64)
    noise = torch.randn(colour.shape, generator=torch.Generator().manual_seed(5))
    changed = (torch.where(alpha > 0, x, x + noise) for x in (colour, normal))
    other_colour, other_normal = changed
    expected = network(colour, alpha, normal)
    assert torch.allclose(network(other_colour, alpha, other_normal), expected, atol=1e-5)


def test_a_far_corner_is_looked_at(network):
    colour, alpha, normal = batch(128)
    changed = colour.clone()
    changed[..., :8, :8] = 1 - changed[..., :8, :8]
    alpha = torch.ones_like(alpha)
    apart = (network(changed, alpha, normal) - network(colour, alpha, normal)).abs()
    assert apart[..., -8:, -8:].max() > 1e-6


def test_pictures_of_a_batch_do_not_mix(network):
    parts = batch(64)
    both = network(*parts)
    for row in range(2):
        alone = network(*(x[row : row + 1] for x in parts))
        assert torch.allclose(alone, both[row : row + 1], atol=1e-4)
