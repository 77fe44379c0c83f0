# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules and what stepping a closed-form velocity field along them gives."""

import re

import torch

from backend.latents.flow import (
    consistency_times,
    integrate,
    make_consistency_schedule,
    make_linear_schedule,
)
from tests.parity.cases import Case

PREFIXES = ("hunyuan2_solvers",)


def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The field that the cases state in `config["velocity"]`."""
    return torch.sin(3 * x) * (1 - t) - x * t


def check(case: Case) -> None:
    assert case.config["velocity"] == "sin(3x)*(1-t) - x*t, t = timestep/1000"
    train, num_times = case.config["num_train_timesteps"], case.config["pcm_timesteps"]
    given = case.tensors
    runs = [match for name in given if (match := re.fullmatch(r"(\w+)_(\d+)_out", name))]
    assert runs
    for match in runs:
        run, solver, steps = match[0].removesuffix("_out"), match[1], int(match[2])
        if solver == "euler":
            schedule = sigmas = make_linear_schedule(steps)
        else:
            assert solver == "consistency"
            schedule = make_consistency_schedule(steps, num_times, train)
            sigmas = consistency_times(num_times, train)
        case.assert_close(f"{run}_sigmas", sigmas, given[f"{run}_sigmas"])
        case.assert_close(f"{run}_timesteps", schedule[:-1] * train, given[f"{run}_timesteps"])
        out = integrate(given["x0"], schedule, velocity, lambda done, of: None)
        case.assert_close(f"{run}_out", out, given[match[0]])
