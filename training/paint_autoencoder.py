# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the image autoencoder on crops of colour views, maps and lit reference pictures."""

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.config import AutoencoderConfig
from training.checkpoints import Average, Log
from training.loop import autocast, fit_steps, learning_rate
from training.paint_data import (
    PaintEntries,
    draw_recolouring,
    flat_over_white,
    light_pictures,
    map_to_network,
    over_white,
    recolour,
)


@dataclass(frozen=True, slots=True)
class AutoencoderTraining:
    """Settings of the image autoencoder's training.

    Attributes:
        steps: Optimiser steps, unless seconds are given.
        batch: Objects per step, each with one crop of every kind of picture.
        crop: Pixels per side of a crop.
        learning_rate: Peak, after the warm-up; cosine to a hundredth.
        warmup: Steps of linear warm-up.
        kl_weight: Weight of the mean KL divergence per latent number.
        edge_weight: Weight of the error of neighbouring pixels' differences.
    """

    steps: int = 6000
    batch: int = 24
    crop: int = 128
    learning_rate: float = 8e-4
    warmup: int = 200
    kl_weight: float = 1e-4
    edge_weight: float = 0.5


class AutoencoderLoss(torch.nn.Module):
    """The forward pass of one step, as one module so that it compiles as one graph."""

    def __init__(self, network: Autoencoder, config: AutoencoderTraining) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, image: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction loss and KL divergence of pictures `[B, 3, H, W]` in -1..1."""
        mean, logvar = self.network.encode(image)
        mean, logvar = mean.float(), logvar.float()
        latents = mean + noise * (0.5 * logvar).exp()
        found = self.network.decode(latents * self.network.config.scaling_factor).float()
        loss = functional.l1_loss(found, image) + functional.mse_loss(found, image)
        loss = loss + self.config.edge_weight * _edge_error(found, image)
        kl = 0.5 * (mean * mean + logvar.exp() - 1 - logvar).mean()
        return loss, kl


def _edge_error(found: Tensor, image: Tensor) -> Tensor:
    """Mean error of the differences between neighbouring pixels."""
    error = found - image
    across = (error[..., 1:] - error[..., :-1]).abs().mean()
    return across + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()


@torch.no_grad()
def draw_crops(
    entries: PaintEntries, config: AutoencoderTraining, generator: torch.Generator
) -> Tensor:
    """Crops `[4 * batch, 3, crop, crop]` in -1..1: two of colours, one of a map, one lit."""
    device, count = generator.device, config.batch

    def pick(high: int) -> Tensor:
        return torch.randint(high, (count,), device=device, generator=generator)

    rows, size = pick(len(entries)), entries.colour.shape[2]
    views, others = pick(entries.label.shape[1]), pick(entries.label.shape[1])
    change = draw_recolouring(count, generator)
    both = torch.stack([entries.colour[rows, views], entries.colour[rows, others]], 1)
    colour = over_white(recolour(both, change))  # [B, 2, 3, H, H]
    maps = torch.where(
        (pick(2) == 0)[:, None, None, None],
        entries.normal[rows, views],
        entries.position[rows, views],
    )
    reference = light_pictures(
        recolour(entries.reference[rows, :1], change), entries.reference_normal[rows, :1],
        entries.azimuth[rows, :1], generator,
    )  # fmt: skip
    image = torch.cat(
        [colour, map_to_network(maps)[:, None], flat_over_white(reference)], 1
    )  # [B, 4, 3, H, H]
    # Objects stand in the middle, so crops do too, more or less.
    room = size - config.crop
    top, left = (
        int((torch.rand(2, device=device, generator=generator).mean() * room).item())
        for _ in range(2)
    )
    return image[..., top : top + config.crop, left : left + config.crop].flatten(0, 1)


def train_autoencoder(
    sizes: AutoencoderConfig,
    entries: PaintEntries,
    held_out: PaintEntries,
    config: AutoencoderTraining,
    seconds: float | None,
    generator: torch.Generator,
    log: Log,
    start: dict[str, Tensor] | None = None,
) -> Autoencoder:
    """Train, measure the latents' scale, and return the averaged network with that scale.

    Args:
        sizes: The network's sizes; its scaling factor is replaced by the measured one.
        entries: Training pictures.
        held_out: Unseen ones, for the log.
        config: Of this part.
        seconds: Wall time; None: `config.steps`.
        generator: Random source, on the device of the pictures.
        log: Takes losses and measures.
        start: Weights to go on from.
    """
    device, begin = generator.device, time.perf_counter()
    network = Autoencoder(replace(sizes, scaling_factor=1.0)).to(device)
    if start:
        network.load_state_dict(start)
    loss_module = AutoencoderLoss(network, config)
    forward = torch.compile(loss_module) if device.type == "cuda" else loss_module
    average = Average(network, 0.998)
    optimiser = torch.optim.AdamW(
        network.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=0.01
    )
    factor = 2 ** (len(sizes.block_out_channels) - 1)
    edge = config.crop // factor

    def step(rate: float) -> tuple[Tensor, Tensor]:
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * rate
        image = draw_crops(entries, config, generator)
        shape = (len(image), sizes.latent_channels, edge, edge)
        noise = torch.randn(shape, device=device, generator=generator)
        with autocast(device):
            loss, kl = forward(image, noise)
        optimiser.zero_grad(set_to_none=True)
        (loss + config.kl_weight * kl).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update()
        return loss.detach(), kl.detach()

    steps = config.steps
    if seconds:
        steps = fit_steps(lambda: float(step(1e-3)[0]), seconds, begin, log)
    for number in range(steps):
        loss, kl = step(learning_rate(number, steps, config.warmup))
        if number % 200 == 0 or number == steps - 1:
            log.write(part="autoencoder", step=number, loss=float(loss), kl=float(kl))
    average.swap()
    network.config = replace(sizes, scaling_factor=_latent_scale(network, held_out, device))
    log.write(
        part="autoencoder", scale=network.config.scaling_factor,
        seconds=time.perf_counter() - begin, **measure_autoencoder(network, held_out, device),
    )  # fmt: skip
    return network


@torch.no_grad()
def _latent_scale(network: Autoencoder, entries: PaintEntries, device: torch.device) -> float:
    """One over the standard deviation of the colour views' latents on the objects."""
    total, square, count = 0.0, 0.0, 0
    for row in range(min(32, len(entries))):
        pixels = entries.colour[row, :6].float() / 255
        with autocast(device):
            mean, _ = network.encode(over_white(pixels))
        alpha = functional.adaptive_avg_pool2d(pixels[..., 3], mean.shape[-2:])  # [6, h, w]
        values = mean.float().movedim(1, -1)[alpha > 0.5]  # [M, C]
        total += float(values.sum())
        square += float(values.square().sum())
        count += values.numel()
    return 1 / max(square / count - (total / count) ** 2, 1e-8) ** 0.5


@torch.no_grad()
def measure_autoencoder(
    network: Autoencoder, entries: PaintEntries, device: torch.device
) -> dict[str, float]:
    """PSNR in dB of reconstructed colour views (on the object) and maps (everywhere)."""
    found: dict[str, list[Tensor]] = {"colour": [], "normal": [], "position": []}
    for row in range(len(entries)):
        pixels = entries.colour[row, :6].float() / 255
        pictures = {
            "colour": over_white(pixels),
            "normal": map_to_network(entries.normal[row, :6]),
            "position": map_to_network(entries.position[row, :6]),
        }
        mask = (pixels[..., 3] > 0.99).float()  # [6, H, H]
        for name, picture in pictures.items():
            with autocast(device):
                again = network.decode(network.sample(picture))
            error = ((again.float() - picture) / 2).square().mean(1) * mask
            found[name].append(error.sum() / mask.sum().clamp(min=1))
    return {
        f"psnr_{name}": float((-10 * torch.log10(torch.stack(errors))).mean())
        for name, errors in found.items()
    }
