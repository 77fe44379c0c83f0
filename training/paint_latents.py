# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns rendered objects into the latents that the painting network trains on, and batches."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.maquette.colour_guess import ColourGuess
from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.paint.guess import SeenSurface, guess_views
from training.loop import autocast
from training.paint_data import (
    PaintEntries,
    draw_recolouring,
    flat_over_white,
    light_pictures,
    map_to_network,
    mean_colour,
    over_white,
    recolour,
)

COLOURED_TOGETHER = 8
"""Objects that are coloured and lit together."""
ENCODED_TOGETHER = 96
"""Pictures that are encoded together."""


@dataclass(slots=True)
class PaintLatents:
    """E augmented shapes, each in K colours and lights, with one reference picture for each.

    Attributes:
        clean: `[E, K, W, C, h, w]` float16 latents of the unlit views.
        given: `[E, K, W, C, h, w]` float16 latents of the views as far as they are known, what is
            not known guessed from that.
        known: `[E, K, W, h, w]` bool, what is known entirely, or background.
        reference: `[E, K, C, h, w]` float16 latents of the lit reference picture.
        maps: `[E, W, 2 C, h, w]` float16 latents of normal, then of position maps.
        touched: `[E, W, h, w]` bool, what the object touches.
        labels: `[E, W]` int64 camera labels; the first six are the standard views.
    """

    clean: Tensor
    given: Tensor
    known: Tensor
    reference: Tensor
    maps: Tensor
    touched: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class KnownParts:
    """How much of the views is given to the network instead of painted by it.

    Attributes:
        nothing_chance: Chance of an object of which nothing is known but the background.
        second_chance: Chance of the picture from anywhere instead of that from the front.
        both_chance: Chance that what the other picture shows is known, too.
        hole_share: Most of the known area that is taken away again, in blocks.
        shift: Standard deviation of an error of the whole object's known latents.
        noise: Standard deviation of each known latent's own error.
    """

    nothing_chance: float = 0.2
    second_chance: float = 0.25
    both_chance: float = 0.35
    hole_share: float = 0.4
    shift: float = 0.15
    noise: float = 0.05


@dataclass(slots=True)
class _Coloured:
    """B objects in their colours and lights.

    Attributes:
        colour: `[B, W, H, H, 4]` float32 in [0, 1], straight.
        picture: `[B, 4, H, H]` lit reference picture, premultiplied.
        known: `[B, W, h, w]` bool.
    """

    colour: Tensor
    picture: Tensor
    known: Tensor


@torch.no_grad()
def encode_entries(
    autoencoder: Autoencoder,
    guesser: ColourGuess,
    entries: PaintEntries,
    variants: int,
    config: KnownParts,
    generator: torch.Generator,
) -> PaintLatents:
    """Colour, light and encode all pictures.

    Args:
        autoencoder: Encodes.
        guesser: Guesses what is not known.
        entries: E objects.
        variants: Colours and lights K of each, and as many choices of what is known; 0: colours as
            they are, once with what the first reference shows known, once with nothing (K = 2).
        config: How much is known.
        generator: Random source, on the device of the pictures.
    """
    encode = make_encoder(autoencoder, generator.device)
    rows: list[tuple[Tensor, ...]] = []
    for part in torch.arange(len(entries), device=generator.device).split(COLOURED_TOGETHER):
        again = part.repeat_interleave(variants or 2)  # [B*K]
        made = (
            _draw_variants(entries, again, config, generator)
            if variants
            else _as_they_are(entries, again, generator)
        )
        given = guess_unknown(guesser, entries, again, made)
        views = [encode(over_white(colour)) for colour in (made.colour, given)]  # [B*K, W, C, h, w]
        picture = encode(flat_over_white(made.picture))  # [B*K, C, h, w]
        maps = [encode(map_to_network(x[part])) for x in (entries.normal, entries.position)]
        whole = (len(part), -1)
        rows.append(
            (
                *(x.unflatten(0, whole) for x in (*views, made.known, picture)),
                torch.cat(maps, 2),
            )
        )
    stored = (torch.cat(column) for column in zip(*rows, strict=True))
    return PaintLatents(*stored, entries.touched, entries.label)


def _draw_variants(
    entries: PaintEntries, rows: Tensor, config: KnownParts, generator: torch.Generator
) -> _Coloured:
    """Objects in other colours, of which a part is known."""
    count, device = len(rows), generator.device
    every = torch.arange(count, device=device)
    is_second = torch.rand(count, device=device, generator=generator) < config.second_chance
    order = torch.stack([is_second, ~is_second], 1).long()  # [B, 2], the picture read comes first
    seen = entries.seen[rows]  # [B, W, 2, h, w]
    seen = torch.stack([seen[every, :, order[:, k]] for k in (0, 1)], 2)
    change = draw_recolouring(count, generator)
    picture = recolour(entries.reference[rows, order[:, 0]][:, None], change)
    lit = light_pictures(
        picture, entries.reference_normal[rows, order[:, 0]][:, None],
        entries.azimuth[rows, order[:, 0]][:, None], generator,
    )[:, 0]  # fmt: skip
    known = draw_known(seen, config, generator)
    return _Coloured(recolour(entries.colour[rows], change), lit, known)


def _as_they_are(entries: PaintEntries, rows: Tensor, generator: torch.Generator) -> _Coloured:
    """Every other row knows what the first reference shows, the rows between know nothing."""
    lit = light_pictures(
        entries.reference[rows, :1].float() / 255, entries.reference_normal[rows, :1],
        entries.azimuth[rows, :1], generator,
    )[:, 0]  # fmt: skip
    known = entries.seen[rows, :, 0].clone()
    known[1::2] = False
    return _Coloured(entries.colour[rows].float() / 255, lit, known)


def guess_unknown(
    guesser: ColourGuess, entries: PaintEntries, rows: Tensor, made: _Coloured
) -> Tensor:
    """The colours `[B, W, H, H, 4]` with what is unknown guessed, by the product's own rule."""
    normal, position = (
        maps[rows].movedim(-1, 2).float() / 255 for maps in (entries.normal, entries.position)
    )
    surface = SeenSurface(normal, position, made.colour[..., 3] > 0.5)
    guess = guess_views(
        guesser, surface, made.colour[..., :3].movedim(-1, 2), made.known, mean_colour(made.picture)
    )
    return torch.cat([guess.movedim(2, -1), made.colour[..., 3:]], -1)


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


def draw_given(given: Tensor, config: KnownParts, generator: torch.Generator) -> Tensor:
    """The views as far as known `[B, V, C, h, w]`, with the errors that a picture brings."""
    count, _, channels = given.shape[:3]
    device = given.device
    shape = (count, 1, channels, 1, 1)
    strength = torch.rand(count, 1, 1, 1, 1, device=device, generator=generator)
    shift = torch.randn(shape, device=device, generator=generator) * config.shift
    noise = torch.randn(given.shape, device=device, generator=generator) * config.noise
    return given + strength * (shift + noise)
