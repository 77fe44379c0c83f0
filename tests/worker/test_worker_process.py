# SPDX-License-Identifier: GPL-3.0-or-later
"""The real worker in a process of its own, driven through real pipes and files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.client.environment import worker_environment
from backend.client.queue import JobState, Task
from backend.config import JobConfig, overlay
from backend.errors import (
    DeviceMemoryError,
    InputError,
    ModelMissingError,
    SetupError,
    WorkerDiedError,
)
from backend.mesh.io import read_npz
from backend.protocol import (
    PROTOCOL_VERSION,
    ErrorEvent,
    Hello,
    ProgressEvent,
    Result,
    Submit,
    Unloaded,
    encode,
)
from tests.unit.pipelines.boxes import make_box, make_texture, side_of_face
from tests.worker.driving import ROOT, TINY_WORKER, finish, run_until, wait_for
from tests.worker.tiny_worker import RADIUS

SMALL = overlay(JobConfig(), {"resolution": 64, "target_faces": 2000, "texture": "none"})
PAINTED = overlay(
    SMALL, {"texture": "paint", "target_faces": 300, "texture_size": 512, "further_views": 0}
)
SLOW = overlay(SMALL, {"model": "hunyuan3d-2", "steps": 200})  # at least 10 s of steps


def submit_line(folder: Path, picture: Path, **settings) -> Submit:
    settings = {"resolution": 64, "texture": "none", **settings}
    return Submit("job", str(folder), [str(picture)], settings=settings)


def test_hello_comes_first_and_names_devices_memory_and_versions(make_worker):
    worker = make_worker()
    worker.start()
    hello = wait_for(worker, Hello)[0]
    assert isinstance(hello, Hello)
    assert hello.protocol == PROTOCOL_VERSION
    assert hello.pid != os.getpid()
    assert hello.devices[-1] == "cpu"
    assert len(hello.free_memory_mb) == len(hello.devices)
    assert hello.free_memory_mb[-1] > 100
    assert {"python", "torch", "numpy"} <= hello.versions.keys()


def test_job_leaves_mesh_files_and_a_log_and_reports_every_stage(make_queue, picture):
    queue = make_queue()
    job = queue.submit([picture], ["front"], overlay(SMALL, {"seed": 7}))
    stages = []

    def is_finished():
        if job.progress is not None and job.progress.stage not in stages:
            stages.append(job.progress.stage)
        return job.is_finished

    run_until(queue, is_finished)
    assert job.state is JobState.DONE, job.error
    result = job.result
    assert result.seed == 7
    assert {"python", "torch", "numpy"} <= result.versions.keys()
    assert result.versions["device"] == "cpu"
    assert list(result.weights) == ["model"] and len(result.weights["model"]) == 64
    assert list(result.seconds) == [
        *("read", "load", "prepare", "encode", "sample", "compare", "decode", "mesh", "write")
    ]
    mesh = read_npz(Path(result.mesh_path))
    assert (len(mesh.vertices), len(mesh.faces)) == (result.vertices, result.faces)
    assert 100 < result.faces <= 2000
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert np.abs(radii - RADIUS).max() < 2.02 / 64
    assert Path(result.glb_path).read_bytes()[:4] == b"glTF"
    folder = Path(job.request.job_folder)
    assert sorted(path.name for path in folder.iterdir()) == ["job.log", "mesh.glb", "mesh.npz"]
    log = (folder / "job.log").read_text()
    for word in ("settings", "'seed': 7", "versions", "torch", "seconds", "peak memory"):
        assert word in log


def test_textured_job_leaves_a_picture_and_a_map_and_reports_every_stage(make_queue, picture):
    job = finish(queue := make_queue(), (queue.submit([picture], ["front"], PAINTED)))
    assert job.state is JobState.DONE, job.error
    result = job.result
    assert set(result.seconds) == {
        *("read", "load", "prepare", "encode", "sample", "compare", "decode", "mesh"),
        *("unwrap", "align", "render", "paint", "bake", "write"),
    }
    mesh = read_npz(Path(result.mesh_path))
    assert mesh.uv is not None and mesh.uv.shape == (result.faces, 3, 2)
    assert (result.texture_size, result.is_new_uv) == (512, True)
    assert set(result.weights) == {"model", "paint_model"}
    assert Image.open(result.texture_path).size == (512, 512)
    assert result.coverage["seen"] > 0.9  # a ball hides nothing
    names = sorted(path.name for path in Path(job.request.job_folder).iterdir())
    assert names == ["base_colour.png", "job.log", "mesh.glb", "mesh.npz"]


def test_projecting_needs_no_painting_model_and_reports_its_stages(make_queue, picture):
    config = overlay(PAINTED, {"texture": "project"})
    job = finish(queue := make_queue(), queue.submit([picture], ["front"], config))
    assert job.state is JobState.DONE, job.error
    stages = set(job.result.seconds)
    assert {"unwrap", "prepare", "align", "bake"} <= stages
    assert not {"paint", "render"} & stages
    assert Image.open(job.result.texture_path).size == (512, 512)


def test_retexture_gives_back_the_submitted_mesh_exactly(make_queue, picture, tmp_path):
    box = make_box()
    vertices = (box.vertices * 1e3 + 17).astype(np.float32)
    mask = side_of_face("front")
    np.savez(tmp_path / "m.npz", vertices=vertices, faces=box.faces, uv=box.uv, face_mask=mask)
    base = make_texture(600)
    Image.fromarray(base).save(tmp_path / "base.png")
    task = Task("retexture", tmp_path / "m.npz", tmp_path / "base.png")
    job = finish(queue := make_queue(), queue.submit([picture], ["front"], PAINTED, task))
    assert job.state is JobState.DONE, job.error
    mesh = read_npz(Path(job.result.mesh_path))
    assert np.array_equal(mesh.vertices, vertices) and np.array_equal(mesh.faces, box.faces)
    assert np.array_equal(mesh.uv, box.uv) and not job.result.is_new_uv
    painted = np.asarray(Image.open(job.result.texture_path))
    changed = (painted != base).any(axis=-1)
    assert changed.any() and not changed[:399].any() and not changed[:, 201:].any()


WRONG_TASKS = {
    "unknown kind": {"kind": "sing"},
    "no mesh": {"kind": "retexture"},
    "no views": {"kind": "bake", "mesh_path": "m.npz"},
    "missing mesh": {"kind": "retexture", "mesh_path": "gone.npz"},
    "pickled mesh": {"kind": "retexture", "mesh_path": "pickled.npz"},
    "mesh of text": {"kind": "retexture", "mesh_path": "text.npz"},
    "index out of range": {"kind": "retexture", "mesh_path": "index.npz"},
    "uv of other faces": {"kind": "retexture", "mesh_path": "uv.npz"},
    "mask of other faces": {"kind": "retexture", "mesh_path": "mask.npz"},
    "empty mask": {"kind": "retexture", "mesh_path": "nothing.npz"},
    "not a number": {"kind": "retexture", "mesh_path": "nan.npz"},
    "missing texture": {"kind": "retexture", "mesh_path": "m.npz", "base_texture_path": "no.png"},
    "broken mask": {"kind": "retexture", "mesh_path": "m.npz", "texel_mask_path": "text.npz"},
}


@pytest.fixture
def mesh_files(tmp_path):
    """A good mesh, and bad ones."""
    box = make_box()
    good = {"vertices": box.vertices, "faces": box.faces, "uv": box.uv}
    changes = {
        "m": {},
        "index": {"faces": box.faces + 1},
        "uv": {"uv": box.uv[1:]},
        "mask": {"face_mask": np.ones(5, bool)},
        "nothing": {"face_mask": np.zeros(12, bool)},
        "nan": {"vertices": box.vertices * np.nan},
        "pickled": {"vertices": np.array([None, 1], object)},
    }
    for name, arrays in changes.items():
        np.savez(tmp_path / f"{name}.npz", **{**good, **arrays})
    (tmp_path / "text.npz").write_text("no mesh")
    return tmp_path


@pytest.mark.parametrize("fields", WRONG_TASKS.values(), ids=WRONG_TASKS)
def test_wrong_tasks_are_input_errors_and_the_worker_lives(
    shared_worker, picture, mesh_files, fields
):
    paths = {
        name: str(mesh_files / value) if name != "kind" else value for name, value in fields.items()
    }
    shared_worker.submit(Submit("job", str(mesh_files), [str(picture)], ["front"], {}, **paths))
    (error,) = [m for m in wait_for(shared_worker, ErrorEvent) if isinstance(m, ErrorEvent)]
    assert (error.job_id, error.code) == ("job", "input")
    assert error.message and error.hint


def test_cancel_is_seen_between_painting_steps(make_queue, picture):
    queue = make_queue()
    slow = overlay(PAINTED, {"paint_model": "hunyuan3d-paint-2", "paint_steps": 200})
    job = queue.submit([picture], ["front"], slow)
    run_until(queue, lambda: job.progress and job.progress.stage == "paint" and job.progress.step)
    start = time.monotonic()
    queue.cancel(job.job_id)
    finish(queue, job)
    assert job.state is JobState.CANCELLED
    assert time.monotonic() - start < 1.5


def test_missing_painting_weights_are_said_before_the_shape_is_made(make_queue, picture):
    config = overlay(PAINTED, {"paint_model": "hunyuan3d-paint-2-turbo"})
    stages = []
    queue = make_queue()
    job = queue.submit([picture], ["front"], config)

    def is_finished():
        if job.progress is not None:
            stages.append(job.progress.stage)
        return job.is_finished

    run_until(queue, is_finished)
    assert isinstance(job.error, ModelMissingError)
    assert set(stages) <= {"read", "load"}


def test_output_of_libraries_does_not_reach_the_protocol(shared_worker, picture, tmp_path):
    worker = shared_worker
    worker.submit(submit_line(tmp_path, picture, model="hunyuan3d-2-mini"))
    messages = wait_for(worker, Result)
    assert not [message for message in messages if isinstance(message, ErrorEvent)]
    log = worker._log_path.read_text()
    assert "native code writes to descriptor 1" in log
    assert "a library prints to stdout" in log


def test_cancel_ends_a_running_job_and_the_same_worker_does_the_next(make_queue, picture):
    queue = make_queue()
    job = queue.submit([picture], ["front"], SLOW)
    run_until(queue, lambda: job.progress and job.progress.stage == "sample" and job.progress.step)
    pid = queue._worker.hello.pid
    start = time.monotonic()
    queue.cancel(job.job_id)
    finish(queue, job)
    assert job.state is JobState.CANCELLED
    assert time.monotonic() - start < 1.5
    following = finish(queue, queue.submit([picture], ["front"], SMALL))
    assert following.state is JobState.DONE, following.error
    assert queue._worker.hello.pid == pid


def test_cancelled_job_in_the_workers_own_queue_never_starts(shared_worker, picture, tmp_path):
    worker = shared_worker
    for job_id in ("first", "second"):
        (tmp_path / job_id).mkdir()
        settings = {"model": "hunyuan3d-2", "steps": 10, "resolution": 64, "texture": "none"}
        worker.submit(Submit(job_id, str(tmp_path / job_id), [str(picture)], settings=settings))
    worker.cancel("second")
    worker.cancel("no such job")
    messages = wait_for(worker, ErrorEvent)
    assert isinstance(messages[-1], ErrorEvent)
    assert (messages[-1].job_id, messages[-1].code) == ("second", "cancelled")
    assert [message.job_id for message in messages if isinstance(message, Result)] == ["first"]
    assert not (tmp_path / "second" / "mesh.npz").exists()


def test_killed_worker_fails_the_job_clearly_and_the_next_job_gets_a_new_one(make_queue, picture):
    queue = make_queue()
    job = queue.submit([picture], ["front"], SLOW)
    run_until(queue, lambda: job.progress and job.progress.stage == "sample" and job.progress.step)
    pid = queue._worker.hello.pid
    os.kill(pid, signal.SIGKILL)
    finish(queue, job)
    assert job.state is JobState.FAILED
    assert isinstance(job.error, WorkerDiedError)
    assert "ended unexpectedly" in job.error.message
    assert "next job starts a new one" in job.error.hint
    again = queue.retry(job.job_id)
    assert (again.request.settings, again.request.images) == (
        job.request.settings,
        job.request.images,
    )
    run_until(queue, lambda: again.progress and again.progress.stage == "sample")
    assert queue._worker.hello.pid != pid
    queue.cancel(again.job_id)
    assert finish(queue, again).state is JobState.CANCELLED


def test_worker_killed_while_idle_is_replaced_without_an_error(make_queue, picture):
    queue = make_queue()
    assert finish(queue, queue.submit([picture], ["front"], SMALL)).state is JobState.DONE
    os.kill(queue._worker.hello.pid, signal.SIGKILL)
    time.sleep(0.3)
    job = finish(queue, queue.submit([picture], ["front"], SMALL))
    assert job.state is JobState.DONE, job.error


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"model": "hunyuan3d-2-turbo"}, DeviceMemoryError, "Lower the resolution"),
        ({"model": "hunyuan3d-2-mv"}, ModelMissingError, "Download"),
        ({"resolution": 7}, InputError, "64 to 512"),
        ({"colour": 1}, InputError, "resolution"),
        ({"seed": 1.5}, InputError, "Default: 0"),
    ],
)
def test_errors_keep_their_kind_and_the_worker_lives_on(
    shared_worker, picture, tmp_path, settings, error, words
):
    worker = shared_worker
    worker.submit(submit_line(tmp_path, picture, **settings))
    event = wait_for(worker, ErrorEvent)[-1]
    assert isinstance(event, ErrorEvent)
    assert (event.job_id, event.code) == ("job", error.code)
    assert words in event.hint
    worker.submit(submit_line(tmp_path, picture))  # the id is free again
    wait_for(worker, Result)


def test_unexpected_exception_is_one_sentence_and_a_traceback_in_the_log_only(
    shared_worker, picture, tmp_path
):
    worker = shared_worker
    worker.submit(submit_line(tmp_path, picture, model="hunyuan3d-2.1"))
    event = wait_for(worker, ErrorEvent)[-1]
    assert isinstance(event, ErrorEvent)
    assert event.code == "error"
    assert "RuntimeError" in event.message
    assert "job.log" in event.hint
    assert "Traceback" not in event.message
    assert "shapes (3,) and (4,) do not match" in (tmp_path / "job.log").read_text()


@pytest.mark.parametrize("content", [b"not a picture", b"\x89PNG\r\n\x1a\n\x00\x00", None])
def test_bad_picture_is_an_input_error(shared_worker, tmp_path, content):
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    worker = shared_worker
    worker.submit(submit_line(tmp_path, path))
    event = wait_for(worker, ErrorEvent)[-1]
    assert isinstance(event, ErrorEvent)
    assert event.code == InputError.code
    assert event.hint


def test_missing_job_folder_is_an_input_error(shared_worker, picture, tmp_path):
    worker = shared_worker
    worker.submit(submit_line(tmp_path / "gone", picture))
    event = wait_for(worker, ErrorEvent)[-1]
    assert isinstance(event, ErrorEvent)
    assert event.code == InputError.code


def test_garbage_lines_are_answered_and_the_worker_lives_on(shared_worker, picture, tmp_path):
    worker = shared_worker
    lines = [
        b"garbage\n",
        b"\xff\xfe\n",
        b'{"type": "submit", "job_id": 5, "job_folder": "x", "images": []}\n',
        b'{"type": "submit", "job_id": "x"}\n',
        b"[" * 50_000 + b"\n",
        b"y" * (3 << 20) + b"\n",
        encode(Unloaded([1])),
    ]
    for line in lines:
        worker._process.stdin.write(line)
    worker.submit(submit_line(tmp_path, picture))
    messages = wait_for(worker, Result)
    errors = [message for message in messages if isinstance(message, ErrorEvent)]
    assert [error.code for error in errors] == ["protocol"] * len(lines)
    assert all(len(error.message) < 1000 for error in errors)


def test_models_are_freed_on_request_and_loaded_again_by_the_next_job(
    shared_worker, picture, tmp_path
):
    worker = shared_worker
    worker.unload()
    unloaded = wait_for(worker, Unloaded)[-1]
    assert isinstance(unloaded, Unloaded)
    assert unloaded.free_memory_mb[0] > 100
    worker.submit(submit_line(tmp_path, picture))
    wait_for(worker, Result)


def test_idle_worker_frees_its_model_once_by_itself(make_worker, picture, tmp_path):
    worker = make_worker(TINY_WORKER, "--idle-minutes", str(0.3 / 60))
    worker.start()
    wait_for(worker, Hello)
    time.sleep(0.6)
    assert worker.poll() == []  # nothing is loaded yet
    worker.submit(submit_line(tmp_path, picture))
    wait_for(worker, Result)
    start = time.monotonic()
    wait_for(worker, Unloaded)
    assert time.monotonic() - start < 2
    time.sleep(0.6)
    assert worker.poll() == []


def test_shutdown_ends_the_process_even_in_the_middle_of_a_job(make_worker, picture, tmp_path):
    worker = make_worker()
    worker.start()
    worker.submit(submit_line(tmp_path, picture, model="hunyuan3d-2", steps=200))
    wait_for(worker, ProgressEvent)
    start = time.monotonic()
    worker.shutdown(timeout_s=5)
    assert time.monotonic() - start < 2
    assert worker._process.returncode == 0  # ended by itself, not killed
    assert not worker.is_running


def test_worker_ends_within_a_second_when_its_parent_is_killed(picture, tmp_path):
    script = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.worker.driving import TINY_WORKER, wait_for
from backend.client.worker_process import WorkerProcess
from backend.protocol import ProgressEvent, Submit
worker = WorkerProcess(Path(sys.executable), Path({str(tmp_path / "w.log")!r}), (), TINY_WORKER)
worker.start()
settings = {{"model": "hunyuan3d-2", "steps": 200, "texture": "none"}}
worker.submit(Submit("j", {str(tmp_path)!r}, [{str(picture)!r}], settings=settings))
wait_for(worker, ProgressEvent)
print(worker.hello.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    end = time.monotonic() + 1.5
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_python_that_does_not_exist_is_a_setup_error(make_queue, picture, tmp_path):
    queue = make_queue([str(tmp_path / "no-python")])
    job = finish(queue, queue.submit([picture], ["front"], SMALL))
    assert job.state is JobState.FAILED
    assert isinstance(job.error, SetupError)
    assert "preferences" in job.error.hint


def test_real_worker_module_starts_from_any_folder(make_worker, tmp_path):
    """`python -m backend.worker`, with the calling Python's variables set to break it."""
    worker = make_worker([])
    worker.start()
    wait_for(worker, Hello)
    assert "PYTHONHOME" not in worker_environment()
    worker.shutdown()
