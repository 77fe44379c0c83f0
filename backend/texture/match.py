# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns disagreements between views into one colour gain per view and channel."""

import itertools

import torch
from scipy.sparse.csgraph import connected_components

_DARKEST, _BRIGHTEST = 0.06, 0.985
"""Values outside of this say nothing of a gain: noise, or cut off."""
_LEAST_FACING_SHARE = 0.02
"""A texel counts where a view's trust is at least this share of the view's highest."""
_FEWEST_TEXELS = 48
_LARGEST_LOG_GAIN = 0.5
_LARGE_SPREAD = 0.05
"""Spread of the logarithms of ratios at which a pair of views counts half."""
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
    overlap = (clear.float() @ clear.float().T).tolist()  # exact, the counts are small integers
    pairs = itertools.combinations(range(num_views), 2)
    pairs = [(a, b) for a, b in pairs if overlap[a][b] >= _FEWEST_TEXELS]
    ratios = []
    for a, b in pairs:
        both = torch.nonzero(clear[a] & clear[b]).squeeze(1)
        weight = (quality[a, both] * quality[b, both]).sqrt()
        ratios.append(_robust_ratio(logs[b, both] - logs[a, both], weight))  # [2, 3]
    matrix = torch.eye(num_views, dtype=torch.float64).repeat(3, 1, 1) * _PRIOR_CELLS
    target = torch.zeros(3, num_views, dtype=torch.float64)
    found = torch.stack(ratios).double().cpu() if ratios else torch.empty(0, 2, 3)
    for (a, b), (ratio, spread) in zip(pairs, found, strict=True):
        trust = overlap[a][b] / (1 + (spread / _LARGE_SPREAD) ** 2)
        for view, other, sign in ((a, b, 1), (b, a, -1)):
            matrix[:, view, view] += trust
            matrix[:, view, other] -= trust
            target[:, view] += sign * trust * ratio
    gains = _recentre(torch.linalg.solve(matrix, target), matrix, view_weights)  # [3, V]
    gains = gains.clamp(-_LARGEST_LOG_GAIN, _LARGEST_LOG_GAIN).exp()
    return gains.T.to(colour)  # [V, 3]


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


def _robust_ratio(difference: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted median of differences `[M, 3]` and their typical distance from it, `[2, 3]`."""
    centre = _weighted_median(difference, weight)
    spread = _weighted_median((difference - centre).abs(), weight)
    return torch.stack([centre, spread])


def _weighted_median(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted medians `[3]` of the columns of `[M, 3]`; the weights add up in float64."""
    ordered, order = values.sort(dim=0)
    share = weight.double()[order].cumsum(0)  # [M, 3]
    index = (share < share[-1:] / 2).sum(0, keepdim=True).clamp_(max=len(values) - 1)
    return ordered.gather(0, index)[0]
