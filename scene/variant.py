# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns an object into a new one beside it with another mesh; the original is never changed.

Modifiers are applied to the new mesh, except armatures, which stay modifiers.
"""

import json
import re
from collections.abc import Callable

import bpy
import numpy as np

from ..backend.errors import InputError
from . import mesh as mesh_data

SUFFIXES = ("low", "quads", "voxels", "LOD0", "LOD1", "LOD2")
_WELD = 1e-6  # vertices that are closer than this share of the size are one
_SUFFIX = re.compile(rf"_({'|'.join(SUFFIXES)})(\.\d+)?$")


def base_name(obj: bpy.types.Object) -> str:
    """The object's name without what an earlier variant added to it."""
    return _SUFFIX.sub("", obj.name) or obj.name


def check_mesh(obj: bpy.types.Object) -> None:
    """Make sure that an object has faces.

    Raises:
        InputError: It has none, or is no mesh.
    """
    if obj.type != "MESH" or not len(obj.data.polygons):
        raise InputError(f"'{obj.name}' has no faces.", "Select objects that have faces.")


def evaluate_mesh(
    obj: bpy.types.Object,
    scene: bpy.types.Scene,
    add_modifier: Callable[[bpy.types.Object], object] | None = None,
) -> bpy.types.Mesh:
    """A new mesh: the object's own with its modifiers, and one more if wanted.

    Args:
        obj: A mesh object; it is not changed.
        scene: The scene that is shown, which holds a copy of the object for a moment.
        add_modifier: Adds a modifier to the object that it is given.
    """
    copy = obj.copy()
    scene.collection.objects.link(copy)
    try:
        for modifier in copy.modifiers:
            if modifier.type == "ARMATURE":
                modifier.show_viewport = False
        if add_modifier is not None:
            add_modifier(copy)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        depsgraph.update()
        mesh = bpy.data.meshes.new_from_object(
            copy.evaluated_get(depsgraph), preserve_all_data_layers=True, depsgraph=depsgraph
        )
    finally:
        bpy.data.objects.remove(copy)
    return mesh


def count_triangles(mesh: bpy.types.Mesh) -> int:
    """How many triangles a renderer makes of the mesh's polygons."""
    return len(mesh.loops) - 2 * len(mesh.polygons)


def reduce_mesh(
    obj: bpy.types.Object, scene: bpy.types.Scene, num_triangles: int
) -> bpy.types.Mesh:
    """A new mesh of at most so many triangles, with UVs, materials and vertex groups kept.

    Args:
        obj: A mesh object; it is not changed.
        scene: See `evaluate_mesh`.
        num_triangles: At least 4; more than there are leaves the mesh as it is.

    Raises:
        InputError: The surface is in too many pieces for so few triangles.
    """
    mesh = evaluate_mesh(obj, scene)
    present = count_triangles(mesh)
    wanted = num_triangles
    # The modifier may miss its aim by a few; three rounds have always been enough.
    for _ in range(3):
        if count_triangles(mesh) <= num_triangles:
            break
        ratio = max(wanted / present, 0.0)
        bpy.data.meshes.remove(mesh)
        mesh = evaluate_mesh(obj, scene, lambda copy, ratio=ratio: _add_decimate(copy, ratio))
        wanted -= max(count_triangles(mesh) - num_triangles, 0)
    if not len(mesh.polygons) or count_triangles(mesh) > 1.1 * num_triangles:
        bpy.data.meshes.remove(mesh)
        raise InputError(
            f"'{obj.name}' is too intricate for {num_triangles} triangles.", "Allow more."
        )
    if obj.maquette.picture:  # made here: its sharp edges are those beyond an angle
        shade_as_made(mesh, obj)
    return mesh


def shade_as_made(mesh: bpy.types.Mesh, obj: bpy.types.Object) -> None:
    """Smooth shading with sharp edges, as the object had it when it was made."""
    settings = json.loads(obj.maquette.settings or "{}")
    mesh_data.shade_by_angle(mesh, float(settings.get("crease_deg", mesh_data.CREASE_DEG)))


def add_variant(obj: bpy.types.Object, mesh: bpy.types.Mesh, suffix: str) -> bpy.types.Object:
    """An object like another with a new mesh, in the same collections; not selected.

    Args:
        obj: The original; it is not changed.
        mesh: Takes the object's name.
        suffix: What is added to the name, one of `SUFFIXES`.
    """
    name = f"{base_name(obj)}_{suffix}"
    variant = obj.copy()
    variant.name = mesh.name = name
    for modifier in list(variant.modifiers):
        if modifier.type != "ARMATURE":
            variant.modifiers.remove(modifier)
    _set_mesh(variant, mesh)
    for collection in obj.users_collection:
        collection.objects.link(variant)
    return variant


def hide_original(obj: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> None:
    """Hide an object and its collision hulls; they stay in their collections."""
    hulls = [child for child in obj.children if child.maquette.is_hull]
    for hidden in (obj, *(hull for hull in hulls if view_layer.objects.get(hull.name) == hull)):
        hidden.select_set(False, view_layer=view_layer)
        hidden.hide_set(True, view_layer=view_layer)
        hidden.hide_render = True


def select_only(objects: list[bpy.types.Object], view_layer: bpy.types.ViewLayer) -> None:
    """Select objects, the first one active."""
    for other in list(view_layer.objects.selected):
        other.select_set(False, view_layer=view_layer)
    for obj in objects:
        obj.select_set(True, view_layer=view_layer)
    if objects:
        view_layer.objects.active = objects[0]


def _set_mesh(variant: bpy.types.Object, mesh: bpy.types.Mesh) -> None:
    """Exchange the mesh; slots that belong to the object keep their materials."""
    kept = [(slot.link, slot.material) for slot in variant.material_slots]
    variant.data = mesh
    for slot, (link, material) in zip(variant.material_slots, kept, strict=False):
        if link == "OBJECT":
            slot.link, slot.material = link, material


def _add_decimate(obj: bpy.types.Object, ratio: float) -> None:
    # Files of games split vertices where charts meet: such edges would tear open.
    weld = obj.modifiers.new("Maquette Weld", "WELD")
    weld.merge_threshold = _WELD * max(float(lengths_of(obj.data).max()), 1e-6)
    modifier = obj.modifiers.new("Maquette", "DECIMATE")
    modifier.ratio = ratio
    modifier.use_collapse_triangulate = True


def lengths_of(mesh: bpy.types.Mesh) -> np.ndarray:
    """Sides of the bounding box in the mesh's own space, `[3]`."""
    corners = mesh_data.read_array(mesh.vertices, "co", 3, np.float32)
    return np.ptp(corners, axis=0)
