# SPDX-License-Identifier: GPL-3.0-or-later
"""Denoiser of version 2.1: noisy latents, flow time and condition tokens to velocity."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..layers.attention import attention
from .config import Denoiser21Config

NORM_EPS = 1e-6
MLP_RATIO = 4


class Denoiser21(nn.Module):
    """A U-shaped transformer over the latents, with experts in its last blocks.

    Source: Hunyuan3D team, "Hunyuan3D 2.1", 2025; Li et al., "Hunyuan-DiT", 2024 (long skips);
    arithmetic from the note of the parity case `shape21_dit`.
    """

    def __init__(self, config: Denoiser21Config) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        first_moe = config.depth - config.num_moe_layers
        self.x_embedder = nn.Linear(config.in_channels, width)
        self.t_embedder = TimeEmbedder(width)
        self.blocks = nn.ModuleList(
            Block(config, has_skip=index > config.depth // 2, has_experts=index >= first_moe)
            for index in range(config.depth)
        )
        self.final_layer = FinalLayer(width, config.in_channels)

    def forward(
        self, x: Tensor, t: Tensor, context: Tensor, guidance: Tensor | None = None
    ) -> Tensor:
        """Predict the velocity, data minus noise.

        Args:
            x: Noisy latents `[B, N, C]`.
            t: Flow time `[B]`, 0 = noise, 1 = data.
            context: Condition tokens `[B, L, context_dim]`.
            guidance: Ignored; there for what calls both kinds of denoiser.

        Returns:
            Velocity `[B, N, C]`.
        """
        time = self.t_embedder(t, x.dtype)[:, None]  # [B, 1, D]
        tokens = torch.cat([time, self.x_embedder(x)], dim=1)  # [B, 1+N, D]
        skips: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            skip = skips.pop() if index > self.config.depth // 2 else None
            tokens = block(tokens, context, skip)
            if index < self.config.depth // 2:
                skips.append(tokens)
        return self.final_layer(tokens)


class TimeEmbedder(nn.Module):
    """Sines and cosines of t through a two-layer network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_frequencies = width // 2
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width), nn.GELU(), nn.Linear(MLP_RATIO * width, width)
        )

    def forward(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        steps = torch.arange(self.num_frequencies, device=t.device, dtype=torch.float32)
        angle = t.float()[:, None] * 10000.0 ** (-steps / self.num_frequencies)  # [B, D/2]
        return self.mlp(torch.cat([angle.sin(), angle.cos()], dim=-1).to(dtype))  # [B, D]


class Block(nn.Module):
    """Long skip (in the second half), self-attention, cross-attention, feed-forward or experts."""

    def __init__(self, config: Denoiser21Config, has_skip: bool, has_experts: bool) -> None:
        super().__init__()
        width = config.hidden_size
        if has_skip:
            self.skip_linear = nn.Linear(2 * width, width)
            self.skip_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn1 = Attention(config, width)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn2 = Attention(config, config.context_dim)
        self.norm3 = nn.LayerNorm(width, eps=NORM_EPS)
        self.feed_forward_name = "moe" if has_experts else "mlp"
        self.add_module(self.feed_forward_name, Experts(config) if has_experts else Mlp(width))

    def forward(self, tokens: Tensor, context: Tensor, skip: Tensor | None) -> Tensor:
        if skip is not None:
            tokens = self.skip_norm(self.skip_linear(torch.cat([skip, tokens], dim=-1)))
        tokens = tokens + self.attn1.attend_to_self(self.norm1(tokens))
        tokens = tokens + self.attn2.attend_to(self.norm2(tokens), context)
        return tokens + self.get_submodule(self.feed_forward_name)(self.norm3(tokens))


class Attention(nn.Module):
    """Attention whose heads are cut from the concatenated projections.

    The published network joins q, k and v (or k and v) along the channels and cuts the result into
    heads first, so a head's slice mixes parts of the projections. The weights know only this order.
    """

    def __init__(self, config: Denoiser21Config, source_width: int) -> None:
        super().__init__()
        width, bias = config.hidden_size, config.qkv_bias
        self.num_heads = config.num_heads
        self.to_q = nn.Linear(width, width, bias=bias)
        self.to_k = nn.Linear(source_width, width, bias=bias)
        self.to_v = nn.Linear(source_width, width, bias=bias)
        head = width // config.num_heads
        self.q_norm = nn.RMSNorm(head, eps=NORM_EPS) if config.qk_norm else nn.Identity()
        self.k_norm = nn.RMSNorm(head, eps=NORM_EPS) if config.qk_norm else nn.Identity()
        self.out_proj = nn.Linear(width, width)

    def attend_to_self(self, tokens: Tensor) -> Tensor:
        """Self-attention over `[B, L, D]`."""
        joined = torch.cat([self.to_q(tokens), self.to_k(tokens), self.to_v(tokens)], dim=-1)
        q, k, v = self._heads(joined).chunk(3, dim=-1)  # each [B, H, L, D/H]
        return self._mix(q, k, v)

    def attend_to(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Cross-attention from `[B, L, D]` to `[B, M, source_width]`."""
        q = self._heads(self.to_q(tokens))  # [B, H, L, D/H]
        joined = torch.cat([self.to_k(context), self.to_v(context)], dim=-1)  # [B, M, 2D]
        k, v = self._heads(joined).chunk(2, dim=-1)  # each [B, H, M, D/H]
        return self._mix(q, k, v)

    def _heads(self, channels: Tensor) -> Tensor:
        return channels.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # [B, H, L, *]

    def _mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        mixed = attention(self.q_norm(q), self.k_norm(k), v)  # [B, H, L, D/H]
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # [B, L, D]


class Mlp(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(tokens)))


class Experts(nn.Module):
    """Each token's best experts, weighted by their gate scores, plus one expert that all share.

    Source: Dai et al., "DeepSeekMoE", 2024.
    """

    def __init__(self, config: Denoiser21Config) -> None:
        super().__init__()
        self.top_k = config.moe_top_k
        self.gate = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.experts = nn.ModuleList(Expert(config.hidden_size) for _ in range(config.num_experts))
        self.shared_experts = Expert(config.hidden_size)

    def choose(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Weights `[..., K]` and indices `[..., K]` of the chosen experts, best first.

        The weights are shares of all experts, not renormalised over the chosen ones.
        """
        scores = self.gate(tokens).float().softmax(dim=-1)  # [..., experts]
        weights, chosen = scores.topk(self.top_k, dim=-1)
        return weights, chosen

    def forward(self, tokens: Tensor) -> Tensor:
        rows = tokens.flatten(0, -2)  # [B*L, D]
        weights, chosen = self.choose(rows)  # [B*L, K]
        mixed = self.shared_experts(rows)
        for index, expert in enumerate(self.experts):
            row, place = torch.where(chosen == index)
            scaled = expert(rows[row]) * weights[row, place, None].to(rows.dtype)
            mixed = mixed.index_add(0, row, scaled.to(mixed.dtype))
        return mixed.view_as(tokens)  # [B, L, D]


class Expert(nn.Module):
    """Linear, exact GELU, linear, under the published names `net.0.proj` and `net.2`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = MLP_RATIO * width
        # The published list has a dropout at place 1.
        self.net = nn.ModuleList([Projection(width, inner), nn.Identity(), nn.Linear(inner, width)])

    def forward(self, tokens: Tensor) -> Tensor:
        for layer in self.net:
            tokens = layer(tokens)
        return tokens


class Projection(nn.Module):
    """Linear and exact GELU."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, inner)

    def forward(self, tokens: Tensor) -> Tensor:
        return functional.gelu(self.proj(tokens))


class FinalLayer(nn.Module):
    """LayerNorm, drop the time token, linear."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.norm_final = nn.LayerNorm(width, eps=NORM_EPS)
        self.linear = nn.Linear(width, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.linear(self.norm_final(tokens)[:, 1:])  # [B, N, C]
