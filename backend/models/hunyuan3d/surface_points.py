# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a dense sample of a surface into the encoder's inputs and its query points."""

from collections.abc import Sequence

import torch

from .config import ShapeVAEConfig


def sample_farthest_points(points: torch.Tensor, count: int) -> torch.Tensor:
    """Pick `count` points, each the farthest from those picked before; the first is entry 0.

    Args:
        points: `[B, P, 3]`.
        count: How many, 1..P.

    Returns:
        `[B, count]` int64 indices in the order of selection; ties go to the lowest index.

    Source: Eldar et al. 1997, "The Farthest Point Strategy for Progressive Image Sampling".
    """
    points = points.float()
    rows = torch.arange(points.shape[0], device=points.device)
    picked = torch.zeros(points.shape[0], count, dtype=torch.int64, device=points.device)
    nearest = torch.full(points.shape[:2], torch.inf, device=points.device)  # [B, P]
    for step in range(1, count):
        last = points[rows, picked[:, step - 1]]  # [B, 3]
        distance = (points - last[:, None]).square().sum(-1)  # [B, P]
        nearest = torch.minimum(nearest, distance)
        # Not argmax: which of several equal entries it returns is not defined.
        is_farthest = nearest == nearest.amax(dim=1, keepdim=True)  # [B, P]
        picked[:, step] = is_farthest.int().cumsum(1).eq(0).sum(1)
    return picked


def count_queries(config: ShapeVAEConfig) -> tuple[int, int]:
    """Encoder queries taken from the uniform and from the sharp-edge points."""
    total = config.pc_size + config.pc_sharpedge_size
    uniform = config.num_latents * config.pc_size // total
    return uniform, config.num_latents - uniform


def select_points(
    surface: torch.Tensor,
    config: ShapeVAEConfig,
    generator: torch.Generator | None = None,
    permutations: Sequence[torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Thin a surface sample out at random, then pick well-spread query points from what is left.

    Args:
        surface: `[B, P, 3 + point_feats]`: `pc_size` uniform points, then `pc_sharpedge_size`
            points on sharp edges.
        config: The autoencoder's sizes.
        generator: Draws the permutations; None means a new one with seed 0.
        permutations: Orders of the uniform and, if there are any, of the sharp points, `[pc_size]`
            and `[pc_sharpedge_size]` int64, instead of random ones.

    Returns:
        Queries `[B, N, 3 + point_feats]` and inputs `[B, M, 3 + point_feats]`; in both the
        uniform points come first.

    Raises:
        ValueError: `surface` does not hold the configured number of points.

    Source: Hunyuan3D 2.0, section 3.1 (importance sampling); numbers from the golden cases.
    """
    sizes = [config.pc_size, config.pc_sharpedge_size]
    if surface.shape[1] != sum(sizes):
        raise ValueError(f"expected {sum(sizes)} surface points, got {surface.shape[1]}")
    if permutations is None:
        generator = generator or torch.Generator().manual_seed(0)
        permutations = [
            torch.randperm(size, generator=generator, device=generator.device) for size in sizes
        ]
    queries, inputs = [], []
    counts = count_queries(config)
    for points, order, count in zip(
        torch.split(surface, sizes, dim=1), permutations, counts, strict=False
    ):
        if count == 0:
            continue
        kept = points[:, order[: count * config.downsample_ratio].to(points.device)]  # [B, M_k, F]
        picked = sample_farthest_points(kept[..., :3], count)  # [B, N_k]
        rows = torch.arange(len(kept), device=kept.device)[:, None]
        queries.append(kept[rows, picked])  # [B, N_k, F]
        inputs.append(kept)
    return torch.cat(queries, 1), torch.cat(inputs, 1)
