# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh into the normals that it is shaded with: smooth, but not across creases."""

import numpy as np
from numpy.typing import NDArray

from ..data import FloatArray, Mesh

ALL_SMOOTH_DEG = 180.0
_IntRows = NDArray[np.int64]


def vertex_normals(mesh: Mesh) -> FloatArray:
    """Smooth normals: each face weighs by its angle at the vertex.

    Args:
        mesh: `P` vertices.

    Returns:
        `[P, 3]` float32 of unit length; +Y where a vertex has no face with an area.

    Source: Thürmer and Wüthrich, "Computing Vertex Normals from Polygonal Facets", 1998.
    """
    return _mean_normals(mesh, mesh.faces.reshape(-1), len(mesh.vertices))


def find_fans(mesh: Mesh, crease_deg: float) -> tuple[_IntRows, FloatArray]:
    """Part the corners at each vertex into fans of faces that no crease separates.

    A crease is an edge whose two faces turn by more than an angle. Where three or more faces meet
    at an edge, none is smooth with another.

    Args:
        mesh: `P` vertices, `F` faces.
        crease_deg: The angle; 180 makes one fan of all corners of a vertex.

    Returns:
        The fan of each corner `[3F]` int64, in an order that follows the vertices', and the fans'
        normals `[N, 3]` float32, as those of `vertex_normals`. With 180 the fans are the vertices.
    """
    vertex = mesh.faces.reshape(-1).astype(np.int64)
    if crease_deg >= ALL_SMOOTH_DEG:
        return vertex, vertex_normals(mesh)
    first, second = _smooth_edges(mesh, crease_deg)
    ahead = _next_corner
    # An edge runs from its corner to the next one; the face on its other side runs back.
    pairs = np.concatenate(
        [np.stack([first, ahead(second)], -1), np.stack([ahead(first), second], -1)]
    )
    root = _join(pairs, len(vertex))
    fans, fan = np.unique(np.stack([vertex[root], root], -1), axis=0, return_inverse=True)
    fan = fan.reshape(-1).astype(np.int64)
    return fan, _mean_normals(mesh, fan, len(fans))


def _next_corner(corner: _IntRows) -> _IntRows:
    """The corner after this one in the same triangle."""
    return corner - corner % 3 + (corner + 1) % 3


def _smooth_edges(mesh: Mesh, crease_deg: float) -> tuple[_IntRows, _IntRows]:
    """Corners `[E]` at which an edge begins in each of its two faces, if these are smooth."""
    start = mesh.faces.reshape(-1).astype(np.int64)
    corner = np.arange(len(start))
    end = start[_next_corner(corner)]
    key = np.minimum(start, end) * len(mesh.vertices) + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    begin = np.flatnonzero(np.append(True, np.diff(key[order]) != 0))
    begin = begin[np.diff(np.append(begin, len(order))) == 2]
    first, second = order[begin], order[begin + 1]
    is_proper = (start[first] == end[second]) & (start[first] != end[first])
    first, second = first[is_proper], second[is_proper]
    normal = _face_normals(mesh)
    cosine = (normal[first // 3] * normal[second // 3]).sum(-1)
    is_flat = ~normal.any(axis=1)  # faces without an area have no direction to differ in
    has_none = is_flat[first // 3] | is_flat[second // 3]
    is_smooth = has_none | (cosine >= np.cos(np.radians(crease_deg)))
    return first[is_smooth], second[is_smooth]


def _join(pairs: _IntRows, count: int) -> _IntRows:
    """The lowest member `[count]` of the set that each element is in, joined by pairs `[E, 2]`."""
    root = np.arange(count)
    while True:
        low = np.minimum(root[pairs[:, 0]], root[pairs[:, 1]])
        before = root.copy()
        for side in pairs.T:
            np.minimum.at(root, root[side], low)
            np.minimum.at(root, side, low)
        root = root[root]
        if np.array_equal(root, before):
            return root


def _mean_normals(mesh: Mesh, owner: NDArray[np.integer], count: int) -> FloatArray:
    """Unit normals `[count, 3]`, means over the corners `[3F]` that each owner has."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]  # [F, 3, 3]
    ahead = _unit(np.roll(corners, -1, axis=1) - corners)
    behind = _unit(np.roll(corners, 1, axis=1) - corners)
    angle = np.arccos(np.clip((ahead * behind).sum(-1), -1, 1))  # [F, 3], radians
    weighted = (_face_normals(mesh)[:, None] * angle[..., None]).reshape(-1, 3)  # [3F, 3]
    total = [np.bincount(owner, part, count) for part in weighted.T]
    unit = _unit(np.stack(total, -1).astype(np.float64))
    unit[~unit.any(axis=1)] = (0, 1, 0)
    return unit.astype(np.float32)


def _face_normals(mesh: Mesh) -> NDArray[np.float64]:
    """Unit normals `[F, 3]`, zero for faces without an area."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]  # [F, 3, 3]
    return _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors scaled to length 1; zero stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
