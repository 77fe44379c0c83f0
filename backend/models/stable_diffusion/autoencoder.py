# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns pictures into distributions over small latent pictures, and latents back into pictures."""

import torch
from torch import nn
from torch.nn import functional

from ..layers.attention import attention
from .blocks import Downsample, ResidualBlock, Upsample
from .config import AutoencoderConfig

LOGVAR_RANGE = (-30.0, 20.0)
_EPS = 1e-6


class Autoencoder(nn.Module):
    """Image autoencoder with a normal distribution as its code.

    Args:
        config: The network's sizes.

    Source: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models",
    section 3.1 and appendix G; checked against golden values.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.latent_channels
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quant_conv = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.post_quant_conv = nn.Conv2d(channels, channels, 1)

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode pictures.

        Args:
            image: `[B, 3, H, W]` in -1..1; edges are multiples of 2^(levels - 1), 8 as published.

        Returns:
            Mean and log variance, each `[B, C, H/8, W/8]`, not multiplied by the scaling factor.
        """
        moments = self.quant_conv(self.encoder(image))  # [B, 2 C, H/8, W/8]
        mean, logvar = moments.chunk(2, dim=1)
        return mean, logvar.clamp(*LOGVAR_RANGE)

    def sample(self, image: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """Encode pictures into latents as the denoiser knows them, scaled.

        Args:
            image: `[B, 3, H, W]` in -1..1.
            noise: `[B, C, H/8, W/8]` of unit variance; None: the mean is taken.

        Returns:
            `[B, C, H/8, W/8]`.
        """
        latents, logvar = self.encode(image)
        if noise is not None:
            latents = latents + (0.5 * logvar).exp() * noise
        return latents * self.config.scaling_factor

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode scaled latents `[B, C, h, w]` into pictures `[B, 3, 8h, 8w]`, about -1..1."""
        return self.decoder(self.post_quant_conv(latents / self.config.scaling_factor))


class Encoder(nn.Module):
    """Halves the picture once per level but the last."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths, groups = config.block_out_channels, config.norm_num_groups
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            DownLevel(before, after, config, is_last=level == len(widths) - 1)
            for level, (before, after) in enumerate(
                zip((widths[0], *widths[:-1]), widths, strict=True)
            )
        )
        self.mid_block = MiddleBlock(widths[-1], groups)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], _EPS)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[B, 3, H, W]` to `[B, 2 C, H/8, W/8]`."""
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(functional.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    """Doubles the latent picture once per level but the last."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths, groups = config.block_out_channels[::-1], config.norm_num_groups
        self.conv_in = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid_block = MiddleBlock(widths[0], groups)
        self.up_blocks = nn.ModuleList(
            UpLevel(before, after, config, is_last=level == len(widths) - 1)
            for level, (before, after) in enumerate(
                zip((widths[0], *widths[:-1]), widths, strict=True)
            )
        )
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], _EPS)
        self.conv_out = nn.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[B, C, h, w]` to `[B, 3, 8h, 8w]`."""
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(functional.silu(self.conv_norm_out(x)))


class DownLevel(nn.Module):
    """Residual blocks of one encoder level, then half the size unless it is the last."""

    def __init__(
        self, in_channels: int, out_channels: int, config: AutoencoderConfig, is_last: bool
    ) -> None:
        super().__init__()
        inputs = [in_channels] + [out_channels] * (config.layers_per_block - 1)
        self.resnets = nn.ModuleList(
            ResidualBlock(width, out_channels, config.norm_num_groups, _EPS) for width in inputs
        )
        self.downsamplers = nn.ModuleList(
            [] if is_last else [Downsample(out_channels, is_centred=False)]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[B, C, H, W]` to `[B, C', H/2, W/2]`, the last level to `[B, C', H, W]`."""
        for part in (*self.resnets, *self.downsamplers):
            x = part(x)
        return x


class UpLevel(nn.Module):
    """Residual blocks of one decoder level, then twice the size unless it is the last."""

    def __init__(
        self, in_channels: int, out_channels: int, config: AutoencoderConfig, is_last: bool
    ) -> None:
        super().__init__()
        inputs = [in_channels] + [out_channels] * config.layers_per_block
        self.resnets = nn.ModuleList(
            ResidualBlock(width, out_channels, config.norm_num_groups, _EPS) for width in inputs
        )
        self.upsamplers = nn.ModuleList([] if is_last else [Upsample(out_channels)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[B, C, H, W]` to `[B, C', 2H, 2W]`, the last level to `[B, C', H, W]`."""
        for part in (*self.resnets, *self.upsamplers):
            x = part(x)
        return x


class MiddleBlock(nn.Module):
    """Residual block, attention over all pixels, residual block."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResidualBlock(channels, channels, groups, _EPS) for _ in range(2)
        )
        self.attentions = nn.ModuleList([PixelAttention(channels, groups)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Update `[B, C, H, W]`."""
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class PixelAttention(nn.Module):
    """Single-head self-attention over all pixels, as wide as their channels."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, _EPS)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.Sequential(nn.Linear(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Update `[B, C, H, W]`."""
        pixels = self.group_norm(x).flatten(2).transpose(1, 2)[:, None]  # [B, 1, H*W, C]
        mixed = attention(self.to_q(pixels), self.to_k(pixels), self.to_v(pixels))
        update = self.to_out(mixed[:, 0]).transpose(1, 2)  # [B, C, H*W]
        return x + update.unflatten(2, x.shape[-2:])  # [B, C, H, W]
