# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the Hunyuan3D shape networks, under the names of their published checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..dinov2.config import VARIANTS as DINOV2_VARIANTS
from ..dinov2.config import Dinov2Config


@dataclass(frozen=True, slots=True)
class ShapeVAEConfig:
    """Sizes of the shape autoencoder.

    Attributes:
        num_latents: Latents of one shape, N.
        embed_dim: Channels of one latent, C.
        width: Channels inside the transformers.
        heads: Attention heads.
        num_decoder_layers: Self-attention blocks between the latents and the point queries.
        num_encoder_layers: Self-attention blocks of the encoder; 0: the file holds no encoder.
        pc_size: Surface points sampled uniformly.
        pc_sharpedge_size: Surface points sampled on sharp edges.
        downsample_ratio: Surface points kept per encoder query.
        point_feats: Numbers per surface point besides its position: normal (3), sharp flag (1).
        num_freqs: Octaves of the position embedding.
        include_pi: Multiply the embedding's frequencies by pi.
        qkv_bias: Attention projections have a bias.
        qk_norm: Layer norm on each head's queries and keys.
        geo_decoder_downsample_ratio: Divides width and heads in the point-query decoder.
        geo_decoder_mlp_expand_ratio: Inner width of its MLP, in widths.
        geo_decoder_ln_post: Layer norm before its output.
        scale_factor: The denoiser's latents are the encoder's times this.
        has_latent_anchors: The encoder's query points are learned instead of sampled from the
            surface, and a learned vector per latent is added before the decoder (maquette-mini).
    """

    num_latents: int
    embed_dim: int
    width: int
    heads: int
    num_decoder_layers: int
    num_encoder_layers: int = 0
    pc_size: int = 81920
    pc_sharpedge_size: int = 0
    downsample_ratio: int = 20
    point_feats: int = 4
    num_freqs: int = 8
    include_pi: bool = False
    qkv_bias: bool = False
    qk_norm: bool = True
    geo_decoder_downsample_ratio: int = 1
    geo_decoder_mlp_expand_ratio: int = 4
    geo_decoder_ln_post: bool = True
    scale_factor: float = 1.0
    has_latent_anchors: bool = False


@dataclass(frozen=True, slots=True)
class DenoiserConfig:
    """Sizes of the double- and single-stream denoiser.

    Attributes:
        in_channels: Channels of one latent, C.
        context_in_dim: Width of a condition token.
        hidden_size: Channels inside the transformer, D.
        mlp_ratio: Inner width of the MLPs, in hidden sizes.
        num_heads: Attention heads.
        depth: Double-stream blocks.
        depth_single_blocks: Single-stream blocks.
        axes_dim: Published with the checkpoints; without effect, as latents have no grid position.
        theta: As `axes_dim`.
        qkv_bias: The double-stream attention projections have a bias.
        guidance_embed: The guidance scale is an input (distilled guidance).
        num_latents: > 0: a learned vector per latent is added to the input (maquette-mini).
    """

    in_channels: int
    context_in_dim: int
    hidden_size: int
    mlp_ratio: float
    num_heads: int
    depth: int
    depth_single_blocks: int
    axes_dim: tuple[int, ...]
    theta: int
    qkv_bias: bool
    guidance_embed: bool = False
    num_latents: int = 0


@dataclass(frozen=True, slots=True)
class Denoiser21Config:
    """Sizes of one 2.1 denoiser; the names are those of the published configuration.

    Attributes:
        input_size: Number of latents N it was trained for.
        in_channels: Channels C of a latent.
        hidden_size: Width D of the tokens.
        context_dim: Width of the condition tokens.
        depth: Blocks; the second half reads the outputs of the first half.
        num_heads: Attention heads.
        qk_norm: Normalise queries and keys per head.
        qkv_bias: Whether the query, key and value projections have a bias.
        num_moe_layers: How many of the last blocks choose among experts.
        num_experts: Experts of such a block.
        moe_top_k: Experts chosen per token.
    """

    input_size: int = 4096
    in_channels: int = 64
    hidden_size: int = 2048
    context_dim: int = 1024
    depth: int = 21
    num_heads: int = 16
    qk_norm: bool = True
    qkv_bias: bool = False
    num_moe_layers: int = 6
    num_experts: int = 8
    moe_top_k: int = 2

    @classmethod
    def from_published(cls, values: Mapping[str, Any]) -> "Denoiser21Config":
        """Read the `model` part of a published configuration.

        Raises:
            ValueError: It asks for a part that no published 2.1 checkpoint has.
        """
        for switch in ("with_decoupled_ca", "use_attention_pooling", "use_pos_emb"):
            if values.get(switch):
                raise ValueError(f"the 2.1 denoiser does not know '{switch}'")
        if values.get("qk_norm_type", "rms") != "rms":
            raise ValueError("the 2.1 denoiser normalises queries and keys by RMS only")
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})


@dataclass(frozen=True, slots=True)
class ConditionerConfig:
    """What the conditioner is made of.

    Attributes:
        encoder: Sizes of the image encoder.
        image_size: Edge to which pictures are resized before encoding, pixels.
        use_cls_token: Whether the class token is one of the condition tokens.
        is_multiview: Several views, told apart by a fixed embedding added to their tokens.
    """

    encoder: Dinov2Config = field(default_factory=lambda: DINOV2_VARIANTS["dinov2-giant"])
    image_size: int = 518
    use_cls_token: bool = True
    is_multiview: bool = False

    @classmethod
    def from_published(cls, values: Mapping[str, Any]) -> "ConditionerConfig":
        """Read the `conditioner` part of a published configuration."""
        return cls(
            encoder=Dinov2Config.from_published(values["config"]),
            image_size=values["image_size"],
            use_cls_token=values.get("use_cls_token", True),
            is_multiview=values.get("type", "").endswith("MV") or "view_idxs" in values,
        )


_VAE = ShapeVAEConfig(
    num_latents=3072,
    embed_dim=64,
    width=1024,
    heads=16,
    num_decoder_layers=16,
    scale_factor=0.9990943042622529,
)
_DENOISER = DenoiserConfig(
    in_channels=64,
    context_in_dim=1536,
    hidden_size=1024,
    mlp_ratio=4.0,
    num_heads=16,
    depth=16,
    depth_single_blocks=32,
    axes_dim=(64,),
    theta=10000,
    qkv_bias=True,
)

SHAPE_VAE_VARIANTS: dict[str, ShapeVAEConfig] = {
    "hunyuan3d-2": _VAE,
    "hunyuan3d-2-turbo": _VAE,
    "hunyuan3d-2-mini": replace(_VAE, num_latents=512, scale_factor=1.0188137142395404),
    "hunyuan3d-2-mv": _VAE,
    "hunyuan3d-2.1": replace(
        _VAE, num_latents=4096, num_encoder_layers=8, scale_factor=1.0039506158752403
    ),
    "maquette-mini": ShapeVAEConfig(
        num_latents=256,
        embed_dim=16,
        width=256,
        heads=4,
        num_encoder_layers=2,
        num_decoder_layers=5,
        pc_size=2048,
        pc_sharpedge_size=1024,
        scale_factor=0.9939816804490462,
        has_latent_anchors=True,
    ),
}

DENOISER_VARIANTS: dict[str, DenoiserConfig] = {
    "hunyuan3d-2": _DENOISER,
    "hunyuan3d-2-turbo": replace(_DENOISER, guidance_embed=True),
    "hunyuan3d-2-mini": replace(_DENOISER, depth=8, depth_single_blocks=16),
    "hunyuan3d-2-mv": _DENOISER,
    "maquette-mini": DenoiserConfig(
        in_channels=16,
        context_in_dim=256,
        hidden_size=320,
        mlp_ratio=4.0,
        num_heads=5,
        depth=2,
        depth_single_blocks=4,
        axes_dim=(64,),
        theta=10000,
        qkv_bias=True,
        num_latents=256,
    ),
}

DENOISER21_VARIANTS: dict[str, Denoiser21Config] = {"hunyuan3d-2.1": Denoiser21Config()}

_CONDITIONER = ConditionerConfig()
CONDITIONER_VARIANTS: dict[str, ConditionerConfig] = {
    "hunyuan3d-2": _CONDITIONER,
    "hunyuan3d-2-turbo": _CONDITIONER,
    "hunyuan3d-2-mini": _CONDITIONER,
    "hunyuan3d-2-mv": replace(_CONDITIONER, is_multiview=True),
    "hunyuan3d-2.1": ConditionerConfig(encoder=DINOV2_VARIANTS["dinov2-large"]),
    "maquette-mini": ConditionerConfig(encoder=DINOV2_VARIANTS["maquette-mini"], image_size=160),
}
