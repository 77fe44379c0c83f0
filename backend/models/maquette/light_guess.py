# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a lit picture of a surface with known normals into the light that falls on it.

A small UNet, since how bright the light is can only be told from the whole picture. Trained by
`training/light.py`.
"""

import torch

from .small_unet import SmallUNet

_WIDTHS = (32, 56, 88, 128)
_INPUTS = 7
"""Colour, coverage, normal."""


class LightGuess(SmallUNet):
    """Predicts the logarithm of the light on each pixel.

    Attributes:
        size_px: Edge of the pictures that it is trained on.
        filled: Share of that edge that the object fills.
    """

    size_px = 128
    filled = 0.85

    def __init__(self) -> None:
        super().__init__(_INPUTS, 1, _WIDTHS)

    def forward(
        self, colour: torch.Tensor, alpha: torch.Tensor, normal: torch.Tensor
    ) -> torch.Tensor:
        """Guess the light.

        Args:
            colour: `[B, 3, H, W]` sRGB in 0..1, straight; H and W are multiples of 8.
            alpha: `[B, 1, H, W]` coverage.
            normal: `[B, 3, H, W]` of unit length: to the picture's right, up, and level towards
                the camera.

        Returns:
            `[B, 1, H, W]`, natural logarithm of the factor between the surface's linear colour
            and the picture's.
        """
        return self.run(torch.cat([(colour * 2 - 1) * alpha, alpha, normal * alpha], 1))
