# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh into files and back: glb to show and exchange, npz between processes."""

import json
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..data import FloatArray, IntArray, Mesh
from ..errors import InputError
from .normals import ALL_SMOOTH_DEG, find_fans

_FLOAT, _UINT = 5126, 5125  # glTF component types
_VERTEX_BUFFER, _INDEX_BUFFER = 34962, 34963  # glTF buffer targets
_PICTURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_SAMPLER = {"magFilter": 9729, "minFilter": 9987, "wrapS": 10497, "wrapT": 10497}  # linear, mipmaps


@dataclass(frozen=True, slots=True)
class TextureFiles:
    """Encoded pictures of a material, PNG or JPEG: the file's bytes or its path.

    Attributes:
        base_colour: Colour without light, sRGB.
        metallic_roughness: Linear; green is roughness, blue is metallic, as glTF packs them.
        normal: Linear; normals in tangent space, green points up (glTF's and OpenGL's way).
    """

    base_colour: bytes | Path | None = None
    metallic_roughness: bytes | Path | None = None
    normal: bytes | Path | None = None


def write_glb(
    mesh: Mesh,
    path: Path,
    name: str = "Maquette",
    textures: TextureFiles | None = None,
    crease_deg: float = ALL_SMOOTH_DEG,
) -> None:
    """Write a binary glTF file with normals and one material.

    Vertices are split where the UV map has a seam, across which normals stay smooth, and at
    creases. The file appears complete or not at all.

    Args:
        mesh: What to write; the frame of the pipeline is that of glTF (Y up, front +Z).
        path: Where to.
        name: Name of the object in the file.
        textures: Pictures to embed; they need `mesh.uv`. Without a base colour the material is
            grey.
        crease_deg: Edges whose faces turn by more than this many degrees look sharp; 180: none.

    Raises:
        InputError: The file cannot be written, or a picture cannot be read or is no PNG or JPEG.
        ValueError: There are pictures, yet the mesh has no UV map.

    Source: Khronos, glTF 2.0 specification, sections 3.6 to 3.9 and 4.4.
    """
    pictures = _encoded_pictures(textures or TextureFiles())
    if pictures and mesh.uv is None:
        raise ValueError("textures need a mesh with a UV map")
    blocks = _mesh_blocks(mesh, crease_deg)
    blocks += [_Block(data + b"\0" * (-len(data) % 4), len(data)) for data in pictures.values()]
    document = _glb_document(blocks, name, mesh.uv is not None, pictures)
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = sum(len(block.data) for block in blocks)

    def write(file: BinaryIO) -> None:
        file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + size))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", size, b"BIN\0"))
        for block in blocks:
            file.write(block.data)

    _write_whole(path, write)


def split_corners(
    fan: NDArray[np.int64], uv: FloatArray | None
) -> tuple[NDArray[np.int64], IntArray]:
    """Give each vertex one normal and one UV, by repeating vertices at creases and seams.

    Args:
        fan: `[3F]` the fan of each corner, see `find_fans`.
        uv: `[F, 3, 2]` or None.

    Returns:
        A corner of each new vertex `[N]`, and the faces `[F, 3]` int32 of new vertices, in their
        order.
    """
    bits = np.zeros(len(fan), np.uint64)
    if uv is not None:
        corner_uv = np.ascontiguousarray(uv.reshape(-1, 2), np.float32) + np.float32(0)  # -0 is 0
        bits = corner_uv.view(np.uint64).reshape(-1)  # both floats of a corner in one number
    order = np.lexsort((bits, fan))
    is_new = np.ones(len(order), bool)
    is_new[1:] = (np.diff(bits[order]) != 0) | (np.diff(fan[order]) != 0)
    faces = np.empty(len(order), np.int32)
    faces[order] = np.cumsum(is_new) - 1
    return order[is_new], faces.reshape(-1, 3)


@dataclass(frozen=True, slots=True)
class _Block:
    """One buffer view: bytes padded to a multiple of 4 as glTF asks, and how many are meant.

    Arrays have an accessor, `{"type": ..., "componentType": ..., ...}`; pictures have none.
    """

    data: bytes
    size: int
    accessor: dict[str, Any] = field(default_factory=dict)
    target: int = 0


def _mesh_blocks(mesh: Mesh, crease_deg: float) -> list[_Block]:
    """Positions, normals, UVs where there are some, and indices, in this order."""
    fan, normals = find_fans(mesh, crease_deg)
    positions, faces, blocks = mesh.vertices, mesh.faces, []
    if mesh.uv is not None or crease_deg < ALL_SMOOTH_DEG:
        corner, faces = split_corners(fan, mesh.uv)
        positions, normals = positions[mesh.faces.reshape(-1)[corner]], normals[fan[corner]]
        if mesh.uv is not None:
            down = mesh.uv.reshape(-1, 2)[corner] * (1, -1) + (0, 1)  # glTF counts v from the top
            blocks = [_array_block("VEC2", _FLOAT, _VERTEX_BUFFER, np.asarray(down, "<f4"))]
    position = np.asarray(positions, "<f4")
    span = {"min": position.min(axis=0).tolist(), "max": position.max(axis=0).tolist()}
    return [
        _array_block("VEC3", _FLOAT, _VERTEX_BUFFER, position, **span),
        _array_block("VEC3", _FLOAT, _VERTEX_BUFFER, np.asarray(normals, "<f4")),
        *blocks,
        _array_block("SCALAR", _UINT, _INDEX_BUFFER, np.asarray(faces.reshape(-1), "<u4")),
    ]


def _array_block(kind: str, component: int, target: int, array: np.ndarray, **span: Any) -> _Block:
    """An array of one row per element; its bytes are a multiple of 4 by its type."""
    accessor = {"componentType": component, "count": len(array), "type": kind, **span}
    return _Block(array.tobytes(), array.nbytes, accessor, target)


def _glb_document(
    blocks: list[_Block], name: str, has_uv: bool, pictures: dict[str, bytes]
) -> dict[str, Any]:
    """The JSON part of the file: one mesh of `blocks` with one material of `pictures`."""
    views, accessors, offset = [], [], 0
    for block in blocks:
        view = {"buffer": 0, "byteOffset": offset, "byteLength": block.size}
        if block.accessor:
            accessors.append({"bufferView": len(views), **block.accessor})
            view["target"] = block.target
        views.append(view)
        offset += len(block.data)
    attributes = {"POSITION": 0, "NORMAL": 1, **({"TEXCOORD_0": 2} if has_uv else {})}
    primitive = {"attributes": attributes, "indices": len(accessors) - 1, "material": 0}
    document = {
        "asset": {"version": "2.0", "generator": "Maquette"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [{"name": name, "primitives": [primitive]}],
        "materials": [_material(name, pictures)],
        "buffers": [{"byteLength": offset}],
        "bufferViews": views,
        "accessors": accessors,
    }
    if pictures:
        document["samplers"] = [_SAMPLER]
        document["textures"] = [{"sampler": 0, "source": i} for i in range(len(pictures))]
        document["images"] = [
            {"name": kind, "mimeType": _mime_type(data), "bufferView": len(accessors) + i}
            for i, (kind, data) in enumerate(pictures.items())
        ]
    return document


def _material(name: str, pictures: dict[str, bytes]) -> dict[str, Any]:
    """The material that shows `pictures`, whose textures are in the same order."""
    texture = {kind: {"index": i} for i, kind in enumerate(pictures)}
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 0.8}
    if "metallic_roughness" in texture:
        surface = {"metallicRoughnessTexture": texture["metallic_roughness"]}  # factors are 1
    if "base_colour" in texture:
        surface["baseColorTexture"] = texture["base_colour"]
    else:
        surface["baseColorFactor"] = [0.6, 0.6, 0.6, 1.0]
    material = {"name": name if pictures else "Neutral", "pbrMetallicRoughness": surface}
    if "normal" in texture:
        material["normalTexture"] = texture["normal"]
    return material


def _encoded_pictures(textures: TextureFiles) -> dict[str, bytes]:
    """The bytes of the pictures that there are, by attribute name.

    Raises:
        InputError: A file cannot be read or is neither PNG nor JPEG.
    """
    pictures = {}
    for kind in ("base_colour", "metallic_roughness", "normal"):
        source = getattr(textures, kind)
        if source is None:
            continue
        try:
            data = source if isinstance(source, bytes) else Path(source).read_bytes()
        except OSError as error:
            raise InputError(f"'{source}' cannot be read.", "Check the picture's path.") from error
        if not _mime_type(data):
            raise InputError(
                f"The picture for '{kind}' is neither a PNG nor a JPEG.", "Save it as a PNG."
            )
        pictures[kind] = data
    return pictures


def _mime_type(data: bytes) -> str:
    """The picture's type by its first bytes, or nothing for a type that glTF does not know."""
    return next((kind for magic, kind in _PICTURES.items() if data.startswith(magic)), "")


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
