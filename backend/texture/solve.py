# SPDX-License-Identifier: GPL-3.0-or-later
"""Solves screened Poisson equations over the cells of a surface."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from .cells import Cells, Pyramid

_DAMPING = 0.9
_MOST_DENSE = 512
"""Cells of a level that is solved with a dense matrix."""
_DOUBLINGS = 10
"""That level is relaxed 2 to this power times."""
_VANISHING = 1e-18
_ROUNDING = 1e-6
"""A residual this small against its terms is rounding."""


@dataclass(frozen=True, slots=True)
class _System:
    """One level of the equations: conductances and what ties each cell to its wish."""

    cells: Cells
    diagonal: torch.Tensor  # [C, 1]
    inverse: torch.Tensor  # [C, 1], of the diagonal


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
    coarsest = _solve_densely(systems[-1])
    solution = start.clone()
    residual = source - _apply(systems[0], solution)
    rounding = _ROUNDING * (pyramid.levels[0].degree * solution).norm(dim=0)
    limit = tolerance * residual.norm(dim=0) + rounding + 1e-9
    direction = torch.zeros_like(source)
    before = torch.ones_like(limit)
    for _ in range(max_steps):
        if bool((residual.norm(dim=0) <= limit).all()):
            break
        guess = _cycle(systems, coarsest, residual, 0)
        product = (residual * guess).sum(0)
        direction = torch.addcmul(guess, direction, product / before.clamp_(min=1e-30))
        image = _apply(systems[0], direction)
        step = product / (direction * image).sum(0).clamp_(min=1e-30)
        solution.addcmul_(step, direction)
        residual.addcmul_(step, image, value=-1)
        before = product
    return solution


def _restrict(pyramid: Pyramid, screen: torch.Tensor) -> list[_System]:
    """The same equations on every level down to one that is solved densely.

    A sheet's conductances do not depend on the cell size.
    """
    systems = []
    for cells in pyramid.levels:
        diagonal = (cells.degree + screen).clamp(min=1e-12)  # [C, 1]
        systems.append(_System(cells, diagonal, 1 / diagonal))
        if len(cells.key) <= _MOST_DENSE or len(cells.parent) == 0:
            break
        screen = cells.children @ screen
    return systems


def _apply(system: _System, values: torch.Tensor) -> torch.Tensor:
    """The equations' left side `[C, D]`."""
    return torch.addcmul(-neighbour_sum(system.cells, values), system.diagonal, values)


def neighbour_sum(cells: Cells, values: torch.Tensor) -> torch.Tensor:
    """Sum over linked cells of conductance * value, `[C, D]`."""
    return cells.matrix @ values


def _solve_densely(system: _System) -> torch.Tensor:
    """The matrix `[C, C]` that relaxes a source from zero very often, symmetric.

    With S the change of an error in one sweep, n sweeps apply G(n) = (1 + S + .. + S^(n-1)) *
    damping / diagonal; it is doubled by G(2n) = G(n) + S^n G(n).
    """
    step = _DAMPING * system.inverse  # [C, 1]
    power = system.cells.matrix.to_dense() * step  # [C, C]
    power.diagonal().add_(1 - _DAMPING)
    total = torch.diag(step[:, 0])
    for _ in range(_DOUBLINGS):
        total = torch.addmm(total, power, total)
        # Numbers close to the smallest float slow a processor down many times.
        power = functional.threshold(power @ power, _VANISHING, 0.0)
    return total


def _cycle(
    systems: list[_System], coarsest: torch.Tensor, source: torch.Tensor, level: int
) -> torch.Tensor:
    """One symmetric V-cycle from zero, with one sweep on each side: a rough solution `[C, D]`.

    The sweep from zero leaves the residual (1 - damping) * source + damping * sum of the
    neighbours' source / diagonal. The one after the correction c gives (1 - damping) * c +
    damping / diagonal * (source + residual + sum of the neighbours' c).
    """
    if level == len(systems) - 1:
        return coarsest @ source
    system, keep = systems[level], 1 - _DAMPING
    matrix = system.cells.matrix
    swept = source * system.inverse
    residual = torch.addmm(source, matrix, swept, beta=keep, alpha=_DAMPING)  # [C, D]
    change = _cycle(systems, coarsest, system.cells.children @ residual, level + 1)
    change = change[system.cells.parent]  # [C, D]
    target = torch.addmm(source + residual, matrix, change) * system.inverse
    return torch.lerp(change, target, _DAMPING)
