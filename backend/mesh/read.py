# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh file from elsewhere into a mesh of triangles, and its texture into pixels."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from ..data import FloatArray, IntArray, Mesh
from ..errors import InputError
from .clean import merge_vertices

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl")
_MOST_FACES = 5_000_000
_MOST_BYTES = 2**31
_FOREIGN_ERRORS = (
    *(OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(AssertionError, NotImplementedError, RecursionError, ImportError, MemoryError, struct.error),
)
_READABLE_EXTENSIONS = ("KHR_materials_", "KHR_lights_", "EXT_texture_webp")


def read_mesh(path: Path) -> Mesh:
    """Read all triangles of a file, placed as its scene places them.

    Polygons become triangles. Vertices at exactly the same place become one, as STL and files
    with split seams repeat them; faces are all kept, those without an area too.

    Args:
        path: `.glb`, `.gltf`, `.obj`, `.ply` or `.stl`. glTF says that Y is up and +Z the front;
            the other formats do not say, and are read the same way.

    Returns:
        The mesh in the file's units, with the first UV map if every part of the scene has one.

    Raises:
        InputError: The file is missing, of another kind, damaged, without triangles or too large.
    """
    parts = [_placed_part(*part) for part in _scene_parts(_load_scene(path))]
    num_faces = sum(len(faces) for _, faces, _ in parts)
    if not num_faces:
        raise InputError(
            f"'{path.name}' holds no triangles.", "Export the mesh with its faces, not points only."
        )
    if num_faces > _MOST_FACES:
        raise _too_large(path)
    starts = np.cumsum([0] + [len(vertices) for vertices, _, _ in parts[:-1]])
    vertices = np.concatenate([vertices for vertices, _, _ in parts])
    faces = np.concatenate([part[1] + start for part, start in zip(parts, starts, strict=True)])
    if not np.isfinite(vertices).all():
        raise InputError(
            f"'{path.name}' holds positions that are not numbers.", "Export the mesh again."
        )
    maps = [uv for _, _, uv in parts if uv is not None]
    uv = np.concatenate(maps) if len(maps) == len(parts) else None
    vertices, faces = merge_vertices(vertices, faces.astype(np.int32))
    return Mesh(vertices, faces, uv)


def read_base_colour(path: Path) -> FloatArray | None:
    """Read the one picture that colours the whole mesh.

    Args:
        path: As for `read_mesh`.

    Returns:
        `[H, W, 4]` float32 in [0, 1], sRGB with straight alpha, row 0 at the top (v = 1); or None
        if parts have different pictures or one has none.

    Raises:
        InputError: The file is missing, of another kind, damaged or too large.
    """
    pictures = [_picture_of(part) for part, _ in _scene_parts(_load_scene(path))]
    if not pictures or any(picture is not pictures[0] for picture in pictures):
        return None
    if pictures[0] is None:
        return None
    try:
        pixels = np.asarray(pictures[0].convert("RGBA"), np.float32)
    except _FOREIGN_ERRORS:
        return None  # the mesh can be used without
    return pixels / np.float32(255)


def _load_scene(path: Path) -> trimesh.Scene:
    """Parse a file whole.

    Raises:
        InputError: It is missing, of another kind, damaged or too large.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"'{path.name}' is no mesh file that can be read.", f"Use {', '.join(SUFFIXES)}."
        )
    if not path.is_file():
        raise InputError(f"There is no mesh file '{path.name}' at this place.", "Check its path.")
    if path.stat().st_size > _MOST_BYTES:
        raise _too_large(path)
    try:
        _check_extensions(path)
        return trimesh.load_scene(path, process=False)
    except _FOREIGN_ERRORS as error:
        raise InputError(
            f"The mesh file '{path.name}' is damaged or incomplete.",
            "Export it again, best as .glb.",
        ) from error


def _check_extensions(path: Path) -> None:
    """Refuse glTF files that need a decoder that is not there.

    Raises:
        InputError: The file requires an extension of glTF that changes its geometry.
    """
    if path.suffix.lower() == ".gltf":
        document = json.loads(path.read_bytes())
    elif path.suffix.lower() == ".glb":
        with path.open("rb") as file:
            magic, _, _, size, _ = struct.unpack("<4sIII4s", file.read(20))
            if magic != b"glTF":
                raise ValueError("no binary glTF")
            document = json.loads(file.read(size))
    else:
        return
    required = document.get("extensionsRequired", [])
    unknown = [name for name in required if not name.startswith(_READABLE_EXTENSIONS)]
    if unknown:
        raise InputError(
            f"'{path.name}' uses {', '.join(unknown)}, which cannot be read.",
            "Export it without compression.",
        )


def _scene_parts(scene: trimesh.Scene) -> list[tuple[trimesh.Trimesh, FloatArray]]:
    """Each mesh as often as the scene shows it, with its `[4, 4]` matrix to the world."""
    parts = []
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        part = scene.geometry[name]
        if isinstance(part, trimesh.Trimesh) and len(part.faces):
            parts.append((part, np.asarray(matrix)))
    return parts


def _placed_part(
    part: trimesh.Trimesh, matrix: FloatArray
) -> tuple[FloatArray, IntArray, FloatArray | None]:
    """Vertices in the world, faces, and UVs per corner `[F, 3, 2]` where there are some."""
    vertices = part.vertices @ matrix[:3, :3].T + matrix[:3, 3]
    faces = np.asarray(part.faces)
    if np.linalg.det(matrix[:3, :3]) < 0:
        faces = faces[:, ::-1]  # a mirror turns the faces inside out
    vertex_uv = getattr(part.visual, "uv", None)
    uv = None
    if vertex_uv is not None and np.shape(vertex_uv) == (len(vertices), 2):
        uv = _as_unit(vertex_uv)[faces]  # [F, 3, 2]
    return vertices.astype(np.float32), faces, uv


def _as_unit(uv: np.ndarray) -> FloatArray:
    """UVs that are stored as whole numbers mean shares of the largest one."""
    scale = np.iinfo(uv.dtype).max if uv.dtype.kind in "iu" else 1
    return (uv / scale).astype(np.float32)


def _picture_of(part: trimesh.Trimesh) -> Any:
    """The base colour picture of a part's material, or None."""
    material = getattr(part.visual, "material", None)
    picture = getattr(material, "baseColorTexture", None)
    return picture if picture is not None else getattr(material, "image", None)


def _too_large(path: Path) -> InputError:
    """What to say of a file beyond the limits."""
    return InputError(
        f"'{path.name}' is too large.",
        f"Reduce the mesh to at most {_MOST_FACES:,} triangles.",
    )
