# SPDX-License-Identifier: GPL-3.0-or-later
"""The one run-time object: the jobs, their way into the scene, and what the panel shows."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import bpy
from bpy.app.translations import pgettext_rpt as rpt_

from . import preferences
from .announce import Announcer
from .backend.client.environment import EnvironmentState
from .backend.client.queue import Job, JobState
from .backend.client.queue_file import SavedJob
from .backend.client.worker_setup import WorkerSetup
from .backend.errors import InputError, MaquetteError
from .scene.asset import Origin, find_scene
from .scene.document import Documents
from .scene.placement import can_place, place_result, push_undo
from .scene.retexture import Repaint
from .scene.submission import Choices
from .session_cutout import Cutout
from .session_history import History
from .session_jobs import KEPT, MAX_FINISHED, PLACING, Entry, Finished, Status
from .session_list import JobList
from .session_orders import Order, find_done, order_repaints, order_saved, order_variants
from .session_saved import Unfinished
from .session_worker import make_setup, make_worker
from .translations import localize

__all__ = ["Finished", "Session", "Status", "current", "make_worker", "register", "unregister"]


@dataclass(slots=True)
class Session:
    """Jobs of this Blender from start to object. Main thread only.

    Attributes:
        status: What the panel shows.
        jobs: The jobs, each changeable alone.
        finished: The results of this Blender, oldest first, at most `MAX_FINISHED`.
        unfinished: Jobs of former times that can be queued again.
        announcer: Tells how jobs ended.
        setup: The worker's environment.
        history: How the results were made, as the files that they are in remember it.
        cutout: The preview of a picture's cut-out that is made.
    """

    status: Status = field(default_factory=Status)
    jobs: JobList = field(default_factory=lambda: JobList(make_worker))
    finished: list[Finished] = field(default_factory=list)
    unfinished: Unfinished = field(default_factory=Unfinished)
    announcer: Announcer = field(default_factory=Announcer)
    setup: WorkerSetup = field(default_factory=make_setup)
    history: History = field(default_factory=History)
    cutout: Cutout = field(default_factory=Cutout)
    _documents: Documents = field(default_factory=Documents)
    _written: int = 0  # revision of the jobs that the file of unfinished ones shows

    @property
    def is_running(self) -> bool:
        """Whether a job runs, waits or is finished but not yet in a scene."""
        return self.jobs.is_active

    @property
    def needs_polling(self) -> bool:
        """Whether `poll` has something to do before the artist does something."""
        return (
            self.is_running or self.is_checking or self.cutout.is_busy or self.announcer.is_showing
        )

    @property
    def num_waiting(self) -> int:
        """How many jobs come after the one that runs."""
        return max(sum(entry.is_active for entry in self.jobs.entries) - 1, 0)

    @property
    def is_checking(self) -> bool:
        """Whether the worker's environment is being checked, installed or removed."""
        return self.setup.is_busy

    @property
    def environment(self) -> EnvironmentState | None:
        """What is known of the worker's environment."""
        return self.setup.found

    @property
    def is_waiting_to_place(self) -> bool:
        """Whether a finished result waits for Object Mode or for the end of a render."""
        return bool(self.jobs.with_state(PLACING))

    @property
    def setup_error(self) -> MaquetteError | None:
        """Why no worker can be started, or None."""
        return self.setup.error

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
        return self.submit_variants(images, settings, origin, 1)[0]

    def submit_variants(
        self,
        images: dict[str, bpy.types.Image],
        settings: dict[str, Any],
        origin: Origin,
        count: int,
    ) -> list[Job]:
        """Queue jobs with consecutive seeds, see `order_variants`.

        Raises:
            MaquetteError: As for `submit`; then no job is queued.
        """
        return self._add(order_variants(images, settings, origin, count))

    def retexture(
        self,
        images: dict[str, bpy.types.Image],
        settings: dict[str, Any],
        objects: Sequence[bpy.types.Object],
        is_shared: bool,
        choices: Choices,
    ) -> list[Job]:
        """Write the pictures and meshes and queue a job for each texture, see `order_repaints`.

        Raises:
            MaquetteError: Something cannot be used; then no job is queued.
        """
        return self._add(order_repaints(images, settings, objects, is_shared, choices))

    def queue_again(self) -> list[Job]:
        """Queue the jobs of former times that are offered, or place what they had made.

        Results of jobs that were started from another saved file wait until it is open.

        Raises:
            MaquetteError: What is wrong with the first job that cannot be queued; the others are.
        """
        jobs: list[Job] = []
        errors: list[MaquetteError] = []
        for saved in self.unfinished.take():
            try:
                jobs += self._add(order_saved(saved), saved)
            except MaquetteError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return jobs

    def place_here(self, job_id: str) -> list[bpy.types.Object]:
        """Place a kept result in the open file: at the 3D cursor, or on the objects of that name.

        Raises:
            InputError: It cannot be placed; it is still kept.
        """
        entry = self.jobs.find(job_id)
        if entry.state != KEPT:
            raise InputError("This job has no result that waits.", "Choose another one.")
        if not can_place():
            raise InputError("Results are placed in Object Mode only.", "Leave this mode.")
        entry.by_name, origin = True, entry.origin
        if isinstance(origin, Origin):
            entry.scene_name = bpy.context.scene.name
            location = tuple(bpy.context.scene.cursor.location)
            entry.origin = replace(origin, location=location, scene_uid=0)
        objects = self._place(entry)
        if entry.error:
            raise entry.error
        entry.document = self._documents.current
        return objects

    def poll(self) -> list[bpy.types.Object]:
        """Take the worker's news and place a finished result; the new or the painted objects."""
        self.setup.poll()
        self.announcer.poll()
        self.cutout.poll(self.status.tell_error)
        for entry in self.jobs.poll():
            self._follow(entry)
        objects = self._place_next()
        self._write_unfinished()
        self.status.show_progress(self.jobs.entries)
        return objects

    def cancel(self, job_id: str = "") -> None:
        """Stop a job at its next step, or all jobs; the worker stays alive.

        Raises:
            InputError: There is no such job.
        """
        self.jobs.cancel(job_id)
        self.status.show_progress(self.jobs.entries)

    def clear_message(self) -> None:
        """Forget the last error and the notes of the last results."""
        self.status = Status(self.status.stage, self.status.fraction, self.status.seconds_left)

    def unload(self) -> None:
        """Free the models in the worker's memory."""
        self.jobs.unload()

    def start_check(self) -> None:
        """Run the worker's Python once in the background and ask for its packages.

        Raises:
            SetupError: No Python is named or found.
        """
        self.setup.check()

    def end_worker(self) -> None:
        """End the worker process, so that its files can be changed; the next job starts one."""
        self.jobs.end_worker()

    def look_for_unfinished(self) -> None:
        """Find what Blenders that have ended left behind in the job folder."""
        with contextlib.suppress(MaquetteError):
            self.unfinished.look(preferences.get_job_folder())

    def leave_file(self) -> None:
        """Before another file is loaded."""
        names = {scene.session_uid: scene.name for scene in bpy.data.scenes}
        for entry in self.jobs.entries:
            if entry.document == self._documents.current:
                entry.by_name = True  # in a file that is loaded again, all ids are new
                if isinstance(entry.origin, Origin):
                    entry.scene_name = names.get(entry.origin.scene_uid, entry.scene_name)
        self._documents.leave()

    def enter_file(self) -> None:
        """After a file was loaded: results that were made for it can be placed."""
        self._documents.enter()
        for entry in self.jobs.with_state(KEPT):
            if entry.document == self._documents.current:
                entry.is_kept, entry.error = False, None
        self.unfinished.read_file({entry.job_id for entry in self._owed()})

    def save_file(self) -> None:
        """Before the open file is saved: put the jobs into it that it still waits for."""
        here = self._documents.current
        self.unfinished.write_file([e.to_saved() for e in self._owed() if e.document == here])

    def close(self) -> None:
        """End the worker; jobs whose results are not placed are offered at the next start."""
        self._write_unfinished()
        self.unfinished.close()
        self.announcer.close()
        self.setup.close()
        self.cutout.close()
        self.history.close()
        self.jobs.close()

    def _add(self, orders: list[Order], saved: SavedJob | None = None) -> list[Job]:
        """Queue orders, those of a former job if one is given; former messages make room."""
        root = preferences.get_job_folder()
        self.status = Status(notes=self.status.notes if self.is_running else ())
        entries = []
        for order in orders:
            document = self._documents.token_of(order.file)
            done = find_done(saved, order, root) if saved else None
            entries.append(self.jobs.add(order, document, root, done))
        offered = [path for saved in self.unfinished.offered for path in saved.paths]
        self.history.clean_up(root, [*self.jobs.paths_in_use(), *offered])
        self._write_unfinished()
        self.status.show_progress(self.jobs.entries)
        return [entry.job for entry in entries]

    def _owed(self) -> list[Entry]:
        return [entry for entry in self.jobs.entries if entry.is_owed]

    def _write_unfinished(self) -> None:
        """Keep the file of unfinished jobs up to date: Blender may be killed at any time."""
        if self._written == self.jobs.revision:
            return
        self._written = self.jobs.revision
        saved: list[SavedJob] = [entry.to_saved() for entry in self._owed()]
        with contextlib.suppress(MaquetteError):
            self.unfinished.keep(saved, preferences.get_job_folder())

    def _follow(self, entry: Entry) -> None:
        """Note how a job ended."""
        job = entry.job
        if job.state is JobState.DONE and entry.record is None:
            entry.record = Finished.of_job(job, entry.name, entry.origin)
            self.finished = [*self.finished, entry.record][-MAX_FINISHED:]
        elif job.state is JobState.FAILED and job.error is not None:
            self.status.tell_error(job.error)
            self._announce(
                rpt_("{name} failed: {reason}"), entry, reason=localize(job.error.message)
            )

    def _place_next(self) -> list[bpy.types.Object]:
        """Place at most one result, as each takes its time; keep those of files that were left."""
        is_free = can_place()
        for entry in self.jobs.with_state(PLACING):
            if entry.document != self._documents.current:
                self._keep(entry, entry.explain_absence())
            elif is_free:
                return self._place(entry)
        return []

    def _place(self, entry: Entry) -> list[bpy.types.Object]:
        """Put a finished job's result into its scene, as one undo step, or keep it."""
        record, result, origin = entry.record, entry.job.result, entry.origin
        assert record is not None and result is not None  # a job that is done has both
        if entry.by_name and isinstance(origin, Origin):
            scene = find_scene(origin, entry.scene_name)
            origin = replace(origin, scene_uid=scene.session_uid)
        try:
            objects = list(place_result(origin, result, entry.by_name))
        except MaquetteError as error:
            self.status.tell_error(error)
            self._keep(entry, error)
            return []
        entry.is_kept, entry.error = False, None
        self.jobs.revision += 1
        record.object_names = tuple(obj.name for obj in objects)
        notes = origin.notes if isinstance(origin, Repaint) else ()
        compared = self.history.keep(entry.to_saved(), result, origin, objects)
        self.status.tell_notes([*notes, *result.warnings, *compared])
        self._announce(
            rpt_("{name} is ready after {seconds} s"), entry, seconds=round(record.seconds)
        )
        push_undo(f"Maquette: {objects[0].name}")
        return objects

    def _keep(self, entry: Entry, error: MaquetteError) -> None:
        """Leave a result to the artist, who may place it."""
        if not entry.is_kept:
            self.jobs.revision += 1
            self._announce(
                rpt_("{name} is ready, but not placed: {reason}"),
                entry,
                reason=localize(error.message),
            )
        entry.is_kept, entry.error = True, error

    def _announce(self, text: str, entry: Entry, **values: object) -> None:
        """Tell how a job ended."""
        chosen = preferences.get_preferences()
        self.announcer.show(text.format(name=f"'{entry.name}'", **values), chosen.notify)


def current() -> Session:
    """The session of this Blender; there is one from register to unregister."""
    assert _session is not None, "the extension is not registered"
    return _session


def register() -> None:
    """Make the session."""
    global _session
    _session = Session()
    _session.look_for_unfinished()


def unregister() -> None:
    """End the worker and drop the session."""
    global _session
    if _session is not None:
        _session.close()
    _session = None


_session: Session | None = None
