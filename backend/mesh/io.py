# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh into files and back: glb to show and exchange, npz between processes."""

import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..data import FloatArray, Mesh
from ..errors import InputError

_FLOAT, _UINT = 5126, 5125  # glTF component types
_VERTEX_BUFFER, _INDEX_BUFFER = 34962, 34963  # glTF buffer targets
_GREY = {
    "name": "Neutral",
    "pbrMetallicRoughness": {
        "baseColorFactor": [0.6, 0.6, 0.6, 1.0],
        "metallicFactor": 0.0,
        "roughnessFactor": 0.8,
    },
}


def vertex_normals(mesh: Mesh) -> FloatArray:
    """Smooth normals: each face weighs by its angle at the vertex.

    Args:
        mesh: `P` vertices.

    Returns:
        `[P, 3]` float32 of unit length; +Y where a vertex has no face with an area.

    Source: Thürmer and Wüthrich, "Computing Vertex Normals from Polygonal Facets", 1998.
    """
    corners = mesh.vertices.astype(np.float64)[mesh.faces]  # [F, 3, 3]
    ahead = _unit(np.roll(corners, -1, axis=1) - corners)
    behind = _unit(np.roll(corners, 1, axis=1) - corners)
    angle = np.arccos(np.clip((ahead * behind).sum(-1), -1, 1))  # [F, 3], radians
    normal = _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    weighted = (normal[:, None] * angle[..., None]).reshape(-1, 3)  # [3F, 3]
    index = mesh.faces.reshape(-1)
    total = [np.bincount(index, part, len(mesh.vertices)) for part in weighted.T]
    unit = _unit(np.stack(total, -1))
    unit[~unit.any(axis=1)] = (0, 1, 0)
    return unit.astype(np.float32)


def write_glb(mesh: Mesh, path: Path, name: str = "Maquette") -> None:
    """Write a binary glTF file with smooth normals and a neutral material.

    The file appears complete or not at all.

    Args:
        mesh: What to write; the frame of the pipeline is that of glTF (Y up, front +Z).
        path: Where to.
        name: Name of the object in the file.

    Raises:
        InputError: The file cannot be written.

    Source: Khronos, glTF 2.0 specification, sections 3.6, 3.7 and 4.4.
    """
    arrays = [
        ("VEC3", _FLOAT, _VERTEX_BUFFER, np.ascontiguousarray(mesh.vertices, "<f4")),
        ("VEC3", _FLOAT, _VERTEX_BUFFER, np.ascontiguousarray(vertex_normals(mesh), "<f4")),
        ("SCALAR", _UINT, _INDEX_BUFFER, np.ascontiguousarray(mesh.faces.reshape(-1), "<u4")),
    ]
    text = json.dumps(_glb_document(arrays, name), separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = sum(array.nbytes for *_, array in arrays)

    def write(file: BinaryIO) -> None:
        file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + size))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", size, b"BIN\0"))
        for *_, array in arrays:
            file.write(array.tobytes())

    _write_whole(path, write)


def _glb_document(arrays: list[tuple[str, int, int, np.ndarray]], name: str) -> dict[str, Any]:
    """The JSON part: positions, normals and indices `(type, component, target, array)` in order."""
    views, accessors, offset = [], [], 0
    for kind, component, target, array in arrays:
        view = {"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes, "target": target}
        accessor: dict[str, Any] = {"bufferView": len(views), "componentType": component}
        views.append(view)
        accessors.append({**accessor, "count": len(array), "type": kind})
        offset += array.nbytes  # every array is a multiple of 4 bytes, as glTF asks
    positions = arrays[0][-1]
    accessors[0]["min"] = positions.min(axis=0).tolist()
    accessors[0]["max"] = positions.max(axis=0).tolist()
    primitive = {"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0}
    return {
        "asset": {"version": "2.0", "generator": "Maquette"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [{"name": name, "primitives": [primitive]}],
        "materials": [_GREY],
        "buffers": [{"byteLength": offset}],
        "bufferViews": views,
        "accessors": accessors,
    }


def write_npz(mesh: Mesh, path: Path) -> None:
    """Write the arrays `vertices`, `faces` and, if there, `uv`; complete or not at all.

    Raises:
        InputError: The file cannot be written.
    """
    arrays = {"vertices": mesh.vertices, "faces": mesh.faces}
    if mesh.uv is not None:
        arrays["uv"] = mesh.uv
    _write_whole(path, lambda file: np.savez(file, **arrays))


def read_npz(path: Path) -> Mesh:
    """Read what `write_npz` wrote.

    Raises:
        InputError: The file is missing, damaged, or no mesh.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            uv = arrays.get("uv")
            mesh = Mesh(arrays["vertices"], arrays["faces"], uv)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"'{path.name}' is not a mesh file of this extension.", "Generate it again."
        ) from error
    return mesh


def _write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write under a temporary name beside `path`, then rename."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(
            f"'{path}' cannot be written.", "Choose a folder that exists and can be written to."
        ) from error


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors scaled to length 1; zero stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
