# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns texels into a pyramid of cells in space, linked along the surface across UV seams."""

import warnings
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from .atlas import Texels

_BITS = 20
_OFFSET = 4
"""Empty cells around the box, so that a step never leaves the key's range."""
_JITTER = 0.3718
"""Shift of the grid in cells, so that flat faces at round numbers do not lie between cells."""
_HALF_STEPS = (
    *((0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (0, 1, -1)),
    *((1, 0, 1), (1, 0, -1), (1, 1, 0), (1, -1, 0)),
)
_SIDES = 6
"""Main directions of a normal: +x, -x, +y, -y, +z, -z."""
_SHIFTS = (
    *((((x << _BITS) + y << _BITS) + z) * _SIDES for x, y, z in _HALF_STEPS),
    *range(1, _SIDES),
)
"""What the key of a cell that may be linked is larger by: the half of those beside, other sides.

The border of empty voxels keeps the sum of two keys' parts from running over.
"""
_CONDUCTANCES = (
    *((x * x + y * y + z * z) ** -0.5 for x, y, z in _HALF_STEPS),
    *(1.0 for _ in range(1, _SIDES)),
)
_LEVELS_BY_SIDE = 3
"""Levels on which the two sides of a thin wall stay apart; coarser ones join what is near."""
_FEWEST_CELLS = 64
_POINTS_GPU, _POINTS_CPU = 1 << 20, 1 << 14
"""Points between cells that are worked on at a time, at some 500 bytes each."""


@dataclass(frozen=True, slots=True)
class Cells:
    """C cells of one level, sorted by key.

    Attributes:
        key: `[C]` int64, place and side.
        normal: `[C, 3]`, mean normal.
        count: `[C]`, texels in it.
        first: `[E]` int64, the first cell of each link; every link is there in both directions.
        second: `[E]` int64, the second one.
        conductance: `[E]`, of the links.
        matrix: `[C, C]` sparse, the conductances.
        degree: `[C, 1]`, sum of a cell's conductances.
        parent: `[C]` int64, the cell of the next coarser level; empty on the coarsest.
        children: `[C', C]` sparse, 1 at the cells of each of the next coarser level's.
    """

    key: torch.Tensor
    normal: torch.Tensor
    count: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    conductance: torch.Tensor
    matrix: torch.Tensor
    degree: torch.Tensor
    parent: torch.Tensor
    children: torch.Tensor


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Levels of cells, fine to coarse, each twice as large.

    Attributes:
        levels: The cells.
        cell: `[N]` int64, each texel's finest cell.
        origin: `[3]`, where the grid begins.
        size: Edge of a finest cell in world units.
    """

    levels: tuple[Cells, ...]
    cell: torch.Tensor
    origin: torch.Tensor
    size: float


def build_pyramid(texels: Texels, size: float) -> Pyramid:
    """Sort texels into cells of an edge of `size` and link neighbours on the same side.

    Cells of the finer levels hold texels of one side only, so that the two faces of a thin wall
    are neighbours of the surface around them and not of each other.
    """
    low, high = texels.point.aminmax(dim=0)  # [3]
    size = max(size, float((high - low).max()) / (1 << (_BITS - 3)), 1e-12)
    origin = low - (_OFFSET + _JITTER) * size
    key = _pack(((texels.point - origin) / size).long(), _side(texels.normal))  # [N]
    normal, count = texels.normal, torch.ones(len(key), device=key.device)
    levels: list[Cells] = []
    owners: list[torch.Tensor] = []
    for level in range(_BITS):
        key, owner = torch.unique(key, return_inverse=True)
        owners.append(owner)
        total = group_sum(torch.cat([normal * count[:, None], count[:, None]], 1), owner, len(key))
        normal, count = functional.normalize(total[:, :3], dim=1), total[:, 3]
        levels.append(_make_cells(key, normal, count))
        if len(key) <= _FEWEST_CELLS:
            break
        key = _coarser(key, level + 1 < _LEVELS_BY_SIDE)
    linked = [
        replace(cells, parent=owner, children=_children(owner, len(coarser.key)))
        for cells, coarser, owner in zip(levels, levels[1:], owners[1:], strict=False)
    ]
    return Pyramid((*linked, levels[-1]), owners[0], origin, size)


def group_sum(values: torch.Tensor, owner: torch.Tensor, num_groups: int) -> torch.Tensor:
    """Sums `[G, C]` of rows `[N, C]` by owner `[N]`.

    They are taken in float64, which hides the order in which a GPU adds, so that results repeat.
    """
    total = torch.zeros(num_groups, values.shape[1], dtype=torch.float64, device=values.device)
    return total.index_add_(0, owner, values.double()).to(values.dtype)


def group_mean(
    values: torch.Tensor, weights: torch.Tensor, owner: torch.Tensor, num_groups: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted means `[G, C]` of rows `[N, C]`, and the sums `[G]` of their weights `[N]`."""
    joined = torch.cat([values * weights[:, None], weights[:, None]], 1)
    total = group_sum(joined, owner, num_groups)  # [G, C + 1]
    return total[:, :-1] / total[:, -1:].clamp(min=1e-20), total[:, -1]


def interpolate_cells(
    pyramid: Pyramid, values: torch.Tensor, points: torch.Tensor, normals: torch.Tensor
) -> torch.Tensor:
    """Blend values of the finest cells at points of the surface.

    Args:
        pyramid: The cells.
        values: `[C, D]`.
        points: `[N, 3]`, each in a cell or beside one.
        normals: `[N, 3]`, unit; cells that face the same way count most.

    Returns:
        `[N, D]`, continuous over smooth surfaces.
    """
    most = _POINTS_GPU if points.device.type == "cuda" else _POINTS_CPU
    voxels = _voxels(pyramid.levels[0].key)
    values = functional.pad(values, (0, 1), value=1.0)  # [C, D + 1]
    parts = []
    for place, normal in zip(points.split(most), normals.split(most), strict=True):
        place = (place - pyramid.origin) / pyramid.size - 0.5
        total = _weigh_cells(pyramid.levels[0], voxels, place, normal) @ values  # [N, D + 1]
        parts.append(total[:, :-1] / total[:, -1:].clamp(min=1e-20))
    return torch.cat(parts)


def _weigh_cells(
    cells: Cells,
    voxels: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    place: torch.Tensor,
    normals: torch.Tensor,
) -> torch.Tensor:
    """Weights of the cells around places `[N, 3]` in cell centres, `[N, C]` sparse."""
    keys, starts, runs = voxels
    base = torch.floor(place)
    step = _corners(place.device)  # [8, 3]
    weight = (1 - step - (place - base)[:, None]).abs().unbind(2)  # [N, 8] each
    weight = weight[0] * weight[1] * weight[2]
    wanted = _pack(base.long(), 0)[:, None] + _pack(step, 0)  # [N, 8]
    found, is_found = _find(keys, wanted // _SIDES)
    count = (runs[found] * is_found).flatten()  # [N * 8], cells at each corner
    corner = torch.repeat_interleave(count)  # [L]
    ends = torch.cumsum(count, 0)
    number = torch.arange(len(corner), device=corner.device) - (ends - count)[corner]
    cell = starts[found.flatten()[corner]] + number
    alike = (cells.normal[cell] * normals[corner >> 3]).sum(1).clamp(min=0).square() + 1e-6
    rows = functional.pad(ends[7::8], (1, 0))  # [N + 1], where each place's weights begin
    shape = (len(place), len(cells.key))
    return sparse_rows(rows, cell, alike * weight.flatten()[corner], shape)


def _corners(device: torch.device) -> torch.Tensor:
    """Steps `[8, 3]` int64 to the corners of a unit cube."""
    number = torch.arange(8, device=device)
    return torch.stack([number & 1, number >> 1 & 1, number >> 2], 1)


def sparse_rows(
    rows: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, shape: tuple[int, int]
) -> torch.Tensor:
    """A sparse matrix.

    Args:
        rows: `[M + 1]` int64, where each row's values begin.
        columns: `[E]` int64.
        values: `[E]` float32.
        shape: M rows and the number of columns.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "in beta state", on the user's terminal
        return torch.sparse_csr_tensor(rows, columns, values, shape)


def _voxels(key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Places that hold cells: key, first cell and number of cells (one per side), `[U]` each."""
    voxels, runs = torch.unique_consecutive(key // _SIDES, return_counts=True)
    return voxels, torch.cumsum(runs, 0) - runs, runs


def _side(normal: torch.Tensor) -> torch.Tensor:
    """Main direction `[N]`, 0..5, of normals `[N, 3]`."""
    axis = normal.abs().argmax(1, keepdim=True)  # [N, 1]
    return (2 * axis + (normal.gather(1, axis) < 0)).squeeze(1)


def _pack(voxel: torch.Tensor, side: torch.Tensor | int) -> torch.Tensor:
    """Key of a voxel `[N, 3]` and a side; keys of one voxel follow one another."""
    x, y, z = voxel.unbind(1)
    return (((x << _BITS) + y << _BITS) + z) * _SIDES + side


def _unpack(key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Voxel `[C, 3]` and side `[C]`."""
    place, mask = key // _SIDES, (1 << _BITS) - 1
    voxel = torch.stack([place >> 2 * _BITS, place >> _BITS & mask, place & mask], 1)
    return voxel, key % _SIDES


def _coarser(key: torch.Tensor, keep_side: bool) -> torch.Tensor:
    """Keys of the parents, on a grid of half the resolution (the empty border stays)."""
    voxel, side = _unpack(key)
    voxel = (voxel + _OFFSET) >> 1  # keeps at least _OFFSET empty voxels below
    return _pack(voxel, side if keep_side else torch.zeros_like(side))


def _find(keys: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Index of each wanted key in sorted ones, and whether it is there."""
    index = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return index, keys[index] == wanted


def _make_cells(key: torch.Tensor, normal: torch.Tensor, count: torch.Tensor) -> Cells:
    """Link the cells of one level."""
    size = len(key)
    first, second, conductance = _find_links(key)
    pair, order = torch.sort(torch.cat([first * size + second, second * size + first]))
    first, second, conductance = pair // size, pair % size, conductance.repeat(2)[order]
    starts = torch.searchsorted(first, torch.arange(size + 1, device=key.device))  # [C + 1]
    matrix = sparse_rows(starts, second, conductance, (size, size))
    degree = matrix @ torch.ones(size, 1, device=key.device)
    none = key.new_zeros(0)
    children = sparse_rows(key.new_zeros(1), none, degree.new_zeros(0), (0, size))
    return Cells(key, normal, count, first, second, conductance, matrix, degree, none, children)


def _children(parent: torch.Tensor, count: int) -> torch.Tensor:
    """The matrix `[C', C]` that sums up the cells of each parent."""
    ordered, cell = torch.sort(parent, stable=True)
    starts = torch.searchsorted(ordered, torch.arange(count + 1, device=cell.device))
    ones = torch.ones(len(cell), device=cell.device)
    return sparse_rows(starts, cell, ones, (count, len(cell)))


def _find_links(key: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs of cells and conductances `[E]`: beside each other on one side, or in one voxel.

    Each pair is there once.
    """
    found, is_found = _find(key, key + torch.tensor(_SHIFTS, device=key.device)[:, None])  # [K, C]
    side = key % _SIDES
    turned = side + torch.arange(1, _SIDES, device=key.device)[:, None]  # [5, C]
    # Opposite sides in one voxel are a wall thinner than the voxel.
    is_found[len(_HALF_STEPS) :] &= (turned < _SIDES) & (turned // 2 != side // 2)
    kind, first = torch.nonzero(is_found, as_tuple=True)
    return first, found[kind, first], torch.tensor(_CONDUCTANCES, device=key.device)[kind]
