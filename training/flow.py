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
from pathlib import Path

import torch

from backend.models.dinov2.config import VARIANTS as DINOV2
from backend.models.hunyuan3d.conditioner import ConditionerConfig, ImageConditioner
from backend.models.hunyuan3d.config import DENOISER_VARIANTS, ShapeVAEConfig
from backend.models.hunyuan3d.denoiser import Denoiser
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from training.checkpoints import Average, Log, load_shards, save_shards
from training.datasets import hold_out, load_props
from training.entries import Entries, PictureChanges, draw_pictures, vary_entries
from training.flow_checks import FlowLoss, clean_errors, evaluate, held_out_entries
from training.loop import Pace, autocast, fit_steps, learning_rate
from training.regularise import add_stochastic_depth
from training.shape_mix import ShapeMix
from training.variations import Variation

STATE = "run_state.pt"


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
        stretch: See `variations.Variation`, as the next three.
        bend_chance: Chance of shear, of taper and of twist.
        compose_chance: Chance that two props become one.
        recolour_chance: Chance of other colours.
        refresh_every: Steps between replacements of entries by new ones; 0 keeps all.
        refresh_count: Entries replaced at a time.
        grade: See `entries.PictureChanges`, as the next three.
        blur_chance: Chance of a soft picture.
        cut_chance: Chance of a bad outline.
        erase_chance: Chance of a rectangle cut out or painted over.
        depth_drop: Chance to skip the last branches, see `regularise.add_stochastic_depth`.
        token_drop: Dropout of the condition tokens' numbers.
        average_decay: Of the averaged weights.
        held_out: Training shapes kept apart, to choose guidance and steps by.
        procedural: Generated shapes beside the props, see `procedural.make_assets`.
        procedural_share: Their share of the entries.
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
    bend_chance: float = 0.0
    compose_chance: float = 0.0
    recolour_chance: float = 0.0
    refresh_every: int = 0
    refresh_count: int = 64
    grade: float = 0.0
    blur_chance: float = 0.0
    cut_chance: float = 0.0
    erase_chance: float = 0.0
    depth_drop: float = 0.0
    token_drop: float = 0.0
    average_decay: float = 0.999
    held_out: int = 0
    procedural: int = 0
    procedural_share: float = 0.0
    border_ratio: float = 0.15
    weight_decay: float = 0.02
    seed: int = 0

    @property
    def variation(self) -> Variation:
        """How entries differ from their props."""
        return Variation(
            stretch=self.stretch,
            bend_chance=self.bend_chance,
            compose_chance=self.compose_chance,
            recolour_chance=self.recolour_chance,
        )

    @property
    def changes(self) -> PictureChanges:
        """What happens to each picture drawn."""
        return PictureChanges(self.grade, self.blur_chance, self.cut_chance, self.erase_chance)


def draw_times(count: int, config: FlowTraining, generator: torch.Generator) -> torch.Tensor:
    """Flow times `[count]`: shifted towards noise, a share of them exactly there."""
    device = generator.device
    noise = torch.rand(count, device=device, generator=generator)
    t = 1 - config.shift * noise / (1 + (config.shift - 1) * noise)
    share = torch.rand(count, device=device, generator=generator) < config.noise_share
    return torch.where(share, 0.0, t)


def build(args: argparse.Namespace, device: torch.device, token_drop: float = 0.0) -> FlowLoss:
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
    return FlowLoss(conditioner, denoiser, vae, token_drop)


class Run:
    """One training run: data, networks, optimiser and logs.

    With `--resume-run` it goes on from the state that an earlier part of the same run left in
    `--out`, as if it had never stopped.
    """

    def __init__(self, args: argparse.Namespace, config: FlowTraining) -> None:
        self.args, self.config = args, config
        self.device = torch.device(args.device)
        self.is_cuda = self.device.type == "cuda"
        torch.manual_seed(config.seed)
        torch.set_float32_matmul_precision("high")
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.cpu_generator = torch.Generator().manual_seed(config.seed)
        self.log = Log(args.out / "flow_log.jsonl")
        self.begin, self.seconds_before = time.perf_counter(), 0.0
        self.steps, self.done, self.drawn = config.steps, 0, 0
        self.loss = build(args, self.device, config.token_drop)
        self.size = self.loss.conditioner.config.image_size
        add_stochastic_depth(
            self.loss.conditioner.main_image_encoder.model, self.loss.denoiser, config.depth_drop
        )
        whole = load_props(args.props, "train", self.device, args.limit)
        # A trial with few shapes keeps most of them.
        rest, held_out = hold_out(whole, min(config.held_out, whole.num_shapes // 3))
        self.shapes = ShapeMix(rest, config.procedural, config.procedural_share, config.seed)
        self.props = self.shapes.props
        validation = load_props(args.props, "validation", self.device, args.limit)
        self.splits = {
            name: (props, held_out_entries(props, self.loss.vae, self.size, config.border_ratio, k))
            for k, (name, props) in enumerate(
                (("validation", validation), ("held out", held_out), ("train", rest)), 1
            )
            if props.num_shapes
        }
        self.trained = torch.nn.ModuleList([self.loss.conditioner, self.loss.denoiser])
        self.average = Average(self.trained, config.average_decay)
        self.optimiser = torch.optim.AdamW(
            self.trained.parameters(),
            config.learning_rate,
            (0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=self.is_cuda,
        )
        self.forward = torch.compile(self.loss) if self.is_cuda else self.loss
        if args.resume_run:
            self.entries = self.load_state()
        else:
            self.entries = self.make_entries(self.shapes.spread(config.entries))
        self.log.write(
            event="go on" if args.resume_run else "start",
            seconds=self.seconds,
            step=self.done,
            config=asdict(config),
        )

    @property
    def seconds(self) -> float:
        """Wall time since the start, all parts of the run together."""
        return self.seconds_before + time.perf_counter() - self.begin

    def make_entries(self, shapes: torch.Tensor) -> Entries:
        """A new variation and view of each of these shapes."""
        config, vae = self.config, self.loss.vae
        return vary_entries(
            self.props, shapes, vae, config.variation, self.size, config.border_ratio,
            self.generator,
        )  # fmt: skip

    def refresh(self) -> None:
        """Replace the next entries, in turn, by new ones of randomly drawn shapes."""
        count, total = min(self.config.refresh_count, len(self.entries)), len(self.entries)
        first = self.drawn // self.config.refresh_every * count
        rows = (torch.arange(count, device=self.device) + first) % total
        shapes = self.shapes.draw(count, self.generator)
        self.entries.replace_rows(rows, self.make_entries(shapes))

    def batches(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """The arguments of `FlowLoss.forward`, for ever."""
        config, entries, generator = self.config, self.entries, self.generator
        while True:
            if config.refresh_every and self.drawn % config.refresh_every == 0:
                self.refresh()
            self.drawn += 1
            rows = torch.randint(
                len(entries), (config.batch,), device=self.device, generator=generator
            )
            image = draw_pictures(entries, rows, generator, config.changes)
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

    def check(self, step: int, count: int, sampling: tuple[int, float]) -> None:
        """Log measures of the averaged networks on unseen and on training shapes."""
        self.average.swap()
        self.loss.eval()
        with autocast(self.device):
            for name, (props, entries) in self.splits.items():
                settings = (*sampling, self.config.shift)
                found = evaluate(self.loss, props, entries, settings, count)
                self.log.write(
                    step=step, split=name, settings=sampling, **found,
                    errors=clean_errors(self.loss, entries),
                    seconds=self.seconds,
                )  # fmt: skip
        self.loss.train()
        self.average.swap()

    def save(self) -> None:
        """Write the averaged networks."""
        self.average.swap()
        save_shards(self.loss.conditioner.state_dict(), self.args.out, "conditioner")
        save_shards(self.loss.denoiser.state_dict(), self.args.out, "denoiser")
        self.average.swap()

    def save_state(self) -> None:
        """Write all that `load_state` needs to go on; several GB with a full run's entries."""
        state = {
            "counts": [self.steps, self.done, self.drawn],
            "seconds": self.seconds,
            "networks": self.trained.state_dict(),
            "average": self.average.state(),
            "optimiser": self.optimiser.state_dict(),
            "entries": self.entries.tensors(),
            "random": [self.generator.get_state(), self.cpu_generator.get_state()],
            "global_random": torch.get_rng_state(),
            "global_random_cuda": torch.cuda.get_rng_state() if self.is_cuda else None,
        }
        partial_file = self.args.out / f"{STATE}.part"
        torch.save(state, partial_file)
        partial_file.replace(self.args.out / STATE)  # never half a state under this name
        self.log.write(event="stop", step=self.done, seconds=self.seconds)

    def load_state(self) -> Entries:
        """Take up the state of an earlier part; returns its entries."""
        state = torch.load(self.args.out / STATE, map_location="cpu", weights_only=True, mmap=True)
        self.steps, self.done, self.drawn = state["counts"]
        self.seconds_before = state["seconds"]
        self.trained.load_state_dict(state["networks"])
        self.average.restore(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        for generator, kept in zip(
            (self.generator, self.cpu_generator), state["random"], strict=True
        ):
            generator.set_state(kept)
        torch.set_rng_state(state["global_random"])
        if self.is_cuda:
            torch.cuda.set_rng_state(state["global_random_cuda"])
        return Entries(**{name: x.to(self.device) for name, x in state["entries"].items()})

    @property
    def is_out_of_time(self) -> bool:
        """Whether this part of the run should end."""
        limit = self.args.stop_after
        return limit is not None and time.perf_counter() - self.begin > limit

    def train(self) -> None:
        """Run the steps left, then the final checks, or stop in time to go on later.

        With `--seconds` the number of steps follows from the speed.
        """
        batches, args = self.batches(), self.args
        begin = self.begin - self.seconds_before
        if args.seconds and not args.resume_run:
            self.steps = fit_steps(
                lambda: float(self.step(1e-3, next(batches))[0]), args.seconds, begin, self.log
            )
        pace = Pace(args.seconds, begin, self.done)
        while self.done < self.steps:
            self.train_step(batches)
            self.steps = pace.fit(self.done, self.steps)
            if self.is_out_of_time:
                self.save()
                self.save_state()
                return
        self.save()
        for steps in args.sampling_steps:
            for guidance in args.guidances:
                self.check(self.steps, args.final_count, (steps, guidance))

    def train_step(self, batches: Iterator[tuple[torch.Tensor, ...]]) -> None:
        """One step with what is due after it."""
        step = self.done
        factor = learning_rate(step, self.steps, self.config.warmup)
        flow, field, norm = self.step(factor, next(batches))
        self.done += 1
        if step % self.args.every == 0:
            self.log.write(
                step=step, flow=float(flow), field=float(field), norm=float(norm),
                seconds=self.seconds,
            )  # fmt: skip
        if step and step % self.args.evaluate_every == 0:
            self.check(step, 48, (10, 2.0))
            self.save()


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path, help="folder with conditioner and denoiser shards")
    parser.add_argument("--config", type=Path, help="JSON overlay of FlowTraining")
    parser.add_argument("--seed", type=int, help="instead of that of the settings")
    parser.add_argument("--seconds", type=float, help="wall time of the run, set-up included")
    parser.add_argument(
        "--stop-after", type=float, help="wall seconds after which this part stops, to go on later"
    )
    parser.add_argument(
        "--resume-run", action="store_true", help="go on from the state in the folder --out"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--limit", type=int, help="use only the first shapes")
    parser.add_argument("--every", type=int, default=200, help="steps between log lines")
    parser.add_argument("--evaluate-every", type=int, default=3000)
    parser.add_argument("--final-count", type=int, default=139)
    parser.add_argument("--guidances", type=float, nargs="+", default=[1.0, 2.0, 3.5])
    parser.add_argument("--sampling-steps", type=int, nargs="+", default=[15])
    args = parser.parse_args()
    config = FlowTraining()
    if args.config:
        config = replace(config, **json.loads(args.config.read_text()))
    if args.seed is not None:
        config = replace(config, seed=args.seed)
    Run(args, config).train()


if __name__ == "__main__":
    main()
