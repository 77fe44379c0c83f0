# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns files into digests, and finished files into ones that are there whole or not at all."""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sys
import urllib.parse
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

from ..errors import InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_log = logging.getLogger(__name__)
_PART = ".part"


def hash_file(path: Path) -> str:
    """SHA-256 of a file, hex.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_input(path: Path) -> str:
    """SHA-256 of a file that a job reads; of a .gltf with the files that it names.

    Raises:
        OSError: It cannot be read.
    """
    if path.suffix.lower() != ".gltf":
        return hash_file(path)
    digests = [hash_file(path), *(hash_file(other) for other in _find_companions(path))]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def hash_values(values: Any) -> str:
    """SHA-256 of JSON values, hex; the order of keys does not count."""
    text = json.dumps(values, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def name_part(target: Path) -> Path:
    """Where a file is written until it is whole: beside its place, hidden, of the same kind."""
    return target.with_name(f".{target.stem}{_PART}{target.suffix}")


def place_copy(source: Path, target: Path) -> None:
    """Copy a file to its place, where it appears whole or not at all, also after a power cut.

    Raises:
        OSError: It cannot be written.
    """
    part = name_part(target)
    try:
        shutil.copyfile(source, part)
        settle(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def place_bytes(content: bytes, target: Path) -> None:
    """As `place_copy`, for content in memory."""
    part = name_part(target)
    try:
        part.write_bytes(content)
        settle(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def settle(part: Path, target: Path) -> None:
    """Give a finished file its name, after its content and before anybody is told of it.

    Raises:
        OSError: It cannot be written.
    """
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make new names of a folder outlive a power cut, where the system can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock(path: Path) -> Generator[None]:
    """Keep other processes out as long as the block runs; a process that dies lets go.

    Args:
        path: A file that is there, in a folder of the output folder.

    Raises:
        InputError: Another process is inside.
    """
    with path.open("ab") as file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            raise InputError(
                f"Another batch is writing to '{path.parent.parent}'.",
                "Wait for it, or choose another folder.",
            ) from error
        except (
            OSError
        ) as error:  # some network folders know no locks; they can be used all the same
            _log.warning("%s cannot be locked: %s", path, error)
        yield


def _lock(file: IO[bytes]) -> None:
    """Take the lock that goes with an open file, or raise at once."""
    if sys.platform == "win32":
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _find_companions(path: Path) -> list[Path]:
    """The existing files that a .gltf names; a damaged one names none."""
    try:
        document = json.loads(path.read_bytes())
        uris = [
            item.get("uri", "") for key in ("buffers", "images") for item in document.get(key, [])
        ]
    except (ValueError, AttributeError, TypeError):
        return []
    named = [path.parent / urllib.parse.unquote(uri) for uri in uris if not uri.startswith("data:")]
    return [other for other in named if other.is_file()]
