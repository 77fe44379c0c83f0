# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a number of steps into a schedule of flow times, and a velocity into a step along it.

A schedule is a float32 tensor of times, one more than it has intervals, from 0 (noise) to 1 (data).
"""

from collections.abc import Callable
from itertools import pairwise

import torch

NUM_TRAIN_TIMESTEPS = 1000
NUM_CONSISTENCY_TIMES = 100


def make_linear_schedule(steps: int) -> torch.Tensor:
    """Evenly spaced times with both ends included, then 1 again, as the published 2.0 models use.

    The last interval has no length, so `steps` times give `steps` - 1 moves (one for one step).

    Args:
        steps: >= 1.

    Returns:
        `[steps + 1]` float32.

    Source: golden case `hunyuan2_solvers`.
    """
    return torch.cat([torch.linspace(0, 1, steps), torch.ones(1)])


def make_shifted_schedule(steps: int, shift: float) -> torch.Tensor:
    """Times that dwell near the noise: t = 1 - s n / (1 + (s - 1) n), n evenly from 1 to 0.

    Args:
        steps: >= 1.
        shift: s > 0; 1 gives even steps, larger values more steps near the noise.

    Returns:
        `[steps + 1]` float32, strictly increasing.

    Source: Esser et al. 2024, "Scaling Rectified Flow Transformers", section 5.3.2.
    """
    noise = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return (1 - shift * noise / (1 + (shift - 1) * noise)).float()


def make_consistency_schedule(
    steps: int,
    num_times: int = NUM_CONSISTENCY_TIMES,
    num_train_timesteps: int = NUM_TRAIN_TIMESTEPS,
) -> torch.Tensor:
    """Times of a distilled model: evenly picked among those that it was distilled at, then 1.

    Args:
        steps: >= 1; more than `num_times` repeat times.
        num_times: Times the model was distilled at.
        num_train_timesteps: Times of the table from which those were taken.

    Returns:
        `[steps + 1]` float32.

    Source: Wang et al. 2024, "Phased Consistency Models", section 3; golden `hunyuan2_solvers`.
    """
    table = consistency_times(num_times, num_train_timesteps)
    return torch.cat([table[torch.arange(steps) * num_times // steps], torch.ones(1)])


def consistency_times(
    num_times: int = NUM_CONSISTENCY_TIMES, num_train_timesteps: int = NUM_TRAIN_TIMESTEPS
) -> torch.Tensor:
    """The times `[num_times]` float32 in [0, 1) that a consistency model was distilled at."""
    stride = num_train_timesteps // num_times
    indices = torch.arange(num_times) * stride - 1
    return indices.clamp(min=0) / (num_train_timesteps - 1)


def take_euler_step(
    x: torch.Tensor, velocity: torch.Tensor, t: torch.Tensor, t_next: torch.Tensor
) -> torch.Tensor:
    """Move `x` along `velocity` from time `t` to `t_next`, all broadcastable, float32."""
    return x + velocity * (t_next - t)


def integrate(
    x: torch.Tensor,
    schedule: torch.Tensor,
    predict_velocity: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    on_step: Callable[[int, int], None],
) -> torch.Tensor:
    """Carry noise along a velocity field to data.

    Args:
        x: Noise `[B, N, C]` float32.
        schedule: Times `[S + 1]` float32, never falling; intervals without length are left out.
        predict_velocity: Called with `x` and the time `[]`, returns the velocity `[B, N, C]`.
        on_step: Called with moves done and moves in all, before each move and after the last.

    Returns:
        `[B, N, C]` float32.

    Source: Lipman et al. 2023, "Flow Matching for Generative Modeling", section 6 (Euler solver).
    """
    times = torch.unique_consecutive(schedule)
    moves = len(times) - 1
    for move, (t, t_next) in enumerate(pairwise(times)):
        on_step(move, moves)
        x = take_euler_step(x, predict_velocity(x, t), t, t_next)
    on_step(moves, moves)
    return x
