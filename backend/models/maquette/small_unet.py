# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns planes of a picture into other planes of the same size: a UNet for small tasks.

With attention at its narrowest place, which lets every place know of the whole picture.

Source: Ronneberger et al. 2015, "U-Net"; Vaswani et al. 2017 for the attention.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from ..layers.attention import attention

_GROUPS = 8
_HEADS = 4


class SmallUNet(nn.Module):
    """Convolutions at falling and rising resolution.

    Args:
        inputs: Planes given.
        outputs: Planes returned.
        widths: Channels at each resolution, each half of the one before; multiples of 8.
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            _Block(a, b) for a, b in zip((widths[0], *widths[:-1]), widths, strict=True)
        )
        self.middle = _Attention(widths[-1])
        self.last = _Block(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            _Block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.leave = nn.Conv2d(widths[0], outputs, 3, padding=1)

    def run(self, planes: torch.Tensor) -> torch.Tensor:
        """Map `[B, inputs, H, W]` to `[B, outputs, H, W]`; the halvings must divide H and W."""
        x = self.enter(planes)
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
