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
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from backend.models.hunyuan3d_paint.config import VARIANTS
from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from backend.models.maquette.colour_guess import ColourGuess
from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.config import AUTOENCODER_VARIANTS, AutoencoderConfig
from backend.paint.schedule import NoiseConfig, make_signal_table, make_timesteps
from training.checkpoints import Average, Log, load_shards, save_shards
from training.datasets import draw_maps
from training.loop import RecordedStep, fit_steps, learning_rate
from training.paint_autoencoder import AutoencoderTraining, train_autoencoder
from training.paint_checks import (
    NUM_VIEWS,
    Settings,
    measure_painting,
    paint_held_out,
    reference_pictures,
)
from training.paint_data import PaintEntries, make_paint_entries
from training.paint_latents import (
    KnownParts,
    draw_given,
    encode_entries,
    find_free,
)
from training.paint_loss import PaintLoss
from training.paint_sheet import save_sheet
from training.paint_views import load_paint_props
from training.procedural import make_assets

NAME = "maquette-mini"
NOISE = NoiseConfig(
    prediction_type="v_prediction",
    timestep_spacing="trailing",
    rescale_betas_zero_snr=True,
    start_share=0.1,
)
"""The noise that maquette-mini is trained with; the product's families repeat it."""
START = int(make_timesteps(NOISE, 1)[0])
"""Timestep of the first step, which begins with a noised guess."""


@dataclass(frozen=True, slots=True)
class PaintTraining:
    """Settings of one run; a JSON file in `training/configs` overlays them.

    Attributes:
        steps: Optimiser steps, unless the command line gives seconds.
        batch: Objects per step, each with six views.
        size: Pixels per side of all pictures.
        entries: Augmented shapes rendered per training shape.
        variants: Colours and lights of each of them.
        procedural: Generated shapes beside the props.
        extra_views: Rendered besides the six standard views.
        learning_rate: Peak, after the warm-up; cosine to a hundredth.
        warmup: Steps of linear warm-up.
        guess_share: Share of the batch at the first timestep of sampling, which sees a guess.
        drop_chance: Chance of a dropped reference, for guidance.
        extra_chance: Chance that a step's views are not the six standard ones.
        map_noise: Standard deviation of noise on the maps' latents, against overly exact geometry.
        known: How much of the views is given.
        stretch: Augmentation, see `draw_maps`.
        weight_decay: Of AdamW.
        seed: Of everything random.
        autoencoder: Settings of the first part.
    """

    steps: int = 10000
    batch: int = 24
    size: int = 256
    entries: int = 3
    variants: int = 3
    procedural: int = 0
    extra_views: int = 2
    learning_rate: float = 5e-4
    warmup: int = 300
    guess_share: float = 0.9
    drop_chance: float = 0.1
    extra_chance: float = 0.4
    map_noise: float = 0.1
    known: KnownParts = field(default_factory=KnownParts)
    stretch: float = 0.2
    weight_decay: float = 0.02
    seed: int = 0
    autoencoder: AutoencoderTraining = field(default_factory=AutoencoderTraining)


def make_entries(
    args: argparse.Namespace, split: str, config: PaintTraining, generator: torch.Generator
) -> PaintEntries:
    """Augmented training shapes, or validation shapes as they are."""
    is_train = split == "train"
    limit = args.limit if is_train else min(args.limit or args.check_count, args.check_count)
    made = make_assets(config.procedural, config.seed) if is_train and config.procedural else ()
    source = load_paint_props(args.props, split, generator.device, limit, made)
    count = source.props.num_shapes
    shapes = torch.arange(count, device=generator.device)
    if is_train:
        shapes = shapes.repeat(config.entries)
        maps = draw_maps(source.props, shapes, generator, config.stretch, 0.0)
    else:
        maps = torch.eye(3, device=generator.device).expand(count, 3, 3)
    factor = 2 ** (len(AUTOENCODER_VARIANTS[NAME].block_out_channels) - 1)
    return make_paint_entries(
        source, shapes, maps, config.size, config.extra_views, generator, factor
    )


class Run:
    """One training run: data, networks, optimiser and logs."""

    def __init__(self, args: argparse.Namespace, config: PaintTraining) -> None:
        self.args, self.config = args, config
        self.begin = time.perf_counter()
        self.device = torch.device(args.device)
        torch.manual_seed(config.seed)
        torch.backends.cudnn.benchmark = self.is_cuda
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.cpu_generator = torch.Generator().manual_seed(config.seed)
        self.log = Log(args.out / "paint_log.jsonl")
        self.held_out = make_entries(args, "validation", config, self.generator)
        self.entries = make_entries(args, "train", config, self.generator)
        self.log.write(event="rendered", entries=len(self.entries), seconds=self.seconds)
        self.autoencoder = self.make_autoencoder()
        self.autoencoder.requires_grad_(False)
        guesser = ColourGuess().to(self.device)
        if args.guess:
            guesser.load_state_dict(load_shards(args.guess, "guess"))
        save_shards(guesser.state_dict(), args.out, "guess")
        self.latents = encode_entries(
            self.autoencoder, guesser, self.entries, config.variants, config.known, self.generator
        )
        del self.entries
        self.held_latents = encode_entries(
            self.autoencoder, guesser, self.held_out, 0, config.known, self.generator
        )
        # Only now: the guess needs all digits.
        torch.set_float32_matmul_precision("high")
        self.log.write(event="encoded", seconds=self.seconds)
        network = MultiviewUNet(VARIANTS[NAME]).to(self.device)
        if args.resume:
            network.load_state_dict(load_shards(args.resume, "paint"))
        self.masters = network
        self.average = Average(network, 0.999)
        self.rate = torch.zeros((), device=self.device)
        self.optimiser = torch.optim.AdamW(
            network.parameters(),
            self.rate,
            (0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=self.is_cuda,
            capturable=self.is_cuda,
        )
        # Norms and their inputs in half precision, too: autocast would convert back and forth.
        working = copy.deepcopy(network).to(torch.bfloat16 if self.is_cuda else torch.float32)
        self.loss = PaintLoss(working, make_signal_table(NOISE).float(), START).to(self.device)
        self.working, self.master_list = list(working.parameters()), list(network.parameters())
        self.optimise = self.take_step
        if args.graph:
            self.optimise = RecordedStep(self.take_step, self.draw_batch())

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
        clean, given = (x[rows, variant][:, views].float() for x in (stored.clean, stored.given))
        picture = stored.reference[rows, variant][:, None].float()  # [B, 1, C, h, w]
        known = stored.known[rows, variant][:, views]  # [B, V, h, w]
        geometry = stored.maps[rows][:, views].float()  # [B, V, 2 C, h, w]
        jitter = torch.randn(geometry.shape, device=device, generator=generator)
        strength = torch.rand(count, 1, 1, 1, 1, device=device, generator=generator)
        geometry = geometry + config.map_noise * strength * jitter
        keep = torch.rand(count, device=device, generator=generator) >= config.drop_chance
        noise = torch.randn(clean.shape, device=device, generator=generator)
        free = find_free(known, stored.touched[rows][:, views])[:, :, None]  # [B, V, 1, h, w]
        given = draw_given(given, config.known, generator)
        return (
            clean, given, free, picture, geometry, stored.labels[rows][:, views], keep.float(),
            noise, self.draw_timesteps(count),
        )  # fmt: skip

    def draw_timesteps(self, count: int) -> Tensor:
        """Timesteps `[B]`, a share of them the first of sampling, none further from the data."""
        device, generator = self.device, self.generator
        drawn = torch.randint(START, (count,), device=device, generator=generator)
        share = torch.rand(count, device=device, generator=generator) < self.config.guess_share
        return torch.where(share, START, drawn)

    def pick_views(self, available: int) -> Tensor:
        """Which six views this step paints: the standard ones, or a random choice of all."""
        # Drawn on the processor: a number from the GPU would wait for the step before.
        if torch.rand((), generator=self.cpu_generator).item() >= self.config.extra_chance:
            return torch.arange(NUM_VIEWS, device=self.device)
        order = torch.randperm(available, device=self.device, generator=self.generator)
        return order[:NUM_VIEWS]

    def step(self, factor: float) -> tuple[Tensor, Tensor]:
        """One optimiser step; returns the loss and the gradient's norm."""
        self.rate.fill_(self.config.learning_rate * factor)
        loss, norm = self.optimise(*self.draw_batch())
        self.average.update()
        return loss, norm

    def take_step(self, *batch: Tensor) -> tuple[Tensor, Tensor]:
        """Move the weights by one batch; the same kernels each time, so that it can be recorded."""
        loss = self.loss(*batch)
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
        return loss.detach(), norm

    @torch.no_grad()
    def copy_weights(self) -> None:
        """Put the masters' weights into the network that runs."""
        torch._foreach_copy_(self.working, self.master_list)  # pyright: ignore[reportPrivateImportUsage]

    def check(self, step: int, settings: Settings, count: int) -> None:
        """Log measures of the averaged network on unseen shapes, and draw a sheet."""
        self.average.swap()
        self.copy_weights()
        count = min(count, len(self.held_out))
        found = paint_held_out(
            self.loss.network, self.autoencoder, self.held_out, self.held_latents, NOISE, settings,
            count,
        )  # fmt: skip
        self.log.write(
            step=step, settings=astuple(settings), seconds=self.seconds,
            **measure_painting(found, self.held_out, self.held_latents, settings),
        )  # fmt: skip
        references = reference_pictures(self.held_out, count, self.device)
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
                self.check(step, Settings(1), self.args.check_count)
                self.save()
        self.save()
        for is_known in (False, True):
            for sampling in (0, 4, 2, 1):
                self.check(steps, Settings(sampling, None, is_known), self.args.check_count)
        self.check(steps, Settings(1, 1.5), self.args.check_count)
        self.check(steps, Settings(1), self.args.check_count)
        self.log.write(event="end", seconds=self.seconds)


def _to_float(tensors: list[Tensor]) -> list[Tensor]:
    """Copies in float32, made together."""
    wide = [torch.empty_like(tensor, dtype=torch.float32) for tensor in tensors]
    torch._foreach_copy_(wide, tensors)  # pyright: ignore[reportPrivateImportUsage]
    return wide


def read_config(path: Path | None) -> PaintTraining:
    """The settings, overlaid with a JSON file."""
    config = PaintTraining()
    if path is None:
        return config
    values = json.loads(path.read_text())
    if "autoencoder" in values:
        values["autoencoder"] = AutoencoderTraining(**values["autoencoder"])
    if "known" in values:
        values["known"] = KnownParts(**values["known"])
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
    parser.add_argument("--guess", type=Path, help="folder of `training.guess`; else unfitted")
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
