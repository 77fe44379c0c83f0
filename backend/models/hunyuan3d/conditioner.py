# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns reference pictures in -1..1 into the condition tokens of the denoiser."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..dinov2.config import Dinov2Config
from ..dinov2.encoder import Dinov2Encoder
from .config import ConditionerConfig

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageConditioner(nn.Module):
    """Resizes and normalises pictures, and encodes them with DINOv2.

    Source: Zhao et al., "Hunyuan3D 2.0", 2025, section 4.2; the multi-view form
    from measured values.
    """

    def __init__(self, config: ConditionerConfig) -> None:
        super().__init__()
        self.config = config
        self.main_image_encoder = EncoderHolder(config.encoder)

    @property
    def num_channels(self) -> int:
        """3 for RGB, 4 for RGB and alpha."""
        return self.config.encoder.num_channels

    @property
    def is_multiview(self) -> bool:
        """Whether several views of one object may be given."""
        return self.config.is_multiview

    @property
    def tokens_per_view(self) -> int:
        """L, the number of tokens of one picture."""
        grid = self.config.image_size // self.config.encoder.patch_size
        return grid * grid + int(self.config.use_cls_token)

    def forward(self, image: Tensor, view_labels: Sequence[int] | None = None) -> Tensor:
        """Encode pictures.

        Args:
            image: `[B, C, H, W]`, or `[B, V, C, H, W]` for the multi-view form, float in -1..1.
            view_labels: One per view: 0 front, 1 left, 2 back, 3 right; by default 0..V-1.

        Returns:
            Condition tokens `[B, V*L, D]`, views one after the other.
        """
        if image.ndim == 4:
            image = image[:, None]  # [B, 1, C, H, W]
        batch, views = image.shape[:2]
        labels = tuple(range(views) if view_labels is None else view_labels)
        if views != len(labels) or (views > 1 and not self.config.is_multiview):
            raise ValueError(f"{views} views with labels {labels} do not fit this encoder")
        dtype = self.main_image_encoder.model.layernorm.weight.dtype
        pixels = normalise(image.flatten(0, 1), self.config.image_size).to(dtype)
        tokens = self.main_image_encoder.model(pixels)  # [B*V, 1+L, D]
        if not self.config.use_cls_token:
            tokens = tokens[:, 1:]  # [B*V, L, D]
        tokens = tokens.unflatten(0, (batch, views))  # [B, V, L, D]
        if self.config.is_multiview:
            tokens = tokens + view_embedding(labels, tokens)
        return tokens.flatten(1, 2)  # [B, V*L, D]

    def null(self, batch: int, num_views: int = 1) -> Tensor:
        """The tokens of a dropped picture: zeros `[B, V*L, D]` like the weights."""
        weight = self.main_image_encoder.model.layernorm.weight
        return weight.new_zeros(batch, num_views * self.tokens_per_view, len(weight))


class EncoderHolder(nn.Module):
    """Holds the encoder under its published name."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.model = Dinov2Encoder(config)


def normalise(image: Tensor, size: int) -> Tensor:
    """Resize to a square and shift to the statistics that the encoder was trained with.

    Args:
        image: `[B, C, H, W]` in -1..1; a fourth channel (alpha) stays in -1..1.
        size: Edge of the result, pixels; the shorter side is fitted, the longer one cut.

    Returns:
        `[B, C, size, size]` float32.
    """
    image = image.float()
    height, width = image.shape[-2:]
    if (height, width) != (size, size):
        short = min(height, width)
        scaled = (int(size * height / short), int(size * width / short))
        image = functional.interpolate(
            image, scaled, mode="bilinear", antialias=True, align_corners=False
        )
        top, left = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
        image = image[..., top : top + size, left : left + size]  # [B, C, size, size]
    mean = torch.tensor(IMAGENET_MEAN, device=image.device)[:, None, None]
    std = torch.tensor(IMAGENET_STD, device=image.device)[:, None, None]
    colour = (image[:, :3] * 0.5 + 0.5 - mean) / std
    return torch.cat([colour, image[:, 3:]], dim=1)


def view_embedding(labels: Sequence[int], like: Tensor) -> Tensor:
    """Sine and cosine of the view's label at geometric frequencies.

    Args:
        labels: One per view.
        like: Gives width (last axis), dtype and device.

    Returns:
        `[V, 1, D]`: sines in the first half of the channels, cosines in the second.
    """
    half = like.shape[-1] // 2
    frequency = 10000.0 ** (-torch.arange(half, device=like.device, dtype=torch.float32) / half)
    angle = torch.tensor(labels, device=like.device, dtype=torch.float32)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1)[:, None].to(like.dtype)  # [V, 1, D]
