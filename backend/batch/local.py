# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a plan's jobs into finished ones on a worker of this machine, one after the other.

This is the scheduling alone: which job comes next, what happens when a worker dies, and when to
stop. What is to be made is in `plan.py`, what becomes of a result in `work.py`.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..client.queue import Job, JobQueue, JobState
from ..errors import InputError, MaquetteError, ProtocolError, SetupError, WorkerDiedError
from ..protocol import ProgressEvent
from .events import Ended, OnEvent, Progressed, Started
from .interrupts import Interrupts
from .manifest import DONE, FAILED, STOPPED, Manifest, Record
from .plan import BatchJob, order_by_model
from .work import (
    THUMBNAIL_PX,
    Place,
    begin_record,
    drop_log,
    hash_inputs,
    keep_log,
    keep_result,
    keep_thumbnails,
    tell_time,
)

_POLL_S = 0.02
# With these no other job would fare better.
_FATAL = (SetupError, ProtocolError)


@dataclass(slots=True)
class LocalBatch:
    """Jobs on one queue.

    Attributes:
        place: Where the results go.
        manifest: Is told of every step.
        queue: Runs the jobs; closed by `run`.
        interrupts: Says when to stop.
        on_event: Is told what happens.
        retries: How often a job is tried again after its worker died.
    """

    place: Place
    manifest: Manifest
    queue: JobQueue
    interrupts: Interrupts
    on_event: OnEvent
    retries: int = 1

    def run(self, jobs: Sequence[BatchJob]) -> None:
        """Run jobs until all have ended or the user stops; those of one model together.

        Args:
            jobs: What is to be made.

        Raises:
            MaquetteError: The manifest cannot be written, or no worker can be started.
        """
        times: list[float] = []  # of those that were made; failures end sooner
        try:
            for number, job in enumerate(order_by_model(jobs), 1):
                if self.interrupts.is_ending:
                    return
                record = self._run_job(job, number, len(jobs))
                if record.state == DONE:
                    times.append(record.total_s)
                mean = sum(times) / len(times) if times else None
                left = None if mean is None else round(mean * (len(jobs) - number), 1)
                self.on_event(Ended(record, number, len(jobs), left))
        finally:
            self.queue.close()

    def _run_job(self, job: BatchJob, number: int, of: int) -> Record:
        """Run a job to its end, again if its worker dies; the record that was written last.

        Raises:
            MaquetteError: As for `run`.
        """
        started = time.monotonic()
        record = begin_record(job, self.place, 1, {})
        try:
            record = replace(record, inputs=hash_inputs(job))
        except InputError as error:
            return self._end(_failed(record, error), started)
        while True:
            self.manifest.add(record)
            self.on_event(Started(job.name, number, of, record.attempts))
            queued = self._wait(job)
            if not self._is_worth_another(queued, record):
                break
            self._clear(queued)
            record = replace(record, attempts=record.attempts + 1, time=tell_time())
        return self._conclude(job, queued, record, started)

    def _wait(self, job: BatchJob) -> Job:
        """Hand a job to the queue and wait for its end, or for the wish to stop at once."""
        queued = self.queue.submit(
            list(job.images.values()), list(job.images), job.config, job.task, THUMBNAIL_PX
        )
        seen: ProgressEvent | None = None
        while not queued.is_finished:
            if self.interrupts.is_immediate:
                self.queue.close(0.0)
                break
            self.queue.poll()
            report = queued.progress
            if report is not None and report is not seen:
                seen = report
                self.on_event(
                    Progressed(job.name, report.stage, report.step, report.of, report.seconds_left)
                )
            time.sleep(_POLL_S)
        return queued

    def _is_worth_another(self, queued: Job, record: Record) -> bool:
        is_dead = isinstance(queued.error, WorkerDiedError)
        return is_dead and record.attempts <= self.retries and not self.interrupts.is_ending

    def _conclude(self, job: BatchJob, queued: Job, record: Record, started: float) -> Record:
        """Keep what a job has made, or why it has not, and write it down.

        Raises:
            MaquetteError: As for `run`.
        """
        try:
            if isinstance(queued.error, _FATAL):
                self._end(replace(record, state=STOPPED), started)
                raise queued.error
            if queued.state is JobState.CANCELLED:
                return self._end(replace(record, state=STOPPED), started)
            keep_thumbnails(job, Path(queued.request.job_folder), self.place)
            if queued.result is None:
                error = queued.error or MaquetteError("The job ended without a result.")
                return self._end(self._fail(job, queued, record, error), started)
            try:
                kept = keep_result(job, queued.result, record, self.place)
            except MaquetteError as error:
                return self._end(self._fail(job, queued, record, error), started)
            drop_log(job.name, self.place)
            return self._end(kept, started)
        finally:
            self._clear(queued)

    def _fail(self, job: BatchJob, queued: Job, record: Record, error: MaquetteError) -> Record:
        return replace(_failed(record, error), log=keep_log(job.name, queued, self.place))

    def _end(self, record: Record, started: float) -> Record:
        """Write the last record of a job."""
        seconds = round(time.monotonic() - started, 3)
        final = replace(record, total_s=seconds, time=tell_time())
        self.manifest.add(final)
        return final

    def _clear(self, queued: Job) -> None:
        """Remove a job's folder, which holds copies of what was kept."""
        if queued in self.queue.jobs:
            self.queue.remove(queued.job_id)
        shutil.rmtree(queued.request.job_folder, ignore_errors=True)


def _failed(record: Record, error: MaquetteError) -> Record:
    """The record of a job that ended with an error."""
    return replace(record, state=FAILED, code=error.code, error=error.message, hint=error.hint)


def count_states(jobs: Sequence[BatchJob], manifest: Manifest) -> tuple[int, int, int]:
    """How many jobs are done, have failed, and are left."""
    states = [
        record.state if (record := manifest.records.get(job.name)) else STOPPED for job in jobs
    ]
    done, failed = states.count(DONE), states.count(FAILED)
    return done, failed, len(states) - done - failed
