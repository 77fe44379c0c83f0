# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from backend.paint.hold import HoldingSampler
from backend.paint.schedule import DDIM, LCM, EulerAncestral, NoiseConfig, denoise

CONFIG = NoiseConfig(timestep_spacing="trailing", prediction_type="v_prediction")
SHAPE = (1, 4, 64, 64)
SAMPLERS = [EulerAncestral, DDIM, LCM]


def holding(kind, steps=5) -> HoldingSampler:
    generator = torch.Generator().manual_seed(3)
    known = 0.2 * torch.randn(SHAPE, generator=generator) + 1.5
    is_free = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    is_free[..., :32] = True
    noise = torch.randn(SHAPE, generator=generator)
    return HoldingSampler(kind.make(CONFIG, steps), known, is_free, noise)


def run(sampler: HoldingSampler) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Sample with a network that predicts nothing; also what it was shown."""
    shown: list[torch.Tensor] = []
    generator = torch.Generator().manual_seed(4)

    def predict(x, _):
        shown.append(x)
        return torch.zeros_like(x)

    out = denoise(
        sampler,
        sampler.make_start(),
        predict,
        lambda _: torch.randn(SHAPE, generator=generator),
        lambda *_: None,
    )
    return out, shown


@pytest.mark.parametrize("kind", SAMPLERS)
def test_known_part_comes_out_exactly_and_the_free_part_does_not(kind):
    sampler = holding(kind)
    out, _ = run(sampler)
    assert torch.equal(out[..., 32:], sampler.known[..., 32:])
    assert (out[..., :32] - sampler.known[..., :32]).abs().mean() > 0.3


@pytest.mark.parametrize("kind", SAMPLERS)
def test_network_sees_the_known_part_at_the_noise_level_of_each_step(kind):
    sampler = holding(kind)
    _, shown = run(sampler)
    spreads = [x[..., 32:].std().item() for x in shown]
    means = [x[..., 32:].mean().item() for x in shown]
    assert len(shown) == 5
    assert spreads[0] == pytest.approx(1, abs=0.05)  # nearly all noise
    assert all(a < b for a, b in pairwise(means))  # the known mean rises
    assert spreads[-1] < spreads[0]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_free_part_starts_as_unit_noise(kind):
    sampler = holding(kind)
    start = sampler.make_start()
    assert torch.equal(start[..., :32], sampler.noise[..., :32])
    assert not torch.equal(start[..., 32:], sampler.noise[..., 32:])


def test_everything_free_samples_as_without_holding():
    sampler = holding(DDIM)
    free = HoldingSampler(sampler.sampler, sampler.known, torch.tensor(True), sampler.noise)
    held, _ = run(free)
    plain = denoise(
        sampler.sampler,
        sampler.noise,
        lambda x, _: torch.zeros_like(x),
        lambda _: torch.zeros(SHAPE),
        lambda *_: None,
    )
    assert torch.allclose(held, plain, atol=1e-6)


@pytest.mark.parametrize("kind", [DDIM, LCM])
def test_a_network_may_be_told_the_known_part_without_noise(kind):
    sampler = replace(holding(kind), is_noised=False)
    out, shown = run(sampler)
    assert all(torch.equal(x[..., 32:], sampler.known[..., 32:]) for x in shown)
    assert shown[0][..., :32].std() == pytest.approx(1, abs=0.05)
    assert torch.equal(out[..., 32:], sampler.known[..., 32:])


def test_a_guess_is_where_the_free_part_begins_as_noisy_as_the_first_step_expects():
    config = replace(CONFIG, start_share=0.1)
    plain = holding(DDIM)
    sampler = replace(
        plain, sampler=DDIM.make(config, 3), is_noised=False, is_guessed=True, noise=plain.noise
    )
    start, signal = sampler.make_start(), sampler.sampler.signals[0].item()
    assert sampler.timesteps[0] == 99
    expected = signal**0.5 * sampler.known + (1 - signal) ** 0.5 * sampler.noise
    assert torch.allclose(start[..., :32], expected[..., :32])
    assert torch.equal(start[..., 32:], sampler.known[..., 32:])
    assert start[..., :32].mean() == pytest.approx(1.5 * signal**0.5, abs=0.02)
