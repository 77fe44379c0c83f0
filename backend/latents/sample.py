# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns condition tokens into the latents of shapes."""

from dataclasses import dataclass
from typing import Literal

import torch

from ..config import SampleConfig
from ..data import Latents, Tokens
from ..progress import Progress
from .flow import (
    integrate,
    make_consistency_schedule,
    make_linear_schedule,
    make_shifted_schedule,
)
from .guidance import Denoiser, predict_distilled_velocity, predict_guided_velocity


@dataclass(frozen=True, slots=True)
class SamplerDefaults:
    """How a model wants to be sampled where the user did not choose.

    Attributes:
        steps: Denoising steps, >= 1.
        guidance: Guidance scale, >= 0.
        solver: "euler", or "consistency" for models distilled to few steps.
        shift: Of the Euler schedule, see `flow.make_shifted_schedule`; None: the published linear
            one, see `flow.make_linear_schedule`.
        is_guidance_embedded: The scale is an input of the denoiser, so there is no null pass.
        candidates: Shapes of which the best is kept, >= 1.
    """

    steps: int
    guidance: float
    solver: Literal["euler", "consistency"] = "euler"
    shift: float | None = None
    is_guidance_embedded: bool = False
    candidates: int = 1


@torch.no_grad()
def sample_latents(
    tokens: Tokens,
    denoiser: Denoiser,
    config: SampleConfig,
    defaults: SamplerDefaults,
    shape: tuple[int, int],
    progress: Progress,
) -> tuple[Latents, ...]:
    """Draw noise and carry it to shapes that fit the picture.

    The noise is drawn on the CPU, so a seed means the same start on every device. The first
    candidate is the same however many follow.

    Args:
        tokens: `[B, L, D]` on the denoiser's device and in its dtype; the state between the steps
            stays float32.
        denoiser: The velocity network.
        config: The user's choice; 0 steps, 0 candidates or a negative guidance mean the model's
            own.
        defaults: The model's own.
        shape: Number of latents N and their channels C.
        progress: Told after every denoising step.

    Returns:
        The candidates, each `[B, N, C]` float32 on the tokens' device.

    Raises:
        CancelledError: The user cancelled; seen before every denoising step.

    Source: Lipman et al. 2023, "Flow Matching for Generative Modeling"; Zhao et al. 2025,
    "Hunyuan3D 2.0", section 3.2.
    """
    generator = torch.Generator().manual_seed(config.seed)
    batch, device = tokens.condition.shape[0], tokens.condition.device
    scale = config.guidance if config.guidance >= 0 else defaults.guidance
    is_embedded = defaults.is_guidance_embedded
    predict = predict_distilled_velocity if is_embedded else predict_guided_velocity
    schedule = _make_schedule(config.steps or defaults.steps, defaults).to(device)
    count = config.candidates or defaults.candidates
    found: list[Latents] = []

    def note(done: int, of: int) -> None:
        progress.step(len(found) * of + done, count * of)

    while len(found) < count:
        noise = torch.randn(batch, *shape, generator=generator).to(device)  # [B, N, C]
        values = integrate(
            noise, schedule, lambda x, t: predict(denoiser, x, t, tokens, scale), note
        )
        found.append(Latents(values))
    return tuple(found)


def _make_schedule(steps: int, defaults: SamplerDefaults) -> torch.Tensor:
    """The model's schedule with the asked number of steps, `[steps + 1]`."""
    if defaults.solver == "consistency":
        return make_consistency_schedule(steps)
    if defaults.shift is None:
        return make_linear_schedule(steps)
    return make_shifted_schedule(steps, defaults.shift)
