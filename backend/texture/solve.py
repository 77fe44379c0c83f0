# SPDX-License-Identifier: GPL-3.0-or-later
"""Solves screened Poisson equations over the cells of a surface."""

from dataclasses import dataclass

import torch

from .cells import Cells, Pyramid, group_sum

_SWEEPS = 2
_COARSE_SWEEPS = 20
_DAMPING = 0.8
_ROUNDING = 1e-6
"""A residual this small against its terms is rounding."""


@dataclass(frozen=True, slots=True)
class _System:
    """One level of the equations: conductances and what ties each cell to its wish."""

    cells: Cells
    screen: torch.Tensor  # [C, 1]
    diagonal: torch.Tensor  # [C, 1]


def solve_screened(
    pyramid: Pyramid,
    screen: torch.Tensor,
    source: torch.Tensor,
    start: torch.Tensor,
    max_steps: int = 40,
    tolerance: float = 1e-4,
) -> torch.Tensor:
    """Find u with sum over neighbours of conductance * (u - u') + screen * u = source.

    Args:
        pyramid: The cells.
        screen: `[C]`, >= 0; a very large value holds a cell at source / screen.
        source: `[C, D]`.
        start: `[C, D]`, the first guess.
        max_steps: Most steps of conjugate gradients.
        tolerance: Of the residual's norm, relative to its first value.

    Returns:
        `[C, D]`.

    Source: conjugate gradients with one V-cycle over the pyramid as preconditioner; Tatebe 1993,
    "The Multigrid Preconditioned Conjugate Gradient Method".
    """
    systems = _restrict(pyramid, screen[:, None])
    solution = start.clone()
    residual = source - _apply(systems[0], solution)
    rounding = _ROUNDING * (pyramid.levels[0].degree * solution).norm(dim=0)
    limit = tolerance * residual.norm(dim=0) + rounding + 1e-9
    direction = torch.zeros_like(source)
    before = torch.ones_like(limit)
    for _ in range(max_steps):
        if bool((residual.norm(dim=0) <= limit).all()):
            break
        guess = _cycle(systems, residual, 0)
        product = (residual * guess).sum(0)
        direction = guess + direction * (product / before.clamp(min=1e-30))
        image = _apply(systems[0], direction)
        step = product / (direction * image).sum(0).clamp(min=1e-30)
        solution = solution + step * direction
        residual = residual - step * image
        before = product
    return solution


def _restrict(pyramid: Pyramid, screen: torch.Tensor) -> list[_System]:
    """The same equations on every level; a sheet's conductances do not depend on the cell size."""
    systems = []
    for cells in pyramid.levels:
        diagonal = cells.degree + screen  # [C, 1]
        systems.append(_System(cells, screen, diagonal.clamp(min=1e-12)))
        if len(cells.parent):
            screen = group_sum(screen, cells.parent, int(cells.parent.max()) + 1)
    return systems


def _apply(system: _System, values: torch.Tensor) -> torch.Tensor:
    """The equations' left side `[C, D]`."""
    return system.diagonal * values - neighbour_sum(system.cells, values)


def neighbour_sum(cells: Cells, values: torch.Tensor) -> torch.Tensor:
    """Sum over linked cells of conductance * value, `[C, D]`."""
    return cells.matrix @ values


def _cycle(systems: list[_System], source: torch.Tensor, level: int) -> torch.Tensor:
    """One symmetric V-cycle from zero: an approximate solution `[C, D]`."""
    system = systems[level]
    is_last = level == len(systems) - 1
    values = _DAMPING * source / system.diagonal
    for _ in range((_COARSE_SWEEPS if is_last else _SWEEPS) - 1):
        values = values + _DAMPING * (source - _apply(system, values)) / system.diagonal
    if is_last:
        return values
    parent = system.cells.parent
    residual = source - _apply(system, values)
    coarse = group_sum(residual, parent, len(systems[level + 1].screen))
    values = values + _cycle(systems, coarse, level + 1)[parent]
    for _ in range(_SWEEPS):
        values = values + _DAMPING * (source - _apply(system, values)) / system.diagonal
    return values
