# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the painting networks: an image autoencoder, then the multi-view denoiser in its latents.

    python -m training.paint --props FOLDER --out FOLDER [--autoencoder FOLDER]
        [--autoencoder-seconds N] [--seconds N] [--device cuda]

All pictures are rendered once at the start and then encoded, each shape in several colours and
lights.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.hunyuan3d_paint.config import VARIANTS
from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.config import AUTOENCODER_VARIANTS, AutoencoderConfig
from backend.paint.multiview import paint_latents
from backend.paint.schedule import DDIM, NoiseConfig, make_signal_table
from training.checkpoints import Average, Log, load_shards, save_shards
from training.datasets import draw_maps
from training.loop import autocast, fit_steps, learning_rate
from training.paint_autoencoder import AutoencoderTraining, train_autoencoder
from training.paint_data import (
    PaintEntries,
    draw_recolouring,
    light_references,
    load_paint_props,
    make_paint_entries,
    map_to_network,
    over_white,
    recolour,
)
from training.paint_sheet import save_sheet

NAME = "maquette-mini"
NOISE = NoiseConfig(
    prediction_type="v_prediction", timestep_spacing="trailing", rescale_betas_zero_snr=True
)
"""The noise that maquette-mini is trained with; the product's families repeat it."""
NUM_VIEWS = 6
ENCODED_TOGETHER = 8
"""Objects whose pictures are encoded together."""


@dataclass(frozen=True, slots=True)
class PaintTraining:
    """Settings of one run; a JSON file in `training/configs` overlays them.

    Attributes:
        steps: Optimiser steps, unless the command line gives seconds.
        batch: Objects per step, each with six views.
        size: Pixels per side of all pictures.
        entries: Augmented shapes rendered per training shape.
        variants: Colours and lights of each of them.
        extra_views: Rendered besides the six standard views.
        learning_rate: Peak, after the warm-up; cosine to a hundredth.
        warmup: Steps of linear warm-up.
        noise_share: Share of the batch at the last timestep, where nothing is left of the data.
        drop_chance: Chance of a dropped reference, for guidance.
        second_chance: Chance of an object that shows a second reference picture.
        extra_chance: Chance that a step's views are not the six standard ones.
        map_noise: Standard deviation of noise on the maps' latents, against overly exact geometry.
        outside_weight: Of the loss outside the object, whose colours nobody reads.
        stretch: Augmentation, see `draw_maps`.
        weight_decay: Of AdamW.
        seed: Of everything random.
        autoencoder: Settings of the first part.
    """

    steps: int = 10000
    batch: int = 24
    size: int = 256
    entries: int = 3
    variants: int = 2
    extra_views: int = 2
    learning_rate: float = 5e-4
    warmup: int = 300
    noise_share: float = 0.3
    drop_chance: float = 0.1
    second_chance: float = 0.25
    extra_chance: float = 0.4
    map_noise: float = 0.1
    outside_weight: float = 0.1
    stretch: float = 0.2
    weight_decay: float = 0.02
    seed: int = 0
    autoencoder: AutoencoderTraining = field(default_factory=AutoencoderTraining)


@dataclass(slots=True)
class PaintLatents:
    """What the denoiser trains on: E augmented shapes, each in K colours and lights.

    Attributes:
        clean: `[E, K, W, C, h, w]` float16 latents of the unlit views.
        reference: `[E, K, R, C, h, w]` float16 latents of the lit reference pictures.
        maps: `[E, W, 2 C, h, w]` float16 latents of normal, then of position maps.
        near: `[E, W, 1, h, w]` bool, on or beside the object.
        labels: `[E, W]` int64 camera labels; the first six are the standard views.
    """

    clean: Tensor
    reference: Tensor
    maps: Tensor
    near: Tensor
    labels: Tensor


class PaintLoss(torch.nn.Module):
    """The forward pass of one step, as one module so that it compiles as one graph."""

    def __init__(self, network: MultiviewUNet, signals: Tensor) -> None:
        super().__init__()
        self.network = network
        self.signals: Tensor
        self.register_buffer("signals", signals)

    def forward(
        self,
        clean: Tensor,
        reference: Tensor,
        geometry: Tensor,
        labels: Tensor,
        keep: Tensor,
        noise: Tensor,
        timestep: Tensor,
        weight: Tensor,
    ) -> Tensor:
        """Weighted mean squared error of the velocity.

        Args:
            clean: `[B, V, C, h, w]` latents.
            reference: `[B, R, C, h, w]` latents.
            geometry: `[B, V, 2 C, h, w]` latents of the maps.
            labels: `[B, V]` of the cameras.
            keep: `[B]` 1, or 0 where the reference is dropped.
            noise: `[B, V, C, h, w]`.
            timestep: `[B]` int64.
            weight: `[B, V, 1, h, w]`.
        """
        network, wide = self.network, keep[:, None, None]
        # A dropped picture is one of zeros, unread, without text: as the guided sampler builds it.
        reference = (reference * wide[..., None, None]).to(network.text.dtype)
        wide = wide.to(network.text.dtype)
        tokens = network.encode_reference(reference)
        signal = self.signals[timestep].view(-1, 1, 1, 1, 1)  # [B, 1, 1, 1, 1]
        data_part, noise_part = signal.sqrt(), (1 - signal).sqrt()
        noisy = data_part * clean + noise_part * noise
        velocity = data_part * noise - noise_part * clean
        times = timestep.repeat_interleave(clean.shape[1])  # [B*V]
        noisy, geometry, keep = (x.to(network.text.dtype) for x in (noisy, geometry, keep))
        out = network(noisy, times, geometry, labels, tokens, network.text * wide, keep)
        error = (out.float() - velocity).square() * weight
        return error.mean() / weight.mean()


def near_object(coverage: Tensor, factor: int) -> Tensor:
    """Which latents lie on or beside the object.

    Args:
        coverage: `[W, H, H]`, 0 where there is nothing.
        factor: Pixels per latent and axis.

    Returns:
        `[W, 1, h, w]` bool.
    """
    widest = functional.max_pool2d((coverage > 0).float()[:, None], factor)
    return functional.max_pool2d(widest, 3, 1, 1) > 0


@torch.no_grad()
def encode_entries(
    autoencoder: Autoencoder, entries: PaintEntries, variants: int, generator: torch.Generator
) -> PaintLatents:
    """Colour, light and encode all pictures, every shape `variants` times."""

    def encode(pictures: Tensor) -> Tensor:
        with autocast(generator.device):
            latents = autoencoder.sample(pictures.flatten(0, -4))
        return latents.half().unflatten(0, pictures.shape[:-3])

    factor = 2 ** (len(autoencoder.config.block_out_channels) - 1)
    rows: list[tuple[Tensor, ...]] = []
    for part in torch.arange(len(entries), device=generator.device).split(ENCODED_TOGETHER):
        change = draw_recolouring(len(part) * variants, generator)
        again = part.repeat_interleave(variants)  # [B*K]
        lit = light_references(
            recolour(entries.reference[again], change), entries.reference_normal[again],
            entries.azimuth[again], generator,
        )  # fmt: skip
        clean = encode(over_white(recolour(entries.colour[again], change)))  # [B*K, W, C, h, w]
        maps = [encode(map_to_network(x[part])) for x in (entries.normal, entries.position)]
        near = near_object(entries.colour[part][..., 3].flatten(0, 1), factor)
        whole = (len(part), variants)
        rows.append(
            (clean.unflatten(0, whole), encode(lit).unflatten(0, whole), torch.cat(maps, 2),
             near.unflatten(0, (len(part), -1)))
        )  # fmt: skip
    joined = [torch.cat(column) for column in zip(*rows, strict=True)]
    return PaintLatents(*joined, entries.label)


def make_entries(
    args: argparse.Namespace, split: str, config: PaintTraining, generator: torch.Generator
) -> PaintEntries:
    """Augmented training shapes, or validation shapes as they are."""
    is_train = split == "train"
    limit = args.limit if is_train else min(args.limit or args.check_count, args.check_count)
    source = load_paint_props(args.props, split, generator.device, limit)
    count = source.props.num_shapes
    shapes = torch.arange(count, device=generator.device)
    if is_train:
        shapes = shapes.repeat(config.entries)
        maps = draw_maps(source.props, shapes, generator, config.stretch, 0.0)
    else:
        maps = torch.eye(3, device=generator.device).expand(count, 3, 3)
    return make_paint_entries(source, shapes, maps, config.size, config.extra_views, generator)


class Run:
    """One training run: data, networks, optimiser and logs."""

    def __init__(self, args: argparse.Namespace, config: PaintTraining) -> None:
        self.args, self.config = args, config
        self.begin = time.perf_counter()
        self.device = torch.device(args.device)
        torch.manual_seed(config.seed)
        torch.set_float32_matmul_precision("high")
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.log = Log(args.out / "paint_log.jsonl")
        self.held_out = make_entries(args, "validation", config, self.generator)
        self.entries = make_entries(args, "train", config, self.generator)
        self.log.write(event="rendered", entries=len(self.entries), seconds=self.seconds)
        self.autoencoder = self.make_autoencoder()
        self.autoencoder.requires_grad_(False)
        self.latents = encode_entries(
            self.autoencoder, self.entries, config.variants, self.generator
        )
        del self.entries
        self.held_latents = encode_entries(self.autoencoder, self.held_out, 1, self.generator)
        self.log.write(event="encoded", seconds=self.seconds)
        network = MultiviewUNet(VARIANTS[NAME]).to(self.device)
        if args.resume:
            network.load_state_dict(load_shards(args.resume, "paint"))
        self.masters = network
        self.average = Average(network, 0.999)
        self.optimiser = torch.optim.AdamW(
            network.parameters(),
            config.learning_rate,
            (0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=self.is_cuda,
        )
        # Norms and their inputs in half precision, too: autocast would convert back and forth.
        working = copy.deepcopy(network).to(torch.bfloat16 if self.is_cuda else torch.float32)
        self.loss = PaintLoss(working, make_signal_table(NOISE).float()).to(self.device)
        self.working, self.master_list = list(working.parameters()), list(network.parameters())
        self.forward = self.capture() if args.graph else self.loss

    @property
    def is_cuda(self) -> bool:
        """Whether the run has a GPU."""
        return self.device.type == "cuda"

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self.begin

    def make_autoencoder(self) -> Autoencoder:
        """Read from `--autoencoder`, or trained here, then starting from that one if given."""
        args, start = self.args, None
        if args.autoencoder:
            start = load_shards(args.autoencoder, "autoencoder")
        if start and not args.autoencoder_seconds:
            values = json.loads((args.autoencoder / "autoencoder.json").read_text())
            values["block_out_channels"] = tuple(values["block_out_channels"])
            network = Autoencoder(AutoencoderConfig(**values)).to(self.device)
            network.load_state_dict(start)
        else:
            network = train_autoencoder(
                AUTOENCODER_VARIANTS[NAME], self.entries, self.held_out, self.config.autoencoder,
                args.autoencoder_seconds, self.generator, self.log, start,
            )  # fmt: skip
        save_shards(network.state_dict(), args.out, "autoencoder")
        text = json.dumps(asdict(network.config), indent=1)
        (args.out / "autoencoder.json").write_text(text)
        return network

    def draw_batch(self) -> tuple[Tensor, ...]:
        """The arguments of `PaintLoss.forward`."""
        config, generator, stored = self.config, self.generator, self.latents
        count, device = config.batch, self.device
        rows = torch.randint(len(stored.labels), (count,), device=device, generator=generator)
        variant = torch.randint(config.variants, (count,), device=device, generator=generator)
        views = self.pick_views(stored.labels.shape[1])
        clean = stored.clean[rows, variant][:, views].float()  # [B, V, C, h, w]
        reference = stored.reference[rows, variant].float()  # [B, 2, C, h, w]
        # Reading a picture twice is reading it once, so all steps have the same shapes.
        is_second = torch.rand(count, device=device, generator=generator) < config.second_chance
        second = torch.where(is_second[:, None, None, None], reference[:, 1], reference[:, 0])
        reference = torch.stack([reference[:, 0], second], 1)
        geometry = stored.maps[rows][:, views].float()  # [B, V, 2 C, h, w]
        jitter = torch.randn(geometry.shape, device=device, generator=generator)
        strength = torch.rand(count, 1, 1, 1, 1, device=device, generator=generator)
        geometry = geometry + config.map_noise * strength * jitter
        keep = torch.rand(count, device=device, generator=generator) >= config.drop_chance
        noise = torch.randn(clean.shape, device=device, generator=generator)
        near = stored.near[rows][:, views]
        return (
            clean, reference, geometry, stored.labels[rows][:, views], keep.float(), noise,
            self.draw_timesteps(count), torch.where(near, 1.0, config.outside_weight),
        )  # fmt: skip

    def draw_unit(self) -> float:
        """One number in [0, 1), known to the processor so that it may choose a shape."""
        return torch.rand((), device=self.device, generator=self.generator).item()

    def draw_timesteps(self, count: int) -> Tensor:
        """Timesteps `[B]`, a share of them the last."""
        last = NOISE.num_train_timesteps - 1
        device, generator = self.device, self.generator
        drawn = torch.randint(last + 1, (count,), device=device, generator=generator)
        share = torch.rand(count, device=device, generator=generator) < self.config.noise_share
        return torch.where(share, last, drawn)

    def pick_views(self, available: int) -> Tensor:
        """Which six views this step paints: the standard ones, or a random choice of all."""
        if self.draw_unit() >= self.config.extra_chance:
            return torch.arange(NUM_VIEWS, device=self.device)
        order = torch.randperm(available, device=self.device, generator=self.generator)
        return order[:NUM_VIEWS]

    def step(self, factor: float) -> tuple[Tensor, Tensor]:
        """One optimiser step; returns the loss and the gradient's norm."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * factor
        loss = self.forward(*self.draw_batch())
        loss.backward()
        # What precedes no stored tokens has no gradient. All parameters at once: thousands of
        # small copies would take longer than the network.
        pairs = zip(self.working, self.master_list, strict=True)
        used = [(half, master) for half, master in pairs if half.grad is not None]
        halves = [half.grad for half, _ in used]
        for (_, master), gradient in zip(used, _to_float(halves), strict=True):
            master.grad = gradient
        for half in self.working:
            half.grad = None
        norm = torch.nn.utils.clip_grad_norm_(self.master_list, 1.0)
        self.optimiser.step()
        self.copy_weights()
        self.average.update()
        return loss.detach(), norm

    def capture(self) -> Callable[..., Any]:
        """The loss as a recorded CUDA graph, which is launched at once."""
        example = self.draw_batch()
        return torch.cuda.make_graphed_callables(
            self.loss, example, num_warmup_iters=4, allow_unused_input=True
        )

    @torch.no_grad()
    def copy_weights(self) -> None:
        """Put the masters' weights into the network that runs."""
        torch._foreach_copy_(self.working, self.master_list)  # pyright: ignore[reportPrivateImportUsage]

    def check(self, step: int, settings: tuple[int, float | None], count: int) -> None:
        """Log measures of the averaged network on unseen shapes, and draw a sheet."""
        self.average.swap()
        self.copy_weights()
        generator = torch.Generator(self.device).manual_seed(99)
        found = paint_held_out(self, settings, min(count, len(self.held_out)), generator)
        self.log.write(
            step=step, settings=settings, seconds=self.seconds,
            **measure_painting(found, self.held_out),
        )  # fmt: skip
        references = _reference_pictures(self.held_out, len(found), self.device)
        save_sheet(references, found, self.held_out.colour, self.args.out / "paint_sheet.png")
        self.average.swap()
        self.copy_weights()

    def save(self) -> None:
        """Write the averaged network."""
        self.average.swap()
        save_shards(self.masters.state_dict(), self.args.out, "paint")
        self.average.swap()

    def train(self) -> None:
        """Run all steps; with `--seconds` their number follows from the speed of the first."""
        steps = self.config.steps
        if self.args.seconds:
            steps = fit_steps(
                lambda: float(self.step(1e-3)[0]), self.args.seconds, self.begin, self.log
            )
        for step in range(steps):
            loss, norm = self.step(learning_rate(step, steps, self.config.warmup))
            if step % self.args.every == 0:
                self.log.write(step=step, loss=float(loss), norm=float(norm), seconds=self.seconds)
            if step and step % self.args.evaluate_every == 0:
                self.check(step, (8, None), 24)
                self.save()
        self.save()
        for sampling in (1, 4, 8, 16):
            self.check(steps, (sampling, None), self.args.check_count)
        for guidance in (1.5, 2.0):
            self.check(steps, (8, guidance), self.args.check_count)
        self.log.write(event="end", seconds=self.seconds)


def _to_float(tensors: list[Tensor]) -> list[Tensor]:
    """Copies in float32, made together."""
    wide = [torch.empty_like(tensor, dtype=torch.float32) for tensor in tensors]
    torch._foreach_copy_(wide, tensors)  # pyright: ignore[reportPrivateImportUsage]
    return wide


def _reference_pictures(entries: PaintEntries, count: int, device: torch.device) -> Tensor:
    """The first reference picture of the first objects, always lit alike: `[S, 1, 3, H, H]`."""
    generator = torch.Generator(device).manual_seed(7)
    return light_references(
        entries.reference[:count, :1].float() / 255, entries.reference_normal[:count, :1],
        entries.azimuth[:count, :1], generator,
    )  # fmt: skip


@torch.no_grad()
def paint_held_out(
    run: Run, settings: tuple[int, float | None], count: int, generator: torch.Generator
) -> Tensor:
    """Paint the six standard views of the first objects: `[S, 6, 3, H, H]` in [0, 1]."""
    steps, guidance = settings
    sampler, network = DDIM.make(NOISE, steps), run.loss.network
    dtype = network.text.dtype
    pictures = _reference_pictures(run.held_out, count, run.device)
    results = []
    for row in range(count):
        with autocast(run.device):
            reference = run.autoencoder.sample(pictures[row])
        geometry = run.held_latents.maps[row, :NUM_VIEWS].to(dtype)
        shape = (NUM_VIEWS, geometry.shape[1] // 2, *geometry.shape[2:])
        noise = torch.randn(shape, device=run.device, generator=generator).to(dtype)
        latents = paint_latents(
            network, reference.to(dtype), geometry, run.held_latents.labels[row, :NUM_VIEWS],
            sampler, guidance, noise, lambda _, noise=noise: torch.zeros_like(noise),
            lambda *_: None,
        )  # fmt: skip
        with autocast(run.device):
            images = run.autoencoder.decode(latents.float())
        results.append((images.float() / 2 + 0.5).clamp(0, 1))
    return torch.stack(results)


def measure_painting(found: Tensor, entries: PaintEntries) -> dict[str, float]:
    """Compare painted views with the truth where the object covers the pixel.

    Args:
        found: `[S, 6, 3, H, H]` in [0, 1].
        entries: Of the same objects.

    Returns:
        PSNR in dB (from each object's mean squared error, then averaged), of all views, of the
        front and of the back; mean error of the mean colour per view.
    """
    truth = entries.colour[: len(found), :NUM_VIEWS].float() / 255
    mask = (truth[..., 3] > 0.99).float()  # [S, 6, H, H]
    target = truth[..., :3].movedim(-1, 2)
    square = (found - target).square().mean(2) * mask  # [S, 6, H, H]

    def psnr(views: slice) -> float:
        area = mask[:, views].sum((1, 2, 3)).clamp(min=1)
        error = square[:, views].sum((1, 2, 3)) / area
        return float((-10 * torch.log10(error.clamp(min=1e-7))).mean())

    area = mask.sum((2, 3)).clamp(min=1)[..., None]
    means = [(x * mask[:, :, None]).sum((3, 4)) / area for x in (found, target)]
    return {
        "psnr": psnr(slice(0, 6)),
        "psnr_front": psnr(slice(0, 1)),
        "psnr_back": psnr(slice(2, 3)),
        "colour_error": float((means[0] - means[1]).abs().mean()),
    }


def read_config(path: Path | None) -> PaintTraining:
    """The settings, overlaid with a JSON file."""
    config = PaintTraining()
    if path is None:
        return config
    values = json.loads(path.read_text())
    if "autoencoder" in values:
        values["autoencoder"] = AutoencoderTraining(**values["autoencoder"])
    known = {item.name for item in fields(PaintTraining)}
    if unknown := values.keys() - known:
        raise ValueError(f"unknown settings: {sorted(unknown)}")
    return replace(config, **values)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--autoencoder", type=Path, help="folder of an autoencoder trained before")
    parser.add_argument("--autoencoder-seconds", type=float, help="wall time of its training")
    parser.add_argument("--resume", type=Path, help="folder with the shards of an earlier run")
    parser.add_argument("--config", type=Path, help="JSON overlay of PaintTraining")
    parser.add_argument("--seconds", type=float, help="wall time of the run, set-up included")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--graph", action="store_true", help="record the step as a CUDA graph")
    parser.add_argument("--limit", type=int, help="use only the first shapes")
    parser.add_argument("--every", type=int, default=100, help="steps between log lines")
    parser.add_argument("--evaluate-every", type=int, default=2500)
    parser.add_argument("--check-count", type=int, default=48)
    args = parser.parse_args()
    Run(args, read_config(args.config)).train()


if __name__ == "__main__":
    main()
