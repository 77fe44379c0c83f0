# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns token numbers of a text into the embeddings that a denoiser reads."""

import torch
from torch import nn
from torch.nn import functional

from ..layers.attention import attention, merge_heads, split_heads
from .config import TextEncoderConfig


class TextEncoder(nn.Module):
    """Causal transformer over the tokens of a text.

    Args:
        config: The network's sizes.

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision", section 2.4; checked against golden values.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.text_model = TextTransformer(config)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed texts.

        Args:
            ids: `[B, L]` int64 token numbers, L up to `max_position_embeddings`; padding is
                read like any other token.

        Returns:
            `[B, L, D]`, after the last norm.
        """
        return self.text_model(ids)


class TextTransformer(nn.Module):
    """Embeddings, blocks and the last norm."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = BlockStack(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Map `[B, L]` to `[B, L, D]`."""
        return self.final_layer_norm(self.encoder(self.embeddings(ids)))


class Embeddings(nn.Module):
    """A learned vector per token, plus one per position."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Map `[B, L]` to `[B, L, D]`."""
        return self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]


class BlockStack(nn.Module):
    """Blocks in which a token sees itself and those before it."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TextBlock(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Update `[B, L, D]`."""
        length = x.shape[1]
        is_seen = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()  # [L, L]
        for layer in self.layers:
            x = layer(x, is_seen)
        return x


class TextBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.self_attn = TextAttention(config.hidden_size, config.num_attention_heads)
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.mlp = TextMLP(config.hidden_size, config.intermediate_size)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, x: torch.Tensor, is_seen: torch.Tensor) -> torch.Tensor:
        """Update `[B, L, D]`; `is_seen` `[L, L]` bool: which keys a query reads."""
        x = x + self.self_attn(self.layer_norm1(x), is_seen)
        return x + self.mlp(self.layer_norm2(x))


class TextAttention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, is_seen: torch.Tensor) -> torch.Tensor:
        """Map `[B, L, D]` to `[B, L, D]`."""
        query, key, value = (
            split_heads(project(x), self.heads)  # [B, H, L, D/H]
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(merge_heads(attention(query, key, value, is_seen)))


class TextMLP(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[..., D]` to `[..., D]`."""
        return self.fc2(functional.gelu(self.fc1(x)))
