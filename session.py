# SPDX-License-Identifier: GPL-3.0-or-later
"""The one run-time object: the job queue, where its jobs came from, and what the panel shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from . import preferences
from .backend.client.environment import EnvironmentState
from .backend.client.queue import GENERATE, Job, JobQueue, JobState, Task
from .backend.config import JobConfig, overlay
from .backend.errors import MaquetteError
from .scene.asset import Origin
from .scene.job_files import make_folder, save_pictures, unwritable
from .scene.placement import can_place, place_result, push_undo
from .scene.retexture import Repaint
from .scene.submission import Choices, group_objects, prepare_repaint
from .session_jobs import MAX_FINISHED, Finished, Status
from .session_worker import EnvironmentCheck, make_worker

__all__ = ["Finished", "Session", "Status", "current", "make_worker", "register", "unregister"]


@dataclass(slots=True)
class Session:
    """Jobs of this Blender from start to object. Main thread only.

    Attributes:
        status: What the panel shows.
        finished: The results of this Blender, oldest first, at most `MAX_FINISHED`.
    """

    status: Status = field(default_factory=Status)
    finished: list[Finished] = field(default_factory=list)
    _check: EnvironmentCheck = field(default_factory=EnvironmentCheck)
    _queue: JobQueue | None = None
    _origins: dict[str, Origin | Repaint] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)  # about all jobs since nothing ran
    _failure: MaquetteError | None = None  # the first that went wrong of these
    _ready: list[Job] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        """Whether a job runs, waits or is finished but not yet in a scene."""
        return bool(self._origins)

    @property
    def num_waiting(self) -> int:
        """How many jobs come after the one that runs."""
        return max(len(self._origins) - 1, 0)

    @property
    def is_checking(self) -> bool:
        """Whether the worker's environment is being checked."""
        return self._check.is_running

    @property
    def environment(self) -> EnvironmentState | None:
        """What the last check of the worker's environment found."""
        return self._check.state

    @property
    def is_waiting_to_place(self) -> bool:
        """Whether a finished result waits for Object Mode or for the end of a render."""
        return bool(self._ready)

    @property
    def setup_error(self) -> MaquetteError | None:
        """Why no worker can be started, or None."""
        return self._check.error

    def submit(
        self, images: dict[str, bpy.types.Image], settings: dict[str, Any], origin: Origin
    ) -> Job:
        """Write the pictures and queue a job; it starts at the next `poll`.

        Args:
            images: View ("front", "left", "back", "right") -> picture.
            settings: Flat setting name -> value.
            origin: Where the object will go.

        Raises:
            MaquetteError: A picture or setting cannot be used, or a folder cannot be written.
        """
        config = overlay(JobConfig(), settings)
        root = preferences.get_job_folder()
        paths = save_pictures(images, root)
        return self._queue_job(paths, images, config, GENERATE, origin)

    def retexture(
        self,
        images: dict[str, bpy.types.Image],
        settings: dict[str, Any],
        objects: Sequence[bpy.types.Object],
        is_shared: bool,
        choices: Choices,
    ) -> list[Job]:
        """Write the pictures and meshes and queue a job for each texture.

        Args:
            images: View -> picture, as for `submit`.
            settings: Flat setting name -> value.
            objects: What is selected.
            is_shared: All objects share a texture.
            choices: What the artist wants.

        Raises:
            MaquetteError: Something cannot be used; then no job is queued.
        """
        config = overlay(JobConfig(), settings)
        groups = group_objects(objects, is_shared, choices.selection_only)
        root = preferences.get_job_folder()
        paths = save_pictures(images, root)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        repaints = []
        for group in groups:
            name = group[0].name if len(group) == 1 else Path(images["front"].name).stem
            folder = make_folder("mesh-", root)
            try:
                repaints.append(prepare_repaint(group, name, choices, depsgraph, folder))
            except OSError as error:
                raise unwritable(error) from error
        return [
            self._queue_job(
                paths,
                images,
                overlay(config, {"uv": repaint.uv}),
                Task("retexture", repaint.mesh_path, repaint.base_path, repaint.mask_path),
                repaint,
            )
            for repaint in repaints
        ]

    def _queue_job(
        self,
        paths: list[Path],
        images: dict[str, bpy.types.Image],
        config: JobConfig,
        task: Task,
        origin: Origin | Repaint,
    ) -> Job:
        if self._queue is None:
            self._queue = JobQueue(make_worker, preferences.get_job_folder())
        job = self._queue.submit(paths, list(images), config, task)
        if not self._origins:
            self._notes, self._failure = [], None
        self._origins[job.job_id] = origin
        self.status = Status(stage="start")
        return job

    def poll(self) -> list[bpy.types.Object]:
        """Take the worker's news and place finished results; the new and the painted objects."""
        self._check.poll()
        for job in self._queue.poll() if self._queue else ():
            if job.job_id in self._origins:
                self._follow(job)
        if not self._ready or not can_place():
            return []
        ready, self._ready = self._ready, []
        return [obj for job in ready for obj in self._place(job)]

    def cancel(self) -> None:
        """Stop all jobs at their next step; the worker stays alive."""
        self.status.stage = "cancel"
        for job_id in list(self._origins):
            job = self._queue.find(job_id) if self._queue else None
            if self._queue and job and not job.is_finished:
                self._queue.cancel(job_id)
                self._follow(job)

    def clear_message(self) -> None:
        """Forget the last error and the notes of the last result."""
        if not self.is_running:
            self.status = Status()

    def unload(self) -> None:
        """Free the models in the worker's memory."""
        if self._queue:
            self._queue.unload()

    def close(self) -> None:
        """End the worker; unfinished jobs are given up, their folders stay."""
        if self._queue:
            self._queue.close()
        self._queue = None
        self._origins.clear()
        self._ready.clear()

    def start_check(self) -> None:
        """Run the worker's Python once in the background and ask for its packages.

        Raises:
            SetupError: No Python is named or found.
        """
        self._check.start()

    def _follow(self, job: Job) -> None:
        """Show a job's news; a job that ended leaves the list."""
        if job.state is JobState.DONE:
            self._ready.append(job)
            self.status = Status(stage="place", fraction=1.0)
        elif job.is_finished:
            del self._origins[job.job_id]
            is_cancelled = job.state is JobState.CANCELLED
            self._end_job(None if is_cancelled else job.error)
        elif job.progress and self.status.stage != "cancel":
            report = job.progress
            fraction = report.step / max(report.of, 1)
            self.status = Status(report.stage, fraction, report.seconds_left)

    def _place(self, job: Job) -> list[bpy.types.Object]:
        """Put a finished job's result into its scene, as one undo step."""
        origin, result = self._origins.pop(job.job_id), job.result
        assert result is not None  # a job that is done has one
        is_painting = isinstance(origin, Repaint)
        record = Finished.of_job(job, origin.name if is_painting else Path(origin.picture).stem)
        self.finished = [*self.finished, record][-MAX_FINISHED:]
        try:
            objects = place_result(origin, result)
        except MaquetteError as error:
            self._end_job(error)
            return []
        record.object_names = tuple(obj.name for obj in objects)
        self._notes += origin.notes if is_painting else ()
        self._notes += [text for text in result.warnings if text not in self._notes]
        self._end_job(None)
        push_undo(f"Maquette: {objects[0].name}")
        return list(objects)

    def _end_job(self, error: MaquetteError | None) -> None:
        """Note how a job ended; what went wrong is shown when the last one has."""
        self._failure = self._failure or error
        if self._origins:
            return
        self.status = Status.of_error(self._failure) if self._failure else Status()
        self.status.notes = tuple(self._notes)


def current() -> Session:
    """The session of this Blender; there is one from register to unregister."""
    assert _session is not None, "the extension is not registered"
    return _session


def register() -> None:
    """Make the session."""
    global _session
    _session = Session()


def unregister() -> None:
    """End the worker and drop the session."""
    global _session
    if _session is not None:
        _session.close()
    _session = None


_session: Session | None = None
