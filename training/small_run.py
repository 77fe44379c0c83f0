# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns props into a small trained network: the run that light and cut-out share."""

import argparse
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backend.weights.catalogue import EMBEDDED_FOLDER
from backend.weights.load import quantise_state, write_shards
from training.checkpoints import Average, Log, load_shards, save_shards
from training.datasets import load_props
from training.light_entries import make_light_entries
from training.loop import Pace, fit_steps, learning_rate
from training.shape_mix import ShapeMix
from training.variations import Variation


@dataclass(frozen=True, slots=True)
class Settings:
    """What tells one kind of run from another.

    Attributes:
        log: Name of the log.
        shards: First part of the trained shards' names.
        rate: Peak learning rate.
        warmup: Steps of linear warm-up.
        average_decay: Of the averaged weights.
        losses: Names of both losses in the log.
        weight: Of the second loss.
        pace_every: Steps between two looks at the clock.
        held_out_views: Pictures of each validation prop.
    """

    log: str
    shards: str
    rate: float
    warmup: int
    average_decay: float
    losses: tuple[str, str]
    weight: float
    pace_every: int
    held_out_views: int = 1


class SmallRun(ABC):
    """One training run: data, network, optimiser and log."""

    settings: Settings

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.device = args, torch.device(args.device)
        self.begin = time.perf_counter()
        torch.manual_seed(args.seed)
        self.log = Log(args.out / self.settings.log)
        self.generator = torch.Generator(self.device).manual_seed(args.seed)
        props = load_props(args.props, "train", self.device, args.limit)
        mix = ShapeMix(props, args.procedural, args.procedural_share, args.seed)
        variation = Variation(stretch=0.2, bend_chance=0.1, compose_chance=0.1, recolour_chance=0.5)
        self.entries = make_light_entries(mix, mix.spread(args.entries), variation, self.generator)
        held_out = load_props(args.props, "validation", self.device, args.limit)
        shapes = torch.arange(held_out.num_shapes, device=self.device)
        self.held_out = make_light_entries(
            ShapeMix(held_out, 0, 0.0, 0),
            shapes.repeat(self.settings.held_out_views),
            None,
            torch.Generator(self.device).manual_seed(7),
        )
        self.network = self.make_network()
        self.average = Average(self.network, self.settings.average_decay)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), self.settings.rate, (0.9, 0.99), weight_decay=0.02
        )
        self.log.write(event="start", entries=len(self.entries), seconds=self.seconds)

    @abstractmethod
    def make_network(self) -> nn.Module:
        """The network to train, on the run's device."""

    @abstractmethod
    def find_losses(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Both losses on these entries `[B]`."""

    @abstractmethod
    def measure(self) -> dict[str, float]:
        """How good the network is on the held out entries, by name."""

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self.begin

    def step(self, factor: float) -> tuple[Tensor, Tensor]:
        """One optimiser step; returns both losses."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * factor
        rows = torch.randint(
            len(self.entries), (self.args.batch,), device=self.device, generator=self.generator
        )
        first, second = self.find_losses(rows)
        self.optimiser.zero_grad(set_to_none=True)
        (first + self.settings.weight * second).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update()
        return first.detach(), second.detach()

    def check(self, step: int) -> None:
        """Measure and write the averaged network."""
        self.average.swap()
        found = self.measure()
        self.log.write(step=step, split="validation", **found, seconds=self.seconds)
        save_shards(self.network.state_dict(), self.args.out, self.settings.shards)
        self.average.swap()

    def train(self) -> None:
        """Run all steps; write the shards and the log."""
        args, step, steps = self.args, 0, self.args.steps
        if args.seconds:
            steps = fit_steps(lambda: float(self.step(1e-3)[0]), args.seconds, self.begin, self.log)
        pace = Pace(args.seconds, self.begin, 0, self.settings.pace_every)
        while step < steps:
            losses = self.step(learning_rate(step, steps, self.settings.warmup))
            if step % args.every == 0:
                named = zip(self.settings.losses, map(float, losses), strict=True)
                self.log.write(step=step, **dict(named), seconds=self.seconds)
            if step and step % args.evaluate_every == 0:
                self.check(step)
            step += 1
            steps = pace.fit(step, steps)
        self.check(step)


def export_network(shards: str, stem: str, run: Path, out: Path) -> list[Path]:
    """Write a run's network as it ships, its shards under another stem; returns the files."""
    return write_shards(quantise_state(load_shards(run, shards)), out, stem)


def run_command(
    description: str | None,
    run: type[SmallRun],
    export: Callable[[Path, Path], list[Path]],
    **defaults: Any,
) -> None:
    """Read the command line, then train or export; `defaults` are those of this kind of run."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--props", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", action="store_true", help="write the weights that ship")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seconds", type=float, help="wall time of the run, set-up included")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--entries", type=int, help="variations of each prop")
    parser.add_argument("--procedural", type=int)
    parser.add_argument("--procedural-share", type=float)
    parser.add_argument("--device")
    parser.add_argument("--limit", type=int, help="use only the first shapes")
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--evaluate-every", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(**defaults)
    args = parser.parse_args()
    if args.export:
        export(args.out, EMBEDDED_FOLDER)
    elif args.props is None:
        parser.error("--props is needed for training")
    else:
        run(args).train()
