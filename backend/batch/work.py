# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns one job of a batch and its result into files of the output folder and a record of them."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ..client.queue import Job
from ..config import flatten
from ..errors import InputError, MaquetteError
from ..protocol import Result
from .files import hash_file, hash_input, hash_values, name_part, place_copy, settle
from .manifest import DONE, RUNNING, Manifest, Record
from .plan import BatchJob

_log = logging.getLogger(__name__)
WORK_FOLDER = ".batch"
"""Hidden folder in the output folder: lock, thumbnails, the worker's log, running jobs."""
LOG_FOLDER = "logs"
THUMBNAIL_PX = 160
PICTURE, RESULT = "picture", "result"


@dataclass(frozen=True, slots=True)
class Extra:
    """A further file that is made of each result.

    Attributes:
        suffix: Of its name, with the dot.
        write: Makes it: job, result, path to write to.
    """

    suffix: str
    write: Callable[[BatchJob, Result, Path], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch puts what it makes.

    Attributes:
        folder: The output folder.
        extras: Further files of each job.
        version: Of Maquette.
    """

    folder: Path
    extras: Sequence[Extra] = ()
    version: str = ""

    @property
    def job_root(self) -> Path:
        """Folder of the running job's folder."""
        return self.folder / WORK_FOLDER / "jobs"

    @property
    def lock_path(self) -> Path:
        """Held by the batch that writes here."""
        return self.folder / WORK_FOLDER / "lock"

    def thumbnail_path(self, name: str, kind: str) -> Path:
        """A job's small picture; `kind` is `PICTURE` or `RESULT`."""
        return self.folder / WORK_FOLDER / "thumbnails" / f"{name}.{kind}.jpg"

    def name_outputs(self, job: BatchJob) -> list[str]:
        """Names of the files that a job will leave in the folder."""
        return [f"{job.name}{suffix}" for suffix in (".glb", *(e.suffix for e in self.extras))]

    def make_folders(self) -> None:
        """Make the output folder and what is hidden in it.

        Raises:
            InputError: A folder cannot be made.
        """
        try:
            self.thumbnail_path("", "").parent.mkdir(parents=True, exist_ok=True)
            self.lock_path.touch()
        except OSError as error:
            raise InputError(
                f"'{self.folder}' cannot be written: {error.strerror or error}.",
                "Choose a folder that can be written to.",
            ) from error

    def clean_up(self, jobs: Sequence[BatchJob]) -> None:
        """Remove what a killed run left half done."""
        shutil.rmtree(self.job_root, ignore_errors=True)
        for job in jobs:
            for name in self.name_outputs(job):
                part = name_part(self.folder / name)
                for path in (part, part.with_name(f"{part.name}@")):  # Blender writes to the second
                    with contextlib.suppress(OSError):
                        path.unlink()


def digest_settings(job: BatchJob) -> str:
    """SHA-256 of everything besides the files that decides a job's result."""
    return hash_values([flatten(job.config), job.task.kind, list(job.images)])


def digest_list(jobs: Sequence[BatchJob]) -> str:
    """SHA-256 of what a list asks for: names, settings and paths, in any order."""
    wanted = [
        [job.name, digest_settings(job), {role: str(path) for role, path in job.inputs.items()}]
        for job in jobs
    ]
    return hash_values(sorted(wanted, key=lambda item: str(item[0])))


def hash_inputs(job: BatchJob) -> dict[str, str]:
    """SHA-256 of every file that a job reads, by what it is for.

    Raises:
        InputError: One is gone or cannot be read.
    """
    digests: dict[str, str] = {}
    for role, path in job.inputs.items():
        try:
            digests[role] = hash_input(path)
        except OSError as error:
            raise InputError(
                f"'{path.name}' cannot be read: {error.strerror or error}.",
                "Put the file back, then go on with --resume.",
            ) from error
    return digests


def is_whole(job: BatchJob, record: Record | None, place: Place) -> bool:
    """Whether an earlier run finished a job, and its files and settings are still the same."""
    if record is None or record.state != DONE or record.settings != digest_settings(job):
        return False
    names = place.name_outputs(job)
    if not set(names) <= set(record.outputs):
        return False
    try:
        return record.inputs == hash_inputs(job) and all(
            hash_file(place.folder / name) == record.outputs[name] for name in names
        )
    except (OSError, InputError):
        return False


def set_aside(job: BatchJob, record: Record | None, place: Place) -> None:
    """Keep finished files that somebody has changed: as `NAME.glb.old`, before a new one comes.

    Raises:
        MaquetteError: A file cannot be read or renamed.
    """
    known = record.outputs if record is not None and record.state == DONE else {}
    for name in place.name_outputs(job):
        path = place.folder / name
        try:
            if known.get(name) and path.exists() and hash_file(path) != known[name]:
                path.replace(path.with_name(f"{name}.old"))
        except OSError as error:
            raise MaquetteError(
                f"'{path}' cannot be renamed: {error.strerror or error}.",
                "Change its permissions, or move it away.",
            ) from error


def find_strangers(jobs: Sequence[BatchJob], manifest: Manifest, place: Place) -> list[str]:
    """Files that jobs would replace though no batch of this folder has made them."""
    own = manifest.outputs
    names = [name for job in jobs for name in place.name_outputs(job)]
    return [name for name in names if name not in own and (place.folder / name).exists()]


def begin_record(job: BatchJob, place: Place, attempt: int, inputs: dict[str, str]) -> Record:
    """The record of a job that is about to run."""
    return Record(
        name=job.name,
        state=RUNNING,
        place=job.place,
        inputs=inputs,
        settings=digest_settings(job),
        seed=job.config.sample.seed,
        model=job.config.model if job.task.kind == "generate" else "",
        outputs=dict.fromkeys(place.name_outputs(job), ""),
        attempts=attempt,
        version=place.version,
        time=tell_time(),
    )


def keep_result(job: BatchJob, result: Result, record: Record, place: Place) -> Record:
    """Put a job's files to their places.

    Args:
        job: The job.
        result: What the worker said; its files are still in the job's folder.
        record: The job's record so far.
        place: Where to.

    Returns:
        The record of the finished job, without its time in all.

    Raises:
        MaquetteError: A file cannot be written.
    """
    return replace(
        record,
        state=DONE,
        outputs=_place_outputs(job, result, place),
        seconds=result.seconds,
        faces=result.faces,
        vertices=result.vertices,
        warnings=list(result.warnings),
        versions=result.versions,
        weights=result.weights,
        time=tell_time(),
    )


def _place_outputs(job: BatchJob, result: Result, place: Place) -> dict[str, str]:
    """Write a job's files; name -> SHA-256.

    Raises:
        MaquetteError: One cannot be written.
    """
    target = place.folder / f"{job.name}.glb"
    try:
        place_copy(Path(result.glb_path), target)
        outputs = {target.name: hash_file(target)}
        for extra in place.extras:
            target = place.folder / f"{job.name}{extra.suffix}"
            part = name_part(target)
            extra.write(job, result, part)
            settle(part, target)
            outputs[target.name] = hash_file(target)
    except OSError as error:
        raise MaquetteError(
            f"'{target}' cannot be written: {error.strerror or error}.",
            "Make room or change its permissions, then go on with --resume.",
        ) from error
    return outputs


def keep_thumbnails(job: BatchJob, job_folder: Path, place: Place) -> None:
    """Keep the small pictures that the worker has drawn; a report can do without."""
    for kind in (PICTURE, RESULT):
        source, target = job_folder / f"{kind}.jpg", place.thumbnail_path(job.name, kind)
        try:
            target.unlink(missing_ok=True)
            if source.is_file():
                place_copy(source, target)
        except OSError as error:
            _log.warning("no thumbnail of %s: %s", job.name, error)


def keep_log(name: str, job: Job, place: Place) -> str:
    """Keep the log of a job that failed.

    Returns:
        Its path in the output folder, or "" if there is none.
    """
    source = Path(job.request.job_folder) / "job.log"
    relative = Path(LOG_FOLDER, f"{name}.log")
    try:
        if not source.is_file():
            return ""
        (place.folder / LOG_FOLDER).mkdir(exist_ok=True)
        place_copy(source, place.folder / relative)
    except OSError as error:
        _log.warning("no log of %s: %s", name, error)
        return ""
    return relative.as_posix()


def drop_log(name: str, place: Place) -> None:
    """Remove the log of an earlier failure."""
    with contextlib.suppress(OSError):
        (place.folder / LOG_FOLDER / f"{name}.log").unlink()


def tell_time() -> str:
    """Now, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
