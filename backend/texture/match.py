# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns disagreements between views into one colour gain per view and channel."""

import itertools

import torch
from scipy.sparse.csgraph import connected_components
from torch.nn import functional

_DARKEST, _BRIGHTEST = 0.06, 0.985
"""Values outside of this say nothing of a gain: noise, or cut off."""
_LEAST_FACING_SHARE = 0.02
"""A texel counts where a view's trust is at least this share of the view's highest."""
_FEWEST_TEXELS = 48
_LARGEST_LOG_GAIN = 0.5
_LARGE_SPREAD = 0.05
"""Spread of the logarithms of ratios at which a pair of views counts half."""
_TEXELS_GPU = 1 << 22
"""Overlapping texels of pairs that a GPU works on at a time, at some 150 bytes each."""
_PRIOR_CELLS = 0.01
"""Keeps the equations solvable where nothing overlaps."""


def match_views(
    colour: torch.Tensor, quality: torch.Tensor, view_weights: tuple[float, ...]
) -> torch.Tensor:
    """Find the gains that make views agree where they overlap.

    Pairs of views are compared by the weighted median of their ratios over the texels that both
    see, which ignores where they show different things; one least-squares fit over all pairs then
    gives each view's gain. The views meet at their mean, weighted by the root of their trust.

    Args:
        colour: `[V, C, 3]` sRGB of C texels.
        quality: `[V, C]`, trust, 0 where not seen.
        view_weights: V relative trusts.

    Returns:
        `[V, 3]`, to be multiplied onto the views' sRGB values; 1 for views that overlap nothing.
    """
    num_views = len(view_weights)
    clear = (colour > _DARKEST).all(2) & (colour < _BRIGHTEST).all(2)  # [V, C]
    clear &= quality > _LEAST_FACING_SHARE * quality.amax(1, keepdim=True)
    logs = colour.clamp(min=1e-4).log()  # [V, C, 3]
    overlap = (clear.float() @ clear.float().T).tolist()  # exact: the counts are small integers
    every = itertools.combinations(range(num_views), 2)
    chosen = [(a, b) for a, b in every if overlap[a][b] >= _FEWEST_TEXELS]
    pairs = torch.tensor(chosen, dtype=torch.int64).view(-1, 2).T  # [2, P]
    sizes = torch.tensor([overlap[a][b] for a, b in chosen], dtype=torch.float64)  # [P]
    parts = [
        _robust_ratios(logs, quality, clear, part.to(colour.device))
        for part in _split_pairs(pairs, sizes, colour.device)
    ]
    ratio, spread = torch.cat(parts, 1).double().cpu() if parts else torch.empty(2, 0, 3).double()
    trust = (sizes[:, None] / (1 + (spread / _LARGE_SPREAD) ** 2)).T  # [3, P]
    matrix, target = _set_up(num_views, pairs, trust, ratio.T)
    gains = _recentre(torch.linalg.solve(matrix, target), matrix, view_weights)  # [3, V]
    gains = gains.clamp(-_LARGEST_LOG_GAIN, _LARGEST_LOG_GAIN).exp()
    return gains.T.to(colour)  # [V, 3]


def _set_up(
    num_views: int, pairs: torch.Tensor, trust: torch.Tensor, ratio: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normal equations `[3, V, V]` and right sides `[3, V]` from pairs `[2, P]`, `[3, P]` each."""
    first, second = pairs
    matrix = torch.eye(num_views, dtype=torch.float64).repeat(3, 1, 1) * _PRIOR_CELLS
    target = torch.zeros(3, num_views, dtype=torch.float64)
    channel = torch.arange(3)[:, None]
    for view, other, sign in ((first, second, 1), (second, first, -1)):
        matrix.index_put_((channel, view, view), trust, accumulate=True)
        matrix.index_put_((channel, view, other), -trust)
        target.index_put_((channel, view), sign * trust * ratio, accumulate=True)
    return matrix, target


def _recentre(
    logs: torch.Tensor, matrix: torch.Tensor, view_weights: tuple[float, ...]
) -> torch.Tensor:
    """Shift the logarithms of gains `[3, V]` so that views that overlap change least in all.

    No view is right by itself, but the more it is trusted the less it shall change.
    """
    _, group = connected_components(matrix[0].numpy() < 0, directed=False)
    weights = torch.tensor(view_weights, dtype=torch.float64).sqrt()
    result = logs.clone()
    for number in range(group.max() + 1):
        member = torch.from_numpy(group == number)
        share = weights[member] / weights[member].sum()
        result[:, member] -= (logs[:, member] * share).sum(1, keepdim=True)
    return result


def _split_pairs(
    pairs: torch.Tensor, sizes: torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, ...]:
    """Pairs `[2, P]` in parts whose overlaps `[P]` are not too many for the device at a time."""
    most = _TEXELS_GPU if device.type == "cuda" else 1
    part = torch.cumsum(sizes, 0) // most
    return (
        pairs.tensor_split(torch.nonzero(part.diff()).squeeze(1) + 1, dim=1) if len(sizes) else ()
    )


def _robust_ratios(
    logs: torch.Tensor, quality: torch.Tensor, clear: torch.Tensor, pairs: torch.Tensor
) -> torch.Tensor:
    """Weighted medians of differences between views, and the typical distance from them.

    Args:
        logs: `[V, C, 3]`, logarithms of colours.
        quality: `[V, C]`, their weights.
        clear: `[V, C]` bool, which of them count.
        pairs: `[2, P]` int64, numbers of views that overlap.

    Returns:
        `[2, P, 3]`.
    """
    pair, texel = torch.nonzero(clear[pairs[0]] & clear[pairs[1]], as_tuple=True)  # [M], ascending
    first, second = pairs[:, pair]  # [M]
    weight = (quality[first, texel] * quality[second, texel]).sqrt().double()
    difference = logs[second, texel] - logs[first, texel]  # [M, 3]
    number = torch.arange(pairs.shape[1], device=pair.device)
    ends = torch.searchsorted(pair, number, right=True)  # [P]
    centre = _weighted_medians(difference, weight, pair, ends)
    spread = _weighted_medians((difference - centre[pair]).abs(), weight, pair, ends)
    return torch.stack([centre, spread])


def _weighted_medians(
    values: torch.Tensor, weight: torch.Tensor, group: torch.Tensor, ends: torch.Tensor
) -> torch.Tensor:
    """Weighted medians `[P, 3]` of the columns of `[M, 3]`, by group `[M]`, ascending."""
    values, order = values.sort(dim=0)
    again = group[order].sort(dim=0, stable=True).indices  # [M, 3]
    values, order = values.gather(0, again), order.gather(0, again)
    share = weight[order].cumsum(0)  # [M, 3]
    above = share[ends - 1]  # [P, 3]
    middle = (above + functional.pad(above[:-1], (0, 0, 1, 0))) / 2
    index = torch.searchsorted(share.T.contiguous(), middle.T.contiguous()).T  # [P, 3]
    return values.gather(0, index.clamp(max=len(values) - 1))
