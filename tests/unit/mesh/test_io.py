# SPDX-License-Identifier: GPL-3.0-or-later
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from backend.data import Mesh
from backend.errors import InputError
from backend.mesh.clean import signed_volume
from backend.mesh.extract import extract_surface
from backend.mesh.io import read_npz, vertex_normals, write_glb, write_npz
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


def test_normals_are_those_of_the_torus(mesh: Mesh) -> None:
    x, y, z = mesh.vertices.T
    ring = 0.65 * np.stack([x, 0 * y, z], -1) / np.hypot(x, z)[:, None]
    expected = mesh.vertices - ring
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    normals = vertex_normals(mesh)
    assert normals.dtype == np.float32
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert (normals * expected).sum(-1).min() > np.cos(np.radians(8))


def test_normal_of_a_lone_vertex_is_a_unit_vector() -> None:
    mesh = Mesh(np.zeros((4, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    assert np.allclose(np.linalg.norm(vertex_normals(mesh), axis=1), 1)


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
