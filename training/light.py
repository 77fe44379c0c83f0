# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the guess of the light on a picture: lit colours and normals -> light on each pixel.

    python -m training.light --props FOLDER --out FOLDER [--seconds N] [--device cuda]
    python -m training.light --export --out FOLDER

Props and generated shapes are rendered once each in many variations; every step lights them anew.
The second command turns what the first one wrote into the weights that ship.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.models.maquette.light_guess import LightGuess
from backend.weights.catalogue import LIGHT_STEM
from training.light_entries import LightEntries, draw_light
from training.loop import autocast
from training.pictures import swap_channels
from training.small_run import Settings, SmallRun, export_network, run_command

LOG_WEIGHT = 0.02
"""Of the error of the light's logarithm, beside the squared error of the colours."""
_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class Lit:
    """A batch.

    Attributes:
        colour: `[B, 3, H, W]` lit sRGB in 0..1.
        alpha: `[B, 1, H, W]`.
        normal: `[B, 3, H, W]`, as far as they are known.
        light: `[B, 1, H, W]` natural logarithm of the true light.
        truth: `[B, 3, H, W]` sRGB of the surface.
    """

    colour: Tensor
    alpha: Tensor
    normal: Tensor
    light: Tensor
    truth: Tensor


def draw_lit(
    entries: LightEntries, rows: Tensor, generator: torch.Generator, *, is_rough: bool
) -> Lit:
    """Light these entries; if rough, some of the normals told are those of a lumpy surface."""
    base = swap_channels(entries.base[rows].float() / 255, generator)
    normal = functional.normalize(entries.normal[rows].float(), dim=-1)
    light = draw_light(normal, generator)[:, None]  # [B, 1, H, W]
    truth, alpha = base[..., :3].movedim(-1, 1), base[..., 3:].movedim(-1, 1)
    colour = (truth**2.2 * light).clamp(0, 1) ** (1 / 2.2)
    if is_rough:
        normal = _roughen(normal, generator)
    return Lit(colour, alpha, normal.movedim(-1, 1), light.clamp(min=1e-3).log(), truth)


def _roughen(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Lean the normals `[B, H, W, 3]` of half of the pictures by smooth noise."""
    count, height, width, _ = normal.shape
    device = normal.device
    noise = torch.zeros_like(normal).movedim(-1, 1)
    for cells in (8, 24):
        coarse = torch.randn(count, 3, cells, cells, device=device, generator=generator)
        noise = noise + functional.interpolate(coarse, (height, width), mode="bilinear")
    rand = torch.rand(count, 2, 1, 1, 1, device=device, generator=generator)
    strength = torch.where(rand[:, 0] < 0.5, 0.3 * rand[:, 1], 0.0)
    return functional.normalize(normal + strength * noise.movedim(1, -1), dim=-1)


def find_losses(guess: Tensor, lit: Lit) -> tuple[Tensor, Tensor]:
    """Squared error of the colours without light, and absolute error of the light's logarithm."""
    weight = (lit.alpha > 0.99).float()
    total = weight.sum().clamp(min=1)
    error = (unlit(lit.colour, guess) - lit.truth).square().mean(1, keepdim=True)
    return (error * weight).sum() / total, ((guess - lit.light).abs() * weight).sum() / total


def unlit(colour: Tensor, light: Tensor) -> Tensor:
    """Divide the light out of sRGB colours; `light` is a natural logarithm."""
    return (colour.clamp(min=1e-3) ** 2.2 * torch.exp(-light)).clamp(1e-6, 1.5) ** (1 / 2.2)


@torch.no_grad()
def measure(network: nn.Module, entries: LightEntries, device: torch.device) -> dict[str, float]:
    """PSNR in dB of the surface's colours, mean over the pictures: as lit, and without light."""
    generator = torch.Generator(device).manual_seed(31)
    found: dict[str, list[Tensor]] = {"lit": [], "unlit": [], "best exposure": []}
    for rows in torch.arange(len(entries), device=device).split(_TOGETHER):
        lit = draw_lit(entries, rows, generator, is_rough=False)
        with autocast(device):
            guess = network(lit.colour, lit.alpha, lit.normal).float()
        weight = (lit.alpha > 0.99).float()
        total = weight.sum((1, 2, 3)).clamp(min=1)
        shift = ((lit.light - guess) * weight).sum((1, 2, 3)) / total
        for name, colour in (
            ("lit", lit.colour),
            ("unlit", unlit(lit.colour, guess)),
            ("best exposure", unlit(lit.colour, guess + shift[:, None, None, None])),
        ):
            error = (colour.clamp(0, 1) - lit.truth).square().mean(1, keepdim=True) * weight
            found[name].append(-10 * torch.log10((error.sum((1, 2, 3)) / total).clamp(min=1e-6)))
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}


class Run(SmallRun):
    """A run that writes `light-*.safetensors` and `light_log.jsonl`."""

    settings = Settings(
        log="light_log.jsonl", shards="light", rate=1.5e-3, warmup=200, average_decay=0.999,
        losses=("square", "light"), weight=LOG_WEIGHT, pace_every=500, held_out_views=2,
    )  # fmt: skip

    def make_network(self) -> nn.Module:
        """As `SmallRun` says; compiled on GPUs."""
        torch.set_float32_matmul_precision("high")
        network = LightGuess().to(self.device)
        self.forward = torch.compile(network) if self.device.type == "cuda" else network
        return network

    def find_losses(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """As the function of this name, on newly lit entries."""
        lit = draw_lit(self.entries, rows, self.generator, is_rough=True)
        with autocast(self.device):
            guess = self.forward(lit.colour, lit.alpha, lit.normal)
        return find_losses(guess.float(), lit)

    def measure(self) -> dict[str, float]:
        """As the function of this name."""
        return measure(self.network, self.held_out, self.device)


export_light = partial(export_network, "light", LIGHT_STEM)
"""Write a run's network as it ships, from one folder to another; returns the files."""


if __name__ == "__main__":
    run_command(
        __doc__, Run, export_light, steps=4000, batch=96, entries=8, procedural=2500,
        procedural_share=0.3, device="cuda", evaluate_every=1000,
    )  # fmt: skip
