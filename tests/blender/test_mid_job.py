# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: F401, F811 (fixtures of another file)
"""What artists do while a job runs: other files, undo, deleted objects, renamed scenes, the end."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from tests.blender.conftest import MODULE, ROOT
from tests.blender.test_extension import find_traces, is_alive
from tests.blender.test_generate import FAKE, is_idle, poll_until
from tests.blender.test_queue import HELD, held, layout

ONE_PROCESS = True


def states(held):
    return [entry.state for entry in held.now.jobs.entries]


def save(bpy, path):
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def add_cube(bpy, name="Cube"):
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.name = name
    return bpy.context.object


@pytest.fixture
def painting(bpy, held):
    """A running job that paints a cube; the cube."""
    cube = add_cube(bpy)
    bpy.context.scene.maquette.uv = "keep"
    assert bpy.ops.maquette.retexture(wait=False) == {"FINISHED"}
    held.until("running")
    return cube


# -- other files -------------------------------------------------------------------------------


def test_result_of_a_closed_file_is_kept_and_placed_by_a_click(bpy, addon, held):
    job = held.generate(5)
    held.until("running")
    bpy.ops.wm.read_homefile(use_empty=True)
    held.finish()
    assert states(held) == ["kept"] and not bpy.data.objects
    (record,) = held.now.finished
    assert record.mesh_path.is_file() and not record.is_placed
    assert "file that was closed" in held.now.jobs.find(job).trouble.message
    bpy.context.scene.cursor.location = (1.0, 2.0, 3.0)
    assert bpy.ops.maquette.place_job(job_id=job) == {"FINISHED"}
    (obj,) = bpy.context.scene.objects
    assert tuple(obj.location) == (1.0, 2.0, 3.0) and obj.maquette.seed == 5
    assert states(held) == ["done"] and record.object_names == (obj.name,)
    with pytest.raises(RuntimeError, match="no result that waits"):
        bpy.ops.maquette.place_job(job_id=job)


def test_result_comes_into_its_file_when_that_is_opened_again(bpy, addon, held, tmp_path):
    home = bpy.data.scenes.new("Kitchen")
    bpy.context.window.scene = home
    home.maquette.image = bpy.data.images["red disc.png"]
    home.cursor.location = (4.0, 0.0, 0.0)
    path = save(bpy, tmp_path / "house.blend")
    job = held.generate()
    held.until("running")
    bpy.ops.wm.read_homefile(use_empty=True)
    held.finish()
    assert states(held) == ["kept"] and not bpy.data.objects
    assert "house.blend" in held.now.jobs.find(job).trouble.message
    bpy.ops.wm.open_mainfile(filepath=str(path))
    bpy.context.window.scene = bpy.data.scenes["Scene"]
    poll_until(addon, is_idle(addon))
    assert states(held) == ["done"]
    (obj,) = bpy.data.scenes["Kitchen"].objects
    assert tuple(obj.location) == (4.0, 0.0, 0.0) and not bpy.data.scenes["Scene"].objects


def test_reverted_file_gets_the_result_of_a_job_that_goes_on(bpy, addon, held, tmp_path):
    path = save(bpy, tmp_path / "a.blend")
    held.generate()
    held.until("running")
    bpy.ops.wm.open_mainfile(filepath=str(path))
    held.finish()
    assert states(held) == ["done"] and len(bpy.context.scene.objects) == 1


def test_saving_under_another_name_changes_nothing(bpy, addon, held, tmp_path):
    save(bpy, tmp_path / "a.blend")
    held.generate()
    held.until("running")
    other = save(bpy, tmp_path / "b.blend")
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(other))
    held.finish()
    assert states(held) == ["done"] and len(bpy.context.scene.objects) == 1


def test_result_that_waits_for_object_mode_does_not_slip_into_another_file(bpy, addon, held):
    add_cube(bpy)
    bpy.ops.object.mode_set(mode="EDIT")
    held.generate()
    held.let_go(1)
    held.until("placing")
    bpy.ops.wm.read_homefile(use_empty=True)
    poll_until(addon, is_idle(addon))
    assert states(held) == ["kept"] and not bpy.data.objects


def test_nothing_is_placed_by_a_click_in_edit_mode(bpy, held):
    job = held.generate()
    held.until("running")
    bpy.ops.wm.read_homefile(use_empty=True)
    held.finish()
    add_cube(bpy)
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(RuntimeError, match="Object Mode"):
        bpy.ops.maquette.place_job(job_id=job)
    assert states(held) == ["kept"]


def test_paint_never_goes_onto_a_like_object_of_another_file(bpy, addon, held, painting):
    bpy.ops.wm.read_homefile(use_empty=True)
    other = add_cube(bpy)
    held.finish()
    assert states(held) == ["kept"] and not other.data.materials
    bpy.ops.maquette.place_job(job_id=held.now.jobs.entries[0].job_id)
    assert states(held) == ["done"] and other.data.materials[0].name == "Cube"


def test_paint_finds_its_object_in_the_reverted_file(bpy, addon, held, painting, tmp_path):
    path = save(bpy, tmp_path / "a.blend")
    bpy.ops.wm.open_mainfile(filepath=str(path))
    held.finish()
    assert states(held) == ["done"]
    assert bpy.data.objects["Cube"].data.materials[0].name == "Cube"


# -- changes in the open file ------------------------------------------------------------------


def test_undo_in_a_job_harms_neither_the_job_nor_its_result(bpy, addon, held):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="start")
    held.generate(3)
    held.until("running")
    add_cube(bpy, "Undone")
    bpy.ops.ed.undo_push(message="cube")
    bpy.ops.ed.undo()
    assert not bpy.data.objects
    held.finish()
    assert [obj.maquette.seed for obj in bpy.context.scene.objects] == [3]
    bpy.ops.ed.undo()
    assert not bpy.data.objects


def test_undo_while_an_object_is_painted_leaves_it_paintable(bpy, addon, held):
    bpy.context.preferences.edit.use_global_undo = True
    cube = add_cube(bpy)
    bpy.ops.ed.undo_push(message="cube")
    bpy.ops.maquette.retexture(wait=False)
    held.until("running")
    cube.location.x = 3.0
    bpy.ops.ed.undo_push(message="move")
    bpy.ops.ed.undo()
    held.finish()
    cube = bpy.data.objects["Cube"]
    assert cube.location.x == 0.0 and cube.data.materials[0].name == "Cube"


def test_paint_of_a_deleted_object_is_kept_and_placed_when_it_is_back(bpy, addon, held):
    bpy.context.preferences.edit.use_global_undo = True
    add_cube(bpy)
    bpy.context.scene.maquette.uv = "keep"
    bpy.ops.ed.undo_push(message="cube")
    bpy.ops.maquette.retexture(wait=False)
    held.until("running")
    bpy.ops.object.delete()
    bpy.ops.ed.undo_push(message="delete")
    held.finish()
    status, entry = held.now.status, held.now.jobs.entries[0]
    assert status.error == "'Cube' is gone, so nothing was painted." and "kept" in status.hint
    assert states(held) == ["kept"] and held.now.finished[0].texture_path.is_file()
    assert not bpy.data.materials
    with pytest.raises(RuntimeError, match="is gone"):
        bpy.ops.maquette.place_job(job_id=entry.job_id)
    assert states(held) == ["kept"]
    bpy.ops.ed.undo()
    assert bpy.ops.maquette.place_job(job_id=entry.job_id) == {"FINISHED"}
    assert bpy.data.objects["Cube"].data.materials[0].name == "Cube"
    assert held.now.finished[0].object_names == ("Cube",)


def test_renamed_scene_and_object_get_what_was_made_for_them(bpy, addon, held, painting):
    held.generate()
    bpy.context.scene.name, painting.name = "Renamed", "Crate"
    bpy.data.scenes.new("Scene")
    held.finish()
    assert states(held) == ["done", "done"]
    assert painting.data.materials and not bpy.data.scenes["Scene"].objects
    assert sorted(o.name for o in bpy.data.scenes["Renamed"].objects) == ["Crate", "red disc"]


def test_deleted_picture_harms_no_job_that_waits(bpy, held):
    for _ in range(2):
        held.generate()
    bpy.data.images.remove(held.picture)
    held.finish()
    assert states(held) == ["done", "done"]


# -- the end of the extension and of Blender ----------------------------------------------------


def test_twenty_times_on_and_off_in_the_midst_of_a_job(bpy, addon, use_worker, picture):
    python = None
    for _ in range(20):
        preferences = bpy.context.preferences.addons[MODULE].preferences
        if python is None:
            use_worker(FAKE.replace("fake_worker.py", "fake_worker.py deaf"))
            python = preferences.python_path
        preferences.python_path, preferences.job_folder = python, str(addon.job_folder)
        bpy.context.scene.maquette.image = picture
        bpy.ops.maquette.generate(wait=False)
        now = addon.session.current()
        poll_until(addon, lambda now=now: getattr(now.jobs._queue._worker, "hello", None))
        pid = now.jobs._queue._worker.hello.pid
        bpy.ops.preferences.addon_disable(module=MODULE)
        assert find_traces(bpy) == [] and not is_alive(pid)
        assert not bpy.app.timers.is_registered(addon.handlers.poll_session)
        bpy.ops.preferences.addon_enable(module=MODULE)
        addon.session, addon.handlers = (
            sys.modules[f"{MODULE}.{name}"] for name in ("session", "handlers")
        )
    time.sleep(0.2)
    assert [t for t in threading.enumerate() if t is not threading.main_thread()] == []


def restart(bpy, addon, held):
    """Disable and enable the extension, which ends the worker as the end of Blender does."""
    python = addon.preferences.python_path
    bpy.ops.preferences.addon_disable(module=MODULE)
    bpy.ops.preferences.addon_enable(module=MODULE)
    addon.preferences = bpy.context.preferences.addons[MODULE].preferences
    addon.preferences.python_path = python
    addon.preferences.job_folder = str(addon.job_folder)
    addon.session, addon.handlers = (
        sys.modules[f"{MODULE}.{name}"] for name in ("session", "handlers")
    )
    held.now = addon.session.current()
    held.now.look_for_unfinished()


def test_jobs_that_had_not_ended_are_offered_after_a_restart_and_run_on_a_click(
    bpy, addon, held, layout
):
    bpy.context.scene.cursor.location = (0.0, 7.0, 0.0)
    for seed in (1, 2, 3, 4):
        held.generate(seed)
    held.let_go(1)
    held.until("done", "running", "waiting", "waiting")
    held.now.jobs.move(held.now.jobs.entries[3].job_id, -1)
    held.now.poll()
    bpy.context.scene.maquette.image = None
    bpy.data.images.remove(held.picture)
    restart(bpy, addon, held)
    assert [job.settings["seed"] for job in held.now.unfinished.offered] == [2, 4, 3]
    assert layout("jobs").operators == ["maquette.queue_again", "maquette.discard_unfinished"]
    assert bpy.ops.maquette.queue_again() == {"FINISHED"}
    assert held.now.unfinished.offered == []
    (addon.job_folder / "go").unlink()
    held.until("running", "waiting", "waiting")
    restart(bpy, addon, held)
    assert [job.settings["seed"] for job in held.now.unfinished.offered] == [2, 4, 3]
    bpy.ops.maquette.queue_again()
    held.finish()
    assert sorted(obj.maquette.seed for obj in bpy.data.objects) == [1, 2, 3, 4]
    assert all(tuple(obj.location) == (0.0, 7.0, 0.0) for obj in bpy.data.objects)
    restart(bpy, addon, held)
    assert held.now.unfinished.offered == []


def test_result_that_was_not_placed_before_the_end_is_placed_without_a_new_run(
    bpy, addon, held, tmp_path
):
    add_cube(bpy)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.context.scene.cursor.location = (0.0, 0.0, 2.0)
    job = held.generate(6)
    held.let_go(1)
    held.until("placing")
    addon.handlers.poll_session()
    restart(bpy, addon, held)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert [saved.job_id for saved in held.now.unfinished.offered] == [job]
    bpy.ops.maquette.queue_again()
    assert states(held) == ["placing"]
    poll_until(addon, is_idle(addon))
    assert held.started() == [job] and held.now.jobs._queue._worker is None
    (made,) = (obj for obj in bpy.data.objects if obj.name != "Cube")
    assert made.maquette.seed == 6 and tuple(made.location) == (0.0, 0.0, 2.0)
    restart(bpy, addon, held)
    assert held.now.unfinished.offered == []


def test_result_whose_files_are_gone_is_made_anew(bpy, addon, held):
    job = held.generate(6)
    held.until("running")
    bpy.ops.wm.read_homefile(use_empty=True)
    held.finish()
    assert states(held) == ["kept"]
    addon.handlers.poll_session()
    (addon.job_folder / job / "mesh.npz").unlink()
    restart(bpy, addon, held)
    bpy.ops.maquette.queue_again()
    held.finish()
    assert len(held.started()) == 2
    assert [obj.maquette.seed for obj in bpy.context.scene.objects] == [6]


def test_discarded_jobs_are_not_offered_again(bpy, addon, held):
    held.generate()
    held.until("running")
    restart(bpy, addon, held)
    assert len(held.now.unfinished.offered) == 1
    bpy.ops.maquette.discard_unfinished()
    assert held.now.unfinished.offered == []
    restart(bpy, addon, held)
    assert held.now.unfinished.offered == []


def test_job_of_another_file_is_queued_again_but_not_placed_here(bpy, addon, held, tmp_path):
    home = bpy.data.scenes.new("Kitchen")
    bpy.context.window.scene = home
    home.maquette.image = held.picture
    path = save(bpy, tmp_path / "a.blend")
    held.generate()
    held.until("running")
    bpy.ops.wm.read_homefile(use_empty=True)
    restart(bpy, addon, held)
    bpy.ops.maquette.queue_again()
    held.finish()
    assert states(held) == ["kept"] and not bpy.data.objects
    bpy.ops.wm.open_mainfile(filepath=str(path))
    bpy.context.window.scene = bpy.data.scenes["Scene"]
    poll_until(addon, is_idle(addon))
    assert states(held) == ["done"] and len(bpy.data.scenes["Kitchen"].objects) == 1


def test_saved_file_carries_its_waiting_jobs_and_nothing_stays_in_memory(
    bpy, addon, held, tmp_path
):
    held.picture.pack()
    add_cube(bpy)
    bpy.ops.maquette.retexture(wait=False)
    for seed in (8, 9):
        held.generate(seed)
    bpy.data.objects["Cube"].name = "Crate"
    held.until("running", "waiting", "waiting")
    path = save(bpy, tmp_path / "a.blend")
    assert all(scene.maquette.saved_queue == "" for scene in bpy.data.scenes)
    bpy.ops.maquette.cancel()
    poll_until(addon, is_idle(addon))
    # As on another machine: the pictures that were written for the worker are not there.
    for picture in addon.job_folder.glob("pictures-*/*.png"):
        picture.unlink()
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert [job.name for job in held.now.unfinished.offered] == ["Cube", "red disc", "red disc"]
    assert bpy.context.scene.maquette.saved_queue == ""
    bpy.ops.maquette.clear_jobs()
    assert bpy.ops.maquette.queue_again() == {"FINISHED"}
    held.finish()
    assert states(held) == ["done"] * 3
    assert bpy.data.objects["Crate"].data.materials
    made = [obj.maquette.seed for obj in bpy.data.objects if obj.name != "Crate"]
    assert sorted(made) == [8, 9]


def test_offered_jobs_stay_in_the_file_until_they_are_queued_or_discarded(
    bpy, addon, held, tmp_path
):
    held.generate()
    held.until("running")
    path = save(bpy, tmp_path / "a.blend")
    bpy.ops.maquette.cancel()
    poll_until(addon, is_idle(addon))
    for _ in range(2):
        bpy.ops.wm.open_mainfile(filepath=str(path))
        assert len(held.now.unfinished.offered) == 1
        save(bpy, path)
    bpy.ops.wm.read_homefile(use_empty=True)
    assert held.now.unfinished.offered == []


def test_reverted_file_does_not_offer_jobs_that_still_run(bpy, addon, held, tmp_path):
    held.generate()
    held.until("running")
    path = save(bpy, tmp_path / "a.blend")
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert held.now.unfinished.offered == []
    held.finish()


@pytest.mark.parametrize("text", ["{", '{"version": 1, "jobs": [{"job_id": 1}]}', "[[]]"])
def test_damaged_list_in_a_file_offers_nothing(bpy, addon, held, tmp_path, text):
    addon.session.current().unfinished.clear_file()
    bpy.context.scene.maquette.saved_queue = text
    handlers = bpy.app.handlers.save_pre[:]
    bpy.app.handlers.save_pre.clear()
    path = save(bpy, tmp_path / "a.blend")
    bpy.app.handlers.save_pre.extend(handlers)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert held.now.unfinished.offered == []


def test_file_of_a_stranger_reads_no_files_of_ours(bpy, addon, held, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG secret")
    held.generate()
    held.until("running")
    (entry,) = held.now.jobs.entries
    stolen = replace(entry.saved.pictures["front"], name="gone", path=str(secret))
    evil = replace(entry.saved, job_id="evil", pictures={"front": stolen})
    held.now.unfinished._of_file.append(evil)
    with pytest.raises(RuntimeError, match="The picture 'gone' is gone"):
        bpy.ops.maquette.queue_again()
    assert len(held.now.jobs.entries) == 1
    result = {"job_id": "evil", "mesh_path": str(secret), "glb_path": "", "vertices": 1}
    result |= {"faces": 1, "seed": 0, "seconds": {}}
    held.now.unfinished._of_file.append(replace(entry.saved, job_id="evil", result=result))
    bpy.ops.maquette.queue_again()
    assert held.now.jobs.entries[1].state == "waiting"  # it is made, not read from that file
    held.finish()


def test_one_job_that_cannot_be_queued_again_stops_no_other(bpy, addon, held):
    for seed in (1, 2):
        held.generate(seed)
    held.until("running", "waiting")
    saved = [entry.saved for entry in held.now.jobs.entries]
    bpy.ops.maquette.cancel()
    held.until("cancelled", "cancelled")
    bpy.ops.maquette.clear_jobs()
    bad = replace(saved[0], settings={"no such setting": 1})
    held.now.unfinished._of_file += [bad, saved[1]]
    with pytest.raises(RuntimeError, match="no such setting"):
        bpy.ops.maquette.queue_again()
    held.finish()
    assert [obj.maquette.seed for obj in bpy.data.objects] == [2]


# The module of 4.2 crashes at its end after any property with a get function.
ENDS = (0, -signal.SIGSEGV) if metadata.version("bpy").startswith("4.2.") else (0,)
SCRIPT = """
import bpy, json, os, signal, sys, time
zip_path, python, step = sys.argv[1:]
module = "bl_ext.user_default.maquette"
if step == "kill" or step == "quit":
    bpy.ops.extensions.package_install_files(
        filepath=zip_path, repo="user_default", enable_on_install=True)
else:
    bpy.ops.preferences.addon_enable(module=module)
bpy.context.preferences.addons[module].preferences.python_path = python
session, handlers = (sys.modules[f"{module}.{name}"] for name in ("session", "handlers"))
now = session.current()
found = [job.settings["seed"] for job in now.unfinished.offered]
if step != "look":
    bpy.context.scene.maquette.image = bpy.data.images.new("a", 32, 32)
    for seed in (5, 6):
        bpy.context.scene.maquette.seed = seed
        bpy.ops.maquette.generate(wait=False)
    while not any(e.job.progress for e in now.jobs.entries):
        handlers.poll_session()
        time.sleep(0.02)
    worker = now.jobs._queue._worker.hello.pid
    print(json.dumps({"worker": worker}), flush=True)
    if step == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
else:
    print(json.dumps({"found": found}), flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize("step", ["kill", "quit"])
def test_blender_that_ends_in_a_job_ends_the_worker_and_offers_its_jobs_next_time(
    tmp_path, zip_path, step
):
    root = shlex.quote(str(ROOT))
    python = tmp_path / "python"
    run = f"exec env PYTHONPATH={root} {shlex.quote(sys.executable)} {HELD}"
    python.write_text(f"#!/bin/sh\ncd {root} && {run}\n", encoding="utf-8")
    python.chmod(0o755)
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path / "user")}

    def start(name):
        command = [sys.executable, "-c", SCRIPT, str(zip_path), str(python), name]
        done = subprocess.run(
            command, env=environment, timeout=90, capture_output=True, text=True, check=False
        )
        ends = {"kill": (-signal.SIGKILL,), "quit": ENDS, "look": (0,)}
        assert done.returncode in ends[name], done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return json.loads(lines[-1])

    pid = start(step)["worker"]
    end = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert start("look")["found"] == [5, 6]
    jobs = Path(tmp_path / "user/extensions/.user/user_default/maquette/jobs")
    assert len(list(jobs.glob("queue-*.json"))) == 1
