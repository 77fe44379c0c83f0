# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what several views see into one: sharp choice of a view, seams removed by gradients."""

from collections.abc import Iterator

import torch

from .atlas import Texels
from .cells import Cells, Pyramid, group_sum, interpolate_cells
from .solve import neighbour_sum, solve_screened

_ROUNDS = 8
_SHARPNESS = 2.0
_UNITY = 1.5
"""Cost of a neighbour with another view, in units of the logarithm of the trust."""
_CONTRAST = 40.0
"""Cost of a seam between views that differ, per squared difference of sRGB values."""
_LEAST_LOG = -8.0
_FEATHER_ROUNDS = 2
_ACTIVE = 0.999
_FALLBACK = 1e-2
_FADE = 4.0
_LEAST_TRUST = 2.5e-3
"""Share of the best view's trust below which a chosen view is not used."""
_LEAST_SHARE = 0.01
_LEAST_TURN = 1e-6
_SPREAD_ROUNDS = 8
_NOISE = 0.004
"""Steps of sRGB values below this are left alone."""
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
    degree = cells.degree.clamp(min=1e-6)
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
    degree = cells.degree.clamp(min=1e-6)
    for _ in range(_FEATHER_ROUNDS):
        chosen = (chosen + neighbour_sum(cells, chosen) / degree) / 2
    return _normalise(chosen)


def share_texels(
    pyramid: Pyramid, shares: torch.Tensor, quality: torch.Tensor, texels: Texels
) -> Iterator[torch.Tensor]:
    """Spread the cells' shares over the texels that each view sees.

    Args:
        pyramid: The cells.
        shares: `[C, V]` from `choose_views`.
        quality: `[V, N]`, 0 where a view does not see a texel.
        texels: N of them.

    Yields:
        Per view its shares `[N]` of the texels; those of a seen texel sum to 1 over the views.
    """
    is_mixed = _is_mixed(pyramid.levels[0], shares)
    label = shares.argmax(1)[pyramid.cell]  # [N]
    best, best_view = quality.max(0)  # [N]
    own = quality.gather(0, label[None])[0]
    label = torch.where(own >= _LEAST_TRUST * best, label, best_view)
    label = torch.where(best > 0, label, -1)
    border = torch.nonzero(is_mixed[pyramid.cell] & (best > 0)).squeeze(1)
    label[border] = -1
    blended = interpolate_cells(pyramid, shares, texels.point[border], texels.normal[border])
    trust = (quality[:, border] / best[border]).T  # [B, V]
    # A view fades out towards its own depth edges, where its trust falls to nothing.
    weights = blended * (trust * _FADE).clamp(max=1) + _FALLBACK * trust.square()
    weights = _normalise(weights * (trust > 0))
    weights = _normalise(weights * (weights > _LEAST_SHARE))
    for view in range(shares.shape[1]):
        yield (label == view).to(weights.dtype).index_copy_(0, border, weights[:, view])


def _is_mixed(cells: Cells, shares: torch.Tensor) -> torch.Tensor:
    """Cells `[C]` with several views, or beside another view's."""
    mixed = (shares.amax(1) < _ACTIVE).float()[:, None]
    return (mixed + neighbour_sum(cells, mixed))[:, 0] > 0


def find_bands(pyramid: Pyramid, shares: torch.Tensor) -> torch.Tensor:
    """Cells and the views that meet in or beside them, `[C, V]` bool; all False elsewhere."""
    cells = pyramid.levels[0]
    around = (shares + neighbour_sum(cells, shares)) > 0
    return around & _is_mixed(cells, shares)[:, None]


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
            cell that the view sees; needed in the bands only.
        support: `[V, C]`, how far `excess` can be trusted, 0 where unknown.
        pull: `[V]`, > 0, relative weights; where a heavier view is shown, less is changed.

    Returns:
        `[C, 3]`, to be added to the sRGB values.

    Source: Pérez, Gangnet and Blake 2003, "Poisson Image Editing"; Lempitsky and Ivanov 2007,
    "Seamless Mosaicing of Image-Based Texture Maps".
    """
    cells = pyramid.levels[0]
    offsets = _smooth_offsets(pyramid, excess, support)  # [C, V, 3]
    turn = shares[cells.first] - shares[cells.second]  # [E, V]
    rows = torch.nonzero(turn.abs().amax(1) > _LEAST_TURN).squeeze(1)
    first, second = cells.first[rows], cells.second[rows]
    between = (offsets[first] + offsets[second]) / 2  # [B, V, 3]
    step = -torch.einsum("bv,bvk->bk", turn[rows], between)
    source = group_sum(step * cells.conductance[rows, None], first, len(shares))
    strength = (shares * pull).sum(1) / pull.max()  # [C]
    screen = cells.degree[:, 0] * (strength + 0.05) / _SCREEN_CELLS**2
    return solve_screened(pyramid, screen.clamp(min=1e-6), source, torch.zeros_like(source))


def _smooth_offsets(pyramid: Pyramid, excess: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """How far each view lies from all others `[C, V, 3]`, averaged over the cells around.

    Views differ smoothly in colour, but sharply where detail is not where the other view has it;
    the average is over cells that can be trusted, so the detail does not enter.
    """
    total = support.sum(0)  # [C]
    mean = (excess * support[..., None]).sum(0) / total.clamp(min=1e-12)[:, None]  # [C, 3]
    alone = support.amax(0) / total.clamp(min=1e-12)
    weight = support * (1 - alone)  # [V, C]; a cell with one view compares nothing
    joined = torch.cat([(excess - mean) * weight[..., None], weight[..., None]], 2)
    joined = joined.transpose(0, 1).flatten(1)  # [C, V * 4]
    fine, coarse = pyramid.levels[0], pyramid.levels[min(1, len(pyramid.levels) - 1)]
    if len(fine.parent):
        joined = group_sum(joined, fine.parent, len(coarse.key))
    for _ in range(_SPREAD_ROUNDS):
        joined = (joined + neighbour_sum(coarse, joined) / coarse.degree.clamp(min=1e-6)) / 2
    joined = joined.view(len(coarse.key), -1, 4)  # [C, V, 4]
    offset = joined[..., :3] / joined[..., 3:].clamp(min=1e-9)
    size = offset.square().sum(2, keepdim=True)
    offset = offset * size / (size + _NOISE**2)
    return offset[fine.parent] if len(fine.parent) else offset
