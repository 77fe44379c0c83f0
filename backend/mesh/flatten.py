# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns charts of a surface into flat pieces without folds, overlap or much stretch."""

from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import splu

from .charts import FloatRows, IndexArray, Surface, sum_by, unit
from .faults import find_faults
from .layout import Layout, number_corners, signed_areas

_RELAX_ROUNDS = 2
_RELAXED = (1.0, 1.0, 1.0, 0.5, 0.0, *(1.0, 0.0) * 10)  # how far, in each attempt
_NO_AREA = 1e-12  # of the whole surface
_MOST_STRETCH, _STRETCHED_SHARE = 1.3, 0.02  # of unions of charts: by how much, and where
_SMALLEST_WEIGHT, _LARGEST_WEIGHT = 0.02, 10.0  # of an edge, so that slivers do no harm


def flatten_charts(surface: Surface, cuts: list[IndexArray]) -> Layout:
    """Lay all charts flat.

    Charts are projected and then relaxed until their triangles have nearly their true shape. A
    chart that folds, overlaps itself or, of the first cut, stays stretched falls back to its parts
    in the next cut; those of the last become less relaxed, and are in the end cut in two between
    the places that overlap.

    Args:
        surface: F faces.
        cuts: Labels `[F]` of the same charts, from few to many; see `cut_charts`.

    Returns:
        All faces, each chart counter-clockwise as seen from outside, of the same area as on the
        surface.
    """
    label = np.empty(len(surface.faces), np.int64)
    corner_uv = np.empty((len(surface.faces), 3, 2))
    faces, part, num_done = np.arange(len(surface.faces)), cuts[0], 0
    for attempt in count():
        part = np.unique(part, return_inverse=True)[1].reshape(-1)
        layout = _lay_out(surface, faces, part, _RELAXED[min(attempt, len(_RELAXED) - 1)])
        faults = find_faults(surface, faces, layout)
        if attempt == 0:
            faults.is_faulty[:] |= _find_stretched(surface, faces, layout)
        is_good = ~faults.is_faulty[part]
        corner_uv[faces[is_good]] = layout.uv[layout.corners[is_good]]
        label[faces[is_good]] = num_done + part[is_good]
        num_done += int(part.max()) + 1
        faces, part = faces[~is_good], part[~is_good]
        if not len(faces):
            break
        part = _next_parts(surface, faces, part, faults.seeds, cuts, attempt)
    label = np.unique(label, return_inverse=True)[1].reshape(-1)
    final = _index_corners(surface, np.arange(len(label)), label)
    final.uv[final.corners] = corner_uv
    return final


def _index_corners(surface: Surface, faces: IndexArray, part: IndexArray) -> Layout:
    """A vertex of its own for each chart that meets at a vertex; places are still zero."""
    corners, chart, vertex = number_corners(surface.faces[faces], part)
    return Layout(np.zeros((len(chart), 2)), corners, chart, vertex)


def _lay_out(surface: Surface, faces: IndexArray, part: IndexArray, relaxed: float) -> Layout:
    """Project the charts `part` of some faces, relax them, and give them their true area."""
    layout = _index_corners(surface, faces, part)
    num_charts = int(part.max()) + 1
    areas = surface.areas[faces]
    axis = unit(sum_by(part, surface.normals[faces] * areas[:, None], num_charts))
    axis[~axis.any(axis=1)] = (0, 0, 1)
    helper = np.where(np.abs(axis[:, :1]) < 0.8, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    right = unit(np.cross(helper, axis))
    frame = np.stack([right, np.cross(axis, right)], 1)  # [K, 2, 3]
    points = surface.vertices[layout.vertex]
    layout.uv[:] = np.einsum("qid,qd->qi", frame[layout.chart], points)
    if relaxed > 0:
        ideal = _relax(layout, surface.vertices[surface.faces[faces]])
        layout.uv[:] += relaxed * (ideal - layout.uv)
    flat = np.bincount(part, np.abs(signed_areas(layout.uv[layout.corners])), num_charts)
    true = np.bincount(part, areas, num_charts)
    scale = np.sqrt(np.divide(true, flat, out=np.ones(num_charts), where=(flat > 0) & (true > 0)))
    layout.uv[:] *= scale[layout.chart, None]
    return layout


def _relax(layout: Layout, corners: FloatRows) -> FloatRows:
    """Move the charts' vertices until triangles are as rigid copies of `corners` as they can be.

    Alternates the best rotation of each triangle with the best places for these rotations.

    Args:
        layout: Where to start from.
        corners: `[F, 3, 3]` the triangles on the surface.

    Returns:
        `[Q, 2]`.

    Source: Liu, Zhang, Xu, Gotsman and Gortler, "A Local/Global Approach to Mesh
    Parameterization", 2008, section 4 (as rigid as possible).
    """
    sides = _flat_sides(corners)  # [F, 3, 2], the side across from each corner
    weight = _side_weights(sides)  # [F, 3]
    start, end = layout.corners[:, [1, 2, 0]], layout.corners[:, [2, 0, 1]]  # [F, 3]
    num = len(layout.uv)
    rows, columns = start.reshape(-1), end.reshape(-1)
    links = coo_matrix((weight.reshape(-1), (rows, columns)), (num, num)).tocsr()
    links = links + links.T
    is_pinned = np.append(True, np.diff(layout.chart) != 0).astype(np.float64)
    matrix = (diags(np.asarray(links.sum(axis=1)).ravel() + is_pinned) - links).tocsc()
    options = {"SymmetricMode": True}
    solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    uv = layout.uv
    for _ in range(_RELAX_ROUNDS):
        turned = weight[..., None] * _rotate(sides, uv[end] - uv[start], weight)  # [F, 3, 2]
        pull = turned.reshape(-1, 2)
        target = sum_by(columns, pull, num) - sum_by(rows, pull, num)
        uv = solver.solve(target + is_pinned[:, None] * uv)
    return uv


def _find_stretched(surface: Surface, faces: IndexArray, layout: Layout) -> NDArray[np.bool_]:
    """Which charts are stretched beyond the bounds in more than a small share of their area."""
    sides = _flat_sides(surface.vertices[surface.faces[faces]])
    corners = layout.uv[layout.corners]
    placed = corners[:, [2, 0, 1]] - corners[:, [1, 2, 0]]
    area = surface.areas[faces]
    is_clear = area > _NO_AREA
    own = np.where(is_clear[:, None, None], sides[:, 1:], np.eye(2))
    flat = np.where(is_clear[:, None, None], placed[:, 1:], np.eye(2))
    change = np.linalg.inv(own) @ flat  # [F, 2, 2]
    square, twice = (change**2).sum(axis=(1, 2)), 2 * np.linalg.det(change)
    total, difference = (np.sqrt(np.maximum(square + sign * twice, 0)) for sign in (1, -1))
    stretch = np.stack([total + difference, total - difference], -1) / 2  # [F, 2], singular values
    is_beyond = (stretch[:, 0] > _MOST_STRETCH) | (stretch[:, 1] < 1 / _MOST_STRETCH)
    chart = layout.chart[layout.corners[:, 0]]
    num_charts = int(layout.chart[-1]) + 1
    beyond = np.bincount(chart, area * is_beyond, num_charts)
    return beyond > _STRETCHED_SHARE * np.bincount(chart, area, num_charts)


def _flat_sides(corners: FloatRows) -> FloatRows:
    """Each triangle laid flat by itself: its sides 1-2, 2-0, 0-1 as `[F, 3, 2]`."""
    ahead, behind = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    length = np.linalg.norm(ahead, axis=1)
    safe = np.maximum(length, 1e-30)
    along = np.einsum("fd,fd->f", ahead, behind) / safe
    across = np.linalg.norm(np.cross(ahead, behind), axis=1) / safe
    zero = np.zeros_like(length)
    points = np.stack([zero, zero, length, zero, along, across], -1).reshape(-1, 3, 2)
    return points[:, [2, 0, 1]] - points[:, [1, 2, 0]]


def _side_weights(sides: FloatRows) -> FloatRows:
    """Half the cotangent of the angle across from each side, kept within bounds, `[F, 3]`."""
    one, other = sides[:, [1, 2, 0]], sides[:, [2, 0, 1]]
    double = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    cotangent = -(one * other).sum(axis=-1) / np.maximum(double, 1e-30)[:, None]
    return np.clip(cotangent, _SMALLEST_WEIGHT, _LARGEST_WEIGHT) / 2


def _rotate(sides: FloatRows, placed: FloatRows, weight: FloatRows) -> FloatRows:
    """The triangles' own sides, each triangle turned to fit its placed sides best."""
    cosine = np.einsum("fs,fsd,fsd->f", weight, placed, sides)
    cross = placed[..., 1] * sides[..., 0] - placed[..., 0] * sides[..., 1]  # [F, 3]
    sine = np.einsum("fs,fs->f", weight, cross)
    length = np.hypot(cosine, sine)
    is_clear = length > 0
    cosine = np.divide(cosine, length, out=np.ones_like(length), where=is_clear)[:, None]
    sine = np.divide(sine, length, out=np.zeros_like(length), where=is_clear)[:, None]
    x, y = sides[..., 0], sides[..., 1]
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], -1)


def _next_parts(
    surface: Surface,
    faces: IndexArray,
    part: IndexArray,
    seeds: IndexArray,
    cuts: list[IndexArray],
    attempt: int,
) -> IndexArray:
    """The charts `[F]` to try after the faulty ones `part`."""
    if attempt + 1 < len(cuts):
        return cuts[attempt + 1][faces]
    if attempt >= len(_RELAXED):
        return faces  # each for itself; no mesh that was tried came this far
    return part if _RELAXED[attempt] > 0 else _split(surface, faces, part, seeds)


def _split(surface: Surface, faces: IndexArray, part: IndexArray, seeds: IndexArray) -> IndexArray:
    """Cut each chart in two: what is nearer to one seed, along the surface, than to the other."""
    label = np.full(len(surface.faces), -1)
    label[faces] = part
    sources = [
        _far_faces(surface, faces[part == chart]) if seeds[chart, 0] < 0 else seeds[chart]
        for chart in np.unique(part)
    ]
    first, second = surface.pairs[label[surface.pairs[:, 0]] == label[surface.pairs[:, 1]]].T
    shape = (len(label), len(label))
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape).tocsr()
    nearest = dijkstra(
        graph,
        directed=False,
        indices=np.concatenate(sources),
        unweighted=True,
        min_only=True,
        return_predecessors=True,
    )[2]
    return nearest[faces]


def _far_faces(surface: Surface, faces: IndexArray) -> IndexArray:
    """The first and the last face along the longest axis."""
    middles = surface.vertices[surface.faces[faces]].mean(axis=1)  # [F, 3]
    away = middles - middles.mean(axis=0)
    order = np.argsort(away @ np.linalg.eigh(away.T @ away)[1][:, -1], kind="stable")
    return faces[order[[0, -1]]]
