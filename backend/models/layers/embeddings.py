# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns positions and times into sines and cosines of many frequencies."""

import math

import torch


def embed_positions(points: torch.Tensor, num_freqs: int, include_pi: bool) -> torch.Tensor:
    """Fourier features of positions, always in float32.

    Args:
        points: `[..., 3]`, any floating dtype.
        num_freqs: Number of octaves F; frequency k is 2^k.
        include_pi: Multiply the frequencies by pi.

    Returns:
        `[..., 3 + 6 F]` float32: the points, then all sines, then all cosines; within each, the
        frequencies of one coordinate stay together.

    Source: Mildenhall et al. 2020, "NeRF", section 5.1.
    """
    points = points.float()
    exponents = torch.arange(num_freqs, device=points.device, dtype=torch.float32)
    frequencies = torch.exp2(exponents) * (math.pi if include_pi else 1.0)
    angles = (points[..., None] * frequencies).flatten(-2)  # [..., 3 F]
    return torch.cat([points, angles.sin(), angles.cos()], dim=-1)  # [..., 3 + 6 F]


def embed_time(t: torch.Tensor, width: int, factor: float, max_period: float) -> torch.Tensor:
    """Sinusoidal features of a time or a guidance scale, always in float32.

    Args:
        t: `[B]`.
        width: Size of the result D, even.
        factor: Multiplies `t` first.
        max_period: Longest period, in units of `factor` * `t`, over 2 pi.

    Returns:
        `[B, D]` float32, cosines first.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
    """
    half = width // 2
    exponents = torch.arange(half, device=t.device, dtype=torch.float32) / half
    frequencies = torch.exp(-math.log(max_period) * exponents)
    angles = factor * t.float()[:, None] * frequencies  # [B, D/2]
    return torch.cat([angles.cos(), angles.sin()], dim=-1)  # [B, D]
