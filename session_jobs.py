# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels show: the state of the work, its jobs, and the results that there are."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import bpy

from .backend.client.queue import Job, JobState
from .backend.client.queue_file import SavedJob
from .backend.errors import InputError, MaquetteError
from .scene.asset import Origin
from .scene.retexture import Repaint

MAX_FINISHED = 100
THUMBNAIL_PX = 256
# What `Entry.state` can be.
WAITING, RUNNING, CANCELLING, PLACING = "waiting", "running", "cancelling", "placing"
DONE, KEPT, FAILED, CANCELLED = "done", "kept", "failed", "cancelled"
ENDED = (DONE, KEPT, FAILED, CANCELLED)
_STATES = {
    JobState.QUEUED: WAITING,
    JobState.RUNNING: RUNNING,
    JobState.FAILED: FAILED,
    JobState.CANCELLED: CANCELLED,
}


@dataclass(slots=True)
class Status:
    """What the panel shows.

    Attributes:
        stage: Name of the running stage, empty while nothing runs.
        fraction: Share of the stage that is done, 0 to 1.
        seconds_left: Estimate for the stage, or None while unknown.
        error: What went wrong last, or empty.
        hint: What to do about it.
        code: `MaquetteError.code` of it.
        notes: Sentences about the last results, e.g. that no background was found.
    """

    stage: str = ""
    fraction: float = 0.0
    seconds_left: float | None = None
    error: str = ""
    hint: str = ""
    code: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of_error(cls, error: MaquetteError) -> "Status":
        """Nothing runs, and this went wrong."""
        return cls(error=error.message, hint=error.hint, code=error.code)

    def tell_error(self, error: MaquetteError) -> None:
        """Show what went wrong, unless something else is shown that went wrong before."""
        if not self.error:
            self.error, self.hint, self.code = error.message, error.hint, error.code

    def show_progress(self, entries: list["Entry"]) -> None:
        """Show what runs now of these jobs; messages stay."""
        self.stage, self.fraction, self.seconds_left = "", 0.0, None
        states = {entry.state: entry for entry in reversed(entries)}  # the first of each
        running = states.get(RUNNING)
        if CANCELLING in states:
            self.stage = "cancel"
        elif running is not None:
            report = running.job.progress
            self.stage, self.fraction = report.stage if report else "start", running.fraction
            self.seconds_left = report.seconds_left if report else None
        elif PLACING in states:
            self.stage, self.fraction = "place", 1.0
        elif WAITING in states:
            self.stage = "start"

    def tell_notes(self, notes: tuple[str, ...] | list[str]) -> None:
        """Show sentences below those that are there."""
        self.notes = tuple(dict.fromkeys((*self.notes, *notes)))


@dataclass(slots=True)
class Finished:
    """A result, from the end of its job until Blender ends; the files stay in the job's folder.

    Attributes:
        job_id: The job's id.
        kind: "generate" or "retexture".
        name: Of the result, for lists.
        folder: The job's folder.
        picture_path: The picture from the front as the worker got it, a PNG.
        mesh_path: The worker's `mesh.npz`.
        texture_path: The worker's base colour, or None for a bare mesh.
        recipe: Flat setting name -> value as sent, `seed` as it was used.
        seconds: How long the job took.
        object_names: What was added or painted; empty while the result is not placed.
        origin: What the job was started for; with `place_result` it can be placed once more.
    """

    job_id: str
    kind: str
    name: str
    folder: Path
    picture_path: Path
    mesh_path: Path
    texture_path: Path | None
    recipe: dict[str, Any]
    seconds: float
    object_names: tuple[str, ...] = ()
    origin: Origin | Repaint | None = None

    @property
    def is_placed(self) -> bool:
        """Whether the result has come into a scene."""
        return bool(self.object_names)

    @property
    def thumbnail_path(self) -> Path:
        """A small picture of the result, JPEG; workers that draw none leave no file."""
        return self.folder / "result.jpg"

    @classmethod
    def of_job(cls, job: Job, name: str, origin: Origin | Repaint) -> "Finished":
        """The record of a job that is done."""
        assert job.result is not None
        result, request = job.result, job.request
        return cls(
            job.job_id,
            request.kind,
            name,
            Path(request.job_folder),
            Path(request.images[0]),
            Path(result.mesh_path),
            Path(result.texture_path) if result.texture_path else None,
            {**request.settings, "seed": result.seed},
            sum(result.seconds.values()),
            origin=origin,
        )


@dataclass(slots=True)
class Entry:
    """A job as the panel lists it.

    Attributes:
        job: The job.
        origin: Where its result goes.
        saved: What is needed to queue it again in another Blender.
        document: `scene.document` token of the file that it was started from.
        scene_name: Name of the scene that it was started from, to find it in a reloaded file.
        record: Its result, once it is done.
        by_name: The file was loaded anew since: only names tell its scenes and objects.
        is_kept: The result was not placed: `error` says why, and the artist may place it.
        error: Why the result was not placed, or None.
    """

    job: Job
    origin: Origin | Repaint
    saved: SavedJob
    document: str
    scene_name: str
    record: Finished | None = None
    by_name: bool = False
    is_kept: bool = False
    error: MaquetteError | None = None

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.job.job_id

    @property
    def name(self) -> str:
        """What lists call it: the picture or the object that is painted."""
        return self.saved.name

    @property
    def state(self) -> str:
        """One of the words above."""
        if self.job.state is JobState.RUNNING and self.job.cancel_time is not None:
            return CANCELLING
        if self.job.state is not JobState.DONE:
            return _STATES[self.job.state]
        if self.is_kept:
            return KEPT
        return DONE if self.record is not None and self.record.is_placed else PLACING

    @property
    def is_active(self) -> bool:
        """Whether there is still something to do for it."""
        return self.state not in ENDED

    @property
    def is_owed(self) -> bool:
        """Whether the artist still waits for its result."""
        return self.state in (WAITING, RUNNING, PLACING, KEPT)

    @property
    def fraction(self) -> float:
        """Share of the running stage that is done, 0 to 1."""
        report = self.job.progress
        return min(report.step / max(report.of, 1), 1.0) if report else 0.0

    @property
    def trouble(self) -> MaquetteError | None:
        """What went wrong, or None; being cancelled is no trouble."""
        return self.error or (self.job.error if self.state == FAILED else None)

    def explain_absence(self) -> InputError:
        """Why the result is not placed while another file is open."""
        file = Path(self.saved.file).name
        if file:
            return InputError(f"It was made for '{file}'.", "Open that file, or place it here.")
        return InputError("It was made for a file that was closed.", "Place it here.")

    def to_saved(self) -> SavedJob:
        """What is needed to queue it again, with the objects' names of now.

        Paint is made anew, as it fits the faces as they were; other results are only placed.
        """
        if not isinstance(self.origin, Repaint):
            result = asdict(self.job.result) if self.job.result else {}
            return replace(self.saved, result=result)
        names = {obj.session_uid: obj.name for obj in bpy.data.objects}
        targets = self.origin.targets
        objects = [names.get(target.object_uid, target.name) for target in targets]
        return replace(self.saved, extra={**self.saved.extra, "objects": objects})
