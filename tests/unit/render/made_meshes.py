# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes for the tests of rendering: a ball of the painting size and boxes."""

import numpy as np

from backend.data import Mesh


def make_ball(rings=40):
    around = np.linspace(0, 2 * np.pi, 2 * rings, endpoint=False)
    down = np.linspace(0, np.pi, rings + 1)
    theta, phi = np.meshgrid(down, around, indexing="ij")
    points = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1)
    at = np.arange(points[..., 0].size).reshape(theta.shape)
    a, b = at[:-1], np.roll(at, -1, 1)[:-1]
    c, d = at[1:], np.roll(at, -1, 1)[1:]
    faces = np.stack([np.stack([a, c, d], -1), np.stack([a, d, b], -1)]).reshape(-1, 3)
    points = 0.575 * points.reshape(-1, 3)
    return Mesh(points.astype(np.float32), faces.astype(np.int32))


def make_box(low, high):
    corner = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = [[q[k] for k in pick] for q in quads for pick in ((0, 1, 2), (0, 2, 3))]
    low, high = np.array(low), np.array(high)
    return Mesh((low + corner * (high - low)).astype(np.float32), np.array(faces, dtype=np.int32))
