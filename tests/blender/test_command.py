# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette generate` inside Blender: the mesh file, the scene and the preview."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.blender.test_generate import TINY

ONE_PROCESS = True


@pytest.fixture
def picture_path(tmp_path):
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[x**2 + y**2 < 0.6] = (200, 40, 30, 255)
    Image.fromarray(pixels).save(tmp_path / "ball.png")
    return tmp_path / "ball.png"


def test_generate_writes_mesh_scene_and_preview(
    bpy, addon, use_worker, picture_path, tmp_path, capfd
):
    use_worker(TINY)
    out, blend, preview = (tmp_path / f"ball.{kind}" for kind in ("glb", "blend", "preview.png"))
    words = ["generate", str(picture_path), "--out", str(out), "--resolution", "64"]
    words += ["--faces", "2000", "--seed", "5", "--json", "--size", "0.5", "--no-texture"]
    words += ["--blend", str(blend), "--preview", str(preview)]

    assert addon.command.run(words) == 0

    line = next(text for text in capfd.readouterr().out.splitlines() if text.startswith("{"))
    printed = json.loads(line)
    assert printed["seed"] == 5 and printed["faces"] <= 2000 and printed["seconds"]["sample"] > 0
    assert out.read_bytes()[:4] == b"glTF"
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    assert [obj.name for obj in bpy.context.scene.objects] == ["ball"]
    obj = bpy.data.objects["ball"]
    assert max(obj.dimensions) == pytest.approx(0.5, rel=1e-4)
    assert obj.maquette.seed == 5 and len(obj.data.polygons) == printed["faces"]
    made = obj.maquette.made
    assert made.kind == "generate" and made.image.packed_file
    assert made.size_m == pytest.approx(0.5)
    pixels = np.asarray(Image.open(preview).convert("RGB"), np.float32)
    assert pixels.shape == (512, 512, 3)
    centre, corner = pixels[256, 256], pixels[20, 20]
    assert centre[0] > centre[2] + 20  # clay before a grey backdrop
    assert abs(corner[0] - corner[2]) < 20 and corner.min() > 60


def test_bad_picture_is_one_line_and_status_2(bpy, addon, use_worker, tmp_path, capfd):
    use_worker(TINY)
    words = ["generate", str(tmp_path / "no.png"), "--out", str(tmp_path / "a.glb")]
    assert addon.command.run(words) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1 and "no.png" in lines[0]


def test_wrong_words_are_one_line_and_status_2(bpy, addon, tmp_path, capfd):
    assert addon.command.run(["generate"]) == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1


def test_turntable_has_four_sides_in_their_colours(bpy, addon, tmp_path):
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=(0, 0, 0))
    mesh = bpy.context.object.data
    for vertex in mesh.vertices:
        vertex.co.z += 0.5
    colours = {(0, -1, 0): (1, 0, 0), (1, 0, 0): (0, 1, 0), (0, 1, 0): (0, 0, 1)}  # else black
    for colour in (*colours.values(), (0, 0, 0)):
        mesh.materials.append(addon.material.create_plain_material("plain", colour, 1.0))
    for polygon in mesh.polygons:
        side = tuple(round(value) for value in polygon.normal)
        polygon.material_index = list(colours).index(side) if side in colours else 3
    kinds = ("scenes", "objects", "materials", "meshes", "lights", "worlds")
    before = {kind: len(getattr(bpy.data, kind)) for kind in kinds}
    addon.preview.render_turntable(bpy.context.object, tmp_path / "sheet.png", side_px=32)
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"), np.float32)
    assert pixels.shape == (32, 128, 3)
    for index, colour in enumerate([*colours.values(), (0, 0, 0)]):
        seen = pixels[14:18, 32 * index + 14 : 32 * index + 18].mean(axis=(0, 1)) / 255
        assert ((seen > 0.4) == np.array(colour, bool)).all(), (index, seen)
    assert before == {kind: len(getattr(bpy.data, kind)) for kind in before}
