# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a closed mesh into one with fewer triangles that is still closed."""

import fast_simplification
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..data import FloatArray, IntArray, Mesh
from .clean import directed_edges, drop_unused, group_rows, is_closed_manifold

_AGGRESSIVENESS = (7, 10, 14)  # how fast the library's error limit grows; 7 reaches most targets
_PULL = 0.02  # share of the way to its faces by which a split vertex leaves its twin


def simplify_mesh(mesh: Mesh, target_faces: int) -> Mesh:
    """Collapse edges in the order of the quadric error until the budget is met.

    The library may pinch thin parts so that four faces meet at an edge, or two fans at a vertex;
    such places are cut apart again, so a closed input gives a closed output.

    Args:
        mesh: A closed mesh.
        target_faces: Most faces to keep.

    Returns:
        A mesh with `target_faces` faces or fewer where the shape allows. A few more remain if
        what is left cannot be collapsed; the caller decides.

    Source: Garland and Heckbert, "Surface Simplification Using Quadric Error Metrics", 1997, in
    fast-simplification. Cutting: Guéziec et al., "Cutting and Stitching", 2001, section 4.
    """
    for aggressiveness in _AGGRESSIVENESS:
        if len(mesh.faces) <= target_faces:
            break
        vertices, faces = fast_simplification.simplify(
            mesh.vertices.astype(np.float64),
            mesh.faces,
            target_count=target_faces,
            agg=aggressiveness,
        )[:2]
        mesh = cut_apart(vertices.astype(np.float32), faces.astype(np.int32))
    return mesh


def cut_apart(vertices: FloatArray, faces: IntArray) -> Mesh:
    """Make a closed surface manifold where it touches itself.

    Args:
        vertices: `[P, 3]`.
        faces: `[F, 3]`, each edge run along as often in one direction as in the other.

    Returns:
        The mesh: each edge joins two faces and each vertex has one fan of faces. Twins of a split
        vertex lie a little apart, so merging by place does not undo the cut.
    """
    while True:
        faces = _drop_opposite_faces(faces)
        vertices, faces = _split_fans(vertices, faces)
        if is_closed_manifold(faces):
            return drop_unused(vertices, faces)
        faces = _collapse_shared_edges(faces)


def _drop_opposite_faces(faces: IntArray) -> IntArray:
    """Faces without collapsed ones and without pairs that lie back to back."""
    first, second, third = faces.T
    faces = faces[(first != second) & (second != third) & (third != first)]
    group, _ = group_rows(np.sort(faces, axis=1))
    lowest = np.argmin(faces, axis=1)[:, None]
    after = np.take_along_axis(faces, (lowest + np.array([1, 2])) % 3, axis=1)
    turn = np.where(after[:, 0] < after[:, 1], 1, -1)  # which way round the face runs
    excess = np.bincount(group, turn).astype(np.int64)[group]  # of one way over the other
    kept = np.flatnonzero(turn * excess > 0)
    kept = kept[np.argsort(group[kept], kind="stable")]
    place = np.arange(len(kept)) - np.searchsorted(group[kept], group[kept])  # within its group
    return faces[np.sort(kept[place < np.abs(excess[kept])])]


def _split_fans(vertices: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    """Give each fan of faces around a vertex a vertex of its own."""
    num = len(faces)
    edges = directed_edges(faces).astype(np.int64)
    is_forward = edges[:, 0] < edges[:, 1]
    key = np.sort(edges, axis=1) @ (len(vertices), 1)
    order = np.lexsort((key, is_forward))  # all backward ones, then the forward ones, by edge
    back, ahead = np.split(order, 2)  # equally many of each edge: partners
    # half-edge k * F + f starts at corner k of face f and ends at the next corner
    start = np.arange(3 * num)
    end = (start + num) % (3 * num)
    links = np.concatenate(
        [np.stack([start[ahead], end[back]]), np.stack([end[ahead], start[back]])], axis=1
    )
    graph = coo_matrix((np.ones(links.shape[1], bool), links), (3 * num, 3 * num))
    count, fan = connected_components(graph, directed=False)
    old = np.empty(count, np.int64)
    old[fan] = faces.T.reshape(-1)
    placed = vertices[old]
    is_split = np.bincount(old, minlength=len(vertices))[old] > 1
    if is_split.any():
        centre = np.tile(vertices[faces].mean(axis=1), (3, 1))  # [3F, 3]
        size = np.bincount(fan, minlength=count)[:, None]
        mean = np.stack([np.bincount(fan, part, count) for part in centre.T], -1) / size
        placed = np.where(is_split[:, None], placed + _PULL * (mean - placed), placed)
    return placed.astype(np.float32), fan.reshape(3, num).T.astype(np.int32)


def _collapse_shared_edges(faces: IntArray) -> IntArray:
    """Merge the ends of edges that more than two faces share."""
    edges = np.sort(directed_edges(faces), axis=1)
    group, first = group_rows(edges)
    shared = edges[first[np.bincount(group) > 2]]
    num = int(faces.max()) + 1
    graph = coo_matrix((np.ones(len(shared), bool), shared.T), (num, num))
    label = connected_components(graph, directed=False)[1]
    kept = np.unique(label, return_index=True)[1]  # one vertex of each merged set
    return kept[label[faces]].astype(np.int32)
