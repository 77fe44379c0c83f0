# SPDX-License-Identifier: GPL-3.0-or-later
"""From a picture to an object in the scene, with workers that pretend and with the real one."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

ONE_PROCESS = True
FAKE = "tests/fake_worker.py"
TINY = "-m tests.worker.tiny_worker --device cpu"
SLOW_MODEL = "hunyuan3d-2"  # sleeps in every step of the tiny worker
EMBEDDED = Path(__file__).parents[2] / "backend/weights/embedded"


def poll_until(addon, is_reached, limit_s=90.0):
    """What Blender's timer does, until the condition holds."""
    end = time.monotonic() + limit_s
    while not is_reached():
        assert time.monotonic() < end, addon.session.current().status
        addon.handlers.poll_session()
        time.sleep(0.02)


def start(bpy, addon):
    assert bpy.ops.maquette.generate(wait=False) == {"FINISHED"}
    assert addon.session.current().is_running


def is_idle(addon):
    return lambda: not addon.session.current().is_running


def world_points(obj):
    local = np.empty(len(obj.data.vertices) * 3, np.float32)
    obj.data.vertices.foreach_get("co", local)
    return local.reshape(-1, 3) + np.array(obj.location)


def test_object_has_place_size_and_orientation(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    scene = bpy.context.scene
    scene.maquette.image, scene.maquette.size_m = picture, 2.0
    scene.cursor.location = (3.0, 4.0, 5.0)

    assert bpy.ops.maquette.generate() == {"FINISHED"}

    obj = bpy.context.object
    assert obj.name == "red disc" and obj.data.name == "red disc"
    assert obj.select_get() and list(bpy.context.selected_objects) == [obj]
    assert tuple(obj.location) == (3.0, 4.0, 5.0)
    # The fake worker's corners (Y up, front +Z): centre, right, up, front; here Z up, front -Y.
    expected = np.array([[-1, 1, 0], [1, 1, 0], [-1, 1, 2], [-1, -1, 0]], np.float32)
    expected += np.array([3, 4, 5], np.float32)
    np.testing.assert_allclose(world_points(obj), expected, atol=1e-6)
    assert len(obj.data.polygons) == 4


def test_mesh_is_closed_and_shaded_smooth_by_angle(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    bpy.context.scene.maquette.image = picture
    bpy.ops.maquette.generate()
    mesh = bpy.context.object.data
    assert all(polygon.use_smooth for polygon in mesh.polygons)
    assert all(edge.use_edge_sharp for edge in mesh.edges)  # a tetrahedron has sharp edges only
    corners = np.array([v.co for v in mesh.vertices])
    faces = np.array([p.vertices for p in mesh.polygons])
    a, b, c = (corners[faces[:, i]] for i in range(3))
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(1 / 6, rel=1e-5)


def test_crease_angle_decides_what_is_sharp(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    settings = bpy.context.scene.maquette
    settings.image, settings.crease_deg = picture, 180.0
    bpy.ops.maquette.generate()
    assert not any(edge.use_edge_sharp for edge in bpy.context.object.data.edges)


def test_round_mesh_has_hardly_a_sharp_edge(bpy, addon, use_worker, picture):
    use_worker(TINY)
    settings = bpy.context.scene.maquette
    settings.image, settings.resolution, settings.target_faces = picture, 64, 3000
    settings.texture = "none"
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    mesh = bpy.context.object.data
    assert 500 < len(mesh.polygons) <= 3000
    # Slivers left by the simplification may turn by more than the angle.
    assert sum(edge.use_edge_sharp for edge in mesh.edges) < 0.01 * len(mesh.edges)
    assert max(bpy.context.object.dimensions) == pytest.approx(1.0, rel=1e-5)


def test_object_remembers_how_it_was_made(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    settings = bpy.context.scene.maquette
    settings.image, settings.seed, settings.steps, settings.border_ratio = picture, 77, 12, 0.15
    bpy.ops.maquette.generate()
    made = bpy.context.object.maquette
    assert (made.picture, made.model, made.seed) == ("red disc.png", "maquette-mini", 77)
    stored = json.loads(made.settings)
    assert stored["steps"] == 12 and stored["border_ratio"] == 0.15 and stored["seed"] == 77
    assert made.version == addon.asset.read_version() and made.version.count(".") == 2


def test_one_undo_takes_the_object_away_and_redo_brings_it_back(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    bpy.context.preferences.edit.use_global_undo = True
    bpy.context.scene.maquette.image = picture
    bpy.ops.ed.undo_push(message="before")
    start(bpy, addon)
    poll_until(addon, is_idle(addon))
    assert "red disc" in bpy.data.objects
    bpy.ops.ed.undo()
    assert "red disc" not in bpy.data.objects
    assert bpy.context.scene.maquette.image.name == "red disc.png"
    bpy.ops.ed.redo()
    assert bpy.data.objects["red disc"].maquette.picture == "red disc.png"


def test_renamed_scene_still_gets_its_object(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    home = bpy.context.scene
    home.maquette.image = picture
    start(bpy, addon)
    other = bpy.data.scenes.new("Other")
    home.name = "Renamed"
    bpy.context.window.scene = other
    poll_until(addon, is_idle(addon))
    assert [obj.name for obj in bpy.data.scenes["Renamed"].objects] == ["red disc"]
    assert not other.objects


def test_result_of_a_deleted_scene_goes_to_the_current_one(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    home, other = bpy.context.scene, bpy.data.scenes.new("Other")
    home.maquette.image = picture
    start(bpy, addon)
    bpy.context.window.scene = other
    bpy.data.scenes.remove(home)
    poll_until(addon, is_idle(addon))
    assert [obj.name for obj in other.objects] == ["red disc"]


def test_result_waits_for_object_mode(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.context.scene.maquette.image = picture
    start(bpy, addon)
    poll_until(addon, lambda: addon.session.current().is_waiting_to_place)
    assert "red disc" not in bpy.data.objects
    bpy.ops.object.mode_set(mode="OBJECT")
    poll_until(addon, is_idle(addon))
    assert bpy.context.object.name == "red disc"


def test_cancel_stops_the_job_and_keeps_the_worker(bpy, addon, use_worker, picture):
    use_worker(TINY)
    settings = bpy.context.scene.maquette
    settings.image, settings.model, settings.steps = picture, SLOW_MODEL, 200
    settings.texture = "none"
    start(bpy, addon)
    poll_until(addon, lambda: addon.session.current().status.stage == "sample")
    worker = addon.session.current().jobs._queue._worker
    assert bpy.ops.maquette.cancel() == {"FINISHED"}
    poll_until(addon, is_idle(addon), limit_s=5.0)
    assert addon.session.current().status.error == "" and not bpy.data.objects
    assert worker.is_running
    settings.steps, settings.resolution = 1, 64
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    assert bpy.context.object.name == "red disc"
    assert addon.session.current().jobs._queue._worker is worker


def test_killed_worker_is_told_and_the_next_job_works(bpy, addon, use_worker, picture):
    use_worker(TINY)
    settings = bpy.context.scene.maquette
    settings.image, settings.model, settings.steps = picture, SLOW_MODEL, 200
    settings.texture = "none"
    start(bpy, addon)
    poll_until(addon, lambda: addon.session.current().status.stage == "sample")
    first = addon.session.current().jobs._queue._worker.hello.pid
    os.kill(first, signal.SIGKILL)
    poll_until(addon, is_idle(addon), limit_s=10.0)
    status = addon.session.current().status
    assert status.code == "worker_died" and "ended unexpectedly" in status.error and status.hint
    assert bpy.context.window_manager.maquette.error == status.error
    settings.steps, settings.resolution = 1, 64
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    assert addon.session.current().jobs._queue._worker.hello.pid != first
    assert bpy.context.object.name == "red disc"


def test_worker_that_cannot_start_is_told(bpy, addon, use_worker, picture):
    use_worker(f"{FAKE} broken")
    bpy.context.scene.maquette.image = picture
    with pytest.raises(RuntimeError, match="could not start"):
        bpy.ops.maquette.generate()
    assert addon.session.current().status.code == "setup"


def test_generate_says_what_is_missing(bpy, addon, use_worker, picture):
    with pytest.raises(RuntimeError, match="Choose a reference picture first"):
        bpy.ops.maquette.generate()
    bpy.context.scene.maquette.image = picture
    addon.preferences.python_path = "/no/such/python"
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.maquette.generate()
    use_worker(FAKE)
    assert bpy.ops.maquette.generate() == {"FINISHED"}


def test_missing_picture_file_is_told_in_a_sentence(bpy, addon, use_worker, tmp_path):
    use_worker(FAKE)
    image = bpy.data.images.new("gone", 8, 8)
    image.source, image.filepath = "FILE", str(tmp_path / "gone.png")
    bpy.context.scene.maquette.image = image
    with pytest.raises(RuntimeError, match=r"The picture 'gone' has no pixels"):
        bpy.ops.maquette.generate()
    assert "open the picture again" in addon.session.current().status.hint


def test_transparent_picture_is_told_in_a_sentence(bpy, addon, use_worker):
    use_worker(TINY)
    image = bpy.data.images.new("empty", 64, 64, alpha=True)
    image.pixels.foreach_set(np.zeros(64 * 64 * 4, np.float32))
    bpy.context.scene.maquette.image = image
    with pytest.raises(RuntimeError, match="transparent"):
        bpy.ops.maquette.generate()
    status = addon.session.current().status
    assert status.code == "input" and status.hint and "Traceback" not in status.error


@pytest.mark.skipif(
    not list(EMBEDDED.glob("*.safetensors")), reason="the embedded model is not trained yet"
)
def test_real_worker_makes_a_mesh_with_the_embedded_model(bpy, addon):
    image = bpy.data.images.load(str(EMBEDDED.parents[2] / "examples/barrel.png"))
    settings = bpy.context.scene.maquette
    settings.image, settings.resolution, settings.target_faces = image, 64, 4000
    settings.size_m, settings.texture = 0.8, "none"
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    obj = bpy.context.object
    assert obj.name == "barrel" and 200 < len(obj.data.polygons) <= 4000
    assert max(obj.dimensions) == pytest.approx(0.8, rel=1e-4)
    assert min(v.co.z for v in obj.data.vertices) == pytest.approx(0.0, abs=1e-5)
    edges = np.sort([(e.vertices[0], e.vertices[1]) for e in obj.data.edges], axis=1)
    assert len(edges) * 2 == len(obj.data.polygons) * 3  # watertight: two faces at every edge


def test_job_folder_that_cannot_be_made_is_told(bpy, addon, use_worker, picture, tmp_path):
    use_worker(FAKE)
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    addon.preferences.job_folder = str(tmp_path / "file" / "jobs")
    bpy.context.scene.maquette.image = picture
    with pytest.raises(RuntimeError, match="job folder cannot be made"):
        bpy.ops.maquette.generate()
    assert not addon.session.current().is_running
