# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns jobs that have not ended into JSON and back, so that they outlive the program.

A program writes the jobs that it still owes into a file of its own, at every change, and holds a
lock as long as it lives. A file whose lock is free belongs to a program that has ended, cleanly or
not: what it lists can be queued again.
"""

import json
import logging
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_log = logging.getLogger(__name__)
VERSION = 1
_PREFIX = "queue-"
_UNREADABLE_HINT = "Start the jobs by hand."


@dataclass(frozen=True, slots=True)
class SavedPicture:
    """A reference picture of a saved job.

    Attributes:
        name: Of the picture where the artist works, to find it if the file is gone.
        path: The PNG that was written for the worker.
    """

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class SavedJob:
    """What is needed to queue a job again.

    Attributes:
        job_id: The id that it had.
        kind: One of `protocol.KINDS`.
        name: What lists call it.
        file: The file that it was started from, or "" for one that was never saved.
        scene: Name of the scene that it was started from.
        pictures: View -> picture.
        settings: Flat setting name -> value.
        extra: What else the calling side needs: place and size, or objects and choices.
        result: What the worker said at the end (`protocol.Result`), if only placing is left.
    """

    job_id: str
    kind: str
    name: str
    file: str
    scene: str
    pictures: Mapping[str, SavedPicture]
    settings: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def paths(self) -> list[Path]:
        """The files of its pictures and of its result."""
        made = [str(self.result.get(name, "")) for name in ("mesh_path", "texture_path")]
        given = [picture.path for picture in self.pictures.values()]
        return [Path(path) for path in (*given, *made) if path]


def encode_jobs(jobs: Sequence[SavedJob]) -> str:
    """Jobs as JSON text; empty for no jobs."""
    if not jobs:
        return ""
    return json.dumps({"version": VERSION, "jobs": [asdict(job) for job in jobs]})


def decode_jobs(text: str) -> list[SavedJob]:
    """The jobs of `encode_jobs`; unknown fields are dropped.

    Raises:
        InputError: The text is not of this kind, or of a later version.
    """
    if not text:
        return []
    try:
        body = json.loads(text)
        version, jobs = int(body["version"]), [_job_of(entry) for entry in body["jobs"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError("The list of unfinished jobs is damaged.", _UNREADABLE_HINT) from error
    if version > VERSION:
        raise InputError(
            "The list of unfinished jobs was written by a later version.", _UNREADABLE_HINT
        )
    return jobs


class QueueFile:
    """The file in which this program keeps the jobs that it still owes.

    Nothing here fails: without the file, jobs are merely not offered again.

    Args:
        folder: Existing folder, shared by all programs of this user.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{_PREFIX}{uuid.uuid4().hex}.json"
        self._text = ""
        self._lock = _take_lock(_lock_path(self.path))

    def write(self, jobs: Sequence[SavedJob]) -> None:
        """Replace what the file lists; without jobs there is no file."""
        text = encode_jobs(jobs)
        if text == self._text:
            return
        fresh = self.path.with_suffix(".new")
        try:
            if text:
                fresh.write_text(text, encoding="utf-8")
                fresh.replace(self.path)  # in one step: never half a list
            else:
                self.path.unlink(missing_ok=True)
            self._text = text
        except OSError as error:
            _log.warning("the list of unfinished jobs was not written: %s", error)

    def close(self) -> None:
        """Let go of the file; the next program offers what it lists."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        with suppress(OSError):
            _lock_path(self.path).unlink(missing_ok=True)


def find_left_over(folder: Path) -> dict[Path, list[SavedJob]]:
    """Files of programs that have ended -> the jobs that they still owed.

    Files that cannot be read are left out.
    """
    found: dict[Path, list[SavedJob]] = {}
    for path in sorted(folder.glob(f"{_PREFIX}*.json")):
        if _is_held(_lock_path(path)):
            continue
        try:
            found[path] = decode_jobs(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, InputError) as error:
            _log.warning("%s cannot be read: %s", path, error)
    return found


def find_owed(folder: Path) -> list[SavedJob]:
    """The jobs that any program owes, whether it lives or has ended."""
    found: list[SavedJob] = []
    for path in folder.glob(f"{_PREFIX}*.json"):
        with suppress(OSError, UnicodeDecodeError, InputError):
            found += decode_jobs(path.read_text(encoding="utf-8"))
    return found


def claim_left_over(path: Path) -> bool:
    """Take the jobs of such a file over: the file is removed.

    Returns:
        Whether it was there; if not, another program has taken them.
    """
    try:
        path.unlink()
    except OSError as error:
        _log.info("%s was not claimed: %s", path, error)
        return False
    with suppress(OSError):
        _lock_path(path).unlink(missing_ok=True)
    return True


def _job_of(entry: dict[str, Any]) -> SavedJob:
    """A job of decoded JSON.

    Raises:
        TypeError: A field is missing or of another type.
    """
    pictures = {view: SavedPicture(**item) for view, item in entry["pictures"].items()}
    known = {item.name for item in fields(SavedJob)}
    given = {name: value for name, value in entry.items() if name in known}
    job = SavedJob(**{**given, "pictures": pictures})
    texts = (job.job_id, job.kind, job.name, job.file, job.scene)
    texts += tuple(text for item in pictures.values() for text in (item.name, item.path))
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("not a text")
    if not all(isinstance(item, dict) for item in (job.settings, job.extra, job.result)):
        raise TypeError("not an object")
    return job


def _lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")


def _take_lock(path: Path) -> BinaryIO | None:
    """An open file that no other program can lock while it stays open, or None."""
    try:
        file = path.open("ab")
    except OSError as error:
        _log.warning("%s cannot be made: %s", path, error)
        return None
    try:
        _lock(file)
    except OSError as error:  # some network folders know no locks
        _log.warning("%s cannot be locked: %s", path, error)
        file.close()
        return None
    return file


def _is_held(path: Path) -> bool:
    """Whether a living program holds the lock."""
    try:
        with path.open("rb") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except (BlockingIOError, PermissionError):  # as Linux and macOS, and as Windows tell
        return True
    except OSError:
        return False
    return False


def _lock(file: BinaryIO) -> None:
    """Lock a file for this handle alone, until it is closed.

    Raises:
        OSError: It is locked, or cannot be.
    """
    if sys.platform == "win32":
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
