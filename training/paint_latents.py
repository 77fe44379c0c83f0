# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns rendered objects into the latents that the painting network trains on, and batches."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.stable_diffusion.autoencoder import Autoencoder
from training.loop import autocast
from training.paint_data import (
    PaintEntries,
    draw_recolouring,
    light_references,
    map_to_network,
    over_white,
    recolour,
)

COLOURED_TOGETHER = 8
"""Objects that are coloured and lit together."""
ENCODED_TOGETHER = 96
"""Pictures that are encoded together."""


@dataclass(slots=True)
class PaintLatents:
    """E augmented shapes, each in K colours and lights.

    Attributes:
        clean: `[E, K, W, C, h, w]` float16 latents of the unlit views.
        reference: `[E, K, R, C, h, w]` float16 latents of the lit reference pictures.
        maps: `[E, W, 2 C, h, w]` float16 latents of normal, then of position maps.
        seen: `[E, W, R, h, w]` bool, what a reference shows entirely, or background.
        touched: `[E, W, h, w]` bool, what the object touches.
        labels: `[E, W]` int64 camera labels; the first six are the standard views.
    """

    clean: Tensor
    reference: Tensor
    maps: Tensor
    seen: Tensor
    touched: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class KnownParts:
    """How much of the views is given to the network instead of painted by it.

    Attributes:
        nothing_chance: Chance of an object of which nothing is known but the background.
        both_chance: Chance that what either reference shows is known, instead of the first.
        hole_share: Most of the known area that is taken away again, in blocks.
        shift: Standard deviation of an error of the whole object's known latents.
        noise: Standard deviation of each known latent's own error.
    """

    nothing_chance: float = 0.2
    both_chance: float = 0.35
    hole_share: float = 0.4
    shift: float = 0.15
    noise: float = 0.05


@torch.no_grad()
def encode_entries(
    autoencoder: Autoencoder, entries: PaintEntries, variants: int, generator: torch.Generator
) -> PaintLatents:
    """Colour, light and encode all pictures.

    Args:
        autoencoder: Encodes.
        entries: E objects.
        variants: Colours and lights of each; 0: one light, and the colours as they are.
        generator: Random source, on the device of the pictures.
    """
    encode = make_encoder(autoencoder, generator.device)
    rows: list[tuple[Tensor, ...]] = []
    for part in torch.arange(len(entries), device=generator.device).split(COLOURED_TOGETHER):
        again = part.repeat_interleave(max(variants, 1))  # [B*K]
        colour, reference = entries.colour[again], entries.reference[again]
        if variants:
            change = draw_recolouring(len(again), generator)
            colour, reference = recolour(colour, change), recolour(reference, change)
        else:
            colour, reference = colour.float() / 255, reference.float() / 255
        lit = light_references(
            reference, entries.reference_normal[again], entries.azimuth[again], generator
        )
        clean = encode(over_white(colour))  # [B*K, W, C, h, w]
        maps = [encode(map_to_network(x[part])) for x in (entries.normal, entries.position)]
        whole = (len(part), -1)
        rows.append(
            (clean.unflatten(0, whole), encode(lit).unflatten(0, whole), torch.cat(maps, 2))
        )
    clean, reference, maps = (torch.cat(column) for column in zip(*rows, strict=True))
    return PaintLatents(clean, reference, maps, entries.seen, entries.touched, entries.label)


def make_encoder(autoencoder: Autoencoder, device: torch.device) -> Callable[[Tensor], Tensor]:
    """A function from pictures `[..., 3, H, H]` in -1..1 to latents `[..., C, h, w]` in float16."""
    is_cuda = device.type == "cuda"
    sample = torch.compile(autoencoder.sample, dynamic=False) if is_cuda else autoencoder.sample

    def encode(pictures: Tensor) -> Tensor:
        latents = []
        for part in pictures.flatten(0, -4).split(ENCODED_TOGETHER):
            # Always as many, so that one compiled kernel serves all.
            missing = ENCODED_TOGETHER - len(part) if is_cuda else 0
            with autocast(device):
                whole = sample(functional.pad(part, (0, 0) * 3 + (0, missing)))
            latents.append(whole[: len(part)].half())
        return torch.cat(latents).unflatten(0, pictures.shape[:-3])

    return encode


def find_free(seen: Tensor, touched: Tensor) -> Tensor:
    """Which latents are painted: on the object, not known, and what is beside these.

    Args:
        seen: `[..., h, w]` bool, known.
        touched: `[..., h, w]` bool, on the object.

    Returns:
        `[..., h, w]` bool.
    """
    free = (touched & ~seen).float().flatten(0, -3)[:, None]  # [N, 1, h, w]
    # An encoder mixes neighbours, so the product frees them as well.
    wide = functional.max_pool2d(free, 3, stride=1, padding=1) > 0
    return wide[:, 0].unflatten(0, touched.shape[:-2])


def draw_known(seen: Tensor, config: KnownParts, generator: torch.Generator) -> Tensor:
    """Choose what is known of each object in a batch.

    Args:
        seen: `[B, V, R, h, w]` bool, by each of two references.
        config: How much.
        generator: Random source.

    Returns:
        `[B, V, h, w]` bool.
    """
    count, views, _, height, width = seen.shape
    device = seen.device
    rand = torch.rand(3, count, 1, 1, 1, device=device, generator=generator)
    known = seen[:, :, 0] | (seen[:, :, 1] & (rand[0] < config.both_chance))
    blocks = torch.rand(count, views, height // 8, width // 8, device=device, generator=generator)
    blocks = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)  # [B, V, h, w]
    # Half of the objects lose blocks, as pictures that fit the mesh badly do.
    share = (2 * rand[1] - 1).clamp(min=0) * config.hole_share
    return known & (blocks >= share) & (rand[2] >= config.nothing_chance)


def draw_given(clean: Tensor, config: KnownParts, generator: torch.Generator) -> Tensor:
    """What the network is told of known parts `[B, V, C, h, w]`, with a picture's errors."""
    count, _, channels = clean.shape[:3]
    device = clean.device
    shape = (count, 1, channels, 1, 1)
    strength = torch.rand(count, 1, 1, 1, 1, device=device, generator=generator)
    shift = torch.randn(shape, device=device, generator=generator) * config.shift
    noise = torch.randn(clean.shape, device=device, generator=generator) * config.noise
    return clean + strength * (shift + noise)
