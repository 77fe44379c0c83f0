# SPDX-License-Identifier: GPL-3.0-or-later
import io
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.data import Mesh
from backend.errors import InputError
from backend.mesh.clean import signed_volume
from backend.mesh.extract import extract_surface
from backend.mesh.io import TextureFiles, read_npz, write_glb, write_npz
from backend.mesh.normals import vertex_normals
from tests.unit.field.solids import decode, torus


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return extract_surface(decode(torus(), 64)[0])


def test_glb_holds_the_same_closed_solid(mesh: Mesh, tmp_path: Path) -> None:
    path = tmp_path / "ring.glb"
    write_glb(mesh, path, name="Ring é")
    loaded = trimesh.load(path, force="mesh")
    assert loaded.is_watertight
    assert loaded.is_winding_consistent
    assert loaded.euler_number == 0
    assert loaded.volume == pytest.approx(signed_volume(mesh.vertices, mesh.faces), rel=1e-5)
    assert np.array_equal(loaded.bounds, [mesh.vertices.min(0), mesh.vertices.max(0)])
    assert "Ring é" in trimesh.load(path).geometry


def test_glb_header_and_chunks_fit_the_file(mesh: Mesh, tmp_path: Path) -> None:
    path = tmp_path / "ring.glb"
    write_glb(mesh, path)
    data = path.read_bytes()
    magic, version, size, text_size, kind = np.frombuffer(data, "<u4", 5)
    assert (magic, version, size, kind) == (0x46546C67, 2, len(data), 0x4E4F534A)
    document = json.loads(data[20 : 20 + text_size])
    assert 28 + text_size + document["buffers"][0]["byteLength"] == len(data)
    assert all(view["byteOffset"] % 4 == 0 for view in document["bufferViews"])
    assert text_size % 4 == 0


@pytest.mark.parametrize("has_uv", [False, True])
def test_npz_gives_back_the_same_arrays(mesh: Mesh, tmp_path: Path, has_uv: bool) -> None:
    uv = np.random.default_rng(0).random((len(mesh.faces), 3, 2), dtype=np.float32)
    given = Mesh(mesh.vertices, mesh.faces, uv if has_uv else None)
    write_npz(given, tmp_path / "mesh.npz")
    found = read_npz(tmp_path / "mesh.npz")
    assert np.array_equal(found.vertices, given.vertices)
    assert np.array_equal(found.faces, given.faces)
    assert (found.uv is None) == (not has_uv)
    assert found.uv is None or np.array_equal(found.uv, uv)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4 cut off"])
def test_damaged_npz_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mesh.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a mesh file"):
        read_npz(path)
    with pytest.raises(InputError):
        read_npz(tmp_path / "missing.npz")


@pytest.mark.parametrize("write", [write_glb, write_npz])
def test_failed_write_leaves_the_old_file_and_nothing_else(
    mesh: Mesh, tmp_path: Path, write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InputError, match="cannot be written"):
        write(mesh, path)
    assert [item.name for item in tmp_path.iterdir()] == ["old"]
    assert path.read_bytes() == b"old"


def test_missing_folder_is_an_input_error(mesh: Mesh, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_glb(mesh, tmp_path / "none" / "a.glb")


def square() -> Mesh:
    """A unit square in the picture's plane, its UVs those of the picture."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return Mesh(vertices, faces, vertices[faces][..., :2])


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.mark.parametrize("is_path", [False, True])
def test_glb_shows_the_picture_the_right_way_up(tmp_path: Path, is_path: bool) -> None:
    source = tmp_path / "colour.png"
    source.write_bytes(png(PIXELS))
    colour = source if is_path else png(PIXELS)
    write_glb(square(), tmp_path / "square.glb", textures=TextureFiles(colour))
    loaded = trimesh.load(tmp_path / "square.glb", force="mesh")
    assert np.allclose(loaded.visual.uv, loaded.vertices[:, :2])  # trimesh's v points up, too
    picture = loaded.visual.material.baseColorTexture
    assert np.array_equal(np.asarray(picture.convert("RGB")), PIXELS)
    top_left = np.flatnonzero((loaded.vertices == [0, 1, 0]).all(axis=1))[0]
    assert np.array_equal(loaded.visual.to_color().vertex_colors[top_left, :3], PIXELS[0, 0])


def test_v_runs_down_in_the_file(tmp_path: Path) -> None:
    write_glb(square(), tmp_path / "square.glb", textures=TextureFiles(png(PIXELS)))
    document, binary = chunks(tmp_path / "square.glb")
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    uv = accessor(document, binary, attributes["TEXCOORD_0"], 2)
    position = accessor(document, binary, attributes["POSITION"], 3)
    assert np.allclose(uv[:, 1], 1 - position[:, 1])
    material = document["materials"][0]["pbrMetallicRoughness"]
    assert material["metallicFactor"] == 0
    assert material["baseColorTexture"]["index"] == 0
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    assert binary[view["byteOffset"] :][: view["byteLength"]] == png(PIXELS)


def test_all_maps_of_a_material_find_their_picture(tmp_path: Path) -> None:
    pictures = [png(PIXELS + shade) for shade in (0, 1, 2)]
    write_glb(square(), tmp_path / "square.glb", textures=TextureFiles(*pictures))
    material = trimesh.load(tmp_path / "square.glb", force="mesh").visual.material
    maps = (
        material.baseColorTexture,
        material.metallicRoughnessTexture,
        material.normalTexture,
    )
    for shade, picture in enumerate(maps):
        assert np.array_equal(np.asarray(picture.convert("RGB")), PIXELS + shade)


def test_seams_split_vertices_but_not_the_shading(mesh: Mesh, tmp_path: Path) -> None:
    uv = mesh.vertices[mesh.faces][..., :2] * 0.25 + 0.5
    uv[mesh.vertices[mesh.faces].mean(axis=1)[:, 2] < 0] *= 0.5  # [F, 3, 2]; a seam at z = 0
    uv = uv.astype(np.float32)
    given = Mesh(mesh.vertices, mesh.faces, uv)
    write_glb(given, tmp_path / "ring.glb", textures=TextureFiles(png(PIXELS)))
    document, binary = chunks(tmp_path / "ring.glb")
    primitive = document["meshes"][0]["primitives"][0]
    position = accessor(document, binary, primitive["attributes"]["POSITION"], 3)
    normal = accessor(document, binary, primitive["attributes"]["NORMAL"], 3)
    found = accessor(document, binary, primitive["attributes"]["TEXCOORD_0"], 2)
    faces = accessor(document, binary, primitive["indices"], 1, "<u4").reshape(-1, 3)
    assert np.array_equal(position[faces], mesh.vertices[mesh.faces])
    assert np.allclose(found[faces], uv * (1, -1) + (0, 1), atol=1e-7)
    assert np.array_equal(normal[faces], vertex_normals(mesh)[mesh.faces])
    seam = len(position) - len(mesh.vertices)
    assert 0 < seam < len(mesh.vertices) / 4


def test_glb_without_a_picture_keeps_the_uvs(tmp_path: Path) -> None:
    write_glb(square(), tmp_path / "square.glb")
    loaded = trimesh.load(tmp_path / "square.glb", force="mesh")
    assert np.allclose(loaded.visual.uv, loaded.vertices[:, :2])


def test_pictures_that_gltf_does_not_know_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a PNG nor a JPEG"):
        write_glb(square(), tmp_path / "a.glb", textures=TextureFiles(b"BM no picture"))
    with pytest.raises(InputError, match="cannot be read"):
        write_glb(square(), tmp_path / "a.glb", textures=TextureFiles(tmp_path / "none.png"))
    assert not list(tmp_path.iterdir())


def test_pictures_need_uvs(mesh: Mesh, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="UV map"):
        write_glb(mesh, tmp_path / "a.glb", textures=TextureFiles(png(PIXELS)))


def chunks(path: Path) -> tuple[dict, bytes]:
    """The JSON and the binary part of a glb file."""
    data = path.read_bytes()
    size = int.from_bytes(data[12:16], "little")
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def accessor(
    document: dict, binary: bytes, index: int, width: int, kind: str = "<f4"
) -> np.ndarray:
    """The rows of an accessor."""
    item = document["accessors"][index]
    offset = document["bufferViews"][item["bufferView"]]["byteOffset"]
    rows = np.frombuffer(binary, kind, item["count"] * width, offset)
    return rows.reshape(-1, width)


@pytest.mark.parametrize("has_uv", [False, True])
def test_creases_are_sharp_in_the_file(tmp_path: Path, has_uv: bool) -> None:
    solid = trimesh.creation.box()
    faces = np.asarray(solid.faces, np.int32)
    uv = np.random.default_rng(0).random((12, 3, 2), dtype=np.float32) if has_uv else None
    given = Mesh(np.asarray(solid.vertices, np.float32), faces, uv)
    write_glb(given, tmp_path / "box.glb", crease_deg=40.0)
    document, binary = chunks(tmp_path / "box.glb")
    primitive = document["meshes"][0]["primitives"][0]
    position = accessor(document, binary, primitive["attributes"]["POSITION"], 3)
    normal = accessor(document, binary, primitive["attributes"]["NORMAL"], 3)
    indices = accessor(document, binary, primitive["indices"], 1, "<u4").reshape(-1, 3)
    assert len(position) == (36 if has_uv else 24)
    assert np.array_equal(position[indices], given.vertices[faces])
    assert np.allclose(normal[indices], np.repeat(solid.face_normals[:, None], 3, axis=1))
