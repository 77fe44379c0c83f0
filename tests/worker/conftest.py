# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers and pictures for the tests of the two processes."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.client.queue import JobQueue
from backend.client.worker_process import WorkerProcess
from backend.protocol import Hello
from tests.worker.driving import TINY_WORKER, wait_for


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A red disc on a transparent ground."""
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    pixels = np.zeros((96, 96, 4), np.uint8)
    pixels[x**2 + y**2 < 0.6] = (200, 40, 30, 255)
    path = tmp_path / "disc.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def make_worker(tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Makes workers that are gone after the test."""
    made: list[WorkerProcess] = []

    def make(command: list[str] = TINY_WORKER, *arguments: str, **options: float) -> WorkerProcess:
        worker = WorkerProcess(
            Path(sys.executable), tmp_path / "worker.log", arguments, command, **options
        )
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.kill()


@pytest.fixture
def make_queue(
    tmp_path: Path, make_worker: Callable[..., WorkerProcess]
) -> Iterator[Callable[..., JobQueue]]:
    """Makes job queues that are closed after the test."""
    made: list[JobQueue] = []

    def make(*worker: object, **options: float) -> JobQueue:
        made.append(JobQueue(lambda: make_worker(*worker), tmp_path / "jobs", **options))
        return made[-1]

    yield make
    for queue in made:
        queue.close(timeout_s=1.0)


@pytest.fixture(scope="module")
def shared_worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """One worker for all tests of a file that leave it alive; it has said hello."""
    log_path = tmp_path_factory.mktemp("shared") / "worker.log"
    worker = WorkerProcess(Path(sys.executable), log_path, (), TINY_WORKER)
    worker.start()
    wait_for(worker, Hello)
    yield worker
    worker.kill()
