# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a bumpy mesh into a smoother one of the same size and topology."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from ..data import Mesh

SHRINK = 0.5
GROW = -0.53


def smooth_mesh(mesh: Mesh, rounds: int) -> Mesh:
    """Even out bumps by moving each vertex towards and away from its neighbours' mean in turn.

    Args:
        mesh: Closed triangles.
        rounds: Pairs of steps; 0 returns the mesh as it is.

    Returns:
        The same faces on moved vertices; volume nearly unchanged.

    Source: Taubin 1995, "A Signal Processing Approach to Fair Surface Design", section 3.
    """
    if rounds == 0 or not len(mesh.faces):
        return mesh
    count = len(mesh.vertices)
    start = mesh.faces.reshape(-1)
    end = np.roll(mesh.faces, -1, axis=1).reshape(-1)
    ones = np.ones(len(start))
    adjacency = csr_array((ones, (start, end)), shape=(count, count))
    adjacency = ((adjacency + adjacency.T) > 0).astype(np.float64)  # [P, P]
    valence = np.maximum(adjacency.sum(axis=1), 1)[:, None]
    position = mesh.vertices.astype(np.float64)  # [P, 3]
    for _ in range(rounds):
        for factor in (SHRINK, GROW):
            position = position + factor * (adjacency @ position / valence - position)
    return replace(mesh, vertices=position.astype(np.float32))
