# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a texture with empty space between its charts into one without, for every mip level."""

import torch
from torch.nn import functional

_RINGS = 4
"""Texels around a chart that continue its border; farther out the colours blend."""


def pad_texture(colour: torch.Tensor, is_covered: torch.Tensor) -> torch.Tensor:
    """Fill what no chart covers with the colours around it.

    Args:
        colour: `[T, T, C]`, valid where covered.
        is_covered: `[T, T]` bool.

    Returns:
        `[T, T, C]`, unchanged where covered. A texel of a mip level is then a mean of colours that
        belong to the charts it touches; no background enters.

    Source: push-pull after Gortler et al. 1996, "The Lumigraph", section 3.4.
    """
    if not bool(is_covered.any()):
        return colour
    colour, is_filled = colour * is_covered[..., None], is_covered
    for _ in range(_RINGS):
        is_filled = _grow(colour, is_filled)
    image, weight = colour.permute(2, 0, 1)[None], is_filled[None, None].float()  # [1, C, T, T]
    return _fill(image, weight)[0].permute(1, 2, 0)  # [T, T, C]


def _grow(colour: torch.Tensor, is_filled: torch.Tensor) -> torch.Tensor:
    """Give the empty texels beside filled ones the mean of those, in place; what is filled then."""
    grown = functional.max_pool2d(is_filled[None].float(), 3, 1, 1)[0] > 0
    rows, columns = torch.nonzero(grown & ~is_filled, as_tuple=True)
    number = torch.arange(9, device=colour.device)[:, None]  # [9, 1], the squares around a texel
    y = (rows + number // 3 - 1).clamp(0, len(colour) - 1)  # [9, M]
    x = (columns + number % 3 - 1).clamp(0, len(colour) - 1)
    weight = is_filled[y, x, None]
    total = (colour[y, x] * weight).sum(0)
    colour[rows, columns] = total / weight.sum(0)
    return grown


def _fill(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Fill the empty texels from the next coarser level, `[1, 3, H, W]`."""
    height, width = image.shape[-2:]
    if height == 1 or width == 1 or bool((weight > 0).all()):
        total = weight.sum().clamp(min=1e-6)
        mean = (image * weight).sum((2, 3), keepdim=True) / total
        return torch.where(weight > 0, image, mean)
    share = functional.avg_pool2d(weight, 2, ceil_mode=True)
    mean = functional.avg_pool2d(image * weight, 2, ceil_mode=True) / share.clamp(min=1e-6)
    coarse = _fill(mean, (share > 1e-6).float())
    smooth = functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    return torch.where(weight > 0, image, smooth)
