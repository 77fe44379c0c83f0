# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh with a UV map into the answer whether a texture can be baked into that map."""

from dataclasses import dataclass

import numpy as np

from ..data import FloatArray, Mesh
from .charts import FloatRows
from .layout import signed_areas
from .rows import cross_rows

_GRID = 1024  # points along the square's edge at which charts are counted
_SLACK = 1e-3  # how far outside of the square a corner may be
_NO_AREA = 1e-10  # of the square
_MOST_COLLAPSED = 0.02  # of the surface, in faces without an area in the map


@dataclass(frozen=True, slots=True)
class UvCheck:
    """What was found about a UV map.

    Attributes:
        reason: Why it cannot be used, in words for the user; empty if it can.
        overlap: Share of the covered area that more than one face covers, 0..1; measured only if
            nothing else is wrong.
        collapsed: Share of the surface whose faces have no area in the map, 0..1.
    """

    reason: str
    overlap: float = 0.0
    collapsed: float = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether a texture can be baked into the map."""
        return not self.reason


def check_uv(mesh: Mesh, max_overlap: float = 0.005) -> UvCheck:
    """Judge a mesh's UV map: in the square, no faces collapsed, none on top of others.

    Args:
        mesh: F faces, with or without `uv`.
        max_overlap: Largest share of the covered area that may be covered more than once.

    Returns:
        The verdict with its reason.
    """
    if mesh.uv is None:
        return UvCheck("There is no UV map.")
    if not np.isfinite(mesh.uv).all():
        return UvCheck("The UV map holds values that are not numbers.")
    if not len(mesh.faces) or mesh.uv.min() < -_SLACK or mesh.uv.max() > 1 + _SLACK:
        return UvCheck("The UV map leaves the square from 0 to 1.")
    uv = mesh.uv.astype(np.float64)
    collapsed = _collapsed_share(mesh, uv)
    if collapsed > _MOST_COLLAPSED:
        return UvCheck("Faces have no area in the UV map.", collapsed=collapsed)
    overlap = overlap_share(mesh.uv)
    if overlap > max_overlap:
        return UvCheck("Faces lie on top of others in the UV map.", overlap, collapsed)
    return UvCheck("", overlap, collapsed)


def overlap_share(uv: FloatArray, grid: int = _GRID) -> float:
    """Share of the covered points of a grid that more than one face covers.

    Faces that share an edge never both cover a point.

    Args:
        uv: `[F, 3, 2]` in [0, 1].
        grid: Points along the square's edge.
    """
    cover = count_cover(uv, grid)
    covered = np.count_nonzero(cover)
    return float(np.count_nonzero(cover > 1) / covered) if covered else 0.0


def count_cover(uv: FloatArray, grid: int) -> np.ndarray:
    """How many faces cover the middle of each texel.

    Args:
        uv: `[F, 3, 2]`; what lies outside of [0, 1] is not counted.
        grid: Texels along the square's edge.

    Returns:
        `[grid, grid]` int32, row 0 at v = 0.
    """
    corners = uv.astype(np.float64) * grid
    is_clockwise = signed_areas(corners) < 0
    corners[is_clockwise] = corners[is_clockwise][:, ::-1]
    ends = np.roll(corners, -1, axis=1)
    edges = np.stack([corners, ends], 2).reshape(-1, 2, 2)  # [3F, 2, 2]
    edge, row, x = cross_rows(edges)
    sign = np.where(edges[edge, 0, 1] > edges[edge, 1, 1], 1.0, -1.0)  # down on the left side
    column = np.clip(np.ceil(x - 0.5), 0, grid).astype(np.int64)
    is_inside = (row >= 0) & (row < grid)
    index = row[is_inside] * (grid + 1) + column[is_inside]
    steps = np.bincount(index, sign[is_inside], grid * (grid + 1)).reshape(grid, grid + 1)
    return np.rint(np.cumsum(steps, axis=1)[:, :-1]).astype(np.int32)


def _collapsed_share(mesh: Mesh, uv: FloatRows) -> float:
    """Share of the surface's area in faces without an area in the map."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]  # [F, 3, 3]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    total = area.sum()
    is_collapsed = np.abs(signed_areas(uv)) <= _NO_AREA * area / max(area.max(), 1e-30)
    return float(area[is_collapsed].sum() / total) if total > 0 else 1.0
