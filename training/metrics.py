# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns fields into surface points, and point sets into F-score and Chamfer distance."""

from collections.abc import Callable

import torch

THRESHOLD = 0.05


def grid_points(cells: int, box: float, device: torch.device) -> torch.Tensor:
    """The nodes `[(cells+1)^3, 3]` of a grid, x slowest."""
    line = torch.linspace(-box, box, cells + 1, device=device)
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).view(-1, 3)


def evaluate_grid(
    query: Callable[[torch.Tensor], torch.Tensor], cells: int, box: float, device: torch.device
) -> torch.Tensor:
    """Evaluate `query` (`[1, Q, 3]` -> `[1, Q]`) on all nodes -> `[R+1, R+1, R+1]` float32."""
    parts = [query(p[None])[0].float() for p in grid_points(cells, box, device).split(1 << 17)]
    return torch.cat(parts).view(cells + 1, cells + 1, cells + 1)


def crossing_points(values: torch.Tensor, box: float, level: float = 0.0) -> torch.Tensor:
    """Where the grid's edges cross the level, by linear interpolation -> `[M, 3]`."""
    side = values.shape[0]
    found = []
    for axis in range(3):
        low, high = values.narrow(axis, 0, side - 1), values.narrow(axis, 1, side - 1)
        where = torch.nonzero((low > level) != (high > level))  # [M, 3]
        a, b = low[tuple(where.T)], high[tuple(where.T)]
        point = where.float()
        point[:, axis] += (level - a) / (b - a)
        found.append(point)
    return torch.cat(found) * (2 * box / (side - 1)) - box


def fscore_and_chamfer(
    result: torch.Tensor, truth: torch.Tensor, threshold: float = THRESHOLD
) -> tuple[float, float]:
    """Compare point sets `[M, 3]` and `[K, 3]`.

    Returns:
        F-score (harmonic mean of precision and recall at the threshold) and Chamfer-L1 (mean of
        the two mean nearest distances). No result points count as F 0 and Chamfer 2.
    """
    if len(result) == 0:
        return 0.0, 2.0
    there = torch.cat([torch.cdist(p, truth).amin(1) for p in result.split(4096)])
    back = torch.cat([torch.cdist(p, result).amin(1) for p in truth.split(4096)])
    precision = (there < threshold).float().mean()
    recall = (back < threshold).float().mean()
    f = 2 * precision * recall / (precision + recall).clamp(min=1e-9)
    return float(f), float((there.mean() + back.mean()) / 2)


def thin_out(points: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """A random subset of at most `count` points."""
    if len(points) <= count:
        return points
    order = torch.randperm(len(points), device=points.device, generator=generator)
    return points[order[:count]]
