# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a picture into where its object is, whatever is behind it. Trained by `training/cutout.py`.

The small UNet works at half of the picture's resolution: four pixels are channels of one place
(Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution", section 3).
"""

import torch
from torch.nn import functional

from .small_unet import SmallUNet

_WIDTHS = (24, 32, 40, 48)
_FOLD = 2


class ObjectGuess(SmallUNet):
    """Predicts how likely each pixel shows the object.

    Attributes:
        size_px: Edge of the pictures that it is trained on.
    """

    size_px = 128

    def __init__(self) -> None:
        super().__init__(3 * _FOLD**2, _FOLD**2, _WIDTHS)

    def forward(self, colour: torch.Tensor) -> torch.Tensor:
        """Guess the object.

        Args:
            colour: `[B, 3, H, W]` sRGB in 0..1; H and W are multiples of 16.

        Returns:
            `[B, 1, H, W]` logits, positive where the object is.
        """
        return functional.pixel_shuffle(
            self.run(functional.pixel_unshuffle(colour * 2 - 1, _FOLD)), _FOLD
        )
