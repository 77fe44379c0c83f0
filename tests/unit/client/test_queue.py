# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of waiting jobs, with a worker that only takes notes."""

from pathlib import Path

import pytest

from backend.client.queue import JobQueue, JobState
from backend.config import JobConfig
from backend.errors import InputError
from backend.protocol import Result, Submit


class Notes:
    """A worker that notes what it gets and says what a test puts into `news`."""

    is_running = True

    def __init__(self):
        self.got, self.news = [], []

    def start(self):
        pass

    def poll(self):
        news, self.news = self.news, []
        return news

    def submit(self, job):
        self.got.append(job.job_id)

    def cancel(self, job_id):
        pass

    def unload(self):
        pass

    def shutdown(self, timeout_s=3.0):
        pass

    kill = shutdown

    def finish(self, job_id):
        self.news.append(Result(job_id, "m.npz", "m.glb", 3, 1, 0, {}))


@pytest.fixture
def worker():
    return Notes()


@pytest.fixture
def queue(worker, tmp_path):
    return JobQueue(lambda: worker, tmp_path)


def submit(queue, count):
    return [queue.submit([Path("a.png")], ["front"], JobConfig()) for _ in range(count)]


def run_all(queue, worker):
    """The order in which the jobs ran."""
    queue.poll()
    while queue.running:
        worker.finish(queue.running.job_id)
        queue.poll()
    return worker.got


@pytest.mark.parametrize(
    ("index", "steps", "order"),
    [
        (3, -1, [0, 1, 3, 2]),
        (1, 1, [0, 2, 1, 3]),
        (3, -9, [0, 3, 1, 2]),
        (1, 9, [0, 2, 3, 1]),
        (2, 0, [0, 1, 2, 3]),
    ],
)
def test_waiting_jobs_run_in_the_order_they_were_moved_to(queue, worker, index, steps, order):
    jobs = submit(queue, 4)
    queue.poll()  # the first one runs, and stays the first
    queue.move(jobs[index].job_id, steps)
    assert run_all(queue, worker) == [jobs[i].job_id for i in order]
    assert [job.job_id for job in queue.jobs] == worker.got


def test_a_move_passes_no_job_that_has_ended(queue):
    jobs = submit(queue, 4)
    queue.poll()
    queue.cancel(jobs[2].job_id)
    queue.move(jobs[3].job_id, -1)
    assert queue.jobs == [jobs[0], jobs[3], jobs[2], jobs[1]]


def test_only_waiting_jobs_can_be_moved(queue):
    jobs = submit(queue, 2)
    queue.poll()
    with pytest.raises(InputError, match="waiting"):
        queue.move(jobs[0].job_id, 1)
    with pytest.raises(InputError, match="no job"):
        queue.move("gone", 1)


def test_only_jobs_that_ended_can_be_removed_and_their_folders_stay(queue):
    jobs = submit(queue, 2)
    queue.poll()
    for job in jobs:
        with pytest.raises(InputError, match="not ended"):
            queue.remove(job.job_id)
    queue.cancel(jobs[1].job_id)
    queue.remove(jobs[1].job_id)
    assert queue.jobs == jobs[:1]
    assert Path(jobs[1].request.job_folder).is_dir()


def test_restored_job_is_done_keeps_its_folder_and_is_not_run(queue, worker, tmp_path):
    request = Submit("old", str(tmp_path / "old"), ["a.png"])
    job = queue.restore(request, Result("old", "m.npz", "m.glb", 3, 1, 0, {}))
    new = submit(queue, 1)[0]
    assert job.state is JobState.DONE and job.job_id == "old"
    assert run_all(queue, worker) == [new.job_id]


def test_retry_of_a_cancelled_job_waits_behind_the_others_with_the_same_request(queue, worker):
    jobs = submit(queue, 3)
    queue.cancel(jobs[0].job_id)
    again = queue.retry(jobs[0].job_id)
    assert again.state is JobState.QUEUED
    assert again.request.settings == jobs[0].request.settings
    assert run_all(queue, worker) == [job.job_id for job in (*jobs[1:], again)]
