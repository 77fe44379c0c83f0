# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns finished jobs into lines of a scene's history, and a line back into objects and paint."""

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.errors import InputError
from ..properties_recipe import MAQUETTE_PG_memory, MAQUETTE_PG_target
from .asset import Origin, add_asset, read_version
from .assignment import assign_material, users_of
from .image import load_packed
from .kept_pictures import digest_files, keep_pictures
from .material import create_textured_material
from .recipe import Made, compare_with_twin, copy_recipe, read_recipe, write_recipe
from .retexture import Repaint
from .surface import digest_of
from .thumbnail import read_thumbnail

MESH_FILE, TEXTURE_FILE, THUMBNAIL_FILE = "mesh.npz", "base_colour.png", "result.jpg"


@dataclass(frozen=True, slots=True)
class PaintedMesh:
    """A mesh that a job has painted, as plain data.

    Attributes:
        title: Name of its object.
        uv_name: The UV map that the paint is on.
        digest: `surface.digest_of` it.
        painted: Which faces, as `pack_faces` has it.
    """

    title: str
    uv_name: str
    digest: str
    painted: str


@dataclass(frozen=True, slots=True)
class Memory:
    """A line of the history, as plain data that outlives undo.

    Attributes:
        made: The job.
        digests: View, "mesh" and "texture" -> SHA-256 of the file.
        thumbnail: What `thumbnail.read_thumbnail` gave.
        targets: What was painted; empty for a new object.
        scene_uid: `session_uid` of the scene whose history it is in.
    """

    made: Made
    digests: Mapping[str, str]
    thumbnail: str
    targets: tuple[PaintedMesh, ...]
    scene_uid: int


def make_memory(
    made: Made, origin: Origin | Repaint, objects: Sequence[bpy.types.Object]
) -> Memory:
    """All that the history needs of a result that was just placed.

    Args:
        made: The job.
        origin: What it was started for.
        objects: What was added or painted.
    """
    pictures = [Path(picture.path) for picture in made.pictures.values()]
    targets = ()
    if isinstance(origin, Repaint):
        pairs = zip(origin.targets, objects, strict=True)
        targets = tuple(_describe(obj, target.painted) for target, obj in pairs)
    scenes = objects[0].users_scene
    current = bpy.context.scene
    scene = current if current in scenes or not scenes else scenes[0]
    thumbnail = read_thumbnail([made.folder / THUMBNAIL_FILE, *pictures])
    return Memory(made, digest_files(made), thumbnail, targets, scene.session_uid)


def keep_memory(
    memory: Memory, objects: Sequence[bpy.types.Object], is_packed: bool, limit: int
) -> str:
    """Write a result's recipe onto its objects and into its scene's history.

    Args:
        memory: The result.
        objects: What was added or painted; none when a lost line is written again.
        is_packed: See `kept_pictures.keep_pictures`.
        limit: Most lines of the history.

    Returns:
        How the result compares with an earlier one that was made alike, or nothing.
    """
    made = memory.made
    images = keep_pictures(made.pictures, memory.digests, is_packed)
    for obj in objects:
        for user in users_of(obj.data) if memory.targets else [obj]:
            recipe = user.maquette.paint if memory.targets else user.maquette.made
            write_recipe(recipe, made, images, memory.digests)
    sentence = compare_with_twin(objects[0].maquette.made) if objects else ""
    scene = next((s for s in bpy.data.scenes if s.session_uid == memory.scene_uid), None)
    if scene is not None and limit > 0:
        _write_line(scene.maquette, memory, images, limit)
    return sentence


def has_line(scene: bpy.types.Scene, job_id: str) -> bool:
    """Whether a result is in a scene's history."""
    return any(line.recipe.job_id == job_id for line in scene.maquette.history)


def bring_back(
    line: MAQUETTE_PG_memory, root: Path, scene: bpy.types.Scene
) -> list[bpy.types.Object]:
    """Place a result again: a new object at the 3D cursor, or the paint on the meshes it was for.

    Args:
        line: Of the history.
        root: The job folder; files elsewhere are not read.
        scene: Where a new object goes.

    Raises:
        InputError: The files or the meshes are gone, or have changed.
    """
    folder = find_folder(line, root)
    recipe = read_recipe(line.recipe)
    if folder is None or recipe is None:
        raise InputError(
            f"The files of '{line.name}' are gone from the job folder.",
            "Generate it again: the same settings and pictures give the same result.",
        )
    texture_path = folder / TEXTURE_FILE
    if recipe.kind == "retexture":
        return _paint_again(line, texture_path)
    origin = Origin(
        picture=recipe.picture,
        scene_uid=scene.session_uid,
        location=tuple(scene.cursor.location),
        size_m=recipe.size_m,
        version=recipe.versions.get("maquette", read_version()),
        settings=recipe.settings,
    )
    texture = texture_path if texture_path.is_file() else None
    obj = add_asset(folder / MESH_FILE, recipe.seed, origin, texture)
    copy_recipe(line.recipe, obj.maquette.made)
    return [obj]


def find_folder(line: MAQUETTE_PG_memory, root: Path) -> Path | None:
    """The folder with a line's files, or None if it is gone; only inside the job folder."""
    folder = root / Path(line.folder).name
    return folder if line.folder and (folder / MESH_FILE).is_file() else None


def pack_faces(painted: NDArray[np.bool_] | None) -> str:
    """`[N]` as text; empty for None, which means all."""
    if painted is None:
        return ""
    packed = len(painted).to_bytes(4, "little") + np.packbits(painted).tobytes()
    return base64.b64encode(zlib.compress(packed)).decode("ascii")


def unpack_faces(text: str, num_faces: int) -> NDArray[np.bool_] | None:
    """What `pack_faces` was given.

    Raises:
        InputError: The text is damaged, or of a mesh with other faces.
    """
    if not text:
        return None
    try:
        packed = zlib.decompress(base64.b64decode(text))
        bits = np.unpackbits(np.frombuffer(packed[4:], np.uint8))[:num_faces]
    except (ValueError, zlib.error) as error:
        raise InputError("The history of this file is damaged.", "Paint again.") from error
    if int.from_bytes(packed[:4], "little") != num_faces or len(bits) != num_faces:
        raise InputError("The mesh has other faces than when it was painted.", "Paint again.")
    return bits.astype(np.bool_)


def _write_line(
    shown: bpy.types.PropertyGroup,
    memory: Memory,
    images: Mapping[str, bpy.types.Image],
    limit: int,
) -> None:
    """Add a line to a scene's history, which runs from the newest to the oldest."""
    line = shown.history.add()
    line.name, line.folder = memory.made.title, str(memory.made.folder)
    line.thumbnail = memory.thumbnail
    write_recipe(line.recipe, memory.made, images, memory.digests)
    for target in memory.targets:
        item = line.targets.add()
        item.title, item.uv_name = target.title, target.uv_name
        item.digest, item.painted = target.digest, target.painted
    times = [item.recipe.made_at for item in shown.history][:-1]
    place = next((i for i, time in enumerate(times) if time <= memory.made.made_at), len(times))
    shown.history.move(len(times), place)
    while len(shown.history) > limit:
        shown.history.remove(len(shown.history) - 1)
    shown.active_memory = min(place, len(shown.history) - 1)


def _describe(obj: bpy.types.Object, painted: NDArray[np.bool_] | None) -> PaintedMesh:
    """What tells a mesh that was just painted from others."""
    nodes = obj.maquette.painted[-1].material.node_tree.nodes
    uv_name = next(node.uv_map for node in nodes if node.type == "UVMAP")
    return PaintedMesh(obj.name, uv_name, digest_of(obj.data, uv_name), pack_faces(painted))


def _paint_again(line: MAQUETTE_PG_memory, path: Path) -> list[bpy.types.Object]:
    """Give the meshes of a line its texture, all of them or none.

    Raises:
        InputError: One of them is gone or has changed, or the texture cannot be read.
    """
    objects = [_find_target(target) for target in line.targets]
    faces = [
        unpack_faces(target.painted, len(obj.data.polygons))
        for target, obj in zip(line.targets, objects, strict=True)
    ]
    material = create_textured_material(
        line.name, load_packed(path, line.name), line.targets[0].uv_name
    )
    for obj, painted in zip(objects, faces, strict=True):
        assign_material(obj.data, material, painted)
        for user in users_of(obj.data):
            copy_recipe(line.recipe, user.maquette.paint)
    return objects


def _find_target(target: MAQUETTE_PG_target) -> bpy.types.Object:
    """The object whose mesh was painted: of that name, or renamed, but unchanged.

    Raises:
        InputError: There is none.
    """
    named = bpy.data.objects.get(target.title)
    others = (obj for obj in bpy.context.scene.objects if obj != named)
    for obj in (*([named] if named is not None else ()), *others):
        if obj.type != "MESH" or obj.library or obj.data.library or obj.mode == "EDIT":
            continue
        is_there = target.uv_name in obj.data.uv_layers
        if is_there and digest_of(obj.data, target.uv_name) == target.digest:
            return obj
    raise InputError(
        f"'{target.title}' is gone or its mesh was edited since.", "Use Only Texture Again."
    )
