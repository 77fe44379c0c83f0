# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns small painted pictures into larger ones whose colours reach beyond the silhouette."""

import torch
from torch import Tensor
from torch.nn import functional

_SMALLEST_WEIGHT = 1e-6


def spread_colours(colour: Tensor, mask: Tensor) -> Tensor:
    """Fill what is not masked with smooth colours that continue the masked ones.

    Args:
        colour: `[V, H, W, 3]` float32.
        mask: `[V, H, W]` bool, the pixels to keep.

    Returns:
        `[V, H, W, 3]`; a view without any masked pixel becomes black.

    Source: Gortler et al. 1996, "The Lumigraph", section 3.4 (pull-push).
    """
    size = 2 ** (max(mask.shape[1:]) - 1).bit_length()  # halves evenly down to one pixel
    margin = (0, size - mask.shape[2], 0, size - mask.shape[1])
    weight = functional.pad(mask[:, None].to(colour.dtype), margin)  # [V, 1, S, S]
    planes = functional.pad(colour.permute(0, 3, 1, 2), margin)  # [V, 3, S, S]
    filled = _pull_push(planes, weight)[..., : mask.shape[1], : mask.shape[2]]  # [V, 3, H, W]
    return torch.where(mask[..., None], colour, filled.permute(0, 2, 3, 1))


def _pull_push(colour: Tensor, weight: Tensor) -> Tensor:
    """Colours `[V, 3, S, S]`; where weight `[V, 1, S, S]` is small, the halved picture's."""
    size = weight.shape[-1]
    if size == 1:
        return colour
    total = functional.avg_pool2d(weight, 2)  # [V, 1, S/2, S/2]
    mean = functional.avg_pool2d(colour * weight, 2) / total.clamp(min=_SMALLEST_WEIGHT)
    # One known pixel of four is trusted fully, or the outline would fade to the mean of the whole.
    coarse = _pull_push(mean, (4 * total).clamp(max=1))  # [V, 3, S/2, S/2]
    wide = functional.interpolate(coarse, (size, size), mode="bilinear", align_corners=False)
    return torch.lerp(wide, colour, weight)


def trim_rim(mask: Tensor) -> Tensor:
    """Leave out the outermost pixels, into which a decoder mixes the background.

    Args:
        mask: `[V, H, W]` bool, where the object is.

    Returns:
        `[V, H, W]` bool; parts that are too thin to have an inside stay whole.
    """
    outside = (~mask)[:, None].float()  # [V, 1, H, W]
    core = 1 - functional.max_pool2d(outside, 3, stride=1, padding=1)
    near_core = functional.max_pool2d(core, 5, stride=1, padding=2) > 0
    return (core > 0)[:, 0] | (mask & ~near_core[:, 0])


def upscale_colours(colour: Tensor, mask: Tensor, size: int) -> Tensor:
    """Enlarge painted pictures; background does not bleed into the outline, nor stay in its rim.

    Args:
        colour: `[V, H, W, 3]` float32 in [0, 1].
        mask: `[V, H, W]` bool, where the object is.
        size: Edge of the result; smaller than H gives back the colours unscaled.

    Returns:
        `[V, size, size, 3]` float32 in [0, 1].
    """
    spread = spread_colours(colour, trim_rim(mask))
    if size <= colour.shape[1]:
        return spread
    planes = spread.permute(0, 3, 1, 2)  # [V, 3, H, W]
    wide = functional.interpolate(planes, (size, size), mode="bicubic", align_corners=False)
    return wide.permute(0, 2, 3, 1).clamp(0, 1)  # [V, size, size, 3]
