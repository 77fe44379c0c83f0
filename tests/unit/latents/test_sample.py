# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.config import SampleConfig
from backend.data import Tokens
from backend.errors import CancelledError
from backend.latents.sample import SamplerDefaults, sample_latents
from backend.models.hunyuan3d.config import DenoiserConfig
from backend.models.hunyuan3d.denoiser import Denoiser
from backend.progress import Progress, Report

DEFAULTS = SamplerDefaults(steps=6, guidance=2.0, shift=3.0)
SHAPE = (10, 4)


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    generator = torch.Generator().manual_seed(1)
    condition, null = torch.randn(2, 1, 7, 12, generator=generator)
    return Tokens(condition, null)


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    config = DenoiserConfig(4, 12, 16, 2.0, 2, 1, 1, (8,), 10000, True)
    denoiser = Denoiser(config)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in denoiser.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    return denoiser


class Counter:
    """Counts forward passes and remembers the times."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.batches: list[int] = []
        self.guidance: list[float | None] = []

    def __call__(self, x, t, context, guidance=None):
        self.times.append(t[0].item())
        self.batches.append(len(x))
        self.guidance.append(None if guidance is None else guidance[0].item())
        return torch.zeros_like(x)


def test_same_seed_gives_the_same_bytes(tokens, denoiser) -> None:
    torch.manual_seed(11)
    (first,) = sample_latents(tokens, denoiser, SampleConfig(seed=5), DEFAULTS, SHAPE, Progress())
    torch.manual_seed(99)
    (again,) = sample_latents(tokens, denoiser, SampleConfig(seed=5), DEFAULTS, SHAPE, Progress())
    (other,) = sample_latents(tokens, denoiser, SampleConfig(seed=6), DEFAULTS, SHAPE, Progress())
    assert first.values.shape == (1, *SHAPE)
    assert first.values.dtype == torch.float32
    assert first.values.numpy().tobytes() == again.values.numpy().tobytes()
    assert (first.values - other.values).abs().max() > 0.1


def test_sampling_leaves_the_global_random_state_alone(tokens) -> None:
    before = torch.get_rng_state()
    sample_latents(tokens, Counter(), SampleConfig(seed=3), DEFAULTS, SHAPE, Progress())
    assert torch.equal(torch.get_rng_state(), before)


def test_perfect_velocity_reaches_the_data(tokens) -> None:
    data = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(4))

    def denoiser(x, t, context, guidance=None):
        return (data - x) / (1 - t[:, None, None])

    for defaults in (
        DEFAULTS,
        SamplerDefaults(steps=6, guidance=2.0),
        SamplerDefaults(steps=5, guidance=2.0, solver="consistency", is_guidance_embedded=True),
    ):
        (sampled,) = sample_latents(tokens, denoiser, SampleConfig(), defaults, SHAPE, Progress())
        assert torch.allclose(sampled.values, data, atol=1e-5)


@pytest.mark.parametrize("forwards", [0, 1, 3])
def test_cancel_takes_effect_between_two_steps(tokens, forwards: int) -> None:
    denoiser = Counter()
    progress = Progress(is_cancelled=lambda: len(denoiser.times) >= forwards)
    with pytest.raises(CancelledError):
        sample_latents(tokens, denoiser, SampleConfig(), DEFAULTS, SHAPE, progress)
    assert len(denoiser.times) == forwards


def test_every_step_is_reported(tokens) -> None:
    reports: list[Report] = []
    denoiser = Counter()
    sample_latents(tokens, denoiser, SampleConfig(), DEFAULTS, SHAPE, Progress(reports.append))
    assert [(report.step, report.of) for report in reports] == [(done, 6) for done in range(7)]


def test_zero_steps_and_negative_guidance_mean_the_models_own(tokens) -> None:
    denoiser = Counter()
    config = SampleConfig(steps=0, guidance=-1.0)
    sample_latents(tokens, denoiser, config, DEFAULTS, SHAPE, Progress())
    assert len(denoiser.times) == DEFAULTS.steps
    assert denoiser.batches == [2] * DEFAULTS.steps, "guidance 2 needs condition and null"


def test_chosen_steps_and_guidance_win_over_the_models_own(tokens) -> None:
    denoiser = Counter()
    config = SampleConfig(steps=3, guidance=1.0)
    sample_latents(tokens, denoiser, config, DEFAULTS, SHAPE, Progress())
    assert denoiser.batches == [1, 1, 1]


def test_zero_guidance_is_a_choice_and_ignores_the_picture(tokens, denoiser) -> None:
    config = SampleConfig(guidance=0.0)
    swapped = Tokens(torch.randn(tokens.condition.shape), tokens.null)
    (one,) = sample_latents(tokens, denoiser, config, DEFAULTS, SHAPE, Progress())
    (two,) = sample_latents(swapped, denoiser, config, DEFAULTS, SHAPE, Progress())
    assert torch.allclose(one.values, two.values, atol=1e-5)


def test_embedded_guidance_is_passed_to_the_denoiser_and_runs_one_row(tokens) -> None:
    denoiser = Counter()
    defaults = SamplerDefaults(5, 5.0, solver="consistency", is_guidance_embedded=True)
    sample_latents(tokens, denoiser, SampleConfig(), defaults, SHAPE, Progress())
    assert denoiser.guidance == [5.0] * 5
    assert denoiser.batches == [1] * 5
    assert denoiser.times == pytest.approx([0, 199 / 999, 399 / 999, 599 / 999, 799 / 999])


def test_candidates_differ_and_the_first_is_the_one_sampled_alone(tokens, denoiser) -> None:
    reports: list[Report] = []
    progress = Progress(reports.append)
    config = SampleConfig(seed=5, candidates=3)
    found = sample_latents(tokens, denoiser, config, DEFAULTS, SHAPE, progress)
    (alone,) = sample_latents(tokens, denoiser, SampleConfig(seed=5), DEFAULTS, SHAPE, Progress())
    assert len(found) == 3
    assert torch.equal(found[0].values, alone.values)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (found[one].values - found[other].values).abs().max() > 0.1
    steps = [report.step for report in reports]
    assert steps == sorted(steps) and steps[-1] == 18
    assert {report.of for report in reports} == {18}


def test_zero_candidates_mean_the_models_own(tokens) -> None:
    defaults = SamplerDefaults(steps=1, guidance=2.0, candidates=4)
    for chosen, count in ((0, 4), (1, 1), (2, 2)):
        config = SampleConfig(candidates=chosen)
        found = sample_latents(tokens, Counter(), config, defaults, SHAPE, Progress())
        assert len(found) == count
