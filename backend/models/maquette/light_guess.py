# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a lit picture of a surface with known normals into the light that falls on it.

A small UNet (Ronneberger et al. 2015) with attention at its narrowest place, since how bright the
light is can only be told from the whole picture. Trained by `training/light.py`.
"""

import torch
from torch import nn
from torch.nn import functional

from ..layers.attention import attention

_WIDTHS = (32, 56, 88, 128)
_GROUPS = 8
_HEADS = 4
_INPUTS = 7
"""Colour, coverage, normal."""


class LightGuess(nn.Module):
    """Predicts the logarithm of the light on each pixel.

    Attributes:
        size_px: Edge of the pictures that it is trained on.
        filled: Share of that edge that the object fills.
    """

    size_px = 128
    filled = 0.85

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(_INPUTS, _WIDTHS[0], 3, padding=1)
        self.down = nn.ModuleList(
            _Block(a, b) for a, b in zip((_WIDTHS[0], *_WIDTHS[:-1]), _WIDTHS, strict=True)
        )
        self.middle = _Attention(_WIDTHS[-1])
        self.last = _Block(_WIDTHS[-1], _WIDTHS[-1])
        self.up = nn.ModuleList(
            _Block(a + b, b) for a, b in zip(_WIDTHS[:0:-1], _WIDTHS[-2::-1], strict=True)
        )
        self.leave = nn.Conv2d(_WIDTHS[0], 1, 3, padding=1)

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
        x = self.enter(torch.cat([(colour * 2 - 1) * alpha, alpha, normal * alpha], 1))
        kept = []
        for number, block in enumerate(self.down):
            if number:
                x = functional.avg_pool2d(x, 2)
            x = block(x)
            kept.append(x)
        x = self.last(self.middle(x))
        for block, beside in zip(self.up, kept[-2::-1], strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, beside], 1))
        return self.leave(x)


class _Block(nn.Module):
    """Two convolutions with a residual path."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_GROUPS, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(_GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(functional.silu(self.norm1(x)))
        return self.skip(x) + self.conv2(functional.silu(self.norm2(y)))


class _Attention(nn.Module):
    """Every place looks at every other one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, width, height, columns = x.shape
        parts = self.qkv(self.norm(x)).view(batch, 3, _HEADS, width // _HEADS, -1).transpose(3, 4)
        y = attention(*parts.unbind(1))  # [B, heads, H W, width / heads]
        return x + self.out(y.transpose(2, 3).reshape(batch, width, height, columns))
