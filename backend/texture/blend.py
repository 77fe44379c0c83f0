# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what several views see into one: sharp choice of a view, seams removed by gradients."""

import torch

from .cells import Cells, Pyramid, interpolate_cells
from .solve import neighbour_sum, solve_screened

_ROUNDS = 12
_SHARPNESS = 2.0
_UNITY = 1.5
"""Cost of a neighbour with another view, in units of the logarithm of the trust."""
_CONTRAST = 40.0
"""Cost of a seam between views that differ, per squared difference of sRGB values."""
_LEAST_LOG = -8.0
_FEATHER_ROUNDS = 2
_ACTIVE = 0.999
_FALLBACK = 1e-4
_LEAST_SUPPORT = 1e-4
_SCREEN_CELLS = 64.0
"""Distance in cells over which a seam's correction fades."""


def choose_views(
    pyramid: Pyramid, colour: torch.Tensor, quality: torch.Tensor, view_weights: tuple[float, ...]
) -> torch.Tensor:
    """Choose a view for every cell, so that borders are few and run where the views agree.

    Args:
        pyramid: The cells.
        colour: `[V, C, 3]` sRGB, mean over each cell.
        quality: `[V, C]`, mean trust, 0 where not seen; the views' weights included.
        view_weights: V relative trusts.

    Returns:
        `[C, V]`, shares of the views: 1 for one view except in the narrow bands where the choice
        changes; all zero where nothing is seen.

    Source: mean-field labelling of a Potts model (Krähenbühl and Koltun 2011, section 2, with the
    plain neighbourhood of a graph); contrast term after Lempitsky and Ivanov 2007.
    """
    cells = pyramid.levels[0]
    trust = quality.T  # [C, V]
    is_seen = trust > 0
    best = trust.amax(1, keepdim=True).clamp(min=1e-20)
    unary = (trust / best).clamp(min=1e-12).log().clamp(min=_LEAST_LOG)  # [C, V]
    degree = cells.links.sum(1, keepdim=True).clamp(min=1e-6)
    shown = colour.transpose(0, 1)  # [C, V, 3]
    square = shown.square().sum(2)  # [C, V]
    shares = _normalise(torch.exp(_SHARPNESS * unary) * is_seen)
    for _ in range(_ROUNDS):
        around = neighbour_sum(cells, shares) / degree  # [C, V]
        both = around * is_seen
        total = both.sum(1, keepdim=True)
        mean = torch.einsum("cv,cvk->ck", both, shown)  # [C, 3]
        mixed = torch.einsum("cvk,ck->cv", shown, mean)
        contrast = square * total - 2 * mixed + (both * square).sum(1, keepdim=True)
        energy = unary + _UNITY * around - _CONTRAST * contrast.clamp(min=0)
        energy = energy - energy.amax(1, keepdim=True)
        shares = _normalise(torch.exp(_SHARPNESS * energy) * is_seen)
    label = (shares + is_seen * _tie_break(view_weights, shares)).argmax(1)  # [C]
    chosen = torch.zeros_like(shares).scatter_(1, label[:, None], 1.0) * is_seen
    return _feather(cells, chosen)


def _tie_break(view_weights: tuple[float, ...], like: torch.Tensor) -> torch.Tensor:
    """A tiny preference `[V]` for the heavier view, then the earlier one."""
    order = sorted(range(len(view_weights)), key=lambda view: (-view_weights[view], view))
    rank = torch.tensor([order.index(view) for view in range(len(order))])
    return 1e-6 * (len(order) - rank).to(like)


def _normalise(shares: torch.Tensor) -> torch.Tensor:
    """Shares `[C, V]` that sum to 1, or 0 where there is none."""
    return shares / shares.sum(1, keepdim=True).clamp(min=1e-20)


def _feather(cells: Cells, chosen: torch.Tensor) -> torch.Tensor:
    """Blur the choice over a few cells."""
    degree = cells.links.sum(1, keepdim=True).clamp(min=1e-6)
    for _ in range(_FEATHER_ROUNDS):
        chosen = (chosen + neighbour_sum(cells, chosen) / degree) / 2
    return _normalise(chosen)


def share_texels(
    pyramid: Pyramid,
    shares: torch.Tensor,
    quality: torch.Tensor,
    points: torch.Tensor,
    normals: torch.Tensor,
) -> torch.Tensor:
    """Spread the cells' shares over the texels that each view sees.

    Args:
        pyramid: The cells.
        shares: `[C, V]` from `choose_views`.
        quality: `[V, N]`, 0 where a view does not see a texel.
        points: `[N, 3]`.
        normals: `[N, 3]`.

    Returns:
        `[V, N]` with sum 1, or 0 where nothing sees the texel.
    """
    cells = pyramid.levels[0]
    is_mixed = _is_mixed(cells, shares)
    weights = shares[pyramid.cell]  # [N, V]
    border = torch.nonzero(is_mixed[pyramid.cell]).squeeze(1)
    weights[border] = interpolate_cells(pyramid, shares, points[border], normals[border])
    best = quality.amax(0).clamp(min=1e-20)
    trust = (quality / best).T  # [N, V]
    # A view fades out towards its own depth edges, where its trust falls to nothing.
    weights = (weights * (trust * 4).clamp(max=1) + _FALLBACK * trust.square()) * (trust > 0)
    weights = _normalise(weights)
    return _normalise(weights * (weights > 0.01)).T


def _is_mixed(cells: Cells, shares: torch.Tensor) -> torch.Tensor:
    """Cells `[C]` with several views, or beside another view's."""
    mixed = (shares.amax(1) < _ACTIVE).float()[:, None]
    return (mixed + neighbour_sum(cells, mixed))[:, 0] > 0


def find_bands(pyramid: Pyramid, shares: torch.Tensor) -> torch.Tensor:
    """Texels `[M]` (their places among the N) in and around the bands where the choice changes."""
    cells = pyramid.levels[0]
    mixed = _is_mixed(cells, shares).float()[:, None]
    around = (mixed + neighbour_sum(cells, mixed))[:, 0] > 0
    return torch.nonzero(around[pyramid.cell]).squeeze(1)


def level_seams(
    pyramid: Pyramid,
    shares: torch.Tensor,
    excess: torch.Tensor,
    support: torch.Tensor,
    pull: torch.Tensor,
) -> torch.Tensor:
    """Find the smooth change of colour that removes the steps between views.

    Inside the bands where the choice changes, the result's gradient shall be the views' own, not
    that of their cross-fade; elsewhere it shall stay. One screened Poisson equation spreads the
    step over the surroundings.

    Args:
        pyramid: The cells.
        shares: `[C, V]` from `choose_views`.
        excess: `[V, C, 3]` sRGB, each view minus the blend of all, mean over the texels of the
            cell that the view sees; needed in and around the bands only.
        support: `[V, C]`, how far `excess` can be trusted, 0 where unknown.
        pull: `[V]`, > 0, relative weights; where a heavier view is shown, less is changed.

    Returns:
        `[C, 3]`, to be added to the sRGB values.

    Source: Pérez, Gangnet and Blake 2003, "Poisson Image Editing"; Lempitsky and Ivanov 2007,
    "Seamless Mosaicing of Image-Based Texture Maps".
    """
    cells = pyramid.levels[0]
    shown, known = excess.transpose(0, 1), support.T  # [C, V, 3], [C, V]
    rows = torch.nonzero(_is_mixed(cells, shares)).squeeze(1)  # [M]
    source = torch.zeros(len(shares), 3, device=shares.device)
    for k in range(cells.links.shape[1]):
        other, link = cells.neighbours[rows, k], cells.links[rows, k : k + 1]
        both = (shares[rows] + shares[other]) * known[rows] * known[other]  # [M, V]
        total = both.sum(1, keepdim=True)
        step = torch.einsum("mv,mvk->mk", both, shown[rows] - shown[other])
        source[rows] += link * step / total.clamp(min=1e-12) * (total > _LEAST_SUPPORT)
    strength = (shares * pull).sum(1) / pull.max()  # [C]
    screen = cells.links.sum(1) * (strength + 0.05) / _SCREEN_CELLS**2
    return solve_screened(pyramid, screen.clamp(min=1e-6), source, torch.zeros_like(source))
