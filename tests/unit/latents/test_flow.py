# SPDX-License-Identifier: GPL-3.0-or-later
import math

import pytest
import torch

from backend.latents.flow import (
    consistency_times,
    integrate,
    make_consistency_schedule,
    make_linear_schedule,
    make_shifted_schedule,
)


def ignore(done: int, of: int) -> None:
    pass


@pytest.mark.parametrize("steps", [1, 2, 5, 50])
@pytest.mark.parametrize(
    "make",
    [make_linear_schedule, make_consistency_schedule, lambda n: make_shifted_schedule(n, 8.0)],
    ids=["linear", "consistency", "shifted"],
)
def test_schedule_runs_from_noise_to_data_without_turning_back(make, steps: int) -> None:
    schedule = make(steps)
    assert schedule.shape == (steps + 1,)
    assert schedule.dtype == torch.float32
    assert schedule[0] == 0
    assert schedule[-1] == 1
    assert (schedule.diff() >= 0).all()


def test_shifted_schedule_follows_its_formula() -> None:
    for index, t in enumerate(make_shifted_schedule(10, 8.0).tolist()):
        n = 1 - index / 10
        assert t == pytest.approx(1 - 8 * n / (1 + 7 * n), abs=1e-6)


def test_shift_of_one_is_even_and_larger_shifts_stay_longer_near_the_noise() -> None:
    even = make_shifted_schedule(8, 1.0)
    assert torch.allclose(even, torch.arange(9) / 8)
    assert make_shifted_schedule(8, 8.0)[4] < make_shifted_schedule(8, 3.0)[4] < even[4]


def test_consistency_schedule_uses_only_times_that_the_model_was_distilled_at() -> None:
    known = set(consistency_times().tolist())
    assert set(make_consistency_schedule(7)[:-1].tolist()) <= known


def test_constant_velocity_is_integrated_exactly() -> None:
    noise, data = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    out = integrate(noise, make_shifted_schedule(13, 5.0), lambda x, t: data - noise, ignore)
    assert torch.allclose(out, data, atol=1e-6)


def test_halving_the_step_halves_the_error() -> None:
    def error(steps: int) -> float:
        start = torch.ones(1, 1, 1)
        end = integrate(start, make_shifted_schedule(steps, 1.0), lambda x, t: -x, ignore)
        return abs(end.item() - math.exp(-1))

    assert error(64) / error(128) == pytest.approx(2.0, rel=0.05)


def test_intervals_without_length_cost_no_forward_pass() -> None:
    seen: list[float] = []
    reported: list[tuple[int, int]] = []

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.append(t.item())
        return x

    integrate(
        torch.ones(1, 1, 1),
        make_linear_schedule(5),
        velocity,
        lambda *step: reported.append(step),
    )
    assert seen == [0.0, 0.25, 0.5, 0.75]
    assert reported == [(done, 4) for done in range(5)]
