# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette batch` inside Blender: a .blend for each job, and an asset library of all."""

import json

import numpy as np
import pytest
from PIL import Image

ONE_PROCESS = True
WORKER = "tests/worker/batch_worker.py"
PAINTING = "tests/fake_worker.py"


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, name in enumerate(("chair", "lamp v1.2", "table")):
        pixels = np.full((48, 48, 3), 40 * index, np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return folder


def manifest_of(out):
    lines = (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    jobs = [body for line in lines if (body := json.loads(line))["kind"] == "job"]
    return {body["name"]: body for body in jobs}


def open_file(bpy, path):
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return list(bpy.data.objects)


def test_each_job_leaves_a_glb_and_a_blend_and_the_library_gathers_them(
    bpy, addon, use_worker, pictures, tmp_path, capfd
):
    use_worker(WORKER)
    out, library = tmp_path / "out", tmp_path / "props.blend"
    words = ["batch", str(pictures), "--out", str(out), "--seed", "7", "--size", "0.5"]
    words += ["--asset-library", str(library)]
    assert addon.command.run(words) == 1  # one picture is corrupt
    names = ["chair", "lamp v1.2", "table"]
    assert sorted(path.name for path in out.glob("*.*") if not path.name.startswith(".")) == sorted(
        [f"{name}.{kind}" for name in names for kind in ("blend", "glb")]
        + ["manifest.jsonl", "report.html"]
    )
    records = manifest_of(out)
    assert records["corrupt"]["state"] == "failed" and "damaged" in records["corrupt"]["error"]
    assert records["chair"]["outputs"].keys() == {"chair.glb", "chair.blend"}

    (obj,) = open_file(bpy, out / "lamp v1.2.blend")
    assert (obj.name, obj.data.name, obj.maquette.seed) == ("lamp v1.2", "lamp v1.2", 7)
    assert max(obj.dimensions) == pytest.approx(0.5, rel=1e-4)
    assert obj.asset_data is None

    objects = open_file(bpy, library)
    assert sorted(obj.name for obj in objects) == names
    assert all(obj.asset_data is not None for obj in objects)
    assert all("Maquette" in [tag.name for tag in obj.asset_data.tags] for obj in objects)
    assert len({tuple(obj.location) for obj in objects}) == 3
    assert {tuple(obj.preview.image_size) for obj in objects} == {(160, 160)}
    seen = {obj.preview.image_pixels_float[0] for obj in objects}
    assert len(seen) == 3  # each its own
    for obj in objects:
        recipe = obj.maquette.made
        assert (recipe.title, recipe.picture) == (obj.name, f"{obj.name}.png")
        assert json.loads(recipe.settings)["seed"] == 7 and recipe.size_m == 0.5
        assert recipe.image.packed_file is not None and tuple(recipe.image.size) == (48, 48)
    assert not list(out.rglob("*part*")) and not list(tmp_path.glob("*part*"))


def test_resume_makes_lost_files_anew_and_the_library_with_them(
    bpy, addon, use_worker, pictures, tmp_path, capfd
):
    use_worker(WORKER)
    (pictures / "corrupt.png").unlink()
    out, library = tmp_path / "out", tmp_path / "props.blend"
    words = ["batch", str(pictures), "--out", str(out), "--asset-library", str(library)]
    assert addon.command.run(words) == 0
    before = {path.name: path.read_bytes() for path in out.glob("*.glb")}
    (out / "table.blend").unlink()
    library.unlink()
    capfd.readouterr()
    assert addon.command.run([*words, "--resume", "--json"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert not [line for line in lines if not line.startswith("{")]
    events = [json.loads(line) for line in lines]
    assert [e["name"] for e in events if e["event"] == "start"] == ["table"]
    assert {path.name: path.read_bytes() for path in out.glob("*.glb")} == before
    assert len(open_file(bpy, library)) == 3


def test_library_of_somebody_else_is_not_written_over(
    bpy, addon, use_worker, pictures, tmp_path, capfd
):
    use_worker(WORKER)
    out, library = tmp_path / "out", tmp_path / "props.blend"
    library.write_bytes(b"mine")
    words = ["batch", str(pictures), "--out", str(out), "--asset-library", str(library)]
    assert addon.command.run(words) == 2
    assert capfd.readouterr().err.strip().count("\n") == 0
    assert library.read_bytes() == b"mine"
    assert not list(out.glob("*.glb"))


@pytest.mark.parametrize("library", ["props.glb", "no/such/folder/props.blend", "out/chair.blend"])
def test_place_where_no_library_can_be_is_refused(
    library, bpy, addon, use_worker, pictures, tmp_path, capfd
):
    use_worker(WORKER)
    words = ["batch", str(pictures), "--out", str(tmp_path / "out")]
    assert addon.command.run([*words, "--asset-library", str(tmp_path / library)]) == 2
    assert not list(tmp_path.rglob("*.glb"))


def test_textures_are_packed_into_blend_and_library(
    bpy, addon, use_worker, pictures, tmp_path, capfd
):
    use_worker(PAINTING)
    (pictures / "corrupt.png").unlink()
    out, library = tmp_path / "out", tmp_path / "props.blend"
    words = ["batch", str(pictures), "--out", str(out), "--asset-library", str(library)]
    assert addon.command.run(words) == 0
    for path, count in ((out / "chair.blend", 1), (library, 3)):
        objects = open_file(bpy, path)
        assert len(objects) == count
        for obj in objects:
            nodes = obj.data.materials[0].node_tree.nodes
            (image,) = [node.image for node in nodes if node.type == "TEX_IMAGE"]
            assert image.packed_file is not None and tuple(image.size) == (1024, 1024)


def test_flags_of_single_jobs_are_refused(bpy, addon, pictures, tmp_path, capfd):
    words = ["batch", str(pictures), "--out", str(tmp_path / "out"), "--blend", "x.blend"]
    assert addon.command.run(words) == 2
    assert "--blend" in capfd.readouterr().err
