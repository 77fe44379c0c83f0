# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the DINOv2 image encoder, by variant."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Dinov2Config:
    """Sizes of one DINOv2 encoder; the names are those of the published configuration.

    Attributes:
        hidden_size: Width D of the tokens.
        num_hidden_layers: Transformer layers.
        num_attention_heads: Heads per layer, each `D / heads` wide.
        patch_size: Edge of a square patch, pixels.
        image_size: Edge of the square picture the position embeddings were trained for, pixels.
        num_channels: 3 for RGB; 4 for RGB and an alpha plane.
        mlp_ratio: Inner width of the feed-forward part over D.
        use_swiglu_ffn: SwiGLU feed-forward (2/3 of that inner width) instead of an MLP.
        qkv_bias: Whether the query, key and value projections have a bias.
        layer_norm_eps: Added to the variance in every LayerNorm.
        layerscale_value: Start value of the residual scales.
    """

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    patch_size: int = 14
    image_size: int = 518
    num_channels: int = 3
    mlp_ratio: float = 4
    use_swiglu_ffn: bool = False
    qkv_bias: bool = True
    layer_norm_eps: float = 1e-6
    layerscale_value: float = 1.0

    @classmethod
    def from_published(cls, values: Mapping[str, Any]) -> "Dinov2Config":
        """Read a published configuration; what only matters for training or loading is left out."""
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


LARGE = Dinov2Config(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16)
VARIANTS: dict[str, Dinov2Config] = {
    "dinov2-large": LARGE,
    "dinov2-giant": replace(
        LARGE,
        hidden_size=1536,
        num_hidden_layers=40,
        num_attention_heads=24,
        use_swiglu_ffn=True,
    ),
    "maquette-mini": Dinov2Config(
        hidden_size=256,
        num_hidden_layers=6,
        num_attention_heads=4,
        patch_size=10,
        image_size=160,
        num_channels=4,
    ),
}
