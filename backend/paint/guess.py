# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what is known of views into a guess of the rest: the mean of what is near and faces alike.

Most things are made alike on several sides, so what is known counts at its mirror images, too.

The same guess is made in training and for the user, from known pixels alone, so that a network
which starts from it never sees more in the one than in the other.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..models.layers.attention import attention
from .upscale import spread_colours

_REACH = 0.03
"""Distance on the position map at which a known part counts as much less (one deviation)."""
_TURN = 0.4
"""Difference of unit normals at which it does."""
_SIDES = (
    ((1, 0), (0, 1), 0.0),
    ((-1, 0), (0, 1), 1.0),
    ((1, 0), (0, -1), 2.0),
    ((-1, 0), (0, -1), 2.0),
    ((0, 1), (1, 0), 3.0),
    ((0, -1), (1, 0), 3.0),
    ((0, 1), (-1, 0), 3.0),
    ((0, -1), (-1, 0), 3.0),
)
"""Symmetries of a square seen from above, as rows of what becomes of the two level axes, and how
much less each counts: the logarithm of a factor. Left and right are alike most often."""
_WIDTH = 8
"""Numbers of a feature, padded to what attention kernels like."""
_UNKNOWN = -1e4


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


def guess_views(surface: SeenSurface, colour: Tensor, is_known: Tensor, default: Tensor) -> Tensor:
    """Replace the unknown cells of views by the colours of similar known ones.

    The back of a thing is painted like those known parts that face most nearly its way, the near
    ones more than the far ones.

    Args:
        surface: What the views show.
        colour: `[B, V, 3, S, S]`, read where known only.
        is_known: `[B, V, h, w]` bool, cells of S/h pixels whose pixels on the object are all known.
        default: `[B, 3]`, for objects of which nothing is known.

    Returns:
        `[B, V, 3, S, S]`: the known cells as they are, smooth colours elsewhere.
    """
    factor = colour.shape[-1] // is_known.shape[-1]
    on_object = surface.is_object[:, :, None].to(colour.dtype)  # [B, V, 1, S, S]
    feature = torch.cat([(surface.position - 0.5) / _REACH, (surface.normal * 2 - 1) / _TURN], 2)
    target, cover = _pool(feature, on_object, factor)  # [B, V, 6, h, w]
    trust = on_object * _enlarge(is_known, factor)[:, :, None]
    shade, _ = _pool(colour, trust, factor)  # [B, V, 3, h, w]
    is_wanted = (cover[:, :, 0] > 0) & ~is_known  # [B, V, h, w]
    source, share = _pool(torch.cat([feature, colour], 2), trust, 2 * factor)
    place = _order(is_wanted)
    guess = _ask(_pick(target, place), source, share)  # [B, M, 3]
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


def _pool(values: Tensor, weight: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Means `[B, V, C, h, w]` of weighted pixels, and each cell's mean weight `[B, V, 1, h, w]`."""
    both = torch.cat([values * weight, weight], 2).flatten(0, 1)
    pooled = functional.avg_pool2d(both, factor).unflatten(0, values.shape[:2])
    total = pooled[:, :, -1:]
    return pooled[:, :, :-1] / total.clamp(min=1e-6), total


def _enlarge(cells: Tensor, factor: int) -> Tensor:
    """Cells `[..., h, w]` as pixels."""
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


def _ask(target: Tensor, source: Tensor, share: Tensor) -> Tensor:
    """Colours `[B, M, 3]` of features `[B, M, 6]`, from cells `[B, V, 9, h, w]` and their weight.

    Features are centred. A Gaussian kernel is attention whose keys carry half their squared
    length as a bias.
    """
    rows = source.movedim(2, -1).flatten(1, 3)  # [B, K, 9]
    weight = share.flatten(1)  # [B, K]
    bias = torch.where(weight > 0, weight.clamp(min=1e-6).log(), _UNKNOWN)
    key = torch.cat([_turn(rows[..., :6], across, along) for across, along, _ in _SIDES], 1)
    bias = torch.cat([bias - loss for _, _, loss in _SIDES], 1) - key.square().sum(2) / 2
    shade = rows[..., 6:].repeat(1, len(_SIDES), 1)  # [B, 8 K, 3]
    query = functional.pad(functional.pad(target, (0, 1), value=1.0), (0, _WIDTH - 7))
    query = query * math.sqrt(_WIDTH)  # undoes what attention divides by
    key = functional.pad(torch.cat([key, bias[..., None]], 2), (0, _WIDTH - 7))
    value = functional.pad(shade, (0, _WIDTH - 3))
    return attention(query[:, None], key[:, None], value[:, None])[:, 0, :, :3]


def _turn(feature: Tensor, across: tuple[int, int], along: tuple[int, int]) -> Tensor:
    """Features `[B, K, 6]` of the same parts on another side; both maps are coloured x, -z, y."""
    x, z, y = feature.unflatten(2, (2, 3)).unbind(3)  # [B, K, 2] each
    turned = [across[0] * x + across[1] * z, along[0] * x + along[1] * z, y]
    return torch.stack(turned, 3).flatten(2)
