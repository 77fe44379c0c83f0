# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns noisy latents of several views, with geometry and reference pictures, into predictions.

Two UNets of the same kind: one reads the clean reference pictures once and keeps the tokens that
enter its self-attention; the other denoises all views together and attends to these tokens, and
across the views, beside its own self-attention.
"""

from dataclasses import dataclass, field

import torch
from torch import nn

from ..stable_diffusion.unet import Attention, Context, TransformerBlock, UNet
from .config import CAMERA_OFFSET, MultiviewUNetConfig

Reference = dict[str, torch.Tensor]
"""Place of a transformer block -> its tokens `[B, R*H*W, D]` of the R reference pictures."""


@dataclass(frozen=True, slots=True)
class ReferenceContext(Context):
    """Context of the reference network.

    Attributes:
        num_pictures: Pictures R of each batch row.
        tokens: Each block adds its normed input.
    """

    num_pictures: int
    tokens: Reference = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ViewContext(Context):
    """Context of the generating network.

    Attributes:
        num_views: Views V of each batch row.
        reference: From `MultiviewUNet.encode_reference`.
        reference_scale: Weight of the reference attention, `[B]`.
        multiview_scale: Weight of the attention across views.
    """

    num_views: int
    reference: Reference
    reference_scale: torch.Tensor
    multiview_scale: float


class MultiviewUNet(nn.Module):
    """Painting network with reference, multi-view and geometry conditions.

    Args:
        config: The network's sizes.

    Source: Zhao et al. 2025, "Hunyuan3D 2.0", section 4; checked against golden values.
    """

    def __init__(self, config: MultiviewUNetConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = ViewUNet(config)
        self.unet_dual = UNet(config.unet, ReferenceBlock)

    @property
    def text(self) -> torch.Tensor:
        """The learned text embeddings of the generated views, `[1, L, C]`."""
        return self.unet.learned_text_clip_gen

    def encode_reference(self, latents: torch.Tensor) -> Reference:
        """Read the reference pictures; the result serves all steps of sampling.

        Args:
            latents: `[B, R, C, h, w]`, clean and scaled.

        Returns:
            Tokens of each block of the generating network.
        """
        batch, pictures = latents.shape[:2]
        text = self.unet.learned_text_clip_ref.expand(batch * pictures, -1, -1)
        context = ReferenceContext(text, pictures)
        self.unet_dual(latents.flatten(0, 1), latents.new_zeros(1), context)
        return context.tokens

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        geometry: torch.Tensor,
        cameras: torch.Tensor,
        reference: Reference,
        text: torch.Tensor | None = None,
        reference_scale: torch.Tensor | float = 1.0,
        multiview_scale: float = 1.0,
    ) -> torch.Tensor:
        """Predict noise or velocity of all views.

        Args:
            sample: Noisy latents `[B, V, C, h, w]`.
            timestep: `[]`, the same for all views.
            geometry: Latents of the normal maps, then of the position maps, `[B, V, 2 C, h, w]`.
            cameras: Labels of the views, `[B, V]` int64.
            reference: From `encode_reference`, for the same B.
            text: `[B, L, C]`; None: the learned embeddings.
            reference_scale: Weight of the reference attention, `[B]` or one number.
            multiview_scale: Weight of the attention across views.

        Returns:
            `[B, V, C, h, w]`.
        """
        batch, views = sample.shape[:2]
        text = self.text.expand(batch, -1, -1) if text is None else text
        scale = torch.as_tensor(reference_scale, dtype=sample.dtype, device=sample.device)
        context = ViewContext(
            text.repeat_interleave(views, dim=0),  # [B*V, L, C]
            views,
            reference,
            scale.expand(batch),
            multiview_scale,
        )
        inputs = torch.cat([sample, geometry], dim=2).flatten(0, 1)  # [B*V, 3 C, h, w]
        labels = cameras.flatten() + CAMERA_OFFSET  # [B*V]
        return self.unet(inputs, timestep, context, labels).unflatten(0, (batch, views))


class ViewUNet(UNet):
    """The generating network, which also holds the learned text embeddings of both networks."""

    def __init__(self, config: MultiviewUNetConfig) -> None:
        super().__init__(config.generating_unet, ViewBlock)
        shape = (1, config.text_length, config.unet.cross_attention_dim)
        self.learned_text_clip_gen = nn.Parameter(0.02 * torch.randn(shape))
        self.learned_text_clip_ref = nn.Parameter(0.02 * torch.randn(shape))


class ReferenceBlock(nn.Module):
    """A transformer block that leaves its normed input in the context."""

    def __init__(self, place: str, width: int, heads: int, text_width: int) -> None:
        super().__init__()
        self.place = place
        self.transformer = TransformerBlock(width, heads, text_width)

    def forward(self, x: torch.Tensor, context: ReferenceContext) -> torch.Tensor:
        """Update `[B*R, L, D]`."""
        tokens = self.transformer.norm1(x).unflatten(0, (-1, context.num_pictures))
        context.tokens[self.place] = tokens.flatten(1, 2)  # [B, R*L, D]
        return self.transformer(x, context)


class ViewBlock(nn.Module):
    """A transformer block that attends to reference pictures and other views as well.

    All three attentions among pixels read the same normed input, and their outputs are added.
    """

    def __init__(self, place: str, width: int, heads: int, text_width: int) -> None:
        super().__init__()
        self.place = place
        self.transformer = TransformerBlock(width, heads, text_width)
        self.attn_multiview = Attention(width, width, heads)
        self.attn_refview = Attention(width, width, heads)

    def forward(self, x: torch.Tensor, context: ViewContext) -> torch.Tensor:
        """Update `[B*V, L, D]`."""
        views = context.num_views
        normed = self.transformer.norm1(x)
        merged = normed.unflatten(0, (-1, views)).flatten(1, 2)  # [B, V*L, D]
        # Queries do not see each other, so those of all views may read in one call.
        update = self.attn_refview(merged, context.reference[self.place])
        update = update * context.reference_scale[:, None, None]
        if views > 1:
            update = update + context.multiview_scale * self.attn_multiview(merged, merged)
        x = x + self.transformer.attn1(normed, normed)
        x = x + update.unflatten(1, (views, -1)).flatten(0, 1)  # [B*V, L, D]
        return self.transformer.read_text(x, context.text)
