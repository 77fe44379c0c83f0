# SPDX-License-Identifier: GPL-3.0-or-later
"""The one run-time object: the job queue, where its jobs came from, and what the panel shows."""

import importlib.util
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from . import preferences
from .backend.client.environment import EnvironmentState, check_environment, find_python
from .backend.client.in_process import InProcess
from .backend.client.queue import GENERATE, Job, JobQueue, JobState, Task, Transport
from .backend.client.worker_process import WorkerProcess
from .backend.config import JobConfig, overlay
from .backend.errors import InputError, MaquetteError
from .scene import image as image_data
from .scene.asset import Origin, add_asset
from .scene.retexture import Repaint, apply_repaint
from .scene.submission import Choices, group_objects, prepare_repaint

WORKER_LOG = "worker.log"
# Background jobs during which adding an object would break undo or the other job.
_BLOCKING_JOBS = ("RENDER", "OBJECT_BAKE")


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
        notes: Sentences about the last result, e.g. that no background was found.
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


@dataclass(slots=True)
class Session:
    """Jobs of this Blender from start to object. Main thread only.

    Attributes:
        status: What the panel shows.
        environment: What the last check of the worker's environment found.
    """

    status: Status = field(default_factory=Status)
    environment: EnvironmentState | None = None
    _queue: JobQueue | None = None
    _origins: dict[str, Origin | Repaint] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)  # about all jobs since nothing ran
    _failure: MaquetteError | None = None  # the first that went wrong of these
    _ready: list[Job] = field(default_factory=list)
    _check: "Future[EnvironmentState] | None" = None
    _setup: tuple[str, MaquetteError | None] | None = None  # for this preference: what is wrong

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
        return self._check is not None

    @property
    def is_waiting_to_place(self) -> bool:
        """Whether a finished result waits for Object Mode or for the end of a render."""
        return bool(self._ready)

    @property
    def setup_error(self) -> MaquetteError | None:
        """Why no worker can be started, or None; looked up again when the preference changes."""
        preferred = preferences.get_python_path()
        if self._setup is None or self._setup[0] != preferred:
            self._setup = preferred, _find_setup_error(preferred)
        return self._setup[1]

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
        paths = _save_pictures(images, root)
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
        paths = _save_pictures(images, root)
        depsgraph = bpy.context.evaluated_depsgraph_get()
        repaints = []
        for group in groups:
            name = group[0].name if len(group) == 1 else Path(images["front"].name).stem
            folder = _make_folder("mesh-", root)
            try:
                repaints.append(prepare_repaint(group, name, choices, depsgraph, folder))
            except OSError as error:
                raise _unwritable(error) from error
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
        self._finish_check()
        for job in self._queue.poll() if self._queue else ():
            if job.job_id in self._origins:
                self._follow(job)
        if not self._ready or not _can_place():
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
        self.environment = self._setup = None
        python = find_python(preferences.get_python_path())
        pool = ThreadPoolExecutor(1)
        self._check = pool.submit(check_environment, python)
        pool.shutdown(wait=False)

    def _finish_check(self) -> None:
        if self._check is None or not self._check.done():
            return
        check, self._check = self._check, None
        preferred = preferences.get_python_path()
        try:
            self.environment, self._setup = check.result(), (preferred, None)
        except MaquetteError as error:
            self._setup = preferred, error

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
        mesh_path, texture = Path(result.mesh_path), result.texture_path
        try:
            if isinstance(origin, Repaint):
                objects = apply_repaint(origin, mesh_path, Path(texture))
                self._notes += origin.notes
            else:
                texture_path = Path(texture) if texture else None
                objects = [add_asset(mesh_path, result.seed, origin, texture_path)]
        except MaquetteError as error:
            self._end_job(error)
            return []
        self._notes += [text for text in result.warnings if text not in self._notes]
        self._end_job(None)
        _push_undo(f"Maquette: {objects[0].name}")
        return objects

    def _end_job(self, error: MaquetteError | None) -> None:
        """Note how a job ended; what went wrong is shown when the last one has."""
        self._failure = self._failure or error
        if self._origins:
            return
        self.status = Status.of_error(self._failure) if self._failure else Status()
        self.status.notes = tuple(self._notes)


def _save_pictures(images: dict[str, bpy.types.Image], root: Path) -> list[Path]:
    """Write the pictures into a new folder under `root`.

    Raises:
        InputError: A picture cannot be used, or the folder cannot be written.
    """
    folder = _make_folder("pictures-", root)
    try:
        for view, image in images.items():
            image_data.save_image_as_png(image, bpy.context.scene, folder / f"{view}.png")
    except OSError as error:
        raise _unwritable(error) from error
    return [folder / f"{view}.png" for view in images]


def _make_folder(prefix: str, root: Path) -> Path:
    """A new folder under `root`.

    Raises:
        InputError: It cannot be made.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> InputError:
    return InputError(
        f"The job folder cannot be written: {error.strerror or error}.",
        "Choose another folder in the preferences.",
    )


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


def _uses_own_python() -> bool:
    """Whether jobs run in this process: background Blender, no other Python named, torch there."""
    return (
        bpy.app.background
        and not preferences.get_python_path()
        and importlib.util.find_spec("torch") is not None
    )


def _find_setup_error(preferred: str) -> MaquetteError | None:
    """Whether a worker's Python is named or found; None means that it is."""
    if _uses_own_python():
        return None
    try:
        find_python(preferred)
    except MaquetteError as error:
        return error
    return None


def make_worker(device: str = "") -> Transport:
    """A worker as the preferences want it, not started.

    Args:
        device: Name of the device; empty takes the preference.

    Raises:
        SetupError: No Python for the worker is named or found.
    """
    chosen = preferences.get_preferences()
    device = device or chosen.device
    if _uses_own_python():
        return InProcess(device)
    arguments = ["--device", device, "--idle-minutes", str(chosen.idle_minutes)]
    log_path = preferences.get_job_folder() / WORKER_LOG
    return WorkerProcess(find_python(preferences.get_python_path()), log_path, arguments)


def _can_place() -> bool:
    """Whether an object can be added now: Object Mode, and nothing reads the scene."""
    if any(bpy.app.is_job_running(kind) for kind in _BLOCKING_JOBS):
        return False
    active = bpy.context.view_layer.objects.active if bpy.context.view_layer else None
    return active is None or active.mode == "OBJECT"


def _push_undo(message: str) -> None:
    """One step of the undo history; from a timer, the window must be named."""
    window = bpy.context.window or next(iter(bpy.context.window_manager.windows), None)
    if window is None:
        return
    with bpy.context.temp_override(window=window):
        bpy.ops.ed.undo_push(message=message)


_session: Session | None = None
