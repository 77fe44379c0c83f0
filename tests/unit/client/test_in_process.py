# SPDX-License-Identifier: GPL-3.0-or-later
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.client.in_process import InProcess
from backend.client.queue import JobQueue, JobState
from backend.config import JobConfig, overlay
from backend.errors import InputError, WorkerDiedError
from backend.protocol import Submit
from tests.worker.tiny_worker import load_tiny, load_tiny_paint

ROOT = Path(__file__).resolve().parents[3]
SMALL = overlay(JobConfig(), {"resolution": 64, "texture": "none"})
SLOW = overlay(SMALL, {"model": "hunyuan3d-2", "steps": 200})


@pytest.fixture
def picture(tmp_path) -> Path:
    Image.fromarray(np.full((32, 32, 4), 255, np.uint8)).save(tmp_path / "white.png")
    return tmp_path / "white.png"


@pytest.fixture
def queue(tmp_path):
    made = JobQueue(
        lambda: InProcess(load=load_tiny, load_paint=load_tiny_paint), tmp_path / "jobs"
    )
    yield made
    made.close()


def run_until(queue: JobQueue, condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, queue.jobs
        queue.poll()
        time.sleep(0.005)


def test_cancel_then_another_job_on_the_same_worker(queue, picture):
    job = queue.submit([picture], ["front"], SLOW)
    run_until(queue, lambda: job.progress and job.progress.stage == "sample" and job.progress.step)
    worker = queue._worker
    queue.cancel(job.job_id)
    run_until(queue, lambda: job.is_finished)
    assert job.state is JobState.CANCELLED
    following = queue.submit([picture], ["front"], SMALL)
    run_until(queue, lambda: following.is_finished)
    assert following.state is JobState.DONE, following.error
    assert queue._worker is worker
    assert (Path(following.request.job_folder) / "job.log").read_text().count("settings") == 1


def test_shutdown_stops_a_running_job_at_its_next_step(queue, picture):
    job = queue.submit([picture], ["front"], SLOW)
    run_until(queue, lambda: job.progress and job.progress.stage == "sample" and job.progress.step)
    worker = queue._worker
    start = time.monotonic()
    worker.shutdown()
    assert time.monotonic() - start < 1
    assert not worker.is_running
    run_until(queue, lambda: job.is_finished)
    assert job.state is JobState.CANCELLED


def test_unknown_device_is_an_input_error():
    with pytest.raises(InputError, match="no device 'tpu'"):
        InProcess("tpu", load_tiny).start()


def test_worker_that_was_never_started_takes_no_job(tmp_path):
    with pytest.raises(WorkerDiedError, match="not started"):
        InProcess().submit(Submit("a", str(tmp_path), []))


def test_python_without_torch_is_a_setup_error_that_names_it():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from backend.client.in_process import InProcess\n"
        "from backend.errors import SetupError\n"
        "try: InProcess().start()\n"
        "except SetupError as error: assert 'torch' in error.message and error.hint\n"
        "else: sys.exit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
