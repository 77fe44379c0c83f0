# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns sRGB colours into linear light and back."""

import torch


def srgb_to_linear(colour: torch.Tensor) -> torch.Tensor:
    """Linear light of sRGB values in [0, 1], any shape.

    Source: IEC 61966-2-1.
    """
    curve = ((colour.clamp(min=0.0) + 0.055) / 1.055) ** 2.4
    return torch.where(colour <= 0.04045, colour / 12.92, curve)


def linear_to_srgb(light: torch.Tensor) -> torch.Tensor:
    """SRGB values of linear light in [0, 1], any shape.

    Source: IEC 61966-2-1.
    """
    curve = 1.055 * light.clamp(min=1e-8) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, curve)
