# SPDX-License-Identifier: GPL-3.0-or-later
"""What both training runs share: precision, learning rate and how many steps fit into the time."""

import math
import time
from collections.abc import Callable

import torch

from training.checkpoints import Log


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 on CUDA, nothing elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then cosine to a hundredth of the peak, as a factor."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def fit_steps(step: Callable[[], float], seconds: float, begin: float, log: Log) -> int:
    """How many steps fit into `seconds` since `begin`, from the speed of forty after a warm-up."""
    for _ in range(20):
        step()
    start = time.perf_counter()
    for _ in range(40):
        step()
    now = time.perf_counter()
    steps = max(1, int((seconds - (now - begin)) / ((now - start) / 40)))
    log.write(event="speed", milliseconds=(now - start) * 25, steps=steps)
    return steps
