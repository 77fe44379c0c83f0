# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges UV maps independently of the code that makes them."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from backend.data import Mesh


@dataclass(frozen=True)
class Weighted:
    """Values of faces, and the faces' areas."""

    value: np.ndarray
    weight: np.ndarray

    def quantile(self, share: float) -> float:
        order = np.argsort(self.value)
        total = np.cumsum(self.weight[order]) / self.weight.sum()
        return float(self.value[order][min(np.searchsorted(total, share), len(order) - 1)])

    def mean(self) -> float:
        return float(np.average(self.value, weights=self.weight))


def stretch_of(mesh: Mesh, uv: np.ndarray) -> tuple[Weighted, Weighted]:
    """Longest over shortest stretch of each face, and its texels per area over the mean."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    ahead, behind = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    length = np.linalg.norm(ahead, axis=1)
    along = (ahead * behind).sum(axis=1) / length
    across = np.linalg.norm(np.cross(ahead, behind), axis=1) / length
    flat = uv.astype(np.float64)
    du = (flat[:, 1] - flat[:, 0]) / length[:, None]
    dv = ((flat[:, 2] - flat[:, 0]) - du * along[:, None]) / across[:, None]
    singular = np.linalg.svd(np.stack([du, dv], -1), compute_uv=False)  # [F, 2]
    area = length * across / 2
    density = singular.prod(axis=1)
    mean = (density * area).sum() / area.sum()
    return Weighted(singular[:, 0] / singular[:, 1], area), Weighted(density / mean, area)


def chart_labels(faces: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Faces connected by corners at the same vertex with the same UV."""
    key = np.concatenate([faces.reshape(-1, 1), uv.reshape(-1, 2)], axis=1)
    corner = np.unique(key, axis=0, return_inverse=True)[1].reshape(-1)
    face = np.repeat(np.arange(len(faces)), 3)
    graph = coo_matrix((np.ones(len(face)), (face, corner)), (len(faces), int(corner.max()) + 1))
    return connected_components((graph @ graph.T).tocsr(), directed=False)[1]
