# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns raw triangles into a clean mesh: merged, closed, facing outward, without loose pieces."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..data import FloatArray, IntArray, Mesh


def clean_mesh(mesh: Mesh, floater_ratio: float) -> Mesh:
    """Remove what an artist would have to remove by hand.

    In this order: duplicate vertices are merged; degenerate and duplicate faces dropped; holes
    closed; pieces smaller than `floater_ratio` dropped; pieces that no one can see from outside
    (walls of cavities and what floats in them) dropped; faces turned outward.

    Args:
        mesh: Any triangles.
        floater_ratio: Smallest volume of a piece to keep, as a share of the largest piece's.

    Returns:
        The cleaned mesh; unused vertices are gone.
    """
    vertices, faces = merge_vertices(mesh.vertices, mesh.faces)
    faces = _drop_bad_faces(faces)
    vertices, faces = close_holes(vertices, faces)
    pieces = split_pieces(faces, len(vertices))
    volumes = np.array([signed_volume(vertices, piece) for piece in pieces])
    is_large = np.abs(volumes) >= floater_ratio * np.abs(volumes).max(initial=0.0)
    pieces = [piece for piece, large in zip(pieces, is_large, strict=True) if large]
    volumes = volumes[is_large]
    turned = [
        pieces[i] if volumes[i] >= 0 else pieces[i][:, ::-1]
        for i in _visible_pieces(vertices, pieces, volumes)
    ]
    return drop_unused(vertices, np.concatenate(turned) if turned else faces[:0])


def merge_vertices(vertices: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    """Give vertices at exactly the same place one index."""
    group, first = group_rows(vertices)
    return vertices[first], group[faces].astype(np.int32)


def group_rows(rows: FloatArray | IntArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find equal rows: the group `[K]` of each row, and the first row `[G]` of each group.

    Groups are numbered by their first row, so rows that are all different keep their order.
    """
    order = np.lexsort(rows.T)
    is_new = np.append(True, (np.diff(rows[order], axis=0) != 0).any(axis=1))[: len(rows)]
    first = order[is_new]  # the sort is stable
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    group = np.empty(len(rows), np.int64)
    group[order] = rank[np.cumsum(is_new) - 1]
    return group, np.sort(first)


def close_holes(vertices: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    """Close each hole's loop of edges with a fan around its middle."""
    edges = directed_edges(faces).astype(np.int64)
    key, back = edges @ (len(vertices), 1), edges[:, ::-1] @ (len(vertices), 1)
    border = edges[~np.isin(back, key)]
    if not len(border):
        return vertices, faces
    following = {int(end): int(start) for start, end in border}  # the fan runs the other way
    middles, fans = [], []
    while following:
        loop = [next(iter(following))]
        while (after := following.pop(loop[-1], None)) is not None and after != loop[0]:
            loop.append(after)
        if after is None or len(loop) < 3:
            continue  # an open chain is no hole
        ring = np.array(loop)
        middle = np.full(len(ring), len(vertices) + len(middles))
        middles.append(vertices[ring].mean(axis=0))
        fans.append(np.stack([ring, np.roll(ring, -1), middle], -1))
    if not fans:
        return vertices, faces
    closed = np.concatenate([faces, *fans]).astype(np.int32)
    return np.concatenate([vertices, middles]).astype(np.float32), closed


def split_pieces(faces: IntArray, num_vertices: int) -> list[IntArray]:
    """Faces of each connected piece, in the order of their first face."""
    if not len(faces):
        return []
    links = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = coo_matrix((np.ones(len(links), bool), links.T), (num_vertices, num_vertices))
    label = connected_components(graph, directed=False)[1][faces[:, 0]]
    order = np.argsort(label, kind="stable")
    pieces = np.split(faces[order], np.flatnonzero(np.diff(label[order])) + 1)
    return pieces


def signed_volume(vertices: FloatArray, faces: IntArray) -> float:
    """Volume enclosed by a closed piece, negative if its faces look inward."""
    corner = vertices[faces].astype(np.float64)  # [F, 3, 3]
    corner -= corner[0, 0]
    return float(np.einsum("fi,fi->", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])) / 6)


def directed_edges(faces: IntArray) -> IntArray:
    """`[3F, 2]` edges in the direction their faces run."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def is_closed_manifold(faces: IntArray) -> bool:
    """Whether each edge joins exactly two faces that run along it in opposite directions."""
    edges = directed_edges(faces).astype(np.int64)
    span = int(faces.max(initial=0)) + 1
    key, back = np.sort(edges @ (span, 1)), np.sort(edges[:, ::-1] @ (span, 1))
    return bool((np.diff(key) > 0).all() and np.array_equal(key, back))


def euler_number(faces: IntArray) -> int:
    """Vertices minus edges plus faces of a closed mesh: 2 per sphere, 0 per torus."""
    return len(np.unique(faces)) - len(faces) // 2


def drop_unused(vertices: FloatArray, faces: IntArray) -> Mesh:
    """A mesh with only the vertices that its faces use, in their order."""
    used, inverse = np.unique(faces, return_inverse=True)
    return Mesh(vertices[used], inverse.reshape(-1, 3).astype(np.int32))


def _drop_bad_faces(faces: IntArray) -> IntArray:
    """Faces without those that use a vertex twice or repeat another face."""
    first, second, third = faces.T
    faces = faces[(first != second) & (second != third) & (third != first)]
    return faces[group_rows(np.sort(faces, axis=1))[1]]


def _visible_pieces(
    vertices: FloatArray, pieces: list[IntArray], volumes: NDArray[np.float64]
) -> list[int]:
    """Indices of the pieces that no other piece encloses."""
    low = np.array([vertices[piece].min(axis=(0, 1)) for piece in pieces])
    high = np.array([vertices[piece].max(axis=(0, 1)) for piece in pieces])
    visible = []
    for i, piece in enumerate(pieces):
        is_around = (low < low[i]).all(axis=1) & (high > high[i]).all(axis=1)
        is_around &= np.abs(volumes) > abs(volumes[i])
        point = vertices[piece[0, 0]]
        if not any(_encloses(vertices, pieces[j], point) for j in np.flatnonzero(is_around)):
            visible.append(i)
    return visible


def _encloses(vertices: FloatArray, faces: IntArray, point: FloatArray) -> bool:
    """Whether a closed piece winds around the point.

    Source: Van Oosterom and Strackee, "The Solid Angle of a Plane Triangle", 1983, equation 8.
    """
    a, b, c = np.moveaxis(vertices[faces].astype(np.float64) - point, 1, 0)  # each [F, 3]
    la, lb, lc = (np.linalg.norm(corner, axis=1) for corner in (a, b, c))
    over = np.einsum("fi,fi->f", a, np.cross(b, c))
    under = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
    return abs(np.arctan2(over, under).sum()) > np.pi  # half of a full turn's 2 pi
