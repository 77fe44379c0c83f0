# SPDX-License-Identifier: GPL-3.0-or-later
"""DINOv2: turns a normalised picture into a class token and one token per patch."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..layers.attention import attention
from .config import Dinov2Config


class Dinov2Encoder(nn.Module):
    """The whole encoder, with the published parameter names.

    Source: Oquab et al., "DINOv2", 2023; Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020.
    """

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = LayerStack(config)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.apply(_initialise)

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode pictures.

        Args:
            pixels: `[B, C, H, W]`, normalised; H and W are multiples of the patch size.

        Returns:
            Tokens `[B, 1 + patches, D]` after the last LayerNorm, class token first.
        """
        tokens = self.embeddings(pixels)
        for layer in self.encoder.layer:
            tokens = layer(tokens)
        return self.layernorm(tokens)


class Embeddings(nn.Module):
    """Patches to tokens, with class token and position embeddings."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        width, grid = config.hidden_size, config.image_size // config.patch_size
        self.grid = grid
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        # Only masked pre-training reads it; it is here because checkpoints hold it.
        self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.position_embeddings = nn.Parameter(torch.empty(1, 1 + grid * grid, width))
        self.patch_embeddings = PatchEmbeddings(config)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.position_embeddings, std=0.02)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embeddings.projection(pixels)  # [B, D, H/p, W/p]
        rows, columns = patches.shape[-2:]
        tokens = patches.flatten(2).transpose(1, 2)  # [B, L, D]
        class_token = self.cls_token.to(tokens.dtype).expand(len(tokens), -1, -1)
        tokens = torch.cat([class_token, tokens], dim=1)  # [B, 1+L, D]
        return tokens + self._positions(rows, columns).to(tokens.dtype)

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Position embeddings for a grid, bicubically resized unless it is the trained one."""
        if (rows, columns) == (self.grid, self.grid):
            return self.position_embeddings
        trained = self.position_embeddings.float()
        grid = trained[:, 1:].unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        grid = functional.interpolate(grid, (rows, columns), mode="bicubic", align_corners=False)
        return torch.cat([trained[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)  # [1, 1+L, D]


class PatchEmbeddings(nn.Module):
    """Holds the patch projection under its published name."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        size = config.patch_size
        self.projection = nn.Conv2d(config.num_channels, config.hidden_size, size, stride=size)


class LayerStack(nn.Module):
    """Holds the layers under their published name."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))


class Layer(nn.Module):
    """Pre-norm attention and feed-forward, each with a learned residual scale per channel."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attention = Attention(config)
        self.layer_scale1 = LayerScale(width, config.layerscale_value)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = SwiGlu(config) if config.use_swiglu_ffn else Mlp(config)
        self.layer_scale2 = LayerScale(width, config.layerscale_value)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.layer_scale1(self.attention(self.norm1(tokens)))
        return tokens + self.layer_scale2(self.mlp(self.norm2(tokens)))


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.attention = Projections(config)
        self.output = Output(config)

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = (
            projection(tokens).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for projection in (self.attention.query, self.attention.key, self.attention.value)
        )  # each [B, H, L, D/H]
        mixed = attention(q, k, v).transpose(1, 2).flatten(2)  # [B, L, D]
        return self.output.dense(mixed)


class Projections(nn.Module):
    """Holds query, key and value under their published names."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        width, bias = config.hidden_size, config.qkv_bias
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)


class Output(nn.Module):
    """Holds the output projection under its published name."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)


class LayerScale(nn.Module):
    """Scales each channel of a residual branch."""

    def __init__(self, width: int, value: float) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.full((width,), float(value)))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.lambda1


class Mlp(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        inner = int(config.hidden_size * config.mlp_ratio)
        self.fc1 = nn.Linear(config.hidden_size, inner)
        self.fc2 = nn.Linear(inner, config.hidden_size)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(tokens)))


class SwiGlu(nn.Module):
    """Gated feed-forward: the first half of the inner channels, through SiLU, scales the second.

    Source: Shazeer, "GLU Variants Improve Transformer", 2020.
    """

    def __init__(self, config: Dinov2Config) -> None:
        super().__init__()
        # Two thirds keep the parameter count of the plain MLP; multiples of 8 suit the kernels.
        inner = (int(int(config.hidden_size * config.mlp_ratio) * 2 / 3) + 7) // 8 * 8
        self.weights_in = nn.Linear(config.hidden_size, 2 * inner)
        self.weights_out = nn.Linear(inner, config.hidden_size)

    def forward(self, tokens: Tensor) -> Tensor:
        gate, value = self.weights_in(tokens).chunk(2, dim=-1)
        return self.weights_out(functional.silu(gate) * value)


def _initialise(module: nn.Module) -> None:
    """Start values for training from scratch: small truncated normals, zero biases."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
