# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns queries, keys and values into attended values; the only caller of attention kernels."""

import torch
from torch import nn


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Scaled dot-product attention; the softmax is taken in float32 whatever the input's type.

    Args:
        query: `[B, H, N, D/H]`, any floating dtype.
        key: `[B, H, L, D/H]`.
        value: `[B, H, L, D/H]`.
        mask: Broadcastable to `[B, H, N, L]`: True where a key may be seen, or an added bias.

    Returns:
        `[B, H, N, D/H]`, the inputs' dtype.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1.
    """
    return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Cut the last axis into heads: `[B, L, D]` to `[B, H, L, D/H]`."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # [B, H, L, D/H]


def merge_heads(x: torch.Tensor) -> torch.Tensor:
    """Undo `split_heads`: `[B, H, L, D/H]` to `[B, L, D]`."""
    return x.transpose(1, 2).flatten(2)  # [B, L, D]
