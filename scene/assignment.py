# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a new material into the material of faces, and keeps what was there for the way back.

A mesh's faces name a slot each; the slots belong to the mesh, but an object may put materials of
its own into them. The record is kept on each object that uses the mesh.
"""

import base64
import zlib

import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.errors import InputError
from .mesh import read_array


def assign_material(
    mesh: bpy.types.Mesh, material: bpy.types.Material, painted: NDArray[np.bool_] | None
) -> None:
    """Give faces a new material in a new slot, after recording the former assignment.

    Slots of earlier paintings that no face uses any more are removed.

    Args:
        mesh: Not in Edit Mode.
        material: The material to add.
        painted: `[N]`, the faces that get it, or None for all.
    """
    former = read_array(mesh.polygons, "material_index", 1, np.int32)
    users = users_of(mesh)
    recorded = [obj for obj in users if has_record(obj)]
    text = recorded[0].maquette.former_indices if recorded else _encode(former)
    for obj in users:
        if obj not in recorded:
            _record(obj, text)
        obj.maquette.painted.add().material = material
    num_slots = len(mesh.materials)
    is_partial = painted is not None and not painted.all()
    if is_partial and not num_slots:
        mesh.materials.append(None)  # the faces that stay bare keep a slot of their own
    # Blender shows the last slot on faces that name one beyond it: the new slot must not take them.
    now = np.clip(former, 0, max(num_slots - 1, 0))
    now[slice(None) if painted is None else painted] = len(mesh.materials)
    mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", now)
    _drop_unused(mesh, users, set(np.unique(now).tolist()))
    mesh.update()


def restore_materials(obj: bpy.types.Object) -> None:
    """Bring slots, materials and the faces' slots back to what they were before any painting.

    Raises:
        InputError: The faces are not those that were painted, and had more than one slot.
    """
    mesh = obj.data
    former = _decode(obj.maquette.former_indices)
    if len(former) != len(mesh.polygons):
        if len(np.unique(former)) != 1:
            raise InputError(
                f"'{obj.name}' has other faces than when it was painted.",
                "Assign its former materials by hand.",
            )
        former = np.full(len(mesh.polygons), former[0], np.int32)
    users = [user for user in users_of(mesh) if has_record(user)]
    slots = obj.maquette.former_slots
    if not slots:
        mesh.materials.clear()  # taking them out one by one would leave the objects an empty slot
    while len(mesh.materials) > len(slots):
        mesh.materials.pop(index=len(mesh.materials) - 1)
    while len(mesh.materials) < len(slots):
        mesh.materials.append(None)
    for index, slot in enumerate(slots):
        mesh.materials[index] = slot.mesh_material
    for user in users:
        for slot, kept in zip(user.material_slots, user.maquette.former_slots, strict=False):
            slot.link = "OBJECT" if kept.is_of_object else "DATA"
            if kept.is_of_object:
                slot.material = kept.object_material
        _clear(user)
    mesh.polygons.foreach_set("material_index", former)
    mesh.update()


def has_record(obj: bpy.types.Object) -> bool:
    """Whether a painting is on the object that `restore_materials` can take off."""
    if obj.type != "MESH" or not obj.maquette.former_indices:
        return False
    painted = {item.material for item in obj.maquette.painted}
    return any(material is not None and material in painted for material in obj.data.materials)


def users_of(mesh: bpy.types.Mesh) -> list[bpy.types.Object]:
    """The objects of this file that use the mesh: linked duplicates share it."""
    return [obj for obj in bpy.data.objects if obj.data == mesh and obj.library is None]


def _record(obj: bpy.types.Object, indices: str) -> None:
    """Write down an object's slots, over what an outdated record may say."""
    _clear(obj)
    kept = obj.maquette
    kept.former_indices = indices
    for slot, material in zip(obj.material_slots, obj.data.materials, strict=True):
        item = kept.former_slots.add()
        item.mesh_material = material
        item.is_of_object = slot.link == "OBJECT"
        item.object_material = slot.material if item.is_of_object else None


def _clear(obj: bpy.types.Object) -> None:
    obj.maquette.former_indices = ""
    obj.maquette.former_slots.clear()
    obj.maquette.painted.clear()


def _drop_unused(mesh: bpy.types.Mesh, users: list[bpy.types.Object], used: set[int]) -> None:
    """Remove slots and records of earlier paintings that are hidden completely."""
    painted = {item.material for obj in users for item in obj.maquette.painted}
    for index in reversed(range(len(mesh.materials))):
        material = mesh.materials[index]
        if material is None or material not in painted or index in used:
            continue
        mesh.materials.pop(index=index)  # moves the faces' later slots up
        for obj in users:
            items = obj.maquette.painted
            position = next((i for i, item in enumerate(items) if item.material == material), None)
            if position is not None:
                items.remove(position)


def _encode(indices: NDArray[np.int32]) -> str:
    """`[N]` as text: properties hold neither arrays of any length nor bytes with zeros."""
    return base64.b64encode(zlib.compress(indices.astype("<i4").tobytes())).decode("ascii")


def _decode(text: str) -> NDArray[np.int32]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i4").astype(np.int32)
