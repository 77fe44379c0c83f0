# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what is known of views into a guess of the rest, made of the same colours.

The same guess is made in training and for the user, from known pixels alone, so that a network
which starts from it never sees more in the one than in the other.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from .upscale import spread_colours


class ColourGuesser(Protocol):
    """Guesses colours of unknown parts of a surface, see `models/maquette/colour_guess.py`."""

    def __call__(self, target: Tensor, source: Tensor, colour: Tensor, share: Tensor) -> Tensor:
        """Colours `[B, M, 3]` of parts `[B, M, 6]`, from others `[B, K, 6]` and their weight."""
        ...


@dataclass(frozen=True, slots=True)
class SeenSurface:
    """What views show of B objects; V views of S x S pixels.

    Attributes:
        normal: `[B, V, 3, S, S]` normal maps in 0..1.
        position: `[B, V, 3, S, S]` position maps in 0..1.
        is_object: `[B, V, S, S]` bool.
    """

    normal: Tensor
    position: Tensor
    is_object: Tensor


def guess_views(
    guesser: ColourGuesser, surface: SeenSurface, colour: Tensor, is_known: Tensor, default: Tensor
) -> Tensor:
    """Replace the unknown cells of views by the colours of similar known ones.

    Args:
        guesser: Tells which are similar.
        surface: What the views show.
        colour: `[B, V, 3, S, S]`, read where known only.
        is_known: `[B, V, h, w]` bool, cells of S/h pixels whose pixels on the object are all known.
        default: `[B, 3]`, for objects of which nothing is known.

    Returns:
        `[B, V, 3, S, S]`: the known cells as they are, smooth colours elsewhere.
    """
    factor = colour.shape[-1] // is_known.shape[-1]
    on_object = surface.is_object[:, :, None].to(colour.dtype)  # [B, V, 1, S, S]
    feature = torch.cat([surface.position - 0.5, surface.normal * 2 - 1], 2)
    target, cover = pool_cells(feature, on_object, factor)  # [B, V, 6, h, w]
    trust = on_object * enlarge_cells(is_known, factor)[:, :, None]
    shade, _ = pool_cells(colour, trust, factor)  # [B, V, 3, h, w]
    is_wanted = (cover[:, :, 0] > 0) & ~is_known  # [B, V, h, w]
    source, share = pool_cells(torch.cat([feature, colour], 2), trust, 2 * factor)
    place = _order(is_wanted)
    rows = source.movedim(2, -1).flatten(1, 3)  # [B, K, 9]
    guess = guesser(_pick(target, place), rows[..., :6], rows[..., 6:], share.flatten(1))
    has_known = (share > 0).flatten(1).any(1)[:, None, None]
    guess = torch.where(has_known, guess, default[:, None])
    shade = _put(shade, place, is_wanted, guess)
    spread = spread_colours(
        shade.flatten(0, 1).permute(0, 2, 3, 1), (cover > 0).flatten(0, 1)[:, 0]
    )  # [B*V, h, w, 3]
    wide = functional.interpolate(
        spread.permute(0, 3, 1, 2), scale_factor=factor, mode="bilinear", align_corners=False
    ).unflatten(0, colour.shape[:2])
    return torch.where(trust > 0, colour, wide)


def pool_cells(values: Tensor, weight: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Means `[B, V, C, h, w]` of weighted pixels, and each cell's mean weight `[B, V, 1, h, w]`."""
    both = torch.cat([values * weight, weight], 2).flatten(0, 1)
    pooled = functional.avg_pool2d(both, factor).unflatten(0, values.shape[:2])
    total = pooled[:, :, -1:]
    return pooled[:, :, :-1] / total.clamp(min=1e-6), total


def enlarge_cells(cells: Tensor, factor: int) -> Tensor:
    """Cells `[..., h, w]` as pixels, each of them factor x factor."""
    return cells.repeat_interleave(factor, -2).repeat_interleave(factor, -1)


def _order(is_wanted: Tensor) -> Tensor:
    """Places `[B, M]` of the wanted cells of each object, then of others, M the most wanted."""
    flat = is_wanted.flatten(1)
    most = max(int(flat.sum(1).max()), 1)
    return flat.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]


def _pick(values: Tensor, place: Tensor) -> Tensor:
    """Values of the cells at `[B, M]`, `[B, V, C, h, w]` -> `[B, M, C]`."""
    rows = values.movedim(2, -1).flatten(1, 3)  # [B, V*h*w, C]
    return rows.gather(1, place[..., None].expand(-1, -1, rows.shape[2]))


def _put(values: Tensor, place: Tensor, is_wanted: Tensor, rows: Tensor) -> Tensor:
    """Write rows `[B, M, C]` into the cells of `[B, V, C, h, w]` at `[B, M]`, if wanted."""
    flat = values.movedim(2, -1)  # [B, V, h, w, C]
    index = place[..., None].expand_as(rows)
    written = flat.flatten(1, 3).scatter(1, index, rows).view(flat.shape)
    return torch.where(is_wanted[..., None], written, flat).movedim(-1, 2)
