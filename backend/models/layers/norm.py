# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns activations of any size into activations of unit size."""

import torch
from torch import nn


class RMSNorm(nn.Module):
    """Divides by the root mean square over the last axis, in float32, then multiplies by `scale`.

    Args:
        width: Size of the last axis.
        eps: Added to the mean square.

    Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", section 3.
    """

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise `[..., D]`; the result has the input's dtype."""
        scale = self.scale.float()
        return nn.functional.rms_norm(x.float(), scale.shape, scale, self.eps).to(x.dtype)


def modulate(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Layer-normalise `x` `[B, L, D]` without weights, then scale by 1 + `scale` and add `shift`.

    Args:
        x: `[B, L, D]`.
        shift: `[B, 1, D]`.
        scale: `[B, 1, D]`.

    Returns:
        `[B, L, D]`, dtype of the inputs after type promotion.

    Source: Peebles and Xie 2023, "Scalable Diffusion Models with Transformers", section 3.2.
    """
    return (1 + scale) * nn.functional.layer_norm(x, x.shape[-1:], eps=1e-6) + shift
