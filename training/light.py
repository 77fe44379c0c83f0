# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the guess of the light on a picture: lit colours and normals -> light on each pixel.

    python -m training.light --props FOLDER --out FOLDER [--seconds N] [--device cuda]
    python -m training.light --export --out FOLDER

Props and generated shapes are rendered once each in many variations; every step lights them anew.
The second command turns what the first one wrote into the weights that ship.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.maquette.light_guess import LightGuess
from backend.weights.catalogue import EMBEDDED_FOLDER, LIGHT_STEM
from backend.weights.load import quantise_state, write_shards
from training.checkpoints import Average, Log, load_shards, save_shards
from training.datasets import load_props
from training.loop import Pace, autocast, fit_steps, learning_rate
from training.pictures import Cameras, draw_cameras, render_materials, swap_channels
from training.shape_mix import ShapeMix
from training.variations import Variation, vary

BATCH = 96
RATE = 1.5e-3
WARMUP = 200
LOG_WEIGHT = 0.02
"""Of the error of the light's logarithm, beside the squared error of the colours."""
_TOGETHER = 64
_SIDE_LIGHT = 1.7
"""Radians that the key light may stand to the side of the camera."""


@dataclass(slots=True)
class LightEntries:
    """E pictures before they are lit.

    Attributes:
        base: `[E, H, H, 4]` uint8, colour (straight sRGB) and coverage.
        normal: `[E, H, H, 3]` int8, in the picture's frame, see `LightGuess.forward`.
    """

    base: Tensor
    normal: Tensor

    def __len__(self) -> int:
        return len(self.base)


@torch.no_grad()
def make_light_entries(
    mix: ShapeMix, shapes: Tensor, variation: Variation | None, generator: torch.Generator
) -> LightEntries:
    """Render each of these shapes once, varied if told to, from a random camera."""
    rows: list[tuple[Tensor, Tensor]] = []
    device = generator.device
    for part in shapes.split(_TOGETHER):
        props, index = mix.props, part
        if variation is not None:
            props = vary(props, part, variation, generator)
            index = torch.arange(len(part), device=device)
        unit = torch.eye(3, device=device).expand(len(part), 3, 3)
        cameras = draw_cameras(len(part), device, generator)
        base, normal = render_materials(
            props, index, unit, cameras, LightGuess.size_px, 1 - LightGuess.filled
        )
        rows.append((base, turn_normals(normal, cameras)))
    base, normal = (torch.cat(column) for column in zip(*rows, strict=True))
    return LightEntries(base, normal)


def turn_normals(normal: Tensor, cameras: Cameras) -> Tensor:
    """World normals `[B, H, W, 3]` int8 in the pictures' frames: as seen by level cameras."""
    cos, sin = (f(cameras.azimuth)[:, None, None] for f in (torch.cos, torch.sin))
    x, y, z = normal.float().unbind(-1)
    turned = torch.stack([cos * x - sin * z, y, sin * x + cos * z], -1)
    return turned.round().clamp(-127, 127).to(torch.int8)


def draw_light(normal: Tensor, generator: torch.Generator) -> Tensor:
    """Light `[B, H, W]` on surfaces with these unit normals `[B, H, W, 3]`.

    A key light, some from the sky, some from everywhere, and sometimes a second lamp; hard or
    wrapped around. The brightest direction gets about 1, as exposed pictures have it.
    """
    count, device = len(normal), normal.device
    rand = torch.rand(count, 12, device=device, generator=generator)
    is_soft = rand[:, 0] < 0.4
    wrap = torch.where(is_soft, 0.6 * rand[:, 1], 0.0)[:, None, None]
    key = _direction((rand[:, 2] * 2 - 1) * _SIDE_LIGHT, 1.45 * rand[:, 3])  # [B, 3]
    second = _direction((rand[:, 4] * 2 - 1) * math.pi, 1.2 * rand[:, 5])
    strength = (0.25 + 0.65 * rand[:, 6])[:, None, None]
    fill = torch.where(rand[:, 7] < 0.3, 0.35 * rand[:, 8], 0.0)[:, None, None]
    sky, ambient = ((0.4 * rand[:, 9])[:, None, None], (0.1 + 0.45 * rand[:, 10])[:, None, None])

    def level(n: Tensor) -> Tensor:
        """Light on normals `[B, H, W, 3]`."""
        facing, beside = (
            (((n * d[:, None, None]).sum(-1) + wrap) / (1 + wrap)).clamp(min=0)
            for d in (key, second)
        )
        return strength * facing + fill * beside + sky * (0.5 + 0.5 * n[..., 1]) + ambient

    brightest = torch.maximum(
        level(key[:, None, None]), level(normal.new_tensor([0.0, 1.0, 0.0]).expand(count, 1, 1, 3))
    )  # [B, 1, 1]
    exposure = torch.randn(count, device=device, generator=generator)[:, None, None] * 0.13
    light = level(normal) / brightest * torch.exp(exposure)
    is_even = (rand[:, 11] < 0.08)[:, None, None]
    return torch.where(is_even, torch.ones_like(light), light)


def _direction(azimuth: Tensor, height: Tensor) -> Tensor:
    """Unit vectors `[B, 3]`; azimuth 0 is the camera's side."""
    level = torch.cos(height)
    return torch.stack([level * azimuth.sin(), height.sin(), level * azimuth.cos()], 1)


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
def measure(network: LightGuess, entries: LightEntries, device: torch.device) -> dict[str, float]:
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


class Run:
    """One training run: data, network, optimiser and log."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.device = args, torch.device(args.device)
        self.begin = time.perf_counter()
        torch.manual_seed(args.seed)
        torch.set_float32_matmul_precision("high")
        self.log = Log(args.out / "light_log.jsonl")
        self.generator = torch.Generator(self.device).manual_seed(args.seed)
        props = load_props(args.props, "train", self.device, args.limit)
        mix = ShapeMix(props, args.procedural, args.procedural_share, args.seed)
        variation = Variation(stretch=0.2, bend_chance=0.1, compose_chance=0.1, recolour_chance=0.5)
        self.entries = make_light_entries(mix, mix.spread(args.entries), variation, self.generator)
        held_out = load_props(args.props, "validation", self.device, args.limit)
        self.held_out = make_light_entries(
            ShapeMix(held_out, 0, 0.0, 0),
            torch.arange(held_out.num_shapes, device=self.device).repeat(2),
            None,
            torch.Generator(self.device).manual_seed(7),
        )
        self.network = LightGuess().to(self.device)
        self.average = Average(self.network, 0.999)
        self.forward = torch.compile(self.network) if self.device.type == "cuda" else self.network
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
        lit = draw_lit(self.entries, rows, self.generator, is_rough=True)
        with autocast(self.device):
            guess = self.forward(lit.colour, lit.alpha, lit.normal)
        square, apart = find_losses(guess.float(), lit)
        self.optimiser.zero_grad(set_to_none=True)
        (square + LOG_WEIGHT * apart).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.average.update()
        return square.detach(), apart.detach()

    def check(self, step: int) -> None:
        """Measure and write the averaged network."""
        self.average.swap()
        found = measure(self.network, self.held_out, self.device)
        self.log.write(step=step, split="validation", **found, seconds=self.seconds)
        save_shards(self.network.state_dict(), self.args.out, "light")
        self.average.swap()

    def train(self) -> None:
        """Run all steps and write `light-*.safetensors` and `light_log.jsonl`."""
        args, step, steps = self.args, 0, self.args.steps
        if args.seconds:
            steps = fit_steps(lambda: float(self.step(1e-3)[0]), args.seconds, self.begin, self.log)
        pace = Pace(args.seconds, self.begin, 0)
        while step < steps:
            square, apart = self.step(learning_rate(step, steps, WARMUP))
            if step % args.every == 0:
                self.log.write(
                    step=step, square=float(square), light=float(apart), seconds=self.seconds
                )
            if step and step % args.evaluate_every == 0:
                self.check(step)
            step += 1
            steps = pace.fit(step, steps)
        self.check(step)


def export_light(run: Path, out: Path) -> list[Path]:
    """Write a run's network as it ships; returns the files."""
    return write_shards(quantise_state(load_shards(run, "light")), out, LIGHT_STEM)


def main() -> None:
    """Read the command line; train or export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--export", action="store_true", help="write the weights that ship")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seconds", type=float, help="wall time of the run, set-up included")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--entries", type=int, default=8, help="variations of each prop")
    parser.add_argument("--procedural", type=int, default=2500)
    parser.add_argument("--procedural-share", type=float, default=0.3)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--limit", type=int, help="use only the first shapes")
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--evaluate-every", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.export:
        export_light(args.out, EMBEDDED_FOLDER)
    elif args.props is None:
        parser.error("--props is needed for training")
    else:
        Run(args).train()


if __name__ == "__main__":
    main()
