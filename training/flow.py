# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the image encoder and the denoiser: picture -> latents by flow matching.

    python -m training.flow --props FOLDER --vae FOLDER --out FOLDER [--seconds N] [--device cuda]

The flow's loss is joined by a second one in space: the clean latents that the velocity implies are
decoded by the frozen autoencoder and compared with what the true latents decode to.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional

from backend.latents.flow import integrate, make_shifted_schedule
from backend.latents.guidance import combine_guided
from backend.models.dinov2.config import VARIANTS as DINOV2
from backend.models.hunyuan3d.conditioner import ConditionerConfig, ImageConditioner
from backend.models.hunyuan3d.config import DENOISER_VARIANTS, ShapeVAEConfig
from backend.models.hunyuan3d.denoiser import Denoiser
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from training.checkpoints import Average, Log, load_shards, save_shards
from training.datasets import (
    PointPool,
    Props,
    draw_maps,
    load_props,
    make_point_pool,
    map_surface,
    near_and_uniform,
    sample_surfaces,
    take,
)
from training.fields import BOX
from training.loop import autocast, fit_steps, learning_rate
from training.metrics import crossing_points, evaluate_grid, fscore_and_chamfer, thin_out
from training.pictures import (
    Cameras,
    draw_cameras,
    jitter,
    render_materials,
    shade,
    swap_channels,
)
from training.shape_vae import surface_input


@dataclass(frozen=True, slots=True)
class FlowTraining:
    """Settings of one run; a JSON file in `training/configs` overlays them.

    Attributes:
        steps: Optimiser steps, unless the command line gives seconds.
        batch: Pictures per step.
        entries: Augmented shapes with a rendered view each, per training shape, made at the start.
        learning_rate: Peak, after the warm-up; cosine to a hundredth.
        warmup: Steps of linear warm-up.
        shift: Times are shifted towards noise by this, in training and in sampling.
        noise_share: Share of the batch at t = 0 exactly, where the loss is plain regression.
        drop_chance: Chance of a dropped picture, for guidance.
        field_weight: Weight of the loss in space.
        field_queries: Query points of the loss in space, per shape.
        stretch: Augmentation, see `draw_maps`.
        border_ratio: Empty share of a framed picture.
        weight_decay: Of AdamW.
        seed: Of everything random.
    """

    steps: int = 20000
    batch: int = 128
    entries: int = 40
    learning_rate: float = 6e-4
    warmup: int = 400
    shift: float = 8.0
    noise_share: float = 0.2
    drop_chance: float = 0.1
    field_weight: float = 0.5
    field_queries: int = 768
    stretch: float = 0.2
    border_ratio: float = 0.15
    weight_decay: float = 0.02
    seed: int = 0


@dataclass(slots=True)
class Entries:
    """E augmented shapes, each with one view and its latents.

    Attributes:
        base: `[E, H, W, 4]` uint8, from `render_materials`.
        normal: `[E, H, W, 3]` int8.
        azimuth: `[E]`.
        mean: `[E, N, C]` float16, in the denoiser's scale.
        deviation: `[E, N, C]` float16, standard deviation in the same scale.
        points: `[E, Q, 3]` float16 query points.
    """

    base: torch.Tensor
    normal: torch.Tensor
    azimuth: torch.Tensor
    mean: torch.Tensor
    deviation: torch.Tensor
    points: torch.Tensor


@torch.no_grad()
def make_entries(
    props: Props,
    pool: PointPool,
    vae: ShapeVAE,
    shapes: torch.Tensor,
    maps: torch.Tensor,
    cameras: Cameras,
    config: FlowTraining,
    size: int,
    generator: torch.Generator,
) -> Entries:
    """Render and encode augmented shapes, in batches of 64."""
    sizes = (vae.config.pc_size, vae.config.pc_sharpedge_size)
    rows: list[tuple[torch.Tensor, ...]] = []
    for part in torch.arange(len(shapes), device=shapes.device).split(64):
        view = Cameras(cameras.azimuth[part], cameras.elevation[part], cameras.fov[part])
        base, normal = render_materials(
            props, shapes[part], maps[part], view, size, config.border_ratio
        )
        surface = surface_input(pool, shapes[part], maps[part], sizes, generator)
        mean, logvar = vae.encode(surface)
        spare = map_surface(take(pool.surface, shapes[part], 1024, generator), maps[part])
        points = near_and_uniform(spare, 1024, 1024, generator)
        scale = vae.config.scale_factor
        deviation = torch.exp(0.5 * logvar.float()) * scale
        rows.append((base, normal, view.azimuth, mean.float() * scale, deviation, points))
    joined = [torch.cat(column) for column in zip(*rows, strict=True)]
    return Entries(joined[0], joined[1], joined[2], *(x.half() for x in joined[3:]))


class FlowLoss(torch.nn.Module):
    """The forward pass of one step, as one module so that it compiles as one graph."""

    def __init__(self, conditioner: ImageConditioner, denoiser: Denoiser, vae: ShapeVAE) -> None:
        super().__init__()
        self.conditioner, self.denoiser, self.vae = conditioner, denoiser, vae

    def forward(
        self,
        image: torch.Tensor,
        keep: torch.Tensor,
        clean: torch.Tensor,
        noise: torch.Tensor,
        t: torch.Tensor,
        points: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean squared velocity error, and cross-entropy of the implied shape's occupancy.

        Args:
            image: `[B, 4, H, W]` in -1..1.
            keep: `[B]` 1, or 0 where the picture is dropped.
            clean: `[B, N, C]` latents.
            noise: `[B, N, C]`.
            t: `[B]` flow time.
            points: `[B, Q, 3]`.
        """
        context = self.conditioner(image) * keep[:, None, None]
        at = t[:, None, None]  # [B, 1, 1]
        noisy = at * clean + (1 - at) * noise
        velocity = self.denoiser(noisy, t, context).float()
        flow = functional.mse_loss(velocity, clean - noise)
        implied = noisy + (1 - at) * velocity
        with torch.no_grad():
            truth = torch.sigmoid(self.vae.query(points, self.vae.decode(clean)).float())
        logits = self.vae.query(points, self.vae.decode(implied)).float()
        return flow, functional.binary_cross_entropy_with_logits(logits, truth)


def draw_pictures(entries: Entries, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Light and jitter the pictures of these entries.

    Returns:
        `[B, 4, H, W]` in -1..1, colour over white, then alpha.
    """
    # bfloat16 grids would move edges by half a pixel.
    with torch.autocast(rows.device.type, enabled=False):
        image = shade(entries.base[rows], entries.normal[rows], entries.azimuth[rows], generator)
        image = jitter(swap_channels(image, generator), generator)  # [B, 4, H, W]
        alpha = image[:, 3:]
        return torch.cat([image[:, :3] + 1 - alpha, alpha], 1) * 2 - 1


def draw_times(count: int, config: FlowTraining, generator: torch.Generator) -> torch.Tensor:
    """Flow times `[count]`: shifted towards noise, a share of them exactly there."""
    device = generator.device
    noise = torch.rand(count, device=device, generator=generator)
    t = 1 - config.shift * noise / (1 + (config.shift - 1) * noise)
    share = torch.rand(count, device=device, generator=generator) < config.noise_share
    return torch.where(share, 0.0, t)


def sample(
    denoiser: Denoiser,
    context: torch.Tensor,
    noise: torch.Tensor,
    steps: int,
    guidance: float,
    shift: float,
) -> torch.Tensor:
    """Integrate the flow from noise `[B, N, C]` with classifier-free guidance."""

    def predict_velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        times = t.expand(len(x))
        condition = denoiser(x, times, context).float()
        if guidance == 1:
            return condition
        null = denoiser(x, times, torch.zeros_like(context)).float()
        return combine_guided(null, condition, guidance)

    schedule = make_shifted_schedule(steps, shift).to(noise.device)
    return integrate(noise, schedule, predict_velocity, lambda _done, _of: None)


@torch.no_grad()
def evaluate(
    loss: FlowLoss,
    props: Props,
    entries: Entries,
    config: FlowTraining,
    settings: tuple[int, float],
    count: int,
    cells: int = 64,
) -> dict[str, float]:
    """Picture to shape for the first `count` entries, of which entry k shows shape k.

    Args:
        loss: The networks.
        props: The true shapes.
        entries: Their pictures.
        config: Of the run.
        settings: Sampling steps and guidance.
        count: Entries to measure.
        cells: Resolution of the decoded field.

    Returns:
        Mean F-score and Chamfer-L1.
    """
    device = entries.base.device
    generator = torch.Generator(device).manual_seed(77)
    rows = torch.arange(min(count, props.num_shapes), device=device)
    results = []
    for part in rows.split(64):
        context = loss.conditioner(draw_pictures(entries, part, generator))
        noise = torch.randn(entries.mean[part].shape, device=device, generator=generator)
        results.append(sample(loss.denoiser, context, noise, *settings, config.shift))
    decoded = torch.cat([loss.vae.decode(x) for x in results])  # [S, N, D]
    scores = []
    for shape in rows.tolist():
        query = partial(_query, loss.vae, decoded[shape : shape + 1])
        values = evaluate_grid(query, cells, BOX, device)
        result = thin_out(crossing_points(values, BOX), 8000, generator)
        truth, _ = sample_surfaces(props, rows[shape : shape + 1], 8000, generator)
        scores.append(fscore_and_chamfer(result, truth[0]))
    return dict(zip(("fscore", "chamfer"), torch.tensor(scores).mean(0).tolist(), strict=True))


def _query(vae: ShapeVAE, decoded: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """`vae.query` with the points last."""
    return vae.query(points, decoded)


@torch.no_grad()
def clean_errors(loss: FlowLoss, entries: Entries) -> dict[str, list[float]]:
    """Error of the implied clean latents at t = 0, 0.1, 0.3, 0.6.

    With the right, a wrong and no picture: a denoiser that ignores its picture shows no difference.
    """
    device = entries.base.device
    generator = torch.Generator(device).manual_seed(5)
    rows = torch.arange(min(64, len(entries.azimuth)), device=device)
    context = loss.conditioner(draw_pictures(entries, rows, generator))
    clean = entries.mean[rows].float()
    noise = torch.randn(clean.shape, device=device, generator=generator)
    found: dict[str, list[float]] = {}
    for name, seen in (
        ("right", context),
        ("shuffled", context.roll(1, 0)),
        ("none", torch.zeros_like(context)),
    ):
        found[name] = []
        for time_value in (0.0, 0.1, 0.3, 0.6):
            t = torch.full((len(rows),), time_value, device=device)
            noisy = time_value * clean + (1 - time_value) * noise
            implied = noisy + (1 - time_value) * loss.denoiser(noisy, t, seen).float()
            found[name].append(round(float(functional.mse_loss(implied, clean)), 4))
    return found


def held_out_entries(
    props: Props, vae: ShapeVAE, config: FlowTraining, size: int, split_seed: int
) -> Entries:
    """One fixed view of every shape as it is, not augmented."""
    device = props.corners.device
    generator = torch.Generator(device).manual_seed(split_seed)
    shapes = torch.arange(props.num_shapes, device=device)
    pool = make_point_pool(props, 8192, 4096, generator)
    maps = torch.eye(3, device=device).expand(len(shapes), 3, 3)
    cameras = draw_cameras(len(shapes), device, generator)
    return make_entries(props, pool, vae, shapes, maps, cameras, config, size, generator)


def build(args: argparse.Namespace, device: torch.device) -> FlowLoss:
    """The three networks: autoencoder loaded and frozen, the others new or from `--resume`."""
    vae_config = ShapeVAEConfig(**json.loads((args.vae / "vae.json").read_text()))
    vae = ShapeVAE(vae_config).to(device)
    vae.load_state_dict(load_shards(args.vae, "vae"))
    vae.requires_grad_(False)
    encoder = DINOV2["maquette-mini"]
    conditioner = ImageConditioner(ConditionerConfig(encoder, encoder.image_size)).to(device)
    denoiser = Denoiser(DENOISER_VARIANTS["maquette-mini"]).to(device)
    if args.resume:
        conditioner.load_state_dict(load_shards(args.resume, "conditioner"))
        denoiser.load_state_dict(load_shards(args.resume, "denoiser"))
    return FlowLoss(conditioner, denoiser, vae)


class Run:
    """One training run: data, networks, optimiser and logs."""

    def __init__(self, args: argparse.Namespace, config: FlowTraining) -> None:
        self.args, self.config = args, config
        self.device = torch.device(args.device)
        torch.manual_seed(config.seed)
        torch.set_float32_matmul_precision("high")
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.cpu_generator = torch.Generator().manual_seed(config.seed)
        self.log = Log(args.out / "flow_log.jsonl")
        self.begin = time.perf_counter()
        self.loss = build(args, self.device)
        self.size = self.loss.conditioner.config.image_size
        self.props = load_props(args.props, "train", self.device, args.limit)
        self.entries = self.make_training_entries()
        self.held_out = load_props(args.props, "validation", self.device, args.limit)
        self.held_entries = held_out_entries(self.held_out, self.loss.vae, config, self.size, 1)
        self.seen_entries = held_out_entries(self.props, self.loss.vae, config, self.size, 2)
        self.trained = torch.nn.ModuleList([self.loss.conditioner, self.loss.denoiser])
        self.average = Average(self.trained, 0.999)
        self.optimiser = torch.optim.AdamW(
            self.trained.parameters(),
            config.learning_rate,
            (0.9, 0.98),
            weight_decay=config.weight_decay,
        )
        is_cuda = self.device.type == "cuda"
        self.forward = torch.compile(self.loss) if is_cuda else self.loss
        self.log.write(event="start", seconds=self.seconds, config=asdict(config))

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self.begin

    def make_training_entries(self) -> Entries:
        """`config.entries` augmented views of every training shape, in random order."""
        config, generator = self.config, self.generator
        pool = make_point_pool(self.props, 16384, 8192, generator)
        shapes = torch.arange(self.props.num_shapes, device=self.device).repeat(config.entries)
        maps = draw_maps(self.props, shapes, generator, config.stretch, 0.0)
        cameras = draw_cameras(len(shapes), self.device, generator)
        return make_entries(
            self.props, pool, self.loss.vae, shapes, maps, cameras, config, self.size, generator
        )

    def batches(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """The arguments of `FlowLoss.forward`, for ever."""
        config, entries, generator = self.config, self.entries, self.generator
        while True:
            rows = torch.randint(
                len(entries.azimuth), (config.batch,), device=self.device, generator=generator
            )
            image = draw_pictures(entries, rows, generator)
            noise = torch.randn(
                2, *entries.mean[rows].shape, device=self.device, generator=generator
            )  # [2, B, N, C]
            clean = entries.mean[rows].float() + entries.deviation[rows].float() * noise[0]
            keep = torch.rand(config.batch, device=self.device, generator=generator)
            t = draw_times(config.batch, config, generator)
            points = entries.points[rows][:, self.pick_points()].float()  # [B, Q, 3]
            yield image, (keep >= config.drop_chance).float(), clean, noise[1], t, points

    def pick_points(self) -> torch.Tensor:
        """Which `[Q]` of the entries' stored points this step asks: evenly spread, near and far."""
        stored, count = self.entries.points.shape[1], self.config.field_queries
        first = torch.randint(stored // 2, (1,), generator=self.cpu_generator).item()
        spread = torch.arange(count, device=self.device) * stored // count
        return (spread + int(first)) % stored

    def step(self, factor: float, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """One optimiser step; returns the two losses and the gradient's norm."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * factor
        with autocast(self.device):
            flow, field = self.forward(*batch)
        self.optimiser.zero_grad(set_to_none=True)
        (flow + self.config.field_weight * field).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.trained.parameters(), 1.0)
        self.optimiser.step()
        self.average.update()
        return flow.detach(), field.detach(), norm

    def check(self, step: int, count: int, settings: tuple[int, float]) -> None:
        """Log measures of the averaged networks on unseen and on training shapes."""
        self.average.swap()
        with autocast(self.device):
            for name, props, entries in (
                ("validation", self.held_out, self.held_entries),
                ("train", self.props, self.seen_entries),
            ):
                found = evaluate(self.loss, props, entries, self.config, settings, count)
                self.log.write(
                    step=step, split=name, settings=settings, **found,
                    errors=clean_errors(self.loss, entries),
                    seconds=self.seconds,
                )  # fmt: skip
        self.average.swap()

    def save(self) -> None:
        """Write the averaged networks."""
        self.average.swap()
        save_shards(self.loss.conditioner.state_dict(), self.args.out, "conditioner")
        save_shards(self.loss.denoiser.state_dict(), self.args.out, "denoiser")
        self.average.swap()

    def train(self) -> None:
        """Run all steps; with `--seconds` their number follows from the speed of the first."""
        batches = self.batches()
        steps = self.config.steps
        if self.args.seconds:
            steps = fit_steps(
                lambda: float(self.step(1e-3, next(batches))[0]),
                self.args.seconds,
                self.begin,
                self.log,
            )
        for step in range(steps):
            factor = learning_rate(step, steps, self.config.warmup)
            flow, field, norm = self.step(factor, next(batches))
            if step % self.args.every == 0:
                self.log.write(
                    step=step, flow=float(flow), field=float(field), norm=float(norm),
                    seconds=self.seconds,
                )  # fmt: skip
            if step and step % self.args.evaluate_every == 0:
                self.check(step, 48, (10, 2.0))
                self.save()
        for guidance in self.args.guidances:
            self.check(steps, self.args.final_count, (15, guidance))
        self.save()


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path, help="folder with conditioner and denoiser shards")
    parser.add_argument("--config", type=Path, help="JSON overlay of FlowTraining")
    parser.add_argument("--seconds", type=float, help="wall time of the run, set-up included")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--limit", type=int, help="use only the first shapes")
    parser.add_argument("--every", type=int, default=200, help="steps between log lines")
    parser.add_argument("--evaluate-every", type=int, default=3000)
    parser.add_argument("--final-count", type=int, default=139)
    parser.add_argument("--guidances", type=float, nargs="+", default=[1.0, 2.0, 3.5])
    args = parser.parse_args()
    config = FlowTraining()
    if args.config:
        config = replace(config, **json.loads(args.config.read_text()))
    Run(args, config).train()


if __name__ == "__main__":
    main()
