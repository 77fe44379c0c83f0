# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns surface points into latents, and latents into occupancy logits at any point in space."""

from collections.abc import Sequence

import torch
from torch import nn

from ..layers.attention import attention, merge_heads, split_heads
from ..layers.embeddings import embed_positions
from .config import ShapeVAEConfig
from .surface_points import select_points

LOGVAR_RANGE = (-30.0, 20.0)


class HeadNorm(nn.Module):
    """Layer norm of each head's queries and keys, or nothing."""

    def __init__(self, head_width: int, is_used: bool) -> None:
        super().__init__()
        self.q_norm = nn.LayerNorm(head_width, eps=1e-6) if is_used else nn.Identity()
        self.k_norm = nn.LayerNorm(head_width, eps=1e-6) if is_used else nn.Identity()


class SelfAttention(nn.Module):
    """Attention among latents; the fused projection holds (query, key, value) head by head."""

    def __init__(self, width: int, heads: int, qkv_bias: bool, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.c_qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.c_proj = nn.Linear(width, width)
        self.attention = HeadNorm(width // heads, qk_norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix `[B, N, D]` along N."""
        query, key, value = split_heads(self.c_qkv(x), self.heads).chunk(3, dim=-1)
        query, key = self.attention.q_norm(query), self.attention.k_norm(key)  # [B, H, N, D/H]
        return self.c_proj(merge_heads(attention(query, key, value)))  # [B, N, D]


class CrossAttention(nn.Module):
    """Attention from queries to data; the fused projection holds (key, value) head by head."""

    def __init__(self, width: int, heads: int, qkv_bias: bool, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.c_q = nn.Linear(width, width, bias=qkv_bias)
        self.c_kv = nn.Linear(width, 2 * width, bias=qkv_bias)
        self.c_proj = nn.Linear(width, width)
        self.attention = HeadNorm(width // heads, qk_norm)

    def forward(self, x: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
        """Read data `[B, M, D]` from queries `[B, Q, D]`; returns `[B, Q, D]`."""
        query = self.attention.q_norm(split_heads(self.c_q(x), self.heads))  # [B, H, Q, D/H]
        key, value = split_heads(self.c_kv(data), self.heads).chunk(2, dim=-1)  # [B, H, M, D/H]
        key = self.attention.k_norm(key)
        return self.c_proj(merge_heads(attention(query, key, value)))  # [B, Q, D]


class MLP(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, width: int, expand_ratio: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, expand_ratio * width)
        self.gelu = nn.GELU()
        self.c_proj = nn.Linear(expand_ratio * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[..., D]` to `[..., D]`."""
        return self.c_proj(self.gelu(self.c_fc(x)))


class SelfAttentionBlock(nn.Module):
    """Pre-norm transformer block.

    Source: Vaswani et al. 2017, "Attention Is All You Need", with the norms before the sub-layers.
    """

    def __init__(self, config: ShapeVAEConfig) -> None:
        super().__init__()
        width = config.width
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = SelfAttention(width, config.heads, config.qkv_bias, config.qk_norm)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Update `[B, N, D]`."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class CrossAttentionBlock(nn.Module):
    """Pre-norm block that reads a second sequence.

    Source: Zhang et al. 2023, "3DShape2VecSet", section 4.
    """

    def __init__(
        self, width: int, heads: int, mlp_expand_ratio: int, qkv_bias: bool, qk_norm: bool
    ) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.attn = CrossAttention(width, heads, qkv_bias, qk_norm)
        self.ln_3 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, mlp_expand_ratio)

    def forward(self, x: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
        """Update `[B, Q, D]` from `[B, M, D]`."""
        x = x + self.attn(self.ln_1(x), self.ln_2(data))
        return x + self.mlp(self.ln_3(x))


class Transformer(nn.Module):
    """A stack of self-attention blocks."""

    def __init__(self, config: ShapeVAEConfig, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(SelfAttentionBlock(config) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Update `[B, N, D]`."""
        for block in self.resblocks:
            x = block(x)
        return x


class Encoder(nn.Module):
    """Reads a set of surface points from a smaller set of query points."""

    def __init__(self, config: ShapeVAEConfig) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.input_proj = nn.Linear(3 + 6 * config.num_freqs + config.point_feats, width)
        self.cross_attn = CrossAttentionBlock(
            width, config.heads, 4, config.qkv_bias, config.qk_norm
        )
        self.self_attn = Transformer(config, config.num_encoder_layers)
        self.ln_post = nn.LayerNorm(width, eps=1e-5)

    def forward(self, queries: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Encode inputs `[B, M, 3 + point_feats]` at queries `[B, N, 3 + point_feats]`.

        Returns:
            `[B, N, D]`.
        """
        x = self.cross_attn(self._embed(queries), self._embed(inputs))  # [B, N, D]
        return self.ln_post(self.self_attn(x))

    def _embed(self, points: torch.Tensor) -> torch.Tensor:
        """Position features and point features through the input projection."""
        weight = self.input_proj.weight
        position = embed_positions(points[..., :3], self.config.num_freqs, self.config.include_pi)
        features = torch.cat([position, points[..., 3:].float()], dim=-1)
        return self.input_proj(features.to(weight.dtype))  # [B, M, D]


class GeometryDecoder(nn.Module):
    """Reads occupancy logits at query points from the decoded latents."""

    def __init__(self, config: ShapeVAEConfig) -> None:
        super().__init__()
        ratio = config.geo_decoder_downsample_ratio
        width, heads = config.width // ratio, config.heads // ratio
        self.config = config
        self.query_proj = nn.Linear(3 + 6 * config.num_freqs, width)
        self.latents_proj = nn.Linear(config.width, width) if ratio != 1 else nn.Identity()
        # Measured: published decoders without the last norm have no query and key norms either.
        qk_norm = config.qk_norm and config.geo_decoder_ln_post
        self.cross_attn_decoder = CrossAttentionBlock(
            width, heads, config.geo_decoder_mlp_expand_ratio, config.qkv_bias, qk_norm
        )
        self.ln_post = nn.LayerNorm(width) if config.geo_decoder_ln_post else nn.Identity()
        self.output_proj = nn.Linear(width, 1)

    def forward(self, points: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        """Logits `[B, Q]` at points `[B, Q, 3]` given `[B, N, D]`."""
        features = embed_positions(points, self.config.num_freqs, self.config.include_pi)
        queries = self.query_proj(features.to(self.query_proj.weight.dtype))
        x = self.cross_attn_decoder(queries, self.latents_proj(decoded))  # [B, Q, D]
        return self.output_proj(self.ln_post(x)).squeeze(-1)  # [B, Q]


class ShapeVAE(nn.Module):
    """Shape autoencoder over a set of latents; the encoder is there if its config has layers.

    Args:
        config: The network's sizes.

    Source: Zhang et al. 2023, "3DShape2VecSet", and Zhao et al. 2025, "Hunyuan3D 2.0", section
    3.1; checked against golden values.
    """

    def __init__(self, config: ShapeVAEConfig) -> None:
        super().__init__()
        self.config = config
        if config.num_encoder_layers:
            self.encoder = Encoder(config)
            self.pre_kl = nn.Linear(config.width, 2 * config.embed_dim)
        self.post_kl = nn.Linear(config.embed_dim, config.width)
        self.transformer = Transformer(config, config.num_decoder_layers)
        self.geo_decoder = GeometryDecoder(config)
        if config.has_latent_anchors:
            self.latent_anchors = nn.Parameter(_spread_points(config.num_latents))
            self.latent_positions = nn.Parameter(
                0.02 * torch.randn(config.num_latents, config.width)
            )

    def encode(
        self,
        surface: torch.Tensor,
        generator: torch.Generator | None = None,
        permutations: Sequence[torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a sampled surface as a normal distribution over latents.

        Args:
            surface: `[B, P, 7]`: point in [-1, 1], unit normal, flag (1 on a sharp edge); the
                uniform points first. With latent anchors P is free, otherwise it is
                `pc_size + pc_sharpedge_size`.
            generator: Orders the points before query points are picked; None: seed 0.
            permutations: Given orders, see `surface_points.select_points`.

        Returns:
            Mean and log variance, each `[B, N, C]`, not multiplied by the scale factor.

        Raises:
            ValueError: The number of surface points is wrong.
        """
        if self.config.has_latent_anchors:
            inputs = surface
            queries = nn.functional.pad(self.latent_anchors, (0, self.config.point_feats))
            queries = queries.expand(len(surface), -1, -1)  # [B, N, 7]
        else:
            queries, inputs = select_points(surface, self.config, generator, permutations)
        moments = self.pre_kl(self.encoder(queries, inputs))  # [B, N, 2 C]
        mean, logvar = moments.chunk(2, dim=-1)
        return mean, logvar.clamp(*LOGVAR_RANGE)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Prepare latents for queries.

        Args:
            latents: `[B, N, C]` in the denoiser's scale.

        Returns:
            `[B, N, width]`.
        """
        x = self.post_kl(latents / self.config.scale_factor)  # [B, N, D]
        if self.config.has_latent_anchors:
            x = x + self.latent_positions
        return self.transformer(x)

    def query(self, points: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        """Evaluate the field.

        Args:
            points: `[B, Q, 3]` in [-1, 1] (a little beyond is fine), float32.
            decoded: `[B, N, width]` from `decode`.

        Returns:
            Occupancy logits `[B, Q]`, positive inside; each point is independent of the others.
        """
        return self.geo_decoder(points, decoded)


def _spread_points(count: int) -> torch.Tensor:
    """Points `[count, 3]` evenly spread in [-0.9, 0.9]^3, by the R3 additive recurrence."""
    # 1.2207... solves x^4 = x + 1, which makes the steps as incommensurable as possible.
    steps = 1.2207440846057596 ** -torch.arange(1.0, 4.0)
    fraction = (0.5 + torch.arange(count)[:, None] * steps) % 1.0
    return 1.8 * fraction - 0.9
