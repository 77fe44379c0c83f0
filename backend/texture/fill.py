# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the colours of seen texels into those of unseen ones, by diffusion over the surface.

Near what is seen its colours go on; further away they give way to a guess from the whole surface.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from .atlas import Texels
from .cells import Pyramid, group_mean, interpolate_cells, sparse_rows
from .regions import guess_colours
from .solve import solve_screened

_HOLD = 1e4
_DECAY = 0.26
"""Distance, in diagonals of the box, over which what the guess misses at the edge corrects it."""
_BLUR = 0.03
"""The same, over which the guess is smoothed."""
_SHEET = 0.353
"""Conductance of a flat sheet of cells, in squares of cells, over a cell's degree."""
_SMOOTHING_ROUNDS = 24
_NEAR_TEXELS = 3.0
"""Texels that lie side by side in the texture and this close in space are neighbours."""
_GREY = 0.5
_AGREEMENT = 0.1
"""Largest difference in sRGB values between what an outline shows and what lies around it."""
_BLED_SHARE = 0.3
_GLIMPSE_SHARE = 0.15
_NEAR_LEVEL = 3
"""Level of the cells in which something well seen must lie for an outline to be judged by it."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How well N texels are seen.

    Attributes:
        is_seen: `[N]` bool.
        is_strict: `[N]` bool, away from outlines.
        is_exact: `[N]` bool, by a view into whose outlines nothing has bled.
        beyond: `[N, 3]` sRGB, what the view shows across the nearest outline; needed only of what
            is seen and not strict.
    """

    is_seen: torch.Tensor
    is_strict: torch.Tensor
    is_exact: torch.Tensor
    beyond: torch.Tensor


def fill_unseen(
    pyramid: Pyramid, texels: Texels, colour: torch.Tensor, sight: Sight, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Continue the seen colours over the surface, across UV seams, and guess those far from them.

    What is seen only beside an outline is dropped where it looks as if what lies beyond had bled
    in: it differs from what the surroundings continue to, towards that. So are glimpses of what
    is otherwise hidden, if they differ and the view's outlines are not exact.

    Args:
        pyramid: The cells.
        texels: N of them.
        colour: `[N, 3]` sRGB, valid where seen.
        sight: How well they are seen.
        size: Edge T of the texture.

    Returns:
        Colours `[N, 3]`, and what is still seen `[N]`. Pieces that nothing connects to a seen one
        take the guess, and all is grey if nothing is seen.
    """
    strict = sight.is_seen & sight.is_strict
    strict &= sight.is_exact | ~_is_glimpse(pyramid, strict)
    is_alone = _is_isolated(pyramid, strict)
    is_other = (colour - sight.beyond).abs().amax(1) > _AGREEMENT
    known = strict | (sight.is_seen & is_alone & is_other & ~_is_glimpse(pyramid, sight.is_seen))
    known = known if bool(known.any()) else sight.is_seen
    if bool(known.all()) or not bool(known.any()):
        return torch.where(known[:, None], colour, torch.full_like(colour, _GREY)), known
    filled = colour.clone()
    missing = torch.nonzero(~known).squeeze(1)
    filled[missing] = _diffuse(pyramid, texels, colour, known, missing)
    kept = sight.is_seen & (known | ~_has_bled(colour, filled, sight.beyond))
    filled = torch.where(kept[:, None], colour, filled)
    missing = torch.nonzero(~kept).squeeze(1)
    return _smooth(texels, filled, missing, size, _NEAR_TEXELS * texels.size), kept


def _diffuse(
    pyramid: Pyramid,
    texels: Texels,
    colour: torch.Tensor,
    known: torch.Tensor,
    missing: torch.Tensor,
) -> torch.Tensor:
    """Colours of the missing texels `[M, 3]`: the guess, corrected by what it misses where known.

    Source: Pérez, Gangnet and Blake, "Poisson Image Editing", 2003; over cells, with a screen.
    """
    count = len(pyramid.levels[0].key)
    value, weight = group_mean(colour, known.float(), pyramid.cell, count)
    is_held = weight > 0
    every = weight.new_ones(len(colour))
    guess, _ = group_mean(guess_colours(texels, colour, known), every, pyramid.cell, count)
    diagonal = float((texels.point.amax(0) - texels.point.amin(0)).norm().clamp(min=1e-12))
    tie = _SHEET * (pyramid.size / diagonal) ** 2 * pyramid.levels[0].degree[:, 0].clamp(min=1)
    screen = tie / _BLUR**2
    guess = solve_screened(pyramid, screen, screen[:, None] * guess, guess)
    error = torch.where(is_held[:, None], value - guess, 0.0)
    screen = torch.where(is_held, _HOLD, tie / _DECAY**2)
    solved = guess + solve_screened(pyramid, screen, screen[:, None] * error, error)
    solved = solved.clamp(value[is_held].amin(0), value[is_held].amax(0))
    solved = torch.where(is_held[:, None], value, solved)
    return interpolate_cells(pyramid, solved, texels.point[missing], texels.normal[missing])


def _has_bled(colour: torch.Tensor, expected: torch.Tensor, beyond: torch.Tensor) -> torch.Tensor:
    """Whether colours `[N, 3]` differ from the expected ones towards those beyond the edge."""
    change, contrast = colour - expected, beyond - expected
    share = (change * contrast).sum(1) / contrast.square().sum(1).clamp(min=1e-6)
    return (change.abs().amax(1) > _AGREEMENT) & (share > _BLED_SHARE)


def _is_glimpse(pyramid: Pyramid, is_seen: torch.Tensor) -> torch.Tensor:
    """Texels `[N]` in whose ancestor cell on `_NEAR_LEVEL` hardly anything is seen."""
    cell = _ancestor(pyramid, _NEAR_LEVEL)
    share, _ = group_mean(
        is_seen.float()[:, None], torch.ones_like(is_seen.float()), cell, int(cell.max()) + 1
    )
    return share[cell, 0] < _GLIMPSE_SHARE


def _ancestor(pyramid: Pyramid, level: int) -> torch.Tensor:
    """The cell `[N]` of some level that each texel is in."""
    cell = pyramid.cell
    for cells in pyramid.levels[: min(level, len(pyramid.levels) - 1)]:
        cell = cells.parent[cell]
    return cell


def _is_isolated(pyramid: Pyramid, is_strict: torch.Tensor) -> torch.Tensor:
    """Texels `[N]` whose ancestor cell on `_NEAR_LEVEL` holds nothing strictly seen."""
    cell = _ancestor(pyramid, _NEAR_LEVEL)
    held = torch.zeros(int(cell.max()) + 1, dtype=torch.bool, device=cell.device)
    held[cell[is_strict]] = True
    return ~held[cell]


def _smooth(
    texels: Texels, colour: torch.Tensor, unseen: torch.Tensor, size: int, reach: float
) -> torch.Tensor:
    """Relax the unseen texels among their neighbours, which removes the cells' traces."""
    beside, is_near = _find_neighbours(texels, unseen, size, reach)  # [M, 4] each
    count = is_near.sum(1, keepdim=True)  # [M, 1]
    local = torch.full_like(texels.index, -1)
    local[unseen] = torch.arange(len(unseen), device=unseen.device)
    column = local[beside]
    is_free = is_near & (column >= 0)
    fixed = (colour[beside] * (is_near & ~is_free)[..., None]).sum(1)  # [M, 3]
    fixed = torch.where(count > 0, fixed / count.clamp(min=1), colour[unseen])
    entry = torch.nonzero(is_free.flatten()).squeeze(1)
    starts = functional.pad(is_free.sum(1).cumsum(0), (1, 0))  # [M + 1]
    share = 1 / count[entry // 4, 0]
    matrix = sparse_rows(starts, column.flatten()[entry], share, (len(unseen), len(unseen)))
    values = colour[unseen]
    for _ in range(_SMOOTHING_ROUNDS):
        values = torch.addmm(fixed, matrix, values)
    return colour.index_copy(0, unseen, values)


def _find_neighbours(
    texels: Texels, unseen: torch.Tensor, size: int, reach: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The texels beside each unseen one, and which of them are near in space, `[M, 4]` each."""
    place = torch.full((size * size,), -1, device=unseen.device)
    place[texels.index] = torch.arange(len(texels.index), device=unseen.device)
    index = texels.index[unseen]
    row, column = index // size, index % size
    has_room = [column < size - 1, column > 0, row < size - 1, row > 0]
    beside = torch.stack([index + 1, index - 1, index + size, index - size], 1)
    beside = place[beside.clamp(0, size * size - 1)]  # [M, 4]
    is_there = torch.stack(has_room, 1) & (beside >= 0)
    beside = beside.clamp(min=0)
    gap = (texels.point[beside] - texels.point[unseen][:, None]).norm(dim=2)
    return beside, is_there & (gap <= reach)
