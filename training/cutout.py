# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the guess of where a picture's object is: colours -> coverage, before any background.

    python -m training.cutout --props FOLDER --out FOLDER [--seconds N] [--device cpu]
    python -m training.cutout --export --out FOLDER

Props and generated shapes are rendered once each; every step lights them anew and puts them, of any
size and anywhere, before a background made up for them: floor and wall, gradients, patterns, other
things at the side, with the shadow that they throw. Small enough for a processor.
The second command turns what the first one wrote into the weights that ship.
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.maquette.object_guess import ObjectGuess
from backend.weights.catalogue import EMBEDDED_FOLDER, OBJECT_STEM
from backend.weights.load import quantise_state, write_shards
from training.backdrops import Scene, draw_scene
from training.checkpoints import Average, Log, load_shards, save_shards
from training.datasets import load_props
from training.light import LightEntries, draw_light, make_light_entries
from training.loop import Pace, autocast, fit_steps, learning_rate
from training.pictures import grade, swap_channels
from training.shape_mix import ShapeMix
from training.variations import Variation

BATCH = 32
RATE = 2e-3
WARMUP = 100
OVERLAP_WEIGHT = 0.5
"""Of 1 - the shared part of both areas, beside the cross-entropy."""
_TOGETHER = 64


def draw_batch(entries: LightEntries, rows: Tensor, generator: torch.Generator) -> Scene:
    """Light these entries and put them before backgrounds."""
    base = swap_channels(entries.base[rows].float() / 255, generator)
    base = grade(base, 0.5, generator)
    normal = functional.normalize(entries.normal[rows].float(), dim=-1)
    light = draw_light(normal, generator)[..., None]  # [B, H, W, 1]
    colour = (base[..., :3] ** 2.2 * light).clamp(0, 1) ** (1 / 2.2)
    shown = torch.cat([colour, base[..., 3:]], -1).movedim(-1, 1)  # [B, 4, H, W]
    return draw_scene(shown, generator)


def find_losses(logits: Tensor, coverage: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy, and one minus the shared part of both areas."""
    entropy = functional.binary_cross_entropy_with_logits(logits, coverage)
    chance = torch.sigmoid(logits)
    shared = (chance * coverage).sum((1, 2, 3))
    union = (chance + coverage - chance * coverage).sum((1, 2, 3))
    return entropy, (1 - shared / union.clamp(min=1)).mean()


@torch.no_grad()
def measure(network: ObjectGuess, entries: LightEntries, device: torch.device) -> dict[str, float]:
    """Shared part of guessed and true areas: mean, and of the worst tenth of the pictures."""
    generator = torch.Generator(device).manual_seed(31)
    found = []
    for rows in torch.arange(len(entries), device=device).split(_TOGETHER):
        scene = draw_batch(entries, rows, generator)
        with autocast(device):
            is_object = network(scene.colour) > 0
        truth = scene.coverage > 0.5
        shared = (is_object & truth).sum((1, 2, 3)).float()
        found.append(shared / (is_object | truth).sum((1, 2, 3)).clamp(min=1))
    overlap = torch.cat(found)
    worst = overlap.sort().values[: max(1, len(overlap) // 10)]
    return {"overlap": float(overlap.mean()), "worst tenth": float(worst.mean())}


class Run:
    """One training run: data, network, optimiser and log."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.device = args, torch.device(args.device)
        self.begin = time.perf_counter()
        torch.manual_seed(args.seed)
        self.log = Log(args.out / "cutout_log.jsonl")
        self.generator = torch.Generator(self.device).manual_seed(args.seed)
        props = load_props(args.props, "train", self.device, args.limit)
        mix = ShapeMix(props, args.procedural, args.procedural_share, args.seed)
        variation = Variation(stretch=0.2, bend_chance=0.1, compose_chance=0.1, recolour_chance=0.5)
        self.entries = make_light_entries(mix, mix.spread(args.entries), variation, self.generator)
        held_out = load_props(args.props, "validation", self.device, args.limit)
        self.held_out = make_light_entries(
            ShapeMix(held_out, 0, 0.0, 0),
            torch.arange(held_out.num_shapes, device=self.device),
            None,
            torch.Generator(self.device).manual_seed(7),
        )
        self.network = ObjectGuess().to(self.device, memory_format=torch.channels_last)
        self.average = Average(self.network, 0.995)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), RATE, (0.9, 0.99), weight_decay=0.02
        )
        self.log.write(event="start", entries=len(self.entries), seconds=self.seconds)

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self.begin

    def step(self, factor: float) -> tuple[Tensor, Tensor]:
        """One optimiser step; returns both losses."""
        for group in self.optimiser.param_groups:
            group["lr"] = RATE * factor
        rows = torch.randint(
            len(self.entries), (self.args.batch,), device=self.device, generator=self.generator
        )
        scene = draw_batch(self.entries, rows, self.generator)
        colour = scene.colour.contiguous(memory_format=torch.channels_last)
        with autocast(self.device):
            logits = self.network(colour)
        entropy, apart = find_losses(logits.float(), scene.coverage)
        self.optimiser.zero_grad(set_to_none=True)
        (entropy + OVERLAP_WEIGHT * apart).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update()
        return entropy.detach(), apart.detach()

    def check(self, step: int) -> None:
        """Measure and write the averaged network."""
        self.average.swap()
        found = measure(self.network, self.held_out, self.device)
        self.log.write(step=step, split="validation", **found, seconds=self.seconds)
        save_shards(self.network.state_dict(), self.args.out, "object")
        self.average.swap()

    def train(self) -> None:
        """Run all steps and write `object-*.safetensors` and `cutout_log.jsonl`."""
        args, step, steps = self.args, 0, self.args.steps
        if args.seconds:
            steps = fit_steps(lambda: float(self.step(1e-3)[0]), args.seconds, self.begin, self.log)
        pace = Pace(args.seconds, self.begin, 0, args.every)
        while step < steps:
            entropy, apart = self.step(learning_rate(step, steps, WARMUP))
            if step % args.every == 0:
                self.log.write(
                    step=step, entropy=float(entropy), apart=float(apart), seconds=self.seconds
                )
            if step and step % args.evaluate_every == 0:
                self.check(step)
            step += 1
            steps = pace.fit(step, steps)
        self.check(step)


def export_object(run: Path, out: Path) -> list[Path]:
    """Write a run's network as it ships; returns the files."""
    return write_shards(quantise_state(load_shards(run, "object")), out, OBJECT_STEM)


def main() -> None:
    """Read the command line; train or export."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--props", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", action="store_true", help="write the weights that ship")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seconds", type=float, help="wall time of the run, set-up included")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--entries", type=int, default=2, help="variations of each prop")
    parser.add_argument("--procedural", type=int, default=600)
    parser.add_argument("--procedural-share", type=float, default=0.2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--limit", type=int, help="use only the first shapes")
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--evaluate-every", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.export:
        export_object(args.out, EMBEDDED_FOLDER)
    elif args.props is None:
        parser.error("--props is needed for training")
    else:
        Run(args).train()


if __name__ == "__main__":
    main()
