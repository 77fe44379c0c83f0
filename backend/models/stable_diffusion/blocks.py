# SPDX-License-Identifier: GPL-3.0-or-later
"""Convolutional parts that the denoising UNet and the image autoencoder have in common."""

import torch
from torch import nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """Two normalised convolutions beside a shortcut, shifted by the time embedding if there is one.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        groups: Groups of the norms.
        eps: Epsilon of the norms.
        time_width: Width of the time embedding; 0: there is none.

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", appendix B.
    """

    def __init__(
        self, in_channels: int, out_channels: int, groups: int, eps: float, time_width: int = 0
    ) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        if time_width:
            self.time_emb_proj = nn.Linear(time_width, out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        if in_channels != out_channels:
            self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1)
        self.has_shortcut = in_channels != out_channels

    def forward(self, x: torch.Tensor, time: torch.Tensor | None = None) -> torch.Tensor:
        """Map `[B, C, H, W]` to `[B, C', H, W]`, given the time embedding `[B, D]`."""
        h = self.conv1(functional.silu(self.norm1(x)))  # [B, C', H, W]
        if time is not None:
            h = h + self.time_emb_proj(functional.silu(time))[:, :, None, None]
        h = self.conv2(functional.silu(self.norm2(h)))
        return h + (self.conv_shortcut(x) if self.has_shortcut else x)


class Downsample(nn.Module):
    """Halves the edges by a strided convolution.

    Args:
        channels: Channels of input and output.
        is_centred: Pad all sides by one; otherwise only right and bottom, as the autoencoder does.
    """

    def __init__(self, channels: int, is_centred: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)
        self.padding = (1, 1, 1, 1) if is_centred else (0, 1, 0, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[B, C, H, W]` to `[B, C, H/2, W/2]`; centred, odd edges are rounded up."""
        return self.conv(functional.pad(x, self.padding))


class Upsample(nn.Module):
    """Enlarges by repeating pixels, then smooths by a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, size: tuple[int, int] | None = None) -> torch.Tensor:
        """Map `[B, C, H, W]` to `[B, C, *size]`, or to twice the edges if no size is given."""
        size = size or (2 * x.shape[-2], 2 * x.shape[-1])
        return self.conv(functional.interpolate(x, size, mode="nearest"))
