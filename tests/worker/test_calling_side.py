# SPDX-License-Identifier: GPL-3.0-or-later
"""How the calling side bears a worker that misbehaves; none of these workers needs torch."""

import time
from pathlib import Path

import numpy as np
import pytest

from backend.client.queue import JobState, Task
from backend.config import JobConfig
from backend.data import Mesh
from backend.errors import InputError, ProtocolError, SetupError, WorkerDiedError
from backend.mesh.io import read_npz, write_npz
from backend.protocol import ErrorEvent, Hello, ProgressEvent, Result, Submit
from tests.worker.driving import FAKE_WORKER, finish, run_until, wait_for


def test_garbage_between_messages_harms_no_job(make_worker, tmp_path):
    worker = make_worker([*FAKE_WORKER, "garbage"])
    worker.start()
    worker.submit(Submit("job", str(tmp_path), []))
    messages = wait_for(worker, Result)
    good = [message for message in messages if not isinstance(message, ErrorEvent)]
    assert [type(message) for message in good] == [Hello, *[ProgressEvent] * 3, Result]
    bad = [message for message in messages if isinstance(message, ErrorEvent)]
    assert {(message.job_id, message.code) for message in bad} == {("", "protocol")}
    assert len(bad) >= 6 * len(good) - 6  # six bad lines on each side; the last may be on its way
    assert len(read_npz(tmp_path / "mesh.npz").faces) == 4


def test_queue_of_a_garbling_worker_finishes_its_jobs_in_order(make_queue, picture):
    queue = make_queue([*FAKE_WORKER, "garbage"])
    jobs = [queue.submit([picture], ["front"], JobConfig()) for _ in range(3)]
    running = []
    while not jobs[-1].is_finished:
        running += [job for job in queue.poll() if job.state is JobState.RUNNING]
        assert sum(job.state is JobState.RUNNING for job in jobs) <= 1
        time.sleep(0.01)
    assert [job.state for job in jobs] == [JobState.DONE] * 3
    assert list(dict.fromkeys(job.job_id for job in running)) == [job.job_id for job in jobs]
    assert len({job.request.job_folder for job in jobs}) == 3


def test_flood_of_garbage_is_held_back_in_the_pipe(make_worker):
    worker = make_worker([*FAKE_WORKER, "flood"])
    worker.start()
    wait_for(worker, Hello)
    time.sleep(0.5)
    start = time.monotonic()
    assert 0 < len(worker.poll()) <= 256
    assert time.monotonic() - start < 0.2
    worker.shutdown(timeout_s=0.2)
    assert not worker.is_running


def test_worker_that_ends_before_hello_is_a_setup_error_with_its_last_words(make_queue, picture):
    queue = make_queue([*FAKE_WORKER, "broken"])
    job = finish(queue, queue.submit([picture], ["front"], JobConfig()))
    assert isinstance(job.error, SetupError)
    assert "No module named 'torch'" in job.error.message
    assert "worker.log" in job.error.hint


def test_worker_that_stays_silent_is_ended_after_the_start_time(make_worker):
    worker = make_worker([*FAKE_WORKER, "silent"], start_timeout_s=0.5)
    worker.start()
    with pytest.raises(SetupError, match="said nothing"):
        wait_for(worker, Hello)
    assert not worker.is_running


def test_death_in_a_job_is_reported_once_after_all_that_was_said(make_worker, tmp_path):
    worker = make_worker([*FAKE_WORKER, "dies"])
    worker.start()
    worker.submit(Submit("job", str(tmp_path), []))
    said = []
    with pytest.raises(WorkerDiedError, match=r"exit status 3.*the GPU fell off"):
        while True:
            said += worker.poll()
            time.sleep(0.01)
    assert [type(message) for message in said] == [Hello, ProgressEvent, ProgressEvent]
    worker.cancel("job")  # writing to a dead worker is not an error of its own


def test_each_job_on_a_dying_worker_gets_its_own_error_and_worker(make_queue, picture):
    queue = make_queue([*FAKE_WORKER, "dies"])
    jobs = [queue.submit([picture], ["front"], JobConfig()) for _ in range(2)]
    run_until(queue, lambda: not queue.is_busy)
    assert [job.state for job in jobs] == [JobState.FAILED] * 2
    assert all(isinstance(job.error, WorkerDiedError) for job in jobs)


def test_another_protocol_version_is_refused(make_queue, picture):
    queue = make_queue([*FAKE_WORKER, "future"])
    job = finish(queue, queue.submit([picture], ["front"], JobConfig()))
    assert isinstance(job.error, ProtocolError)
    assert "Install the extension again" in job.error.hint


def test_worker_that_ignores_cancel_is_killed(make_queue, picture):
    queue = make_queue([*FAKE_WORKER, "deaf"], cancel_timeout_s=0.3)
    job = queue.submit([picture], ["front"], JobConfig())
    run_until(queue, lambda: job.state is JobState.RUNNING and queue._worker.hello)
    worker = queue._worker
    queue.cancel(job.job_id)
    start = time.monotonic()
    finish(queue, job)
    assert job.state is JobState.CANCELLED
    assert 0.25 < time.monotonic() - start < 2
    assert not worker.is_running


def test_waiting_job_can_be_cancelled_and_a_finished_one_stays(make_queue, picture):
    queue = make_queue(FAKE_WORKER)
    first, second = (queue.submit([picture], ["front"], JobConfig()) for _ in range(2))
    queue.cancel(second.job_id)
    finish(queue, first)
    queue.cancel(first.job_id)
    assert (first.state, second.state) == (JobState.DONE, JobState.CANCELLED)
    assert second.error.code == "cancelled"
    assert list(Path(second.request.job_folder).iterdir()) == []


def test_closing_ends_the_worker_and_cancels_what_is_left(make_queue, picture):
    queue = make_queue([*FAKE_WORKER, "deaf"])
    jobs = [queue.submit([picture], ["front"], JobConfig()) for _ in range(2)]
    run_until(queue, lambda: queue._worker and queue._worker.hello)
    worker = queue._worker
    queue.close(timeout_s=1.0)
    assert not worker.is_running
    assert [job.state for job in jobs] == [JobState.CANCELLED] * 2


def test_poll_never_waits(make_worker):
    worker = make_worker([*FAKE_WORKER, "silent"])
    worker.start()
    start = time.monotonic()
    assert [worker.poll() for _ in range(100)] == [[]] * 100
    assert time.monotonic() - start < 0.2


def test_unknown_job_is_an_input_error(make_queue):
    with pytest.raises(InputError, match="no job"):
        make_queue(FAKE_WORKER).cancel("nothing")


def test_log_folder_that_is_a_file_is_a_setup_error(make_worker, tmp_path):
    worker = make_worker(FAKE_WORKER)
    (tmp_path / "blocked").write_text("a file")
    worker._log_path = tmp_path / "blocked" / "worker.log"
    with pytest.raises(SetupError):
        worker.start()


def test_texture_job_carries_its_files_and_a_retry_repeats_them(make_queue, picture, tmp_path):
    vertices = np.array([[0, 0, 0], [5, 0, 0], [0, 5, 0]], np.float32)
    mesh = Mesh(vertices, np.array([[0, 1, 2]], np.int32))
    write_npz(mesh, tmp_path / "given.npz")
    queue = make_queue([*FAKE_WORKER, "normal"])
    task = Task("retexture", mesh_path=tmp_path / "given.npz")
    job = finish(queue, queue.submit([picture], ["front"], JobConfig(), task))
    again = finish(queue, queue.retry(job.job_id))
    for done in (job, again):
        assert done.request.kind == "retexture"
        assert done.result is not None and done.result.is_new_uv
        textured = read_npz(Path(done.result.mesh_path))
        assert np.array_equal(textured.vertices, vertices)
        assert Path(done.result.texture_path).read_bytes().startswith(b"\x89PNG")
    assert job.request.mesh_path == again.request.mesh_path == str(tmp_path / "given.npz")
    assert job.request.job_folder != again.request.job_folder


def test_relative_paths_of_a_task_are_made_absolute(make_queue, picture):
    queue = make_queue([*FAKE_WORKER, "normal"])
    job = queue.submit([], [], JobConfig(), Task("bake", Path("m.obj"), views_folder=Path("views")))
    assert Path(job.request.mesh_path) == Path.cwd() / "m.obj"
    assert Path(job.request.views_folder) == Path.cwd() / "views"
    assert job.request.base_texture_path == job.request.texel_mask_path == ""
