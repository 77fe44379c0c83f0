# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a choice into an object's origin, while its shape and its children stay where they are."""

import bpy
import numpy as np
from mathutils import Matrix, Vector
from numpy.typing import NDArray

from . import mesh as mesh_data
from .assignment import users_of
from .variant import check_mesh


def place_origin(obj: bpy.types.Object, kind: str) -> None:
    """Move the origin of an object, and of all others that use its mesh.

    Args:
        obj: A mesh object in Object Mode.
        kind: "BOTTOM" (along the object's own Z), "VOLUME" or "BOUNDS", see `find_origin`.

    Raises:
        InputError: The object has no faces.
    """
    check_mesh(obj)
    mesh = obj.data
    corners = mesh_data.read_array(mesh.vertices, "co", 3, np.float32).astype(np.float64)
    mesh.calc_loop_triangles()
    triangles = mesh_data.read_array(mesh.loop_triangles, "vertices", 3, np.int32)
    move = Vector(find_origin(corners, triangles, kind))
    mesh.transform(Matrix.Translation(-move), shape_keys=True)
    mesh.update()
    for user in users_of(mesh):
        for child in user.children:
            child.matrix_parent_inverse = Matrix.Translation(-move) @ child.matrix_parent_inverse
        user.location += user.matrix_basis.to_3x3() @ move


def find_origin(
    corners: NDArray[np.float64], triangles: NDArray[np.int32], kind: str
) -> NDArray[np.float64]:
    """Where an origin lies, `[3]`, in the mesh's own space.

    Args:
        corners: `[P, 3]`.
        triangles: `[F, 3]`.
        kind: "BOTTOM", the middle of the bounding box's lowest side; "BOUNDS", the box's middle;
            "VOLUME", the centre of mass of the solid, or of the surface if that encloses nothing.
    """
    used = corners[np.unique(triangles)]
    low, high = used.min(axis=0), used.max(axis=0)
    middle = (low + high) / 2
    if kind == "BOUNDS":
        return middle
    if kind == "BOTTOM":
        return np.array([middle[0], middle[1], low[2]])
    a, b, c = (corners[triangles[:, i]] - middle for i in range(3))
    volume = np.einsum("fk,fk->f", a, np.cross(b, c)) / 6  # signed, of tetrahedra to the middle
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    if abs(volume.sum()) > 1e-6 * area.sum() ** 1.5:
        found = middle + ((a + b + c) / 4 * volume[:, None]).sum(axis=0) / volume.sum()
        if (low <= found).all() and (found <= high).all():  # not for surfaces full of holes
            return found
    if area.sum() <= 0:
        return middle
    return middle + ((a + b + c) / 3 * area[:, None]).sum(axis=0) / area.sum()
