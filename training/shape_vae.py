# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the shape autoencoder: surface points -> latents -> soft occupancy.

python -m training.shape_vae --props FOLDER --out FOLDER [--steps N] [--device cuda]
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch.nn import functional

from backend.models.hunyuan3d.config import SHAPE_VAE_VARIANTS
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from training.checkpoints import Average, Log, load_shards, save_shards
from training.datasets import (
    PointPool,
    Props,
    draw_maps,
    labels,
    load_props,
    make_fields,
    make_point_pool,
    map_surface,
    near_and_uniform,
    sample_surfaces,
    take,
)
from training.fields import BOX
from training.loop import Pace, autocast, fit_steps, learning_rate
from training.metrics import crossing_points, evaluate_grid, fscore_and_chamfer, thin_out
from training.shape_mix import ShapeMix


@dataclass(frozen=True, slots=True)
class VaeTraining:
    """Settings of one run; a JSON file in `training/configs` overlays them.

    Attributes:
        steps: Optimiser steps.
        batch: Shapes per step.
        near: Queries near the surface per shape.
        uniform: Queries all over the box per shape.
        learning_rate: Peak, after the warm-up; cosine to a hundredth.
        warmup: Steps of linear warm-up.
        kl_weight: Weight of the mean KL divergence per latent number.
        softness: Distance over which occupancy goes from 0.5 to 0.73.
        stretch: Augmentation, see `draw_maps`.
        turn_chance: Augmentation, see `draw_maps`.
        resolution: Cells of the stored signed distances.
        pool: Surface points drawn per shape at the start.
        procedural: Generated shapes beside the props, see `procedural.make_assets`.
        procedural_share: Their share of the batch.
        is_encoder_frozen: Train the decoder alone: what is trained on latents stays valid.
        seed: Of everything random.
    """

    steps: int = 10000
    batch: int = 128
    near: int = 2560
    uniform: int = 1536
    learning_rate: float = 7e-4
    warmup: int = 300
    kl_weight: float = 1e-3
    softness: float = 0.008
    stretch: float = 0.25
    turn_chance: float = 0.25
    resolution: int = 256
    pool: int = 16384
    procedural: int = 0
    procedural_share: float = 0.0
    is_encoder_frozen: bool = False
    seed: int = 0


class VaeLoss(torch.nn.Module):
    """The forward pass of one step, as one module so that it compiles as one graph."""

    def __init__(self, vae: ShapeVAE, is_encoder_frozen: bool = False) -> None:
        super().__init__()
        self.vae, self.is_encoder_frozen = vae, is_encoder_frozen

    def forward(
        self,
        surface: torch.Tensor,
        noise: torch.Tensor,
        points: torch.Tensor,
        target: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean binary cross-entropy over queries, and mean KL per latent number."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_encoder_frozen):
            mean, logvar = self.vae.encode(surface)
        mean, logvar = mean.float(), logvar.float()
        latents = mean + noise * torch.exp(0.5 * logvar)
        logits = self.vae.query(points, self.vae.decode(latents))
        loss = functional.binary_cross_entropy_with_logits(logits.float(), target)
        kl = 0.5 * (mean * mean + logvar.exp() - 1 - logvar).mean()
        return loss, kl


@dataclass(frozen=True, slots=True)
class Split:
    """One split of the props with what is made of it once.

    Attributes:
        shapes: The S shapes, and how they are drawn.
        pool: Their surface points.
        fields: `[S, R+1, R+1, R+1]` int8, see `make_fields`.
    """

    shapes: ShapeMix
    pool: PointPool
    fields: torch.Tensor

    @property
    def props(self) -> Props:
        """The S shapes."""
        return self.shapes.props


def make_split(
    args: argparse.Namespace, name: str, config: VaeTraining, generator: torch.Generator
) -> Split:
    """Read a split and make its points and signed distances on the generator's device.

    Generated shapes join the training split only.
    """
    props = load_props(args.props, name, generator.device, args.limit)
    count = config.procedural if name == "train" else 0
    shapes = ShapeMix(props, count, config.procedural_share, config.seed)
    pool = make_point_pool(shapes.props, config.pool, config.pool // 2, generator)
    return Split(shapes, pool, make_fields(shapes.props, config.resolution))


def draw_batch(
    split: Split, config: VaeTraining, sizes: tuple[int, int], generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw an augmented batch.

    Args:
        split: The shapes.
        config: Of the run.
        sizes: Uniform and sharp points of the encoder's input, P in all.
        generator: Random source.

    Returns:
        Surface `[B, P, 7]`, query points `[B, Q, 3]` and soft occupancy `[B, Q]`.
    """
    props, pool = split.props, split.pool
    shapes = split.shapes.draw(config.batch, generator)
    maps = draw_maps(props, shapes, generator, config.stretch, config.turn_chance)
    surface = surface_input(pool, shapes, maps, sizes, generator)
    spare = map_surface(take(pool.surface, shapes, config.near, generator), maps)
    points = near_and_uniform(spare, config.near, config.uniform, generator)
    return surface, points, labels(split.fields, shapes, maps, points, config.softness)


def surface_input(
    pool: PointPool,
    shapes: torch.Tensor,
    maps: torch.Tensor,
    sizes: tuple[int, int],
    generator: torch.Generator,
) -> torch.Tensor:
    """The encoder's input `[B, P, 7]`: uniform and sharp points, each with normal and flag."""
    uniform = map_surface(take(pool.surface, shapes, sizes[0], generator), maps)
    sharp = map_surface(take(pool.sharp, shapes, sizes[1], generator), maps)
    uniform, sharp = functional.pad(uniform, (0, 1)), functional.pad(sharp, (0, 1), value=1.0)
    return torch.cat([uniform, sharp], 1)


@torch.no_grad()
def evaluate(
    vae: ShapeVAE, split: Split, count: int, cells: int, sizes: tuple[int, int]
) -> dict[str, float]:
    """Reconstruct the first `count` shapes: mean F-score 0.05, Chamfer-L1, IoU in the box."""
    generator = torch.Generator(split.fields.device).manual_seed(1234)
    scores = [
        _score(vae, split, shape, cells, sizes, generator)
        for shape in range(min(count, split.props.num_shapes))
    ]
    table = torch.tensor(scores)  # [S, 3]
    return {
        "fscore": float(table[:, 0].mean()),
        "chamfer": float(table[:, 1].mean()),
        "iou_mean": float(table[:, 2].mean()),
        "iou_median": float(table[:, 2].median()),
    }


def _score(
    vae: ShapeVAE,
    split: Split,
    shape: int,
    cells: int,
    sizes: tuple[int, int],
    generator: torch.Generator,
) -> tuple[float, float, float]:
    """F-score, Chamfer-L1 and IoU at uniform points of one reconstruction."""
    device = split.fields.device
    index = torch.tensor([shape], device=device)
    unit = torch.eye(3, device=device)[None]
    mean, _ = vae.encode(surface_input(split.pool, index, unit, sizes, generator))
    decoded = vae.decode(mean.float())
    values = evaluate_grid(lambda points: vae.query(points, decoded), cells, BOX, device)
    result = thin_out(crossing_points(values, BOX), 10000, generator)
    truth, _ = sample_surfaces(split.props, index, 10000, generator)
    f, chamfer = fscore_and_chamfer(result, truth[0])
    points = (torch.rand(1, 50000, 3, device=device, generator=generator) * 2 - 1) * 1.02
    inside = vae.query(points, decoded)[0] > 0
    true_inside = labels(split.fields, index, unit, points, 0.008)[0] > 0.5
    union = (inside | true_inside).sum().clamp(min=1)
    return f, chamfer, float((inside & true_inside).sum() / union)


@torch.no_grad()
def latent_scale(
    vae: ShapeVAE, pool: PointPool, sizes: tuple[int, int], generator: torch.Generator
) -> float:
    """One over the standard deviation of latent means over the shapes."""
    unit = torch.eye(3, device=pool.surface.device)
    means = []
    for shapes in torch.arange(len(pool.surface), device=unit.device).split(64):
        maps = unit.expand(len(shapes), 3, 3)
        means.append(vae.encode(surface_input(pool, shapes, maps, sizes, generator))[0].float())
    return 1 / float(torch.cat(means).std())


@torch.no_grad()
def place_anchors(vae: ShapeVAE, pool: PointPool, generator: torch.Generator) -> None:
    """Start the encoder's query points where the training shapes have surface, evenly spread."""
    rows = torch.randint(
        pool.surface[..., 0].numel(), (20000,), device=pool.surface.device, generator=generator
    )
    points = pool.surface[..., :3].reshape(-1, 3)[rows].float()
    chosen = [points[0]]
    nearest = (points - chosen[0]).norm(dim=1)
    for _ in range(len(vae.latent_anchors) - 1):
        chosen.append(points[nearest.argmax()])
        nearest = torch.minimum(nearest, (points - chosen[-1]).norm(dim=1))
    vae.latent_anchors.copy_(torch.stack(chosen))


def freeze_encoder(vae: ShapeVAE) -> None:
    """Keep what makes latents as it is; the decoder goes on learning."""
    vae.encoder.requires_grad_(False)
    vae.pre_kl.requires_grad_(False)
    vae.latent_anchors.requires_grad_(False)


class Run:
    """One training run: data, network, optimiser and log."""

    def __init__(self, args: argparse.Namespace, config: VaeTraining) -> None:
        self.args, self.config = args, config
        self.device = torch.device(args.device)
        torch.manual_seed(config.seed)
        torch.set_float32_matmul_precision("high")
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.log = Log(args.out / "vae_log.jsonl")
        self.begin = time.perf_counter()
        vae_config = replace(SHAPE_VAE_VARIANTS["maquette-mini"], scale_factor=1.0)
        self.sizes = (vae_config.pc_size, vae_config.pc_sharpedge_size)
        self.train_split = make_split(args, "train", config, self.generator)
        self.held_out = make_split(args, "validation", config, self.generator)
        self.vae = ShapeVAE(vae_config).to(self.device)
        if args.resume:
            self.vae.load_state_dict(load_shards(args.resume, "vae"))
        else:
            place_anchors(self.vae, self.train_split.pool, self.generator)
        self.log.write(event="start", seconds=self.seconds, config=asdict(config))
        if config.is_encoder_frozen:
            freeze_encoder(self.vae)
        self.trained = [p for p in self.vae.parameters() if p.requires_grad]
        self.average = Average(self.vae, 0.999)
        loss = VaeLoss(self.vae, config.is_encoder_frozen)
        self.forward = torch.compile(loss) if self.device.type == "cuda" else loss
        self.optimiser = torch.optim.AdamW(
            self.trained, config.learning_rate, (0.9, 0.98), weight_decay=0.01
        )

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self.begin

    def step(self, factor: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One optimiser step; returns loss, KL divergence and the gradient's norm."""
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate * factor
        surface, points, target = draw_batch(self.train_split, config, self.sizes, self.generator)
        shape = (config.batch, self.vae.config.num_latents, self.vae.config.embed_dim)
        noise = torch.randn(shape, device=self.device, generator=self.generator)
        with autocast(self.device):
            loss, kl = self.forward(surface, noise, points, target)
        self.optimiser.zero_grad(set_to_none=True)
        (loss + config.kl_weight * kl).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()
        self.average.update()
        return loss.detach(), kl.detach(), norm

    def check(self, step: int, count: int) -> None:
        """Log measures of the averaged network, and write it, so that a broken run can go on."""
        self.average.swap()
        with autocast(self.device):
            for name, split in (("validation", self.held_out), ("train", self.train_split)):
                found = evaluate(self.vae, split, count, self.args.cells, self.sizes)
                self.log.write(step=step, split=name, **found, seconds=self.seconds)
        save_shards(self.vae.state_dict(), self.args.out, "vae")
        self.average.swap()

    def train(self) -> None:
        """Run all steps and write `vae-*.safetensors`, `vae.json` and `vae_log.jsonl`."""
        steps, seconds, step = self.config.steps, self.args.seconds, 0
        if seconds:
            steps = fit_steps(lambda: float(self.step(1e-3)[0]), seconds, self.begin, self.log)
        pace = Pace(seconds, self.begin, 0)
        while step < steps:
            loss, kl, norm = self.step(learning_rate(step, steps, self.config.warmup))
            if step % self.args.every == 0:
                self.log.write(
                    step=step, loss=float(loss), kl=float(kl), norm=float(norm),
                    seconds=self.seconds,
                )  # fmt: skip
            if step and step % self.args.evaluate_every == 0:
                self.check(step, 24)
            step += 1
            steps = pace.fit(step, steps)
        self.check(step, 139)
        self.finish()

    def finish(self) -> None:
        """Measure the latents' scale, unless it stays, and write it with the sizes."""
        scale = SHAPE_VAE_VARIANTS["maquette-mini"].scale_factor
        if not self.config.is_encoder_frozen:
            self.average.swap()
            scale = latent_scale(self.vae, self.train_split.pool, self.sizes, self.generator)
        vae_config = replace(self.vae.config, scale_factor=scale)
        (self.args.out / "vae.json").write_text(json.dumps(asdict(vae_config), indent=1))
        self.log.write(event="end", scale=scale, seconds=self.seconds)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path, help="folder with the shards of an earlier run")
    parser.add_argument("--config", type=Path, help="JSON overlay of VaeTraining")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seconds", type=float, help="wall time of the run, set-up included")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--limit", type=int, help="use only the first shapes")
    parser.add_argument("--every", type=int, default=100, help="steps between log lines")
    parser.add_argument("--evaluate-every", type=int, default=2000)
    parser.add_argument("--cells", type=int, default=96)
    args = parser.parse_args()
    config = VaeTraining()
    if args.config:
        config = replace(config, **json.loads(args.config.read_text()))
    if args.steps:
        config = replace(config, steps=args.steps)
    Run(args, config).train()


if __name__ == "__main__":
    main()
