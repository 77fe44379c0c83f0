# SPDX-License-Identifier: GPL-3.0-or-later
"""Paints unseen shapes with a network in training, and compares with the truth."""

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.paint.guess import enlarge_cells
from backend.paint.hold import HoldingSampler
from backend.paint.multiview import paint_latents
from backend.paint.schedule import DDIM, NoiseConfig
from training.loop import autocast
from training.paint_data import PaintEntries, flat_over_white, light_pictures
from training.paint_latents import PaintLatents, find_free

NUM_VIEWS = 6


@dataclass(frozen=True, slots=True)
class Settings:
    """How the network is asked.

    Attributes:
        steps: Denoising steps; 0: the guess that they start from.
        guidance: Guidance scale, or None.
        is_known: What the reference shows is given to the network.
    """

    steps: int
    guidance: float | None = None
    is_known: bool = True

    @property
    def variant(self) -> int:
        """Of the latents of unseen objects, see `encode_entries`."""
        return 0 if self.is_known else 1


def reference_pictures(entries: PaintEntries, count: int, device: torch.device) -> Tensor:
    """The first reference picture of the first objects, always lit alike: `[S, 1, 3, H, H]`."""
    generator = torch.Generator(device).manual_seed(7)
    lit = light_pictures(
        entries.reference[:count, :1].float() / 255, entries.reference_normal[:count, :1],
        entries.azimuth[:count, :1], generator,
    )  # fmt: skip
    return flat_over_white(lit)


def free_latents(latents: PaintLatents, count: int, settings: Settings) -> Tensor:
    """What the network paints of the standard views of the first objects: `[S, 6, h, w]` bool."""
    known = latents.known[:count, settings.variant, :NUM_VIEWS]
    return find_free(known, latents.touched[:count, :NUM_VIEWS])


@torch.no_grad()
def paint_held_out(
    network: MultiviewUNet,
    autoencoder: Autoencoder,
    entries: PaintEntries,
    latents: PaintLatents,
    noise_config: NoiseConfig,
    settings: Settings,
    count: int,
) -> Tensor:
    """Paint the six standard views of the first objects: `[S, 6, 3, H, H]` in [0, 1]."""
    device, dtype = latents.labels.device, network.text.dtype
    generator = torch.Generator(device).manual_seed(99)
    pictures = reference_pictures(entries, count, device)
    is_free = free_latents(latents, count, settings)
    results = []
    for row in range(count):
        with autocast(device):
            reference = autoencoder.sample(pictures[row])
        geometry = latents.maps[row, :NUM_VIEWS].to(dtype)
        shape = (NUM_VIEWS, geometry.shape[1] // 2, *geometry.shape[2:])
        noise = torch.randn(shape, device=device, generator=generator).to(dtype)
        painted = latents.given[row, settings.variant, :NUM_VIEWS].to(dtype)
        if settings.steps:
            sampler = HoldingSampler(
                DDIM.make(noise_config, settings.steps), painted, is_free[row][:, None], noise,
                is_noised=False, is_guessed=True,
            )  # fmt: skip
            painted = paint_latents(
                network, reference.to(dtype), geometry, latents.labels[row, :NUM_VIEWS], sampler,
                settings.guidance, sampler.make_start(),
                lambda _, noise=noise: torch.zeros_like(noise), lambda *_: None,
            )  # fmt: skip
        with autocast(device):
            images = autoencoder.decode(painted.float())
        results.append((images.float() / 2 + 0.5).clamp(0, 1))
    return torch.stack(results)


def measure_painting(
    found: Tensor, entries: PaintEntries, latents: PaintLatents, settings: Settings
) -> dict[str, float]:
    """Compare painted views with the truth in the pixels that were painted.

    Args:
        found: `[S, 6, 3, H, H]` in [0, 1], of the entries as they are, not recoloured.
        entries: Of the same objects.
        latents: Of these entries.
        settings: How `found` was painted.

    Returns:
        PSNR in dB (from each object's mean squared error, then averaged), of all views, and of the
        back alone; mean error of the mean colour per view.
    """
    count = len(found)
    truth = entries.colour[:count, :NUM_VIEWS].float() / 255
    factor = found.shape[-1] // latents.touched.shape[-1]
    free = free_latents(latents, count, settings)
    free = enlarge_cells(free, factor)  # [S, 6, H, H]
    mask = (truth[..., 3] > 0.99).float() * free
    target = truth[..., :3].movedim(-1, 2)
    square = (found - target).square().mean(2) * mask  # [S, 6, H, H]

    def psnr(views: slice) -> float:
        area = mask[:, views].sum((1, 2, 3))
        error = square[:, views].sum((1, 2, 3)) / area.clamp(min=1)
        return float((-10 * torch.log10(error[area > 0].clamp(min=1e-7))).mean())

    area = mask.sum((2, 3))  # [S, 6]
    means = [
        (x * mask[:, :, None]).sum((3, 4)) / area.clamp(min=1)[..., None] for x in (found, target)
    ]
    apart = (means[0] - means[1]).abs().mean(2)
    return {
        "psnr": psnr(slice(0, 6)),
        "psnr_back": psnr(slice(2, 3)),
        "colour_error": float(apart[area > 0].mean()),
    }
