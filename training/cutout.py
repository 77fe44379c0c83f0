# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the guess of where a picture's object is: colours -> coverage, before any background.

    python -m training.cutout --props FOLDER --out FOLDER [--seconds N] [--device cpu]
    python -m training.cutout --export --out FOLDER

Props and generated shapes are rendered once each; every step lights them anew and puts them, of any
size and anywhere, before a background made up for them: floor and wall, gradients, patterns, other
things at the side, with the shadow that they throw. Small enough for a processor.
The second command turns what the first one wrote into the weights that ship.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.models.maquette.object_guess import ObjectGuess
from backend.weights.catalogue import OBJECT_STEM
from training.backdrops import Scene, draw_scene
from training.light_entries import LightEntries, draw_light
from training.loop import autocast
from training.pictures import grade, swap_channels
from training.small_run import Settings, SmallRun, export_network, run_command

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
def measure(network: nn.Module, entries: LightEntries, device: torch.device) -> dict[str, float]:
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


class Run(SmallRun):
    """A run that writes `object-*.safetensors` and `cutout_log.jsonl`."""

    settings = Settings(
        log="cutout_log.jsonl", shards="object", rate=2e-3, warmup=100, average_decay=0.995,
        losses=("entropy", "apart"), weight=OVERLAP_WEIGHT, pace_every=100,
    )  # fmt: skip

    def make_network(self) -> nn.Module:
        """As `SmallRun` says."""
        return ObjectGuess().to(self.device, memory_format=torch.channels_last)

    def find_losses(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """As the function of this name, before new backgrounds."""
        scene = draw_batch(self.entries, rows, self.generator)
        colour = scene.colour.contiguous(memory_format=torch.channels_last)
        with autocast(self.device):
            logits = self.network(colour)
        return find_losses(logits.float(), scene.coverage)

    def measure(self) -> dict[str, float]:
        """As the function of this name."""
        return measure(self.network, self.held_out, self.device)


export_object = partial(export_network, "object", OBJECT_STEM)
"""Write a run's network as it ships, from one folder to another; returns the files."""


if __name__ == "__main__":
    run_command(
        __doc__, Run, export_object, steps=3000, batch=32, entries=2, procedural=600,
        procedural_share=0.2, device="cpu", evaluate_every=500,
    )  # fmt: skip
