# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns noisy latents, a timestep and text embeddings into the predicted noise or velocity."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ..layers.attention import attention, merge_heads, split_heads
from ..layers.embeddings import embed_time
from .blocks import Downsample, ResidualBlock, Upsample
from .config import UNetConfig

MAX_PERIOD = 10000.0


@dataclass(frozen=True, slots=True)
class Context:
    """What every transformer block reads besides the picture.

    Attributes:
        text: Text embeddings `[B, L, C]`.
    """

    text: torch.Tensor


MakeBlock = Callable[[str, int, int, int], nn.Module]
"""Builds a transformer block from its place, width, number of heads and width of the text.

The place, "down_0_1_0" or "mid_0_0" or "up_3_2_0", counts level, transformer and block.
"""


class UNet(nn.Module):
    """Denoiser of the Stable Diffusion family.

    Args:
        config: The network's sizes.
        make_block: Builds the transformer blocks, which are called with tokens `[B, H*W, D]` and
            the context; None: `TransformerBlock`.

    Source: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models",
    section 3.3 and appendix E.2.1; checked against golden values.
    """

    def __init__(self, config: UNetConfig, make_block: MakeBlock | None = None) -> None:
        super().__init__()
        self.config = config
        widths, time_width = config.block_out_channels, config.time_width
        make_block = make_block or make_plain_block
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0], time_width)
        if config.num_class_embeds:
            self.class_embedding = nn.Embedding(config.num_class_embeds, time_width)
        skips = [widths[0]]
        self.down_blocks = nn.ModuleList(
            DownLevel(level, skips, config, make_block) for level in range(len(widths))
        )
        self.mid_block = MiddleBlock(config, make_block)
        self.up_blocks = nn.ModuleList(
            UpLevel(level, skips, config, make_block) for level in range(len(widths))
        )
        self.conv_norm_out = nn.GroupNorm(config.norm_num_groups, widths[0], config.norm_eps)
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        context: Context,
        labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Predict what the checkpoint was trained for: noise or velocity.

        Args:
            sample: `[B, in_channels, H, W]`.
            timestep: `[B]` or `[]`, 0..999, may lie between whole numbers.
            context: Read by the transformer blocks.
            labels: `[B]` int64, rows of the class embedding; only if there is one.

        Returns:
            `[B, out_channels, H, W]`.
        """
        time = embed_time(timestep.expand(len(sample)), self.conv_in.out_channels, 1.0, MAX_PERIOD)
        time = self.time_embedding(time.to(sample.dtype))  # [B, D]
        if labels is not None:
            time = time + self.class_embedding(labels)
        x = self.conv_in(sample)
        skips = [x]
        for block in self.down_blocks:
            x = block(x, time, context, skips)
        x = self.mid_block(x, time, context)
        for block in self.up_blocks:
            x = block(x, time, context, skips)
        return self.conv_out(functional.silu(self.conv_norm_out(x)))


class TimeEmbedding(nn.Module):
    """MLP over the sinusoidal features of the timestep."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_width, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map `[B, C]` to `[B, D]`."""
        return self.linear_2(functional.silu(self.linear_1(features)))


class DownLevel(nn.Module):
    """Residual blocks and transformers of one level, then half the size unless it is the last.

    Args:
        level: 0 is the finest.
        skips: Widths of the outputs that the way up reads; this level's are appended.
        config: The network's sizes.
        make_block: Builds the transformer blocks.
    """

    def __init__(
        self, level: int, skips: list[int], config: UNetConfig, make_block: MakeBlock
    ) -> None:
        super().__init__()
        width, count = config.block_out_channels[level], config.layers_per_block
        is_last = level == len(config.block_out_channels) - 1
        inputs = [skips[-1]] + [width] * (count - 1)
        self.resnets = nn.ModuleList(_residual(before, width, config) for before in inputs)
        self.attentions = nn.ModuleList(
            Transformer(f"down_{level}_{index}", width, config.num_heads[level], config, make_block)
            for index in range(count if config.down_has_attention[level] else 0)
        )
        self.downsamplers = nn.ModuleList([] if is_last else [Downsample(width, is_centred=True)])
        skips += [width] * (count + len(self.downsamplers))

    def forward(
        self, x: torch.Tensor, time: torch.Tensor, context: Context, skips: list[torch.Tensor]
    ) -> torch.Tensor:
        """Map `[B, C, H, W]` to `[B, C', H/2, W/2]`; appends every part's output to `skips`."""
        for index, resnet in enumerate(self.resnets):
            x = resnet(x, time)
            if len(self.attentions):
                x = self.attentions[index](x, context)
            skips.append(x)
        for downsample in self.downsamplers:
            x = downsample(x)
            skips.append(x)
        return x


class MiddleBlock(nn.Module):
    """Residual block, transformer, residual block at the coarsest level."""

    def __init__(self, config: UNetConfig, make_block: MakeBlock) -> None:
        super().__init__()
        width = config.block_out_channels[-1]
        self.resnets = nn.ModuleList(_residual(width, width, config) for _ in range(2))
        self.attentions = nn.ModuleList(
            [Transformer("mid_0", width, config.num_heads[-1], config, make_block)]
        )

    def forward(self, x: torch.Tensor, time: torch.Tensor, context: Context) -> torch.Tensor:
        """Update `[B, C, H, W]`."""
        x = self.attentions[0](self.resnets[0](x, time), context)
        return self.resnets[1](x, time)


class UpLevel(nn.Module):
    """Residual blocks that read the way down, transformers, then the next finer size.

    Args:
        level: 0 is the coarsest.
        skips: Widths of the outputs still to be read; this level's are removed.
        config: The network's sizes.
        make_block: Builds the transformer blocks.
    """

    def __init__(
        self, level: int, skips: list[int], config: UNetConfig, make_block: MakeBlock
    ) -> None:
        super().__init__()
        widths, heads = config.block_out_channels[::-1], config.num_heads[::-1]
        width, count = widths[level], config.layers_per_block + 1
        inputs = [widths[max(level - 1, 0)]] + [width] * (count - 1)
        self.resnets = nn.ModuleList(
            _residual(before + skips.pop(), width, config) for before in inputs
        )
        self.attentions = nn.ModuleList(
            Transformer(f"up_{level}_{index}", width, heads[level], config, make_block)
            for index in range(count if config.up_has_attention[level] else 0)
        )
        self.upsamplers = nn.ModuleList([Upsample(width)] if skips else [])

    def forward(
        self, x: torch.Tensor, time: torch.Tensor, context: Context, skips: list[torch.Tensor]
    ) -> torch.Tensor:
        """Map `[B, C, H, W]` to `[B, C', 2H, 2W]`; takes what it reads off the end of `skips`."""
        for index, resnet in enumerate(self.resnets):
            x = resnet(torch.cat([x, skips.pop()], dim=1), time)
            if len(self.attentions):
                x = self.attentions[index](x, context)
        for upsample in self.upsamplers:
            height, width = skips[-1].shape[-2:]  # not always twice: odd edges were rounded up
            x = upsample(x, (height, width))
        return x


class Transformer(nn.Module):
    """Transformer over the pixels, beside a shortcut."""

    def __init__(
        self, place: str, channels: int, heads: int, config: UNetConfig, make_block: MakeBlock
    ) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(config.norm_num_groups, channels, eps=1e-6)
        self.proj_in, self.proj_out = (
            nn.Linear(channels, channels)
            if config.use_linear_projection
            else PixelLinear(channels, channels)
            for _ in range(2)
        )
        self.transformer_blocks = nn.ModuleList(
            [make_block(f"{place}_0", channels, heads, config.cross_attention_dim)]
        )

    def forward(self, x: torch.Tensor, context: Context) -> torch.Tensor:
        """Update `[B, C, H, W]`."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # [B, H*W, C]
        tokens = self.proj_in(tokens)
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        update = self.proj_out(tokens).transpose(1, 2)  # [B, C, H*W]
        return x + update.unflatten(2, x.shape[-2:])  # [B, C, H, W]


class PixelLinear(nn.Conv2d):
    """A linear layer whose weight is stored as a 1x1 kernel, `[C', C, 1, 1]`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Map `[B, L, C]` to `[B, L, C']`."""
        return functional.linear(input, self.weight[:, :, 0, 0], self.bias)


class TransformerBlock(nn.Module):
    """Pre-norm block: self-attention, attention to the text, MLP.

    Args:
        width: Channels D of a token.
        heads: Attention heads.
        text_width: Channels of a text embedding.
    """

    def __init__(self, width: int, heads: int, text_width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, text_width, heads)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: torch.Tensor, context: Context) -> torch.Tensor:
        """Update `[B, L, D]`."""
        normed = self.norm1(x)
        return self.read_text(x + self.attn1(normed, normed), context.text)

    def read_text(self, x: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """The second part of the block, after all attention among pixels: update `[B, L, D]`."""
        x = x + self.attn2(self.norm2(x), text)
        return x + self.ff(self.norm3(x))


class Attention(nn.Module):
    """Multi-head attention, biased only at its output.

    Args:
        width: Channels D of a query token and of the output.
        data_width: Channels of a token that is read.
        heads: Attention heads.
    """

    def __init__(self, width: int, data_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(data_width, width, bias=False)
        self.to_v = nn.Linear(data_width, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, x: torch.Tensor, data: torch.Tensor) -> torch.Tensor:
        """Read data `[B, M, C]` from queries `[B, L, D]`; returns `[B, L, D]`."""
        query = split_heads(self.to_q(x), self.heads)  # [B, H, L, D/H]
        key, value = (split_heads(to(data), self.heads) for to in (self.to_k, self.to_v))
        return self.to_out(merge_heads(attention(query, key, value)))


class FeedForward(nn.Module):
    """Gated MLP, four widths wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # The second place was dropout's.
        self.net = nn.Sequential(
            GEGLU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[..., D]` to `[..., D]`."""
        return self.net(x)


class GEGLU(nn.Module):
    """A linear layer gated by the GELU of another.

    Source: Shazeer 2020, "GLU Variants Improve Transformer", section 2.
    """

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * out_width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[..., D]` to `[..., D']`."""
        value, gate = self.proj(x).chunk(2, dim=-1)  # [..., D'] each
        return value * functional.gelu(gate)


def make_plain_block(place: str, width: int, heads: int, text_width: int) -> nn.Module:
    """A `TransformerBlock`; its place does not matter."""
    return TransformerBlock(width, heads, text_width)


def _residual(in_channels: int, out_channels: int, config: UNetConfig) -> ResidualBlock:
    """A residual block that reads the time embedding."""
    groups, eps = config.norm_num_groups, config.norm_eps
    return ResidualBlock(in_channels, out_channels, groups, eps, config.time_width)
