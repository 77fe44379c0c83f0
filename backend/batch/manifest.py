# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what happened to each job of a batch into lines of a file, and the file back.

A manifest is a file of JSON lines that only ever grows: each line is written at once and flushed to
the disk before anything is built on it, and the last line about a job counts. A process that is
killed at any byte leaves at most an unfinished last line, which the next reader drops.
"""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from ..errors import MaquetteError
from .files import place_bytes

FILE_NAME = "manifest.jsonl"
FORMAT = 1
RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"


@dataclass(frozen=True, slots=True)
class ListHeader:
    """The line that starts a run.

    Attributes:
        digest: Of all that the list asks for.
        source: Name of the list.
        jobs: How many jobs it has.
        version: Of Maquette.
        started: When, ISO 8601 in UTC.
        format: `FORMAT`.
    """

    digest: str
    source: str
    jobs: int
    version: str
    started: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Record:
    """Where a job stands.

    Attributes:
        name: The job's.
        state: `RUNNING`, `DONE`, `FAILED` or `STOPPED`.
        place: Where the job stands in the list.
        inputs: What for -> SHA-256 of the file that was read.
        settings: SHA-256 of the settings and of what is to be done.
        seed: The seed.
        model: The shape model, or "" if a mesh was painted.
        outputs: Name of each file in the folder -> SHA-256, or "" as long as it is not whole.
        seconds: Stage -> seconds.
        total_s: Seconds in all.
        attempts: How often the job was begun.
        faces: Triangles of the result.
        vertices: Vertices of the result.
        warnings: Sentences for the user.
        code: `MaquetteError.code` of what went wrong, or "".
        error: What went wrong, or "".
        hint: What to do about it, or "".
        log: Log file in the folder, or "".
        version: Version of Maquette.
        versions: Versions of what decides a result, see `protocol.Result`.
        weights: What identifies the models' weights, see `protocol.Result`.
        time: When this was written, ISO 8601 in UTC.
    """

    name: str
    state: str
    place: str = ""
    inputs: dict[str, str] = field(default_factory=dict[str, str])
    settings: str = ""
    seed: int = 0
    model: str = ""
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    total_s: float = 0.0
    attempts: int = 0
    faces: int = 0
    vertices: int = 0
    warnings: list[str] = field(default_factory=list[str])
    code: str = ""
    error: str = ""
    hint: str = ""
    log: str = ""
    version: str = ""
    versions: dict[str, str] = field(default_factory=dict[str, str])
    weights: dict[str, str] = field(default_factory=dict[str, str])
    time: str = ""


_Line = TypeVar("_Line", ListHeader, Record)


@dataclass(slots=True)
class Manifest:
    """The file, and what it says so far.

    Attributes:
        path: The file.
        header: The last list that was begun, or None.
        records: Name -> the last record of that job.
        files: Further files that were made of several jobs, path -> SHA-256.
    """

    path: Path
    header: ListHeader | None = None
    records: dict[str, Record] = field(default_factory=dict[str, Record])
    files: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def outputs(self) -> set[str]:
        """Names of all files that these jobs have written or begun to write."""
        return {name for record in self.records.values() for name in record.outputs}

    def begin(self, header: ListHeader, is_resumed: bool, kept: Collection[str] = ()) -> None:
        """Start a run: go on after what is there, or start the file anew.

        What earlier jobs have written stays known by name, also in a new file, as these files are
        still there and may be replaced.

        Args:
            header: The list.
            is_resumed: Whether to go on.
            kept: Names of the jobs whose records stay as they are; the others are forgotten.

        Raises:
            MaquetteError: The file cannot be written.
        """
        forgotten = {
            name: Record(name, STOPPED, outputs=dict.fromkeys(record.outputs, ""))
            for name, record in self.records.items()
            if name not in kept
        }
        lines = [
            _encode("list", header),
            *(_encode("job", record) for record in forgotten.values()),
            *(_encode_file(path, digest) for path, digest in self.files.items()),
        ]
        try:
            if is_resumed and self.path.exists():
                _drop_torn_line(self.path)
                self._append(b"".join(lines))
            else:
                place_bytes(b"".join(lines), self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        self.header = header
        self.records |= forgotten

    def add(self, record: Record) -> None:
        """Write a record; it is on the disk when this returns.

        Raises:
            MaquetteError: The file cannot be written.
        """
        try:
            self._append(_encode("job", record))
        except OSError as error:
            raise self._unwritable(error) from error
        self.records[record.name] = record

    def add_file(self, path: str, digest: str) -> None:
        """Write that a further file was made; it is on the disk when this returns.

        Raises:
            MaquetteError: The file cannot be written.
        """
        try:
            self._append(_encode_file(path, digest))
        except OSError as error:
            raise self._unwritable(error) from error
        self.files[path] = digest

    def _append(self, lines: bytes) -> None:
        """Write lines at the end and wait for the disk; what is written in part is taken back."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            if os.write(descriptor, lines) < len(lines):
                os.ftruncate(descriptor, size)
                raise OSError("the disk is full")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _unwritable(self, error: OSError) -> MaquetteError:
        reason = error.strerror or str(error)
        return MaquetteError(
            f"The manifest '{self.path}' cannot be written: {reason}.",
            "Make room and see that the folder can be written; then go on with --resume.",
        )


_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would write other line ends


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; lines that are damaged or of a later version are passed over.

    Args:
        path: The file; one that does not exist says nothing.

    Raises:
        MaquetteError: It cannot be read.
    """
    manifest = Manifest(path)
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise MaquetteError(
            f"The manifest '{path}' cannot be read: {error.strerror or error}.",
            "Check its permissions, or choose another folder.",
        ) from error
    for line in content.split(b"\n")[:-1]:  # what follows the last line end is unfinished
        _take_line(manifest, line)
    return manifest


def _take_line(manifest: Manifest, line: bytes) -> None:
    """Apply one line; a damaged one changes nothing, so its job is done again."""
    try:
        body = json.loads(line)
        kind = body.pop("kind")
        if kind == "list":
            manifest.header = _fill(ListHeader, body)
        elif kind == "job":
            record = _fill(Record, body)
            manifest.records[record.name] = record
        elif kind == "file":
            manifest.files[str(body["path"])] = str(body["sha256"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return


def _fill(cls: type[_Line], body: Mapping[str, Any]) -> _Line:
    """A dataclass from what of a line it knows.

    Raises:
        TypeError: A value is missing or of another type.
    """
    hints = get_type_hints(cls)
    known = {key: value for key, value in body.items() if key in hints}
    for key, value in known.items():
        kind = get_origin(hints[key]) or hints[key]
        if not isinstance(value, (int, float) if kind is float else kind):
            raise TypeError(key)
    return cls(**known)


def _encode(kind: str, item: ListHeader | Record) -> bytes:
    return _dump({"kind": kind, **asdict(item)})


def _encode_file(path: str, digest: str) -> bytes:
    return _dump({"kind": "file", "path": path, "sha256": digest})


def _dump(body: Mapping[str, Any]) -> bytes:
    """One line of ASCII."""
    return json.dumps(body, allow_nan=False).encode() + b"\n"


def _drop_torn_line(path: Path) -> None:
    """Cut off what follows the last line end."""
    with path.open("rb+") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            file.truncate(end)
            os.fsync(file.fileno())
