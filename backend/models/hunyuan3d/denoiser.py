# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns noisy latents, a time and condition tokens into a velocity: the Hunyuan3D 2.0 denoiser."""

import torch
from torch import nn

from ..layers.attention import attention, merge_heads
from ..layers.embeddings import embed_time
from ..layers.norm import RMSNorm, modulate
from .config import DenoiserConfig

TIME_WIDTH = 256
# Measured on the golden values: the longest period is 1000, not the usual 10000.
TIME_FACTOR = 1000.0
TIME_MAX_PERIOD = 1000.0


class VectorEmbedder(nn.Module):
    """Two-layer MLP from the sinusoidal features of a scalar to the modulation vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_layer = nn.Linear(TIME_WIDTH, width)
        self.act = nn.SiLU()
        self.out_layer = nn.Linear(width, width)

    def forward(self, scalar: torch.Tensor) -> torch.Tensor:
        """Embed `[B]` as `[B, D]`."""
        features = embed_time(scalar, TIME_WIDTH, TIME_FACTOR, TIME_MAX_PERIOD)
        hidden = self.in_layer(features.to(self.in_layer.weight.dtype))
        return self.out_layer(self.act(hidden))  # [B, D]


class Modulation(nn.Module):
    """Shift, scale and gate vectors for `num_norms` norms; zero at the start of training."""

    def __init__(self, width: int, num_norms: int) -> None:
        super().__init__()
        self.num_vectors = 3 * num_norms
        self.act = nn.SiLU()
        self.lin = nn.Linear(width, self.num_vectors * width)
        _zero(self.lin)

    def forward(self, vector: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map `[B, D]` to shift, scale, gate per norm, each `[B, 1, D]`."""
        vectors = self.lin(self.act(vector))[:, None]  # [B, 1, 3 norms D]
        return vectors.chunk(self.num_vectors, dim=-1)


class QueryKeyNorm(nn.Module):
    """RMS norm of each head's queries and keys."""

    def __init__(self, head_width: int) -> None:
        super().__init__()
        self.query_norm = RMSNorm(head_width)
        self.key_norm = RMSNorm(head_width)

    def forward(self, qkv: torch.Tensor, heads: int) -> tuple[torch.Tensor, ...]:
        """Split `[B, L, 3 D]` into normalised query and key and value, each `[B, H, L, D/H]`."""
        split = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)  # [3, B, H, L, D/H]
        query, key, value = split.unbind(0)
        return self.query_norm(query), self.key_norm(key), value


class JointAttention(nn.Module):
    """One stream's projections in a double-stream block."""

    def __init__(self, width: int, heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.norm = QueryKeyNorm(width // heads)
        self.proj = nn.Linear(width, width)


def _mlp(width: int, inner: int) -> nn.Sequential:
    """Linear, tanh-approximated GELU, linear."""
    return nn.Sequential(
        nn.Linear(width, inner), nn.GELU(approximate="tanh"), nn.Linear(inner, width)
    )


def _zero(layer: nn.Linear) -> None:
    """Start a layer at zero, so that its block starts as the identity."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


class DoubleStreamBlock(nn.Module):
    """Latents and condition tokens with weights of their own, attending to each other.

    Source: Esser et al. 2024, "Scaling Rectified Flow Transformers", section 4 and figure 2b.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width, heads = config.hidden_size, config.num_heads
        inner = int(width * config.mlp_ratio)
        self.heads = heads
        self.img_mod = Modulation(width, num_norms=2)
        self.img_attn = JointAttention(width, heads, config.qkv_bias)
        self.img_mlp = _mlp(width, inner)
        self.txt_mod = Modulation(width, num_norms=2)
        self.txt_attn = JointAttention(width, heads, config.qkv_bias)
        self.txt_mlp = _mlp(width, inner)

    def forward(
        self, img: torch.Tensor, txt: torch.Tensor, vector: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Update latents `[B, N, D]` and tokens `[B, L, D]` given the vector `[B, D]`."""
        img_shift, img_scale, img_gate, *img_mlp_mod = self.img_mod(vector)
        txt_shift, txt_scale, txt_gate, *txt_mlp_mod = self.txt_mod(vector)
        img_qkv = self.img_attn.qkv(modulate(img, img_shift, img_scale))  # [B, N, 3 D]
        txt_qkv = self.txt_attn.qkv(modulate(txt, txt_shift, txt_scale))  # [B, L, 3 D]
        img_parts = self.img_attn.norm(img_qkv, self.heads)
        txt_parts = self.txt_attn.norm(txt_qkv, self.heads)
        joint = [torch.cat(pair, dim=2) for pair in zip(txt_parts, img_parts, strict=True)]
        mixed = merge_heads(attention(*joint))  # [B, L + N, D]
        txt_mixed, img_mixed = mixed.split([txt.shape[1], img.shape[1]], dim=1)
        img = img + img_gate * self.img_attn.proj(img_mixed)
        txt = txt + txt_gate * self.txt_attn.proj(txt_mixed)
        img_shift, img_scale, img_gate = img_mlp_mod
        txt_shift, txt_scale, txt_gate = txt_mlp_mod
        img = img + img_gate * self.img_mlp(modulate(img, img_shift, img_scale))
        txt = txt + txt_gate * self.txt_mlp(modulate(txt, txt_shift, txt_scale))
        return img, txt


class SingleStreamBlock(nn.Module):
    """One stream of tokens and latents; attention and MLP in parallel.

    Source: Dehghani et al. 2023, "Scaling Vision Transformers to 22 Billion Parameters", section 2
    (parallel layers), with the modulation of `DoubleStreamBlock`.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_heads
        self.sizes = [3 * width, int(width * config.mlp_ratio)]
        self.linear1 = nn.Linear(width, sum(self.sizes))
        self.linear2 = nn.Linear(width + self.sizes[1], width)
        self.norm = QueryKeyNorm(width // config.num_heads)
        self.modulation = Modulation(width, num_norms=1)
        self.mlp_act = nn.GELU(approximate="tanh")

    def forward(self, x: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        """Update `[B, L + N, D]` given the vector `[B, D]`."""
        shift, scale, gate = self.modulation(vector)
        qkv, inner = self.linear1(modulate(x, shift, scale)).split(self.sizes, dim=-1)
        mixed = merge_heads(attention(*self.norm(qkv, self.heads)))  # [B, L + N, D]
        return x + gate * self.linear2(torch.cat([mixed, self.mlp_act(inner)], dim=-1))


class FinalLayer(nn.Module):
    """Modulated norm and projection to the latents' channels; zero at the start of training."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, channels)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        for layer in (self.linear, self.adaLN_modulation[1]):
            assert isinstance(layer, nn.Linear)
            _zero(layer)

    def forward(self, x: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        """Map `[B, N, D]` to `[B, N, C]`."""
        shift, scale = self.adaLN_modulation(vector)[:, None].chunk(2, dim=-1)
        return self.linear(modulate(x, shift, scale))  # [B, N, C]


class Denoiser(nn.Module):
    """Predicts the velocity of a shape's latents.

    Args:
        config: The network's sizes.

    Source: Zhao et al. 2025, "Hunyuan3D 2.0", section 3.2; checked against golden values.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.config = config
        self.latent_in = nn.Linear(config.in_channels, width)
        self.time_in = VectorEmbedder(width)
        self.cond_in = nn.Linear(config.context_in_dim, width)
        self.guidance_in = VectorEmbedder(width) if config.guidance_embed else None
        self.double_blocks = nn.ModuleList(DoubleStreamBlock(config) for _ in range(config.depth))
        self.single_blocks = nn.ModuleList(
            SingleStreamBlock(config) for _ in range(config.depth_single_blocks)
        )
        self.final_layer = FinalLayer(width, config.in_channels)
        if config.num_latents:
            self.latent_positions = nn.Parameter(0.02 * torch.randn(config.num_latents, width))

    def forward(
        self,
        x: torch.Tensor,
        t: torch.Tensor,
        context: torch.Tensor,
        guidance: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predict data minus noise.

        Args:
            x: Noisy latents `[B, N, C]`, in the weights' dtype.
            t: Flow time `[B]` in [0, 1], 0 = noise.
            context: Condition tokens `[B, L, D_context]`, in the weights' dtype.
            guidance: Guidance scale `[B]`; needed with `guidance_embed`, otherwise ignored.

        Returns:
            Velocity `[B, N, C]`.

        Raises:
            ValueError: The network embeds the guidance scale and got none.
        """
        vector = self.time_in(t)  # [B, D]
        if self.guidance_in is not None:
            if guidance is None:
                raise ValueError("this denoiser needs the guidance scale as an input")
            vector = vector + self.guidance_in(guidance)
        img = self.latent_in(x)  # [B, N, D]
        if self.config.num_latents:
            img = img + self.latent_positions
        txt = self.cond_in(context)  # [B, L, D]
        for block in self.double_blocks:
            img, txt = block(img, txt, vector)
        stream = torch.cat([txt, img], dim=1)  # [B, L + N, D]
        for block in self.single_blocks:
            stream = block(stream, vector)
        return self.final_layer(stream[:, txt.shape[1] :], vector)  # [B, N, C]
