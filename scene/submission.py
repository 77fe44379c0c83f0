# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns selected mesh objects into the files that the worker paints; no Blender data changes."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.errors import InputError
from . import mesh as mesh_data
from . import uv as uv_data
from .bake import Canvas, Mask, bake_base_colour, bake_mask
from .retexture import Repaint, Target
from .surface import (
    Surface,
    digest_of,
    evaluated_mesh,
    has_same_faces,
    join_surfaces,
    own_mesh,
    read_surface,
    read_uv,
)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the artist wants of a re-texturing.

    Attributes:
        uv: "auto", "keep" or "new".
        size_px: Edge of the texture.
        gap: Room between the charts of a new UV map, as a share of the texture's width.
        selection_only: Paint the selected faces only.
        mask: Where to paint within the texture, or None for everywhere.
        keep_colours: Hand on the present texture as a reference.
    """

    uv: str
    size_px: int
    gap: float = 4 / 1024
    selection_only: bool = False
    mask: Mask | None = None
    keep_colours: bool = False


@dataclass(slots=True)
class _Part:
    """One object while a job is prepared.

    Attributes:
        mesh: Its own mesh, without modifiers.
        own: The surface of that mesh, whose faces and loops are those that stay.
        sent: What is painted: the same faces, or with `uv_name` also those of the modifiers.
        sent_uv: `[F, 3, 2]` of `sent`, or None.
        uv: `[L, 2]` of `own`, or None while unknown.
    """

    obj: bpy.types.Object
    mesh: bpy.types.Mesh
    own: Surface
    uv_name: str = ""
    sent: Surface | None = None
    sent_uv: NDArray[np.float32] | None = None
    uv: NDArray[np.float32] | None = None
    painted: NDArray[np.bool_] | None = None


def group_objects(
    objects: Sequence[bpy.types.Object], is_shared: bool, selection_only: bool
) -> list[list[bpy.types.Object]]:
    """The objects of each job; linked duplicates share their mesh and are painted once.

    Args:
        objects: The selected ones; others than meshes are left out.
        is_shared: All objects share a texture.
        selection_only: Leave out objects without a selected face.

    Raises:
        InputError: Nothing is left, or an object belongs to another file.
    """
    chosen: dict[bpy.types.Mesh, bpy.types.Object] = {}
    for obj in objects:
        if obj.type != "MESH":
            continue
        if obj.library or obj.data.library or obj.data.override_library:
            raise InputError(
                f"'{obj.name}' is linked from another file.",
                "Make its mesh local: Object > Relations > Make Local > Selected Objects and Data.",
            )
        if obj.mode == "EDIT":
            obj.update_from_editmode()
        chosen.setdefault(obj.data, obj)
    if not chosen:
        raise InputError("No mesh object is selected.", "Select the objects to paint.")
    found = list(chosen.values())
    if selection_only:
        found = [obj for obj in found if _selected_faces(obj.data).any()]
        if not found:
            raise InputError("No face is selected.", "Select faces in Edit Mode.")
    return [found] if is_shared else [[obj] for obj in found]


def prepare_repaint(
    objects: Sequence[bpy.types.Object],
    name: str,
    choices: Choices,
    depsgraph: bpy.types.Depsgraph,
    folder: Path,
) -> Repaint:
    """Read the objects and write what the worker needs; no Blender data changes.

    Args:
        objects: Meshes that share one texture, see `group_objects`.
        name: Name of the new material and image.
        choices: What the artist wants.
        depsgraph: Gives the meshes with their modifiers.
        folder: Existing folder for the files.

    Raises:
        InputError: An object cannot be painted; the sentence says why.
        OSError: The folder cannot be written.
    """
    with ExitStack() as stack:
        meshes = [stack.enter_context(own_mesh(obj)) for obj in objects]
        pairs = zip(objects, meshes, strict=True)
        parts = [_Part(obj, mesh, read_surface(mesh, obj)) for obj, mesh in pairs]
        return _prepare_parts(parts, name, choices, depsgraph, folder)


def _prepare_parts(
    parts: list[_Part],
    name: str,
    choices: Choices,
    depsgraph: bpy.types.Depsgraph,
    folder: Path,
) -> Repaint:
    """Decide on UV maps, bake what is there, write the files."""
    notes = _choose_uv_maps(parts, choices)
    for part in parts:
        notes += _read_sent(part, choices, depsgraph)
    needs_pictures = choices.keep_colours or choices.mask is not None
    if not parts[0].uv_name and (needs_pictures or not all(_has_triangles(p.own) for p in parts)):
        _make_uv_maps(parts, choices.gap)
    base_path, mask_path = _bake_pictures(parts, choices, folder)
    if choices.selection_only:
        for part in parts:
            part.painted = _selected_faces(part.mesh)
    mesh_path = folder / "mesh.npz"
    _write_submission(parts, choices.selection_only, mesh_path)
    return Repaint(
        name,
        tuple(_target_of(part) for part in parts),
        "new" if parts[0].sent_uv is None else "keep",
        mesh_path,
        base_path,
        mask_path,
        tuple(notes),
    )


def _choose_uv_maps(parts: list[_Part], choices: Choices) -> list[str]:
    """Set `uv_name` and `uv` where existing maps hold the painting; sentences about the others."""
    if choices.uv == "new":
        faults = [""] * len(parts)
    else:
        faults = [_choose_uv_map(part, choices.uv == "keep") for part in parts]
    names = {part.uv_name for part in parts}
    if len(parts) > 1 and "" not in names and choices.uv != "new":
        shared = np.concatenate([part.uv[part.own.loops] for part in parts])
        area = np.concatenate([part.own.area for part in parts])
        if len(names) > 1 or (choices.uv != "keep" and uv_data.find_fault(shared, area)):
            names.add("")
    if "" not in names:
        return []
    if choices.uv == "keep":
        raise InputError(
            "The UV maps of these objects have different names.",
            "Rename them, give each object its own texture, or let a new UV map be made.",
        )
    for part in parts:
        part.uv_name, part.uv = "", None
        if len(part.mesh.uv_layers) >= uv_data.MAX_LAYERS:
            raise InputError(
                f"'{part.obj.name}' has {uv_data.MAX_LAYERS} UV maps, so no new one can be added.",
                "Remove one that is not needed.",
            )
    return [
        f"The UV map '{part.mesh.uv_layers.active.name}' of '{part.obj.name}' {fault}: "
        "the paint is on a new UV map."
        for part, fault in zip(parts, faults, strict=True)
        if fault
    ]


def _choose_uv_map(part: _Part, must_keep: bool) -> str:
    """Set `uv_name` and `uv` to the active map or an earlier "Maquette"; or the active's fault."""
    layers = part.mesh.uv_layers
    if must_keep and layers.active is None:
        raise InputError(
            f"'{part.obj.name}' has no UV map to keep.", "Unwrap it, or let a new UV map be made."
        )
    names = [layers.active.name] if layers.active else []
    if not must_keep:
        names += [u.name for u in layers if u.name.startswith(uv_data.NAME) and u.name not in names]
    faults = []
    for name in names:
        uv = read_uv(part.mesh, name)
        fault = "" if must_keep else uv_data.find_fault(uv[part.own.loops], part.own.area)
        if not fault and np.isfinite(uv).all():
            part.uv_name, part.uv = name, uv
            return ""
        faults.append(fault or "holds values that are no numbers")
    if must_keep:
        raise InputError(f"The UV map '{names[0]}' {faults[0]}.", "Let a new UV map be made.")
    return faults[0] if faults else ""


def _read_sent(part: _Part, choices: Choices, depsgraph: bpy.types.Depsgraph) -> list[str]:
    """Set `sent` and `sent_uv`: the evaluated mesh if its faces can be told apart, else the own."""
    note = []
    part.sent = part.own
    if _is_unchanged(part.obj):
        part.sent_uv = None if part.uv is None else part.uv[part.own.loops]
        return []
    with evaluated_mesh(part.obj, depsgraph) as evaluated:
        if has_same_faces(part.mesh, evaluated):
            part.sent = read_surface(evaluated, part.obj)
        elif _can_send_other_faces(part, choices, evaluated):
            surface = read_surface(evaluated, part.obj)
            corner_uv = read_uv(evaluated, part.uv_name)[surface.loops]
            if choices.uv == "keep" or not uv_data.find_fault(corner_uv, surface.area):
                part.sent, part.sent_uv = surface, corner_uv
        if part.sent is part.own:
            note = [f"'{part.obj.name}' was painted without its modifiers, which change its faces."]
    if part.uv is not None and part.sent_uv is None:
        part.sent_uv = part.uv[part.sent.loops]
    return note


def _can_send_other_faces(part: _Part, choices: Choices, evaluated: bpy.types.Mesh) -> bool:
    """Whether faces that modifiers make could be painted on the part's UV map."""
    if not part.uv_name or choices.selection_only or not len(evaluated.polygons):
        return False
    return part.uv_name in evaluated.uv_layers


def _is_unchanged(obj: bpy.types.Object) -> bool:
    """Whether nothing turns the object's own mesh into another one."""
    return obj.mode != "EDIT" and not obj.modifiers and not obj.data.shape_keys


def _make_uv_maps(parts: list[_Part], gap: float) -> None:
    """Unwrap all parts together, so that they share the square."""
    joined = join_surfaces([part.sent for part in parts])
    uv = uv_data.project_mesh(joined.vertices, joined.loop_vertices, joined.loop_starts, gap)
    ends = np.cumsum([len(part.sent.loop_vertices) for part in parts])
    for part, own_uv in zip(parts, np.split(uv, ends[:-1]), strict=True):
        part.uv = own_uv
        part.sent_uv = own_uv[part.sent.loops]


def _bake_pictures(
    parts: list[_Part], choices: Choices, folder: Path
) -> tuple[Path | None, Path | None]:
    """Write the present texture and the mask if wanted; sets `painted` by the mask."""
    base_path = mask_path = None
    canvases = [Canvas(part.obj, part.uv) for part in parts if part.uv is not None]
    if choices.mask is not None:
        if choices.mask.kind == "image":
            _require_uv_maps(parts)
        mask_path = folder / "mask.png"
        where = bake_mask(canvases, choices.size_px, mask_path, choices.mask)
        for part in parts:
            touched = _triangles_touching(where, part.uv[part.own.loops])
            part.painted = np.zeros(len(part.own.loop_starts), bool)
            part.painted[part.own.polygons[touched]] = True
        if not any(part.painted.any() for part in parts):
            raise InputError("The mask leaves nothing to paint.", "Make some of it bright.")
    if choices.mask is not None or choices.keep_colours:
        base_path = folder / "base.png"
        bake_base_colour(canvases, choices.size_px, base_path)
    return base_path, mask_path


def _require_uv_maps(parts: list[_Part]) -> None:
    """A mask picture lies on the active UV map, so there must be one."""
    for part in parts:
        if part.mesh.uv_layers.active is None:
            raise InputError(
                f"'{part.obj.name}' has no UV map for the mask picture to lie on.",
                "Unwrap it, or use another kind of mask.",
            )


def _triangles_touching(where: NDArray[np.bool_], uv: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which triangles `[F, 3, 2]` have a marked pixel of `[T, T]` in their bounding box."""
    size = len(where)
    sums = np.zeros((size + 1, size + 1), np.int64)
    sums[1:, 1:] = where.cumsum(axis=0).cumsum(axis=1)
    pixels = np.clip(uv.astype(np.float64) * (size, -size) + (0, size), 0, size)  # row 0 is the top
    (left, top), (right, bottom) = (
        np.floor(pixels.min(axis=1)).astype(int).T,
        np.ceil(pixels.max(axis=1)).astype(int).T,
    )
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return inside > 0


def _write_submission(parts: list[_Part], selection_only: bool, path: Path) -> None:
    """Write the joined triangles as `protocol.Submit` asks: Y up, UVs and the mask if there is one.

    Vertices without faces are left out, and the place in the world is taken off before the numbers
    become single precision.
    """
    joined = join_surfaces([part.sent for part in parts])
    corners = joined.loop_vertices[joined.loops]  # [F, 3]
    is_used = np.zeros(len(joined.vertices), bool)
    is_used[corners] = True
    faces = (np.cumsum(is_used) - 1)[corners]
    vertices = joined.vertices[is_used]
    vertices = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    arrays = {
        "vertices": mesh_data.turn_to_y_up(vertices.astype(np.float32)),
        "faces": faces.astype(np.int32),
    }
    if parts[0].sent_uv is not None:
        arrays["uv"] = np.concatenate([part.sent_uv for part in parts]).astype(np.float32)
    if selection_only:
        arrays["face_mask"] = np.concatenate([p.painted[p.sent.polygons] for p in parts])
    np.savez(path, **arrays)


def _target_of(part: _Part) -> Target:
    return Target(
        part.obj.session_uid,
        part.obj.name,
        digest_of(part.mesh, part.uv_name),
        part.uv_name,
        None if part.uv_name else part.uv,
        part.sent.loops,
        part.painted,
    )


def _selected_faces(mesh: bpy.types.Mesh) -> NDArray[np.bool_]:
    """`[N]`, as last selected in Edit Mode."""
    return mesh_data.read_array(mesh.polygons, "select", 1, np.bool_)


def _has_triangles(surface: Surface) -> bool:
    """Whether all polygons are triangles, so that any unwrap keeps them whole."""
    return len(surface.loop_vertices) == 3 * len(surface.loop_starts)
