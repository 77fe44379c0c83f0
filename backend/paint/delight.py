# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a lit reference picture into one without light and shadow."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..data import PreparedImage
from ..progress import Progress
from .schedule import EulerAncestral, NoiseConfig, denoise

MEAN_SCALE = 0.95
"""Share of the means that the correction moves; the rest stays in the picture."""
_SMALLEST_DEVIATION = 1e-6


class PictureCoder(Protocol):
    """An image autoencoder."""

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance `[B, C, h, w]` of pictures `[B, 3, H, W]` in -1..1, unscaled."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures `[B, 3, H, W]` of scaled latents `[B, C, h, w]`."""
        ...


@dataclass(frozen=True, slots=True)
class LightRemover:
    """The networks that take the light out of a picture, and how to sample them.

    Attributes:
        autoencoder: Pictures to latents and back.
        predict: Noisy latents and picture latents `[1, 2 C, h, w]` and the timestep `[]` ->
            prediction `[1, C, h, w]`; knows its text.
        noise: Of the training.
        device: Where the networks are.
        dtype: Of weights and activations.
        steps: Denoising steps.
        size: Edge of the pictures it was trained on.
    """

    autoencoder: PictureCoder
    predict: Callable[[Tensor, Tensor], Tensor]
    noise: NoiseConfig
    device: torch.device
    dtype: torch.dtype = torch.float32
    steps: int = 50
    size: int = 512


@torch.no_grad()
def remove_light(
    references: PreparedImage, remover: LightRemover, seed: int, progress: Progress
) -> PreparedImage:
    """Take light and shadow out of each reference picture.

    Args:
        references: `[V, H, W, 4]`.
        remover: The networks.
        seed: Of the noise.
        progress: Told after every denoising step.

    Returns:
        `[V, S, S, 4]` of the remover's size S, white where transparent; alpha one pixel narrower.

    Raises:
        CancelledError: The user cancelled; seen before every denoising step.

    Source: Zhao et al. 2025, "Hunyuan3D 2.0", section 4.1; golden cases `delight_*`.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.from_numpy(references.pixels).permute(0, 3, 1, 2)  # [V, 4, H, W]
    if pictures.shape[-1] != remover.size:
        pictures = functional.interpolate(
            pictures, (remover.size, remover.size), mode="bilinear", antialias=True
        )
    done: list[Tensor] = []
    for index, picture in enumerate(pictures):
        alpha = -functional.max_pool2d(-picture[None, 3:], 3, stride=1, padding=1)  # 3x3 minimum
        colour = torch.where(alpha > 0, picture[None, :3], 1.0)  # [1, 3, S, S]
        unlit = _denoise_picture(colour, remover, generator, progress, (index, len(pictures)))
        target, opacity = _channels_last(colour), _channels_last(alpha)
        matched = recolour(_channels_last(unlit), target, opacity)  # [S, S, 3]
        done.append(torch.cat([torch.where(opacity > 0, matched, 1.0), opacity], dim=-1))
    return replace(references, pixels=torch.stack(done).numpy().astype(np.float32))


def recolour(source: Tensor, target: Tensor, alpha: Tensor, scale: float = MEAN_SCALE) -> Tensor:
    """Give a picture the colour statistics of another, unless that takes it further away.

    Args:
        source: Picture to correct, `[H, W, 3]` float32 in [0, 1].
        target: The one with the wanted mean and spread of each channel, same shape.
        alpha: `[H, W, 1]`; statistics are over the pixels above one half.
        scale: Share of the means that is moved.

    Returns:
        `[H, W, 3]` float32 in [0, 1]; `source` itself where it is nearer to `target`.

    Source: golden case `delight_recolour`.
    """
    inside = alpha[..., 0] > 0.5  # [H, W]
    if inside.sum() < 2:
        return source
    first, second = source[inside].double(), target[inside].double()  # [n, 3]
    gain = second.std(dim=0) / first.std(dim=0).clamp(min=_SMALLEST_DEVIATION)
    moved = (source.double() - scale * first.mean(dim=0)) * gain + scale * second.mean(dim=0)
    corrected = moved.clamp(0, 1)
    before, after = (
        (picture.double() - target.double()).square().mean() for picture in (source, corrected)
    )
    return source if before < after else corrected.float()


def _denoise_picture(
    colour: Tensor,
    remover: LightRemover,
    generator: torch.Generator,
    progress: Progress,
    place: tuple[int, int],
) -> Tensor:
    """One picture `[1, 3, S, S]` in [0, 1] without light, on the CPU."""
    device, dtype = remover.device, remover.dtype
    image = remover.autoencoder.encode((colour * 2 - 1).to(device, dtype))[0]  # [1, C, h, w]
    index, count = place

    def draw_noise(_: int) -> Tensor:
        return torch.randn(image.shape, generator=generator).to(device)

    def predict(latents: Tensor, timestep: Tensor) -> Tensor:
        return remover.predict(torch.cat([latents.to(dtype), image], dim=1), timestep).float()

    def on_step(done: int, _: Tensor) -> None:
        progress.step(index * remover.steps + done, count * remover.steps)

    progress.step(index * remover.steps, count * remover.steps)
    sampler = EulerAncestral.make(remover.noise, remover.steps)
    latents = denoise(sampler, draw_noise(0), predict, draw_noise, on_step)
    decoded = remover.autoencoder.decode(latents.to(dtype)).float()
    return (decoded / 2 + 0.5).clamp(0, 1).cpu()


def _channels_last(picture: Tensor) -> Tensor:
    """`[1, C, H, W]` to `[H, W, C]`."""
    return picture[0].permute(1, 2, 0)
