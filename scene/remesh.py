# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh into quads, or into even voxel faces with the texture baked onto them."""

import math
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import bmesh
import bpy
import numpy as np

from ..backend.errors import InputError
from . import mesh as mesh_data
from . import uv as uv_data
from .bake import bake_onto, find_largest_image
from .image import load_packed
from .material import create_textured_material
from .variant import add_variant, evaluate_mesh, lengths_of, shade_as_made

DEFAULT_TEXTURE_PX = 1024
_UV_GAP = 4 / 1024
# How far a voxel surface may lie from the original, in voxels, and how far rays start outside.
_REACH_VOXELS = 1.5


@dataclass(frozen=True, slots=True)
class VoxelChoices:
    """How a voxel remesh is made.

    Attributes:
        num_voxels: Along the longest side.
        texture_px: Edge of the new texture; 0 is as large as the present one.
    """

    num_voxels: int = 128
    texture_px: int = 0


def make_quads(
    obj: bpy.types.Object, scene: bpy.types.Scene, max_angle_deg: float
) -> bpy.types.Object:
    """A variant whose triangles are joined to quads where they are nearly flat.

    Edges between UV charts, materials and sharp edges stay, so the texture does too.

    Args:
        obj: The original; it is not changed.
        scene: See `variant.evaluate_mesh`.
        max_angle_deg: Most that the two triangles may be folded, and the quad's corners be off
            from right angles.
    """
    mesh = evaluate_mesh(obj, scene)
    angle_rad = math.radians(max_angle_deg)
    work = bmesh.new()
    work.from_mesh(mesh)
    triangles = [face for face in work.faces if len(face.verts) == 3]
    bmesh.ops.join_triangles(
        work,
        faces=triangles,
        cmp_seam=True,
        cmp_sharp=True,
        cmp_uvs=True,
        cmp_materials=True,
        angle_face_threshold=angle_rad,
        angle_shape_threshold=angle_rad,
    )
    work.to_mesh(mesh)
    work.free()
    mesh.update()
    return add_variant(obj, mesh, "quads")


def make_voxels(
    obj: bpy.types.Object, scene: bpy.types.Scene, choices: VoxelChoices
) -> bpy.types.Object:
    """A variant with even, closed faces, a new UV map and the base colours baked onto it.

    Args:
        obj: The original; it is not changed.
        scene: See `variant.evaluate_mesh`.
        choices: How fine.

    Raises:
        InputError: Nothing is left of the shape, or the colours cannot be baked.
    """
    original = evaluate_mesh(obj, scene)
    try:
        size = float(lengths_of(original).max()) / choices.num_voxels
        mesh = evaluate_mesh(obj, scene, lambda copy: _add_remesh(copy, size))
        if not len(mesh.polygons):
            bpy.data.meshes.remove(mesh)
            raise InputError(
                f"Nothing is left of '{obj.name}': its surface is open or too thin.",
                "Use more voxels, or close its holes.",
            )
        shade_as_made(mesh, obj)
        mesh.materials.clear()
        if any(slot.material for slot in obj.material_slots):
            try:
                _bake_texture(obj, original, mesh, choices, size * _REACH_VOXELS)
            except InputError:
                bpy.data.meshes.remove(mesh)
                raise
    finally:
        bpy.data.meshes.remove(original)
    return add_variant(obj, mesh, "voxels")


def _bake_texture(
    obj: bpy.types.Object,
    original: bpy.types.Mesh,
    mesh: bpy.types.Mesh,
    choices: VoxelChoices,
    reach: float,
) -> None:
    """Unwrap the mesh and give it a material with the original's colours."""
    vertices = mesh_data.read_array(mesh.vertices, "co", 3, np.float32).astype(np.float64)
    uv = uv_data.project_mesh(
        vertices,
        mesh_data.read_array(mesh.loops, "vertex_index", 1, np.int32),
        mesh_data.read_array(mesh.polygons, "loop_start", 1, np.int32),
        _UV_GAP,
    )
    uv_name = mesh_data.write_uv(mesh, mesh_data.UV_NAME, uv)
    present = find_largest_image([slot.material for slot in obj.material_slots])
    size_px = choices.texture_px or (max(present.size) if present else DEFAULT_TEXTURE_PX)
    name = f"{obj.name} voxels"
    with TemporaryDirectory(dir=bpy.app.tempdir) as folder:
        path = Path(folder) / "colour.png"
        bake_onto(obj, original, mesh, uv, size_px, reach, path)
        image = load_packed(path, name)
    mesh.materials.append(create_textured_material(name, image, uv_name))


def _add_remesh(obj: bpy.types.Object, voxel_size: float) -> None:
    modifier = obj.modifiers.new("Maquette", "REMESH")
    modifier.mode = "VOXEL"
    modifier.voxel_size = voxel_size
    modifier.adaptivity = 0.0
    modifier.use_smooth_shade = True
