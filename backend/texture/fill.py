# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the colours of seen texels into those of unseen ones, by diffusion over the surface."""

import torch

from .atlas import Texels
from .cells import Pyramid, group_mean, interpolate_cells
from .solve import solve_screened

_HOLD = 1e4
_SMOOTHING_ROUNDS = 24
_NEAR_TEXELS = 3.0
"""Texels that lie side by side in the texture and this close in space are neighbours."""
_GREY = 0.5


def fill_unseen(
    pyramid: Pyramid, texels: Texels, colour: torch.Tensor, is_seen: torch.Tensor, size: int
) -> torch.Tensor:
    """Continue the seen colours harmonically over the surface, across UV seams.

    Args:
        pyramid: The cells.
        texels: N of them.
        colour: `[N, 3]`, valid where seen.
        is_seen: `[N]` bool.
        size: Edge T of the texture.

    Returns:
        `[N, 3]`; pieces that nothing connects to a seen one take the colours nearest in space, and
        all is grey if nothing is seen.
    """
    if bool(is_seen.all()):
        return colour
    if not bool(is_seen.any()):
        return torch.full_like(colour, _GREY)
    count = len(pyramid.levels[0].key)
    value, weight = group_mean(colour, is_seen.float(), pyramid.cell, count)
    start = _push_pull(pyramid, value, weight)
    screen = torch.where(weight > 0, _HOLD, 0.0)
    solved = solve_screened(pyramid, screen, screen[:, None] * value, start)
    solved = torch.where((weight > 0)[:, None], value, solved)
    unseen = torch.nonzero(~is_seen).squeeze(1)
    filled = colour.clone()
    filled[unseen] = interpolate_cells(pyramid, solved, texels.point[unseen], texels.normal[unseen])
    return _smooth(texels, filled, unseen, size, _NEAR_TEXELS * texels.size)


def _push_pull(pyramid: Pyramid, value: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A first guess `[C, 3]`: the mean of the smallest ancestor that holds something seen."""
    values, weights = [value], [weight]
    for cells in pyramid.levels[:-1]:
        count = int(cells.parent.max()) + 1
        mean, total = group_mean(values[-1], weights[-1], cells.parent, count)
        values.append(mean)
        weights.append(total)
    guess, total = group_mean(values[-1], weights[-1], torch.zeros_like(pyramid.levels[-1].key), 1)
    guess = torch.where((weights[-1] > 0)[:, None], values[-1], guess)
    for level in range(len(values) - 2, -1, -1):
        above = guess[pyramid.levels[level].parent]
        guess = torch.where((weights[level] > 0)[:, None], values[level], above)
    return guess


def _smooth(
    texels: Texels, colour: torch.Tensor, unseen: torch.Tensor, size: int, reach: float
) -> torch.Tensor:
    """Relax the unseen texels among their neighbours, which removes the cells' traces."""
    place = torch.full((size * size,), -1, device=unseen.device)
    place[texels.index] = torch.arange(len(texels.index), device=unseen.device)
    row, column = texels.index[unseen] // size, texels.index[unseen] % size
    neighbours, weights = [], []
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = row + down, column + right
        is_inside = (y >= 0) & (y < size) & (x >= 0) & (x < size)
        other = place[(y * size + x).clamp(0, size * size - 1)]
        gap = (texels.point[other.clamp(min=0)] - texels.point[unseen]).norm(dim=1)
        weights.append(is_inside & (other >= 0) & (gap <= reach))
        neighbours.append(other.clamp(min=0))
    total = torch.stack(weights).sum(0).clamp(min=1)[:, None]  # [M, 1]
    is_alone = ~torch.stack(weights).any(0)[:, None]
    for _ in range(_SMOOTHING_ROUNDS):
        mean = torch.zeros_like(colour[unseen])
        for other, weight in zip(neighbours, weights, strict=True):
            mean += colour[other] * weight[:, None]
        colour[unseen] = torch.where(is_alone, colour[unseen], mean / total)
    return colour
