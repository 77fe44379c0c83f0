# SPDX-License-Identifier: GPL-3.0-or-later
"""The example objects by name, scaled to the project's frame, as coloured parts or triangles."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from backend.data import FloatArray, IntArray

from .furniture import make_armchair, make_barrel, make_chest, make_stool, make_teapot
from .outdoors import make_cottage, make_lamp, make_tree, make_truck
from .shapes import Part, split_polygons

OBJECTS: dict[str, Callable[[], list[Part]]] = {
    "armchair": make_armchair,
    "barrel": make_barrel,
    "chest": make_chest,
    "cottage": make_cottage,
    "lamp": make_lamp,
    "stool": make_stool,
    "teapot": make_teapot,
    "tree": make_tree,
    "truck": make_truck,
}


def build_parts(name: str) -> list[Part]:
    """The parts of one object, its bounding box centred and its longest side 2 long.

    Args:
        name: A key of `OBJECTS`.
    """
    parts = OBJECTS[name]()
    points = np.concatenate([part.vertices for part in parts])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 2 / (high - low).max()
    return [replace(p, vertices=(p.vertices - (low + high) / 2) * scale) for p in parts]


def triangles(name: str) -> tuple[FloatArray, IntArray]:
    """The true surface of one object, to measure generated meshes against.

    The parts are closed and may intersect: the solid is their union.

    Args:
        name: A key of `OBJECTS`.

    Returns:
        Vertices `[P, 3]` float32 in [-1, 1], Y up, front +Z; faces `[F, 3]` int32,
        counter-clockwise seen from outside.
    """
    vertices, faces, first = [], [], 0
    for part in build_parts(name):
        vertices.append(part.vertices)
        faces.append(split_polygons(part) + first)
        first += len(part.vertices)
    return np.concatenate(vertices).astype(np.float32), np.concatenate(faces).astype(np.int32)
