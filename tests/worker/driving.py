# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the test workers, and loops that poll until something happens."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from backend.client.environment import PYTHON_FLAGS
from backend.client.queue import Job, JobQueue
from backend.client.worker_process import WorkerProcess
from backend.protocol import Message

ROOT = Path(__file__).resolve().parents[2]
TINY_WORKER = [sys.executable, *PYTHON_FLAGS, str(ROOT / "tests/worker/tiny_worker.py")]
FAKE_WORKER = [sys.executable, *PYTHON_FLAGS, str(ROOT / "tests/fake_worker.py")]
BATCH_WORKER = [sys.executable, *PYTHON_FLAGS, str(ROOT / "tests/worker/batch_worker.py")]
TIME_LIMIT_S = 40.0


def wait_for(
    worker: WorkerProcess, kind: type, time_limit_s: float = TIME_LIMIT_S
) -> list[Message]:
    """Poll until a message of that type comes; all messages so far."""
    messages: list[Message] = []
    end = time.monotonic() + time_limit_s
    while not any(isinstance(message, kind) for message in messages):
        assert time.monotonic() < end, f"no {kind.__name__} among {messages}"
        messages += worker.poll()
        time.sleep(0.01)
    return messages


def run_until(queue: JobQueue, condition: Callable[[], object]) -> None:
    """Poll a queue until something holds."""
    end = time.monotonic() + TIME_LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"timed out: {queue.jobs}"
        queue.poll()
        time.sleep(0.01)


def finish(queue: JobQueue, job: Job) -> Job:
    """Poll a queue until the job has ended."""
    run_until(queue, lambda: job.is_finished)
    return job
