# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels show: the state of the work, and the results that there are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .backend.client.queue import Job
from .backend.errors import MaquetteError

MAX_FINISHED = 100


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

    @property
    def is_placed(self) -> bool:
        """Whether the result has come into a scene."""
        return bool(self.object_names)

    @classmethod
    def of_job(cls, job: Job, name: str) -> "Finished":
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
        )
