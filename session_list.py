# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs that the panel shows, and the queue that runs them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from .backend.client.queue import Job, JobQueue, Transport
from .backend.errors import InputError
from .session_jobs import KEPT, THUMBNAIL_PX, Entry, Finished
from .session_orders import Done, Order


@dataclass(slots=True)
class JobList:
    """Jobs with what they are for, each changeable alone. Main thread only; nothing here waits.

    Attributes:
        make_worker: Makes a worker, not started.
        entries: The jobs in the order in which they run; those that ended stay until removed.
        revision: Grows whenever a job comes, goes, moves or changes its state.
    """

    make_worker: Callable[[], Transport]
    entries: list[Entry] = field(default_factory=list)
    revision: int = 0
    _queue: JobQueue | None = None

    @property
    def is_active(self) -> bool:
        """Whether there is still something to do for a job."""
        return any(entry.is_active for entry in self.entries)

    def find(self, job_id: str) -> Entry:
        """The entry of a job.

        Raises:
            InputError: There is none.
        """
        for entry in self.entries:
            if entry.job_id == job_id:
                return entry
        raise InputError("This job is not in the list any more.", "Choose another one.")

    def with_state(self, *states: str) -> list[Entry]:
        """The entries in one of these states, in their order."""
        return [entry for entry in self.entries if entry.state in states]

    def add(self, order: Order, document: str, job_root: Path, done: Done | None = None) -> Entry:
        """Queue an order; it starts at the next `poll` that finds room.

        Args:
            order: What is wanted.
            document: Token of the .blend that it is for.
            job_root: Folder in which every job gets a folder; the first one counts.
            done: What came of it in former times, so that it is only to be placed; or None.

        Raises:
            InputError: The job's folder cannot be made.
        """
        if self._queue is None:
            self._queue = JobQueue(self.make_worker, job_root)
        if done is not None:
            job = self._queue.restore(done.request, done.result)
        else:
            job = self._queue.submit(
                [Path(picture.path) for picture in order.pictures.values()],
                list(order.pictures),
                order.config,
                order.task,
                thumbnail_px=THUMBNAIL_PX,
            )
        entry = Entry(job, order.origin, order.to_saved(job.job_id), document, order.scene_name)
        entry.by_name = bool(order.file)  # the scene may be one of a file that is not open
        if done is not None:
            entry.record = Finished.of_job(job, entry.name, order.origin)
        self.entries.append(entry)
        self.revision += 1
        return entry

    def retry(self, job_id: str) -> Job:
        """Queue a job that ended again, as a new one in place of the old one on the list.

        Raises:
            InputError: There is no such job, it has not ended, or its folder cannot be made.
        """
        old = self.find(job_id)
        self._check_ended(old)
        job = self._open_queue().retry(job_id)
        saved = replace(old.saved, job_id=job.job_id)
        fresh = Entry(job, old.origin, saved, old.document, old.scene_name, by_name=old.by_name)
        self.entries.append(fresh)
        self.remove(job_id)
        return job

    def move(self, job_id: str, steps: int) -> None:
        """Let a waiting job come sooner (negative) or later.

        Raises:
            InputError: There is no such job, or it does not wait.
        """
        self.find(job_id)
        queue = self._open_queue()
        queue.move(job_id, steps)
        order = {job.job_id: place for place, job in enumerate(queue.jobs)}
        self.entries.sort(key=lambda entry: order[entry.job_id])
        self.revision += 1

    def cancel(self, job_id: str = "") -> None:
        """Stop a job at its next step, or all jobs; the worker stays alive.

        Raises:
            InputError: There is no such job.
        """
        for entry in [self.find(job_id)] if job_id else self.entries:
            if not entry.job.is_finished:
                self._open_queue().cancel(entry.job_id)
        self.revision += 1

    def remove(self, job_id: str) -> None:
        """Take a job that ended off the list; its files stay.

        Raises:
            InputError: There is no such job, or it has not ended.
        """
        entry = self.find(job_id)
        self._check_ended(entry)
        self._open_queue().remove(job_id)
        self.entries.remove(entry)
        self.revision += 1

    def clear(self) -> None:
        """Take all jobs off the list that ended; results that are not placed yet stay."""
        for entry in list(self.entries):
            if not entry.is_active and entry.state != KEPT:
                self.remove(entry.job_id)

    def poll(self) -> list[Entry]:
        """Take the worker's news; the jobs that changed."""
        jobs = self._queue.poll() if self._queue else []
        states = {entry.job_id: entry for entry in self.entries}
        if any(job.is_finished or job.progress is None for job in jobs):
            self.revision += 1
        return [states[job.job_id] for job in jobs if job.job_id in states]

    def paths_in_use(self) -> list[Path]:
        """Folders and files that the jobs on the list need."""
        requests = [entry.job.request for entry in self.entries]
        return [
            Path(path)
            for request in requests
            for path in (request.job_folder, request.mesh_path, *request.images)
            if path
        ]

    def end_worker(self) -> None:
        """End the worker; the next job starts a new one. Only while no job runs."""
        if self._queue:
            self._queue.close()

    def unload(self) -> None:
        """Free the models in the worker's memory."""
        if self._queue:
            self._queue.unload()

    def close(self) -> None:
        """End the worker and forget all jobs; their folders stay."""
        if self._queue:
            self._queue.close()
        self._queue = None
        self.entries.clear()
        self.revision += 1

    def _open_queue(self) -> JobQueue:
        assert self._queue is not None  # there are no entries without one
        return self._queue

    def _check_ended(self, entry: Entry) -> None:
        if entry.is_active:
            raise InputError("This job has not ended yet.", "Cancel it first.")
