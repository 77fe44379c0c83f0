# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns mesh arrays into `bpy.types.Mesh`; the one place that turns axes (Y up <-> Z up)."""

import math
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.config import MeshConfig

UV_NAME = "UVMap"
CREASE_DEG = MeshConfig().crease_deg


def turn_to_z_up(vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Y up, front +Z -> Z up, front -Y (a quarter turn about X); `[P, 3]` to `[P, 3]`."""
    x, y, z = vertices.T
    return np.stack([x, -z, y], axis=1)  # [P, 3]


def fit_to_size(vertices: NDArray[np.float32], size_m: float) -> NDArray[np.float32]:
    """Scale to a longest side of `size_m` and put the bottom centre on the origin.

    Args:
        vertices: `[P, 3]` float32, Z up.
        size_m: Longest side of the bounding box in metres.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    longest = float((high - low).max())
    bottom_centre = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]], np.float32)
    return (vertices - bottom_centre) * np.float32(size_m / longest if longest > 0 else 1.0)


def turn_to_y_up(vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `turn_to_z_up`; `[P, 3]` to `[P, 3]`."""
    x, y, z = vertices.T
    return np.stack([x, z, -y], axis=1)  # [P, 3]


def create_mesh(
    name: str,
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    uv: NDArray[np.float32] | None = None,
    crease_deg: float = CREASE_DEG,
) -> bpy.types.Mesh:
    """Make a triangle mesh with smooth-by-angle shading.

    Args:
        name: Name of the new data-block.
        vertices: `[P, 3]` float32, Z up, in metres.
        faces: `[F, 3]` int32, counter-clockwise seen from outside.
        uv: `[F, 3, 2]` float32, origin bottom left, becomes the UV map `UV_NAME`; or None.
        crease_deg: Edges at which the surface turns by more than this look sharp.
    """
    starts = np.arange(0, faces.size, 3, dtype=np.int32)
    mesh = create_polygons(name, vertices, faces, starts)
    if uv is not None:  # before `validate`, which drops a broken face together with its UVs
        write_uv(mesh, UV_NAME, uv)
    mesh.update(calc_edges=True)
    mesh.validate()
    shade_by_angle(mesh, crease_deg)
    return mesh


def shade_by_angle(mesh: bpy.types.Mesh, crease_deg: float) -> None:
    """Shade smooth, but for the edges at which the surface turns by more than an angle."""
    mesh.shade_smooth()
    mesh.set_sharp_from_angle(angle=math.radians(crease_deg))


def create_polygons(
    name: str,
    vertices: NDArray[np.floating],
    loop_vertices: NDArray[np.int32],
    loop_starts: NDArray[np.int32],
) -> bpy.types.Mesh:
    """Make a mesh of polygons; the caller updates it.

    Args:
        name: Name of the new data-block.
        vertices: `[P, 3]`.
        loop_vertices: The polygons' corners one after the other.
        loop_starts: `[N]`, where each polygon begins.
    """
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(loop_vertices.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(loop_vertices, np.int32).ravel())
    mesh.polygons.add(len(loop_starts))
    mesh.polygons.foreach_set("loop_start", np.ascontiguousarray(loop_starts, np.int32))
    return mesh


def read_array(collection: Any, name: str, width: int, dtype: type[np.generic]) -> NDArray[Any]:
    """One attribute of all elements, `[N, width]`, or `[N]` for width 1."""
    values = np.empty(len(collection) * width, dtype)
    collection.foreach_get(name, values)
    return values.reshape(-1, width) if width > 1 else values


def write_uv(mesh: bpy.types.Mesh, name: str, uv: NDArray[np.float32]) -> str:
    """Add a UV map; which map is active and which is rendered stays, if there was one.

    Args:
        mesh: Must not be in Edit Mode, and has fewer than eight UV maps.
        name: The wanted name; Blender adds a number if the mesh has an attribute of that name.
        uv: `[..., 2]` float32, one row per loop, in the loops' order.

    Returns:
        The name of the new map.
    """
    layer = mesh.uv_layers.new(name=name, do_init=False)
    name = layer.name  # the reference is of no use once the mesh's attributes change
    layer.uv.foreach_set("vector", np.ascontiguousarray(uv, np.float32).ravel())
    return name
