# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the shape autoencoder: surface points -> latents -> soft occupancy.

python -m training.shape_vae --props FOLDER --out FOLDER [--steps N] [--device cuda]
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812

from backend.models.hunyuan3d.config import SHAPE_VAE_VARIANTS
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from training.checkpoints import Average, Log, save_shards
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
from training.metrics import crossing_points, evaluate_grid, fscore_and_chamfer, thin_out


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
    seed: int = 0


class VaeLoss(torch.nn.Module):
    """The forward pass of one step, as one module so that it compiles as one graph."""

    def __init__(self, vae: ShapeVAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(
        self,
        surface: torch.Tensor,
        noise: torch.Tensor,
        points: torch.Tensor,
        target: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean binary cross-entropy over queries, and mean KL per latent number."""
        mean, logvar = self.vae.encode(surface)
        mean, logvar = mean.float(), logvar.float()
        latents = mean + noise * torch.exp(0.5 * logvar)
        logits = self.vae.query(points, self.vae.decode(latents))
        loss = F.binary_cross_entropy_with_logits(logits.float(), target)
        kl = 0.5 * (mean * mean + logvar.exp() - 1 - logvar).mean()
        return loss, kl


def draw_batch(
    props: Props,
    pool: PointPool,
    fields: torch.Tensor,
    config: VaeTraining,
    sizes: tuple[int, int],
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One augmented batch: surface `[B, P, 7]`, query points `[B, Q, 3]`, soft occupancy `[B, Q]`."""
    device = fields.device
    shapes = torch.randint(props.num_shapes, (config.batch,), device=device, generator=generator)
    maps = draw_maps(props, shapes, generator, config.stretch, config.turn_chance)
    surface = surface_input(pool, shapes, maps, sizes, generator)
    spare = map_surface(take(pool.surface, shapes, config.near, generator), maps)
    points = near_and_uniform(spare, config.near, config.uniform, generator)
    return surface, points, labels(fields, shapes, maps, points, config.softness)


def surface_input(
    pool: PointPool,
    shapes: torch.Tensor,
    maps: torch.Tensor,
    sizes: tuple[int, int],
    generator: torch.Generator,
) -> torch.Tensor:
    """The encoder's input `[B, P, 7]`: `sizes` uniform and sharp points with normals and the flag."""
    uniform = map_surface(take(pool.surface, shapes, sizes[0], generator), maps)
    sharp = map_surface(take(pool.sharp, shapes, sizes[1], generator), maps)
    return torch.cat([F.pad(uniform, (0, 1)), F.pad(sharp, (0, 1), value=1.0)], 1)


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then cosine to a hundredth of the peak, as a factor."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


@torch.no_grad()
def evaluate(
    vae: ShapeVAE,
    props: Props,
    pool: PointPool,
    fields: torch.Tensor,
    count: int,
    cells: int,
    sizes: tuple[int, int],
) -> dict[str, float]:
    """Reconstruction of the first `count` shapes: F-score 0.05, Chamfer-L1, IoU at uniform points."""
    device = fields.device
    generator = torch.Generator(device).manual_seed(1234)
    rows = []
    for shape in range(min(count, props.num_shapes)):
        index = torch.tensor([shape], device=device)
        unit = torch.eye(3, device=device)[None]
        mean, _ = vae.encode(surface_input(pool, index, unit, sizes, generator))
        decoded = vae.decode(mean.float())
        values = evaluate_grid(lambda p, d=decoded: vae.query(p, d), cells, 1.05, device)
        result = thin_out(crossing_points(values, 1.05), 10000, generator)
        truth, _ = sample_surfaces(props, index, 10000, generator)
        f, chamfer = fscore_and_chamfer(result, truth[0])
        points = (torch.rand(1, 50000, 3, device=device, generator=generator) * 2 - 1) * 1.02
        inside = vae.query(points, decoded)[0] > 0
        true_inside = labels(fields, index, unit, points, 0.008)[0] > 0.5
        union = (inside | true_inside).sum().clamp(min=1)
        rows.append([f, chamfer, float((inside & true_inside).sum() / union)])
    table = torch.tensor(rows)
    return {
        "fscore": float(table[:, 0].mean()),
        "chamfer": float(table[:, 1].mean()),
        "iou_mean": float(table[:, 2].mean()),
        "iou_median": float(table[:, 2].median()),
    }


@torch.no_grad()
def latent_scale(
    vae: ShapeVAE,
    props: Props,
    pool: PointPool,
    sizes: tuple[int, int],
    generator: torch.Generator,
) -> float:
    """One over the standard deviation of latent means over the shapes."""
    unit = torch.eye(3, device=pool.surface.device)
    means = []
    for shapes in torch.arange(props.num_shapes, device=unit.device).split(64):
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


def train(args: argparse.Namespace, config: VaeTraining) -> None:
    """Run the training and write `vae-*.safetensors`, `vae.json` and `vae_log.jsonl`."""
    device = torch.device(args.device)
    torch.manual_seed(config.seed)
    torch.set_float32_matmul_precision("high")
    generator = torch.Generator(device).manual_seed(config.seed)
    log = Log(args.out / "vae_log.jsonl")
    begin = time.perf_counter()
    vae_config = replace(SHAPE_VAE_VARIANTS["maquette-mini"], scale_factor=1.0)
    sizes = (vae_config.pc_size, vae_config.pc_sharpedge_size)
    props = load_props(args.props, "train", device, args.limit)
    pool = make_point_pool(props, config.pool, config.pool // 2, generator)
    fields = make_fields(props, config.resolution)
    held_out = load_props(args.props, "validation", device, args.limit)
    held_pool = make_point_pool(held_out, config.pool, config.pool // 2, generator)
    held_fields = make_fields(held_out, config.resolution)
    vae = ShapeVAE(vae_config).to(device)
    place_anchors(vae, pool, generator)
    log.write(event="start", seconds=time.perf_counter() - begin, config=asdict(config))
    average = Average(vae, 0.999)
    loss_module = VaeLoss(vae)
    forward = torch.compile(loss_module) if device.type == "cuda" else loss_module
    optimiser = torch.optim.AdamW(
        vae.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=0.01
    )
    shape = (config.batch, vae_config.num_latents, vae_config.embed_dim)

    def take_step(factor: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * factor
        batch = draw_batch(props, pool, fields, config, sizes, generator)
        noise = torch.randn(shape, device=device, generator=generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss, kl = forward(batch[0], noise, *batch[1:])
        optimiser.zero_grad(set_to_none=True)
        (loss + config.kl_weight * kl).backward()
        norm = torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        average.update()
        return loss.detach(), kl.detach(), norm

    steps = config.steps
    if args.seconds:
        steps = fit_steps(lambda: float(take_step(1e-3)[0]), args.seconds, begin, log)
    for step in range(steps):
        loss, kl, norm = take_step(learning_rate(step, steps, config.warmup))
        if step % args.every == 0:
            log.write(
                step=step, loss=float(loss), kl=float(kl), norm=float(norm),
                seconds=time.perf_counter() - begin,
            )  # fmt: skip
        is_last = step == steps - 1
        if is_last or (step and step % args.evaluate_every == 0):
            average.swap()
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                count = 10**6 if is_last else 24
                for name, parts in (
                    ("validation", (held_out, held_pool, held_fields)),
                    ("train", (props, pool, fields)),
                ):
                    found = evaluate(vae, *parts, min(count, 139), args.cells, sizes)
                    log.write(step=step, split=name, **found, seconds=time.perf_counter() - begin)
            average.swap()
    average.swap()
    scale = latent_scale(vae, props, pool, sizes, generator)
    vae_config = replace(vae_config, scale_factor=scale)
    (args.out / "vae.json").write_text(json.dumps(asdict(vae_config), indent=1))
    save_shards(vae.state_dict(), args.out, "vae")
    log.write(event="end", scale=scale, seconds=time.perf_counter() - begin)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
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
    train(args, config)


if __name__ == "__main__":
    main()
