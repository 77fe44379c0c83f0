# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns job requests into finished jobs, in order, on a worker that is replaced if it dies.

Used by the Blender session and by the command line. Nothing here waits: call `poll` often.
"""

import enum
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ..config import JobConfig, flatten
from ..errors import (
    CancelledError,
    InputError,
    MaquetteError,
    error_from_code,
)
from ..protocol import ErrorEvent, Message, ProgressEvent, Result, Submit

_log = logging.getLogger(__name__)


class Transport(Protocol):
    """What the queue needs of a worker: `WorkerProcess` and `InProcess` have it."""

    @property
    def is_running(self) -> bool: ...
    def start(self) -> None: ...
    def poll(self) -> list[Message]: ...
    def submit(self, job: Submit) -> None: ...
    def cancel(self, job_id: str) -> None: ...
    def unload(self) -> None: ...
    def shutdown(self, timeout_s: float = 3.0) -> None: ...
    def kill(self) -> None: ...


class JobState(enum.Enum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Task:
    """What a job is to do besides looking at its pictures; see `protocol.Submit`.

    Attributes:
        kind: One of `protocol.KINDS`.
        mesh_path: Mesh to texture, or None.
        base_texture_path: The texture that is there, or None.
        texel_mask_path: Where to paint, on the mesh's uv, or None for everywhere.
        views_folder: Folder of painted views, or None.
    """

    kind: str = "generate"
    mesh_path: Path | None = None
    base_texture_path: Path | None = None
    texel_mask_path: Path | None = None
    views_folder: Path | None = None


GENERATE = Task()


@dataclass(slots=True)
class Job:
    """One job.

    Attributes:
        request: What was asked; holds the id, the folder and the settings.
        state: Where it stands.
        progress: The last report while it runs, or None.
        result: Set when done.
        error: Set when failed or cancelled.
        cancel_time: `time.monotonic()` of the first cancel while it ran, or None.
    """

    request: Submit
    state: JobState = JobState.QUEUED
    progress: ProgressEvent | None = None
    result: Result | None = None
    error: MaquetteError | None = None
    cancel_time: float | None = None

    @property
    def job_id(self) -> str:
        """The id, also the name of the job's folder."""
        return self.request.job_id

    @property
    def is_finished(self) -> bool:
        """Whether the state is final."""
        return self.state not in (JobState.QUEUED, JobState.RUNNING)


class JobQueue:
    """Jobs in the order of their submission or as moved since, one running at a time.

    Args:
        make_worker: Makes a worker that is not started; called for the first job and again after
            a worker died. May raise `SetupError`, which then fails the job.
        job_root: Folder in which every job gets a folder.
        cancel_timeout_s: A running job that has not stopped so long after `cancel` is ended by
            killing its worker.

    Attributes:
        jobs: All jobs in the order in which they run; those that ended stay until `remove`.
    """

    def __init__(
        self,
        make_worker: Callable[[], Transport],
        job_root: Path,
        cancel_timeout_s: float = 30.0,
    ) -> None:
        self._make_worker = make_worker
        self._job_root = job_root
        self._cancel_timeout_s = cancel_timeout_s
        self._worker: Transport | None = None
        self.jobs: list[Job] = []

    @property
    def running(self) -> Job | None:
        """The job that the worker has now."""
        return next((job for job in self.jobs if job.state is JobState.RUNNING), None)

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        return any(not job.is_finished for job in self.jobs)

    def submit(
        self,
        images: Sequence[Path],
        view_labels: Sequence[str],
        config: JobConfig,
        task: Task = GENERATE,
        thumbnail_px: int = 0,
    ) -> Job:
        """Append a job and make its folder; it starts at the next `poll` that finds room.

        Args:
            images: One to four pictures; none for "bake".
            view_labels: "front", "left", "back" or "right", one per picture.
            config: The settings.
            task: What to do; the files that it names stay where they are until the job has ended.
            thumbnail_px: Edge of the small pictures to draw as well, 0 for none.

        Raises:
            InputError: The job's folder cannot be made.
        """
        request = Submit(
            job_id="",
            job_folder="",
            images=[_full(path) for path in images],
            view_labels=list(view_labels),
            settings=flatten(config),
            kind=task.kind,
            mesh_path=_full(task.mesh_path),
            base_texture_path=_full(task.base_texture_path),
            texel_mask_path=_full(task.texel_mask_path),
            views_folder=_full(task.views_folder),
            thumbnail_px=thumbnail_px,
        )
        return self._append(request)

    def retry(self, job_id: str) -> Job:
        """Append a new job with the pictures, files and settings of an old one.

        Raises:
            InputError: There is no such job, or the new job's folder cannot be made.
        """
        return self._append(self.find(job_id).request)

    def restore(self, request: Submit, result: Result) -> Job:
        """Append a job of former times that is done already; its folder stays where it is."""
        job = Job(request, JobState.DONE, result=result)
        self.jobs.append(job)
        return job

    def poll(self) -> list[Job]:
        """Take the worker's news, start the next job; never waits.

        Returns:
            The jobs that changed since the last call.
        """
        messages, error = self._news()
        changed = [self._apply(message) for message in messages]
        if error is None and self._has_ignored_cancel():
            error = _cancelled()
        if error is not None:
            changed.append(self._lose_worker(error))
        waiting = next((job for job in self.jobs if job.state is JobState.QUEUED), None)
        if waiting is not None and self.running is None:
            self._start(waiting)
            changed.append(waiting)
        return list({job.job_id: job for job in changed if job is not None}.values())

    def cancel(self, job_id: str) -> None:
        """Stop a running job at its next step, or take a waiting one out; finished ones stay."""
        job = self.find(job_id)
        if job.state is JobState.QUEUED:
            _finish(job, JobState.CANCELLED, _cancelled())
        elif job.state is JobState.RUNNING and self._worker is not None:
            job.cancel_time = job.cancel_time or time.monotonic()
            self._worker.cancel(job_id)

    def move(self, job_id: str, steps: int) -> None:
        """Let a waiting job come sooner or later among those that wait; others stay where they are.

        Args:
            job_id: A waiting job.
            steps: How many waiting jobs it passes: negative ones come sooner; as many as there are.

        Raises:
            InputError: There is no such job, or it does not wait any more.
        """
        job = self.find(job_id)
        if job.state is not JobState.QUEUED:
            raise InputError("Only waiting jobs can be moved.", "Choose a waiting job.")
        places = [i for i, other in enumerate(self.jobs) if other.state is JobState.QUEUED]
        waiting = [self.jobs[i] for i in places]
        old = waiting.index(job)
        waiting.insert(min(max(old + steps, 0), len(waiting) - 1), waiting.pop(old))
        for place, other in zip(places, waiting, strict=True):
            self.jobs[place] = other

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended; its folder stays.

        Raises:
            InputError: There is no such job, or it has not ended yet.
        """
        job = self.find(job_id)
        if not job.is_finished:
            raise InputError("This job has not ended yet.", "Cancel it first.")
        self.jobs.remove(job)

    def unload(self) -> None:
        """Free the worker's models, after the running job."""
        if self._worker is not None:
            self._worker.unload()

    def close(self, timeout_s: float = 3.0) -> None:
        """End the worker, by force after the time limit; unfinished jobs become cancelled."""
        if self._worker is not None:
            self._worker.shutdown(timeout_s)
            self._worker = None
        for job in self.jobs:
            if not job.is_finished:
                _finish(job, JobState.CANCELLED, _cancelled())

    def find(self, job_id: str) -> Job:
        """The job of that id.

        Raises:
            InputError: There is none.
        """
        for job in self.jobs:
            if job.job_id == job_id:
                return job
        raise InputError(f"There is no job '{job_id}'.", "Choose one from the list.")

    def _append(self, request: Submit) -> Job:
        """Queue a copy of the request under a new id."""
        job_id = time.strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:6]
        folder = self._job_root / job_id
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"The job's folder cannot be made: {error}.",
                "Choose another folder in the preferences.",
            ) from error
        job = Job(replace(request, job_id=job_id, job_folder=str(folder)))
        self.jobs.append(job)
        return job

    def _news(self) -> tuple[list[Message], MaquetteError | None]:
        """What the worker said, or why it will say nothing more."""
        if self._worker is None:
            return [], None
        try:
            return self._worker.poll(), None
        except MaquetteError as error:
            return [], error

    def _apply(self, message: Message) -> Job | None:
        """Change the job that a message is about; news of finished jobs are late and dropped."""
        job_id = getattr(message, "job_id", "")
        job = self.running
        if job is None or job.job_id != job_id:
            if isinstance(message, ErrorEvent):
                _log.warning("from the worker: %s %s", message.message, message.hint)
            return None
        if isinstance(message, ProgressEvent):
            job.progress = message
        elif isinstance(message, Result):
            job.result = message
            _finish(job, JobState.DONE)
        elif isinstance(message, ErrorEvent):
            is_cancelled = message.code == CancelledError.code
            state = JobState.CANCELLED if is_cancelled else JobState.FAILED
            _finish(job, state, error_from_code(message.code, message.message, message.hint))
        return job

    def _start(self, job: Job) -> None:
        """Hand a job to the worker, a new one if need be; an error fails the job."""
        try:
            if self._worker is None or not self._worker.is_running:
                self._drop_worker()
                self._worker = self._make_worker()
                self._worker.start()
            self._worker.submit(job.request)
            job.state = JobState.RUNNING
        except MaquetteError as error:
            self._drop_worker()
            _finish(job, JobState.FAILED, error)

    def _lose_worker(self, error: MaquetteError) -> Job | None:
        """Let go of a worker that is of no use any more; its running job ends with the error."""
        self._drop_worker()
        job = self.running
        if job is None:
            _log.warning("%s", error)
        elif job.cancel_time is not None:
            _finish(job, JobState.CANCELLED, _cancelled())
        else:
            _finish(job, JobState.FAILED, error)
        return job

    def _has_ignored_cancel(self) -> bool:
        job = self.running
        return (
            job is not None
            and job.cancel_time is not None
            and time.monotonic() - job.cancel_time > self._cancel_timeout_s
        )

    def _drop_worker(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker = None


def _finish(job: Job, state: JobState, error: MaquetteError | None = None) -> None:
    job.state, job.error, job.progress = state, error, None


def _full(path: Path | None) -> str:
    """A path for another process, which may have another current folder."""
    return str(path.absolute()) if path else ""


def _cancelled() -> CancelledError:
    return CancelledError("The job was cancelled.", "Press Generate to start again.")
