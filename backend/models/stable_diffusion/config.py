# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the Stable Diffusion networks, under the names of their published configurations."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_UNET_FIXED = {
    "act_fn": "silu",
    "center_input_sample": False,
    "class_embed_type": None,
    "downsample_padding": 1,
    "dual_cross_attention": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_scale_factor": 1,
    "only_cross_attention": False,
    "resnet_time_scale_shift": "default",
    "transformer_layers_per_block": 1,
}
"""Switches that have one value in every published configuration of this family."""
_DOWN_BLOCKS = {"CrossAttnDownBlock2D": True, "DownBlock2D": False}
_UP_BLOCKS = {"CrossAttnUpBlock2D": True, "UpBlock2D": False}


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """Sizes of one denoising UNet.

    Attributes:
        in_channels: Channels of the input, which may hold more than the noisy latents.
        out_channels: Channels of the prediction.
        block_out_channels: Width of each level, finest first.
        down_has_attention: Whether the levels have transformers on the way down, finest first.
        up_has_attention: The same on the way up, coarsest first.
        layers_per_block: Residual blocks per level on the way down; one more on the way up.
        num_heads: Attention heads per level, finest first.
        cross_attention_dim: Width of the text embeddings.
        norm_num_groups: Groups of the group norms.
        norm_eps: Their epsilon in the residual blocks and before the output.
        use_linear_projection: Transformers are entered and left by linear layers instead of
            1x1 convolutions (the same map, but kernels of another shape).
        num_class_embeds: Rows of the class embedding; 0: there is none.
    """

    in_channels: int
    out_channels: int
    block_out_channels: tuple[int, ...]
    down_has_attention: tuple[bool, ...]
    up_has_attention: tuple[bool, ...]
    layers_per_block: int
    num_heads: tuple[int, ...]
    cross_attention_dim: int
    norm_num_groups: int
    norm_eps: float
    use_linear_projection: bool
    num_class_embeds: int = 0

    @property
    def time_width(self) -> int:
        """Width of the time embedding."""
        return 4 * self.block_out_channels[0]

    @classmethod
    def from_published(cls, values: Mapping[str, Any]) -> "UNetConfig":
        """Read the `config.json` of a published UNet.

        `attention_head_dim` holds numbers of heads there, by an old mistake in its naming.

        Raises:
            ValueError: It asks for a part that no network of this family has.
        """
        _check_fixed(values, _UNET_FIXED)
        heads = values["attention_head_dim"]
        levels = len(values["block_out_channels"])
        return cls(
            in_channels=values["in_channels"],
            out_channels=values["out_channels"],
            block_out_channels=tuple(values["block_out_channels"]),
            down_has_attention=_read_types(values["down_block_types"], _DOWN_BLOCKS),
            up_has_attention=_read_types(values["up_block_types"], _UP_BLOCKS),
            layers_per_block=values["layers_per_block"],
            num_heads=(heads,) * levels if isinstance(heads, int) else tuple(heads),
            cross_attention_dim=values["cross_attention_dim"],
            norm_num_groups=values["norm_num_groups"],
            norm_eps=values["norm_eps"],
            use_linear_projection=values["use_linear_projection"],
            num_class_embeds=values.get("num_class_embeds") or 0,
        )


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """Sizes of the image autoencoder.

    Attributes:
        in_channels: Channels of the picture that is encoded.
        out_channels: Channels of the decoded picture.
        latent_channels: Channels C of the latents.
        block_out_channels: Width of each level, finest first; each but the last halves the edge.
        layers_per_block: Residual blocks per level of the encoder; one more in the decoder.
        norm_num_groups: Groups of the group norms.
        scaling_factor: The denoiser's latents are the encoder's times this.
    """

    in_channels: int = 3
    out_channels: int = 3
    latent_channels: int = 4
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    norm_num_groups: int = 32
    scaling_factor: float = 0.18215

    @classmethod
    def from_published(cls, values: Mapping[str, Any]) -> "AutoencoderConfig":
        """Read the `config.json` of a published autoencoder.

        Raises:
            ValueError: It asks for a part that no network of this family has.
        """
        _check_fixed(values, {"act_fn": "silu"})
        _read_types(values["down_block_types"], {"DownEncoderBlock2D": False})
        _read_types(values["up_block_types"], {"UpDecoderBlock2D": False})
        return cls(
            in_channels=values["in_channels"],
            out_channels=values["out_channels"],
            latent_channels=values["latent_channels"],
            block_out_channels=tuple(values["block_out_channels"]),
            layers_per_block=values["layers_per_block"],
            norm_num_groups=values["norm_num_groups"],
            scaling_factor=values.get("scaling_factor", 0.18215),
        )


@dataclass(frozen=True, slots=True)
class TextEncoderConfig:
    """Sizes of the text encoder; the names are those of the published configuration.

    Attributes:
        hidden_size: Width D of the tokens.
        intermediate_size: Inner width of the MLPs.
        num_hidden_layers: Blocks.
        num_attention_heads: Attention heads.
        max_position_embeddings: Most tokens of a text.
        vocab_size: Rows of the token embedding.
        layer_norm_eps: Epsilon of the layer norms.
    """

    hidden_size: int = 1024
    intermediate_size: int = 4096
    num_hidden_layers: int = 23
    num_attention_heads: int = 16
    max_position_embeddings: int = 77
    vocab_size: int = 49408
    layer_norm_eps: float = 1e-5

    @classmethod
    def from_published(cls, values: Mapping[str, Any]) -> "TextEncoderConfig":
        """Read the `config.json` of a published text encoder.

        Raises:
            ValueError: Its activation is not the exact GELU.
        """
        _check_fixed(values, {"hidden_act": "gelu"})
        return cls(
            hidden_size=values["hidden_size"],
            intermediate_size=values["intermediate_size"],
            num_hidden_layers=values["num_hidden_layers"],
            num_attention_heads=values["num_attention_heads"],
            max_position_embeddings=values["max_position_embeddings"],
            vocab_size=values["vocab_size"],
            layer_norm_eps=values["layer_norm_eps"],
        )


def _check_fixed(values: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    """Raise ValueError for a switch that is set to something that is not built here."""
    for name, value in fixed.items():
        if values.get(name, value) != value:
            raise ValueError(f"'{name}' is {values[name]!r}, but only {value!r} is known")


def _read_types(names: list[str], known: Mapping[str, bool]) -> tuple[bool, ...]:
    """Whether each named kind of level has transformers."""
    for name in names:
        if name not in known:
            raise ValueError(f"levels of the kind '{name}' are not known")
    return tuple(known[name] for name in names)


_UNET = UNetConfig(
    in_channels=4,
    out_channels=4,
    block_out_channels=(320, 640, 1280, 1280),
    down_has_attention=(True, True, True, False),
    up_has_attention=(False, True, True, True),
    layers_per_block=2,
    num_heads=(5, 10, 20, 20),
    cross_attention_dim=1024,
    norm_num_groups=32,
    norm_eps=1e-5,
    use_linear_projection=True,
)

UNET_VARIANTS: dict[str, UNetConfig] = {
    "stable-diffusion-2-1": _UNET,
    "hunyuan3d-delight-2": replace(_UNET, in_channels=8),
    "maquette-mini": UNetConfig(
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 112, 144),
        down_has_attention=(False, True, True),
        up_has_attention=(True, True, False),
        layers_per_block=1,
        num_heads=(2, 2, 3),
        cross_attention_dim=64,
        norm_num_groups=16,
        norm_eps=1e-5,
        use_linear_projection=True,
    ),
}
AUTOENCODER_VARIANTS: dict[str, AutoencoderConfig] = {
    "hunyuan3d-paint-2": AutoencoderConfig(),
    "hunyuan3d-delight-2": AutoencoderConfig(),
    "maquette-mini": AutoencoderConfig(
        block_out_channels=(32, 64, 128),
        layers_per_block=1,
        norm_num_groups=8,
        scaling_factor=0.5542216551628079,
    ),
}
TEXT_ENCODER_VARIANTS: dict[str, TextEncoderConfig] = {"hunyuan3d-delight-2": TextEncoderConfig()}
