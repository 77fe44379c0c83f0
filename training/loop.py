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


class Pace:
    """Fits the number of steps to the time that is left, again and again.

    A run whose speed changes, because another shares the device, so still ends in time and with
    the least learning rate.

    Args:
        seconds: Wall time of the run since `begin`; None: the steps stay as they are.
        begin: `time.perf_counter()` at its start.
        done: Steps done.
        every: Steps between two looks at the clock.
    """

    def __init__(self, seconds: float | None, begin: float, done: int, every: int = 500) -> None:
        self._end, self._every = begin + (seconds or math.inf), every
        self._time, self._done = time.perf_counter(), done

    def fit(self, done: int, steps: int) -> int:
        """Steps in all, by the speed since the last look; `steps` as long as none is due."""
        if done - self._done < self._every or math.isinf(self._end):
            return steps
        now = time.perf_counter()
        each = (now - self._time) / (done - self._done)
        self._time, self._done = now, done
        return done + max(0, int((self._end - now) / each))


class RecordedStep:
    """A step recorded as one CUDA graph, which is launched at once instead of kernel by kernel.

    Args:
        step: Always does the same work on batches of the same shapes; it is called a few times.
        batch: An example.
    """

    def __init__(
        self, step: Callable[..., tuple[torch.Tensor, ...]], batch: tuple[torch.Tensor, ...]
    ) -> None:
        self._inputs = [part.clone() for part in batch]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # libraries choose their kernels and workspaces here
                step(*self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._result = step(*self._inputs)

    def __call__(self, *batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run the step; the next call overwrites what it returns."""
        for held, part in zip(self._inputs, batch, strict=True):
            held.copy_(part)
        self._graph.replay()
        return self._result
