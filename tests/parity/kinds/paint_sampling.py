# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampling of several views with a closed-form stand-in for the network."""

from typing import Any

import torch

from backend.paint.guidance import guide
from backend.paint.schedule import (
    LCM,
    EulerAncestral,
    NoiseConfig,
    Sampler,
    denoise,
    make_signal_table,
)
from tests.parity.cases import PAINT_TOLERANCE, Case

PREFIXES = ("paint_sampling",)
TYPES = ("epsilon", "v_prediction")


def stand_in(x: torch.Tensor, timestep: torch.Tensor, condition: float) -> torch.Tensor:
    """The model that the case's note states, for latents `[V, C, h, w]`."""
    mean = x.mean(0, keepdim=True)
    return torch.sin(2 * x) * (1 - timestep / 1000) + condition * (0.5 * x.cos() + 0.25 * mean)


def check_run(case: Case, run: str, sampler: Sampler, noise: torch.Tensor) -> None:
    """Compare one run's first prediction, and its latents before and after the steps."""
    predictions, latents = [], []

    def predict(x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        with_text = stand_in(x, timestep, 1.0)
        if isinstance(sampler, EulerAncestral):
            without = stand_in(x, timestep, 0.0)
            with_text = guide(without, with_text, case.config["guidance_scale"])
        predictions.append(with_text)
        return with_text

    denoise(sampler, noise[0], predict, lambda step: noise[step], lambda _, x: latents.append(x))
    after = case.tensors[f"{run}.latents_after_step"]
    results = {
        "first_prediction": predictions[0],
        "initial_latents": noise[0] * sampler.initial_scale,
        "latents_after_step": torch.stack(latents)[-len(after) :],
    }
    assert len(after) in (1, len(latents))
    for name, actual in results.items():
        expected = case.tensors[f"{run}.{name}"]
        case.assert_close(f"{run}.{name}", actual, expected, PAINT_TOLERANCE)


def check_tables(case: Case, changes: dict[str, Any], run: str, steps: int) -> None:
    """Compare timesteps and noise levels, where the case has them."""
    config = NoiseConfig.from_published({**case.config["noise_schedule"], **changes})
    sampler = EulerAncestral.make(config, steps)
    for name, actual in (("timesteps", sampler.timesteps), ("sigmas", sampler.sigmas)):
        if f"{run}.{name}" in case.tensors:
            expected = case.tensors[f"{run}.{name}"]
            case.assert_close(f"{run}.{name}", actual, expected, PAINT_TOLERANCE)


def check(case: Case) -> None:
    given, config = case.tensors, case.config
    trailing = {"timestep_spacing": "trailing"}
    check_tables(case, trailing, "euler", config["steps"])
    many = f"euler{config['published_steps']}"
    variants: dict[str, dict[str, Any]] = {
        many: {},
        f"{many}_linear_betas": {"beta_schedule": "linear"},
        f"{many}_zero_terminal_snr": {"rescale_betas_zero_snr": True},
    }
    for run, changes in variants.items():
        check_tables(case, {**trailing, **changes}, run, config["published_steps"])
    for kind in TYPES:
        noise_config = NoiseConfig.from_published(
            {**config["noise_schedule"], **trailing, "prediction_type": kind}
        )
        euler = EulerAncestral.make(noise_config, config["steps"])
        check_run(case, f"euler_{kind}", euler, given["euler.noise"])
        turbo = LCM.make(noise_config, len(given["turbo.timesteps"]))
        case.assert_close("turbo.timesteps", turbo.timesteps, given["turbo.timesteps"])
        check_run(case, f"turbo_{kind}", turbo, given["turbo.noise"])
    table = make_signal_table(NoiseConfig.from_published(config["noise_schedule"]))
    every_37 = given["alphas_cumprod_every_37"]
    case.assert_close("alphas_cumprod_every_37", table[::37], every_37, PAINT_TOLERANCE)
