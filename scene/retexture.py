# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the worker's texture into the material of the objects that it was made for.

Nothing of a mesh changes but its material slots and, where its UV maps cannot hold the painting,
one more UV map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.errors import InputError
from ..backend.mesh.io import read_npz
from . import mesh as mesh_data
from . import uv as uv_data
from .assignment import assign_material
from .image import load_packed
from .material import create_textured_material
from .surface import digest_of


@dataclass(frozen=True, slots=True)
class Target:
    """A mesh that a running job paints. Holds no Blender data, which may move or go.

    Attributes:
        object_uid: `session_uid` of the object.
        name: Its name when the job was started, for messages.
        digest: `surface.digest_of` its mesh.
        uv_name: The UV map that is painted, or empty for a new one.
        uv: `[L, 2]`, the new map, or None if there is no need or the worker makes it.
        loops: `[F, 3]`, the loops of the triangles that were sent.
        painted: `[N]`, the faces that get the new material, or None for all.
    """

    object_uid: int
    name: str
    digest: str
    uv_name: str
    uv: NDArray[np.float32] | None
    loops: NDArray[np.int32]
    painted: NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Repaint:
    """What a job was started for.

    Attributes:
        name: Name of the new material and image.
        targets: The meshes that share the texture, in the order of their triangles.
        uv: The worker's setting: "keep" the map that was sent, or make a "new" one.
        mesh_path: What the worker gets.
        base_path: The present texture, or None.
        mask_path: Where to paint, or None.
        notes: Sentences for the user.
    """

    name: str
    targets: tuple[Target, ...]
    uv: str
    mesh_path: Path
    base_path: Path | None
    mask_path: Path | None
    notes: tuple[str, ...]


def apply_repaint(
    repaint: Repaint, mesh_path: Path, texture_path: Path, by_name: bool = False
) -> list[bpy.types.Object]:
    """Give the objects their new texture, all of them or none.

    Args:
        repaint: What the job was started for.
        mesh_path: The worker's `mesh.npz`, read for the UVs that it made.
        texture_path: The worker's base colour.
        by_name: Take an object of the same name and with the same faces for one that is gone: in
            a file that was loaded again, they are the same.

    Returns:
        The painted objects.

    Raises:
        InputError: An object is gone or has changed, or the result cannot be read.
    """
    objects = [_find_unchanged(target, by_name) for target in repaint.targets]
    maps = [target.uv for target in repaint.targets]
    if repaint.uv == "new":
        maps = _read_made_uv(repaint, mesh_path, objects)
    uv_name = repaint.targets[0].uv_name or _free_uv_name([obj.data for obj in objects])
    image = load_packed(texture_path, repaint.name)
    material = create_textured_material(repaint.name, image, uv_name)
    for obj, target, new_map in zip(objects, repaint.targets, maps, strict=True):
        if not target.uv_name:
            mesh_data.write_uv(obj.data, uv_name, new_map)
        assign_material(obj.data, material, target.painted)
    return objects


def _find_unchanged(target: Target, by_name: bool) -> bpy.types.Object:
    """The object of a target, if the texture still fits.

    Raises:
        InputError: It does not.
    """
    obj = next((o for o in bpy.data.objects if o.session_uid == target.object_uid), None)
    if obj is None and by_name:
        obj = bpy.data.objects.get(target.name)
    if obj is None or obj.type != "MESH":
        raise InputError(
            f"'{target.name}' is gone, so nothing was painted.",
            "The paint is kept: bring the object back and place it from the list of jobs.",
        )
    mesh = obj.data
    is_there = not target.uv_name or target.uv_name in mesh.uv_layers
    if obj.mode == "EDIT" or not is_there or digest_of(mesh, target.uv_name) != target.digest:
        raise InputError(
            f"'{obj.name}' was edited while it was painted, so nothing was changed.",
            "Undo the edits and place the paint from the list of jobs, or paint the object again.",
        )
    if not target.uv_name and len(mesh.uv_layers) >= uv_data.MAX_LAYERS:
        raise InputError(
            f"'{obj.name}' has no room for another UV map, so nothing was changed.",
            "Remove a UV map and place the paint from the list of jobs.",
        )
    return obj


def _read_made_uv(
    repaint: Repaint, mesh_path: Path, objects: Sequence[bpy.types.Object]
) -> list[NDArray[np.float32]]:
    """The worker's UVs of each target, `[L, 2]`, in the order of its loops.

    Raises:
        InputError: They are missing or belong to another mesh.
    """
    corner_uv = read_npz(mesh_path).uv
    sizes = [len(target.loops) for target in repaint.targets]
    if corner_uv is None or len(corner_uv) != sum(sizes):
        raise InputError("The result does not belong to this mesh.", "Paint it again.")
    maps = []
    parts = np.split(corner_uv, np.cumsum(sizes)[:-1])
    for target, obj, part in zip(repaint.targets, objects, parts, strict=True):
        uv = np.zeros((len(obj.data.loops), 2), np.float32)
        uv[target.loops] = part
        maps.append(uv)
    return maps


def _free_uv_name(meshes: Sequence[bpy.types.Mesh]) -> str:
    """What no mesh has yet, "Maquette" or with a number: a material names one map for all."""
    taken = {attribute.name for mesh in meshes for attribute in mesh.attributes}
    number, name = 0, uv_data.NAME
    while name in taken:
        number += 1
        name = f"{uv_data.NAME}.{number:03d}"
    return name
