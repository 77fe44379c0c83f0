# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh object into the triangles that are painted, and remembers which corners they are."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.errors import InputError
from .mesh import read_array


@dataclass(frozen=True, slots=True)
class Surface:
    """A mesh in world space, Z up, as polygons and as triangles.

    Attributes:
        vertices: `[P, 3]` float64, metres.
        loop_vertices: `[L]` int32, the polygons' corners one after the other.
        loop_starts: `[N]` int32, where each polygon begins.
        loops: `[F, 3]` int32, loop of each triangle's corner, counter-clockwise seen from outside.
        polygons: `[F]` int32, polygon of each triangle.
    """

    vertices: NDArray[np.float64]
    loop_vertices: NDArray[np.int32]
    loop_starts: NDArray[np.int32]
    loops: NDArray[np.int32]
    polygons: NDArray[np.int32]

    @property
    def area(self) -> NDArray[np.float64]:
        """`[F]`, of each triangle."""
        a, b, c = (self.vertices[self.loop_vertices[self.loops[:, i]]] for i in range(3))
        return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


@contextmanager
def own_mesh(obj: bpy.types.Object) -> Generator[bpy.types.Mesh, None, None]:
    """The object's mesh without modifiers, while the block runs.

    In Edit Mode it is a copy, as the UV maps of the mesh itself cannot be read then.
    """
    assert isinstance(obj.data, bpy.types.Mesh)
    if obj.mode != "EDIT":
        yield obj.data
        return
    obj.update_from_editmode()
    mesh = obj.data.copy()
    made: list[bpy.types.ID] = [mesh, *([mesh.shape_keys] if mesh.shape_keys else [])]
    try:
        yield mesh
    finally:
        bpy.data.batch_remove(made)


@contextmanager
def evaluated_mesh(
    obj: bpy.types.Object, depsgraph: bpy.types.Depsgraph
) -> Generator[bpy.types.Mesh, None, None]:
    """The object's mesh with its modifiers and shape keys, while the block runs."""
    evaluated = obj.evaluated_get(depsgraph)
    try:
        yield evaluated.to_mesh()
    finally:
        evaluated.to_mesh_clear()


def has_same_faces(mesh: bpy.types.Mesh, other: bpy.types.Mesh) -> bool:
    """Whether two meshes have the same polygons with the same corners in the same order."""
    if len(mesh.vertices) != len(other.vertices) or len(mesh.polygons) != len(other.polygons):
        return False
    return len(mesh.loops) == len(other.loops) and all(
        np.array_equal(*(read_array(getattr(m, kind), name, 1, np.int32) for m in (mesh, other)))
        for kind, name in (("polygons", "loop_start"), ("loops", "vertex_index"))
    )


def read_surface(mesh: bpy.types.Mesh, obj: bpy.types.Object) -> Surface:
    """The polygons and triangles of a mesh where an object places it.

    Args:
        mesh: The object's own mesh or its evaluated one.
        obj: Gives the place, and a name for messages.

    Raises:
        InputError: There are no faces, or their corners are not all at finite places.
    """
    if not len(mesh.polygons):
        raise InputError(f"'{obj.name}' has no faces.", "Select objects that have faces.")
    matrix = np.array(obj.matrix_world, np.float64)
    vertices = read_array(mesh.vertices, "co", 3, np.float32) @ matrix[:3, :3].T + matrix[:3, 3]
    mesh.calc_loop_triangles()
    loops = read_array(mesh.loop_triangles, "loops", 3, np.int32)
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored object shows its faces from behind
        loops = np.ascontiguousarray(loops[:, ::-1])
    loop_vertices = read_array(mesh.loops, "vertex_index", 1, np.int32)
    corners = vertices[loop_vertices]
    if not np.isfinite(corners).all() or not np.ptp(corners, axis=0).any():
        raise InputError(
            f"The faces of '{obj.name}' have no size or no place.",
            "Look for a scale of zero, or merge the vertices by distance.",
        )
    return Surface(
        vertices,
        loop_vertices,
        read_array(mesh.polygons, "loop_start", 1, np.int32),
        loops,
        read_array(mesh.loop_triangles, "polygon_index", 1, np.int32),
    )


def read_uv(mesh: bpy.types.Mesh, name: str) -> NDArray[np.float32]:
    """A UV map of that name, `[L, 2]`."""
    return read_array(mesh.uv_layers[name].uv, "vector", 2, np.float32)


def join_surfaces(surfaces: list[Surface]) -> Surface:
    """All surfaces as one, in their order."""
    num_vertices = _starts([len(s.vertices) for s in surfaces])
    num_loops = _starts([len(s.loop_vertices) for s in surfaces])
    num_polygons = _starts([len(s.loop_starts) for s in surfaces])
    count = range(len(surfaces))
    return Surface(
        np.concatenate([s.vertices for s in surfaces]),
        np.concatenate([surfaces[i].loop_vertices + num_vertices[i] for i in count]),
        np.concatenate([surfaces[i].loop_starts + num_loops[i] for i in count]),
        np.concatenate([surfaces[i].loops + num_loops[i] for i in count]),
        np.concatenate([surfaces[i].polygons + num_polygons[i] for i in count]),
    )


def digest_of(mesh: bpy.types.Mesh, uv_name: str) -> str:
    """Tells whether a result still fits: a hash over all faces, and over one UV map if named.

    Args:
        mesh: Not in Edit Mode.
        uv_name: The UV map that is painted; empty if it is still to be made.
    """
    found = hashlib.blake2b(digest_size=16)
    found.update(np.int64(len(mesh.vertices)).tobytes())
    found.update(read_array(mesh.polygons, "loop_start", 1, np.int32).tobytes())
    found.update(read_array(mesh.loops, "vertex_index", 1, np.int32).tobytes())
    if uv_name:
        found.update(read_uv(mesh, uv_name).tobytes())
    return found.hexdigest()


def _starts(sizes: list[int]) -> list[np.int32]:
    """Where each part begins in the whole."""
    return [np.int32(sum(sizes[:i])) for i in range(len(sizes))]
