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
from backend.mesh.clean import is_closed_manifold, signed_volume
from backend.mesh.io import TextureFiles, write_glb
from backend.mesh.read import SUFFIXES, read_base_colour, read_mesh

CUBE_OBJ = """
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 1
v 1 0 1
v 1 1 1
v 0 1 1
vt 0 0
vt 1 0
vt 1 0.5
vt 0 0.5
f 4/1 3/2 2/3 1/4
f 5/1 6/2 7/3 8/4
f 1/1 2/2 6/3 5/4
f 3/1 4/2 8/3 7/4
f 1/1 5/2 8/3 4/4
f 2/1 3/2 7/3 6/4
"""


def textured_sphere() -> Mesh:
    sphere = trimesh.creation.icosphere(subdivisions=2)
    vertices = sphere.vertices.astype(np.float32)
    faces = sphere.faces.astype(np.int32)
    uv = np.random.default_rng(0).random((len(faces), 3, 2), dtype=np.float32)
    return Mesh(vertices, faces, uv)


def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, 7, 4), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_own_glb_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "sphere.glb"
    given = textured_sphere()
    write_glb(given, path, textures=TextureFiles(png(picture())))
    mesh = read_mesh(path)
    assert mesh.vertices.dtype == np.float32
    assert mesh.faces.dtype == np.int32
    assert len(mesh.vertices) == len(given.vertices)  # split at every corner, welded again
    assert np.array_equal(mesh.vertices[mesh.faces], given.vertices[given.faces])
    assert mesh.uv is not None
    assert np.allclose(mesh.uv, given.uv, atol=1e-6)


def test_base_colour_is_the_picture_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sphere.glb"
    write_glb(textured_sphere(), path, textures=TextureFiles(png(picture())))
    colour = read_base_colour(path)
    assert colour is not None
    assert colour.dtype == np.float32
    assert np.array_equal(np.rint(colour * 255), picture())


def test_base_colour_is_none_without_one_picture_for_all(tmp_path: Path) -> None:
    write_glb(textured_sphere(), tmp_path / "plain.glb")
    assert read_base_colour(tmp_path / "plain.glb") is None
    scene = trimesh.Scene()
    for shade in (0, 255):
        part = trimesh.creation.box()
        image = Image.new("RGB", (4, 4), (shade, 0, 0))
        part.visual = trimesh.visual.TextureVisuals(uv=part.vertices[:, :2], image=image)
        scene.add_geometry(part)
    scene.export(tmp_path / "two.glb")
    assert read_base_colour(tmp_path / "two.glb") is None
    assert read_mesh(tmp_path / "two.glb").uv is not None


def test_parts_stand_where_the_scene_puts_them(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    box = trimesh.creation.box()
    moved = trimesh.transformations.translation_matrix([3, 0, 0])
    mirrored = np.diag([-2.0, 1, 1, 1])
    mirrored[:3, 3] = (-3, 0, 0)
    scene.add_geometry(box, node_name="a", geom_name="box", transform=moved)
    scene.add_geometry(box, node_name="b", geom_name="box", transform=mirrored)
    scene.export(tmp_path / "scene.glb")
    mesh = read_mesh(tmp_path / "scene.glb")
    assert np.allclose(mesh.vertices.min(0), [-4, -0.5, -0.5])
    assert np.allclose(mesh.vertices.max(0), [3.5, 0.5, 0.5])
    assert is_closed_manifold(mesh.faces)
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(1 + 2)  # none inside out
    assert mesh.uv is None


def test_obj_quads_become_triangles_with_their_uvs(tmp_path: Path) -> None:
    path = tmp_path / "cube.obj"
    path.write_text(CUBE_OBJ)
    mesh = read_mesh(path)
    assert mesh.faces.shape == (12, 3)
    assert mesh.vertices.shape == (8, 3)
    assert is_closed_manifold(mesh.faces)
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(1)
    assert mesh.uv is not None
    top = mesh.vertices[mesh.faces]
    is_back = (top[..., 2] == 0).all(axis=1)
    expected = np.stack([top[..., 0], 0.5 - 0.5 * top[..., 1]], -1)  # [F, 3, 2]
    assert np.allclose(mesh.uv[is_back], expected[is_back])  # v points up, as in the file


def test_obj_with_polygons_of_mixed_size_is_whole(tmp_path: Path) -> None:
    pentagons = CUBE_OBJ.replace("f 4/1 3/2 2/3 1/4\n", "f 4 3 2\nf 4 2 1\n")
    (tmp_path / "mixed.obj").write_text(pentagons)
    mesh = read_mesh(tmp_path / "mixed.obj")
    assert is_closed_manifold(mesh.faces)
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(1)


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".obj", ".glb", ".gltf"])
def test_every_format_gives_the_same_closed_solid(tmp_path: Path, suffix: str) -> None:
    assert suffix in SUFFIXES
    given = trimesh.creation.icosphere(subdivisions=2)
    path = tmp_path / f"sphere{suffix.upper() if suffix != '.gltf' else suffix}"
    if suffix == ".gltf":
        for name, data in given.scene().export(file_type="gltf").items():
            (tmp_path / name.replace("model.gltf", path.name)).write_bytes(data)
    else:
        path.write_bytes(_as_bytes(given.export(file_type=suffix[1:])))
    mesh = read_mesh(path)
    assert len(mesh.vertices) == len(given.vertices)
    assert is_closed_manifold(mesh.faces)
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(given.volume, rel=1e-5)
    assert mesh.uv is None


def test_ascii_ply_quads_become_triangles(tmp_path: Path) -> None:
    lines = ["ply", "format ascii 1.0", "element vertex 4", *_PLY_PROPERTIES, "end_header"]
    lines += ["0 0 0", "1 0 0", "1 1 0", "0 1 0", "4 0 1 2 3"]
    (tmp_path / "quad.ply").write_text("\n".join(lines) + "\n")
    mesh = read_mesh(tmp_path / "quad.ply")
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.allclose(normal, [0, 0, 1])
    assert len(normal) == 2


def test_faces_without_area_keep_their_place(tmp_path: Path) -> None:
    given = trimesh.creation.box()
    faces = np.insert(given.faces, 3, [0, 0, 1], axis=0)
    trimesh.Trimesh(given.vertices, faces, process=False).export(tmp_path / "box.glb")
    mesh = read_mesh(tmp_path / "box.glb")
    assert len(mesh.faces) == 13
    assert len(np.unique(mesh.faces[3])) == 2


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"no mesh at all", b"glTF\2\0\0\0", bytes(200)])
def test_damaged_files_are_input_errors(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_mesh(path)


def test_cut_off_glb_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.glb"
    write_glb(textured_sphere(), path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match="damaged"):
        read_mesh(path)


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.blend").write_bytes(b"BLENDER")
    with pytest.raises(InputError, match="glb"):
        read_mesh(tmp_path / "a.blend")
    with pytest.raises(InputError, match="no mesh file"):
        read_mesh(tmp_path / "none.glb")
    (tmp_path / "points.obj").write_text("v 0 0 0\nv 1 0 0\n")
    with pytest.raises(InputError, match="no triangles"):
        read_mesh(tmp_path / "points.obj")
    (tmp_path / "nan.obj").write_text("v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(InputError, match=r"not numbers|damaged"):
        read_mesh(tmp_path / "nan.obj")


def test_compressed_glb_is_named_as_such(tmp_path: Path) -> None:
    document = {"asset": {"version": "2.0"}, "extensionsRequired": ["KHR_draco_mesh_compression"]}
    (tmp_path / "draco.gltf").write_text(json.dumps(document))
    with pytest.raises(InputError, match="without compression"):
        read_mesh(tmp_path / "draco.gltf")


_PLY_PROPERTIES = (
    *("property float x", "property float y", "property float z"),
    *("element face 1", "property list uchar int vertex_indices"),
)


def _as_bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data
