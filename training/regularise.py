# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns off random parts of the networks while they train, so that they do not learn by heart.

The parts are reached by hooks: the networks themselves stay what the product runs.
"""

from functools import partial

import torch
from torch import nn

from backend.models.dinov2.encoder import Dinov2Encoder
from backend.models.hunyuan3d.denoiser import Denoiser


def add_stochastic_depth(encoder: Dinov2Encoder, denoiser: Denoiser, rate: float) -> None:
    """Skip residual branches at random in training mode, deeper ones more often.

    Args:
        encoder: Of the pictures.
        denoiser: Of the latents.
        rate: Chance to skip the last branch of each network for a sample; the first is always
            kept, in between it grows linearly.

    Source: Huang et al. 2016, "Deep Networks with Stochastic Depth", section 3.
    """
    if rate == 0:
        return
    layers = [[layer.layer_scale1, layer.layer_scale2] for layer in encoder.encoder.layer]
    _hook(layers, rate)
    double = [
        [block.img_attn.proj, block.img_mlp, block.txt_attn.proj, block.txt_mlp]
        for block in denoiser.double_blocks
    ]
    _hook([*double, *([block.linear2] for block in denoiser.single_blocks)], rate)


def _hook(layers: list[list[nn.Module]], rate: float) -> None:
    for depth, branches in enumerate(layers):
        chance = rate * depth / max(1, len(layers) - 1)
        for branch in branches:
            branch.register_forward_hook(partial(_skip, chance))


def _skip(
    chance: float, branch: nn.Module, _inputs: tuple[torch.Tensor, ...], output: torch.Tensor
) -> torch.Tensor:
    """Zero the branch's output `[B, L, D]` for some samples, and scale the others up."""
    if not branch.training or chance == 0:
        return output
    shape = (len(output), 1, 1)
    keep = (torch.rand(shape, device=output.device) >= chance).to(output.dtype)
    return output * (keep / (1 - chance))
