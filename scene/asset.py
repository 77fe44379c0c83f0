# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a finished job into an object of a scene, with its settings stored on the object."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from ..backend.mesh.io import read_npz
from . import image as image_data
from . import mesh as mesh_data
from .material import create_textured_material


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a job came from and where its object goes. Holds no Blender data, which may move or go.

    Attributes:
        picture: Name of the reference picture; it names the object.
        scene_uid: `session_uid` of the scene the job was started from.
        location: Where the object's origin goes, in metres.
        size_m: Longest side of the object in metres.
        version: Version of the extension.
        settings: Flat setting name -> value, as sent to the worker.
    """

    picture: str
    scene_uid: int
    location: tuple[float, float, float]
    size_m: float
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_version() -> str:
    """The extension's version, as its manifest says."""
    manifest = Path(__file__).resolve().parent.parent / "blender_manifest.toml"
    return tomllib.loads(manifest.read_text(encoding="utf-8"))["version"]


def find_scene(origin: Origin, name: str = "") -> bpy.types.Scene:
    """The scene the job was started from, or one of that name, or the current one."""
    for scene in bpy.data.scenes:
        if scene.session_uid == origin.scene_uid:
            return scene
    named = bpy.data.scenes.get(name) if name else None
    return named or bpy.context.scene or bpy.data.scenes[0]


def add_asset(
    mesh_path: Path, seed: int, origin: Origin, texture_path: Path | None = None
) -> bpy.types.Object:
    """Put a finished mesh into its scene, selected and active.

    Args:
        mesh_path: The worker's `mesh.npz`.
        seed: The seed that was used.
        origin: Where the job came from.
        texture_path: The worker's base colour for a mesh with UVs, or None for a bare mesh.

    Raises:
        InputError: The mesh file or the texture is gone or damaged.
    """
    mesh = read_npz(mesh_path)
    vertices = mesh_data.fit_to_size(mesh_data.turn_to_z_up(mesh.vertices), origin.size_m)
    name = Path(origin.picture).stem or "Maquette"
    image = image_data.load_packed(texture_path, name) if texture_path else None
    crease_deg = float(origin.settings.get("crease_deg", mesh_data.CREASE_DEG))
    data = mesh_data.create_mesh(name, vertices, mesh.faces, mesh.uv, crease_deg)
    obj = bpy.data.objects.new(name, data)
    if image is not None:
        obj.data.materials.append(create_textured_material(name, image, mesh_data.UV_NAME))
    obj.location = origin.location
    _link(obj, find_scene(origin))
    _write_provenance(obj, seed, origin)
    return obj


def _write_provenance(obj: bpy.types.Object, seed: int, origin: Origin) -> None:
    """Store on the object how it was made."""
    provenance = obj.maquette
    provenance.picture = origin.picture
    provenance.model = str(origin.settings.get("model", ""))
    provenance.seed = seed
    provenance.settings = json.dumps({**origin.settings, "seed": seed}, sort_keys=True)
    provenance.version = origin.version


def _link(obj: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Link into the scene's active collection if that is visible, and select."""
    layer = bpy.context.view_layer if bpy.context.scene == scene else scene.view_layers[0]
    active = layer.active_layer_collection
    collection = active.collection if active and active.is_visible else scene.collection
    if collection.library or collection.override_library:
        collection = scene.collection
    collection.objects.link(obj)
    for other in layer.objects.selected:
        other.select_set(False, view_layer=layer)
    obj.select_set(True, view_layer=layer)
    layer.objects.active = obj
