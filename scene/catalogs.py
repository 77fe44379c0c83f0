# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns catalog paths into the identifiers of the asset library that the current file belongs to.

Source: Blender's manual, Asset Catalogs: lines of "identifier:path:simple name" after "VERSION 1".
"""

import uuid
from pathlib import Path

import bpy

from ..backend.errors import InputError

FILE_NAME = "blender_assets.cats.txt"
_HEADER = (
    "# Asset catalogs of this folder, one a line: identifier:path:simple name\n\nVERSION 1\n\n"
)


def find_library() -> Path | None:
    """The folder whose catalogs the current file's assets use; None for a file never saved.

    That is the asset library of the preferences that the file lies in, else the file's own folder.
    """
    if not bpy.data.filepath:
        return None
    folder = Path(bpy.data.filepath).parent
    libraries = bpy.context.preferences.filepaths.asset_libraries
    roots = [Path(bpy.path.abspath(library.path)) for library in libraries if library.path]
    around = [root for root in roots if folder.is_relative_to(root)]
    # The innermost one, where a library lies within another.
    return max(around, key=lambda root: len(root.parts), default=folder)


def read_catalogs() -> dict[str, str]:
    """Path -> identifier of the current library's catalogs, in the file's order; may be empty."""
    library = find_library()
    return {} if library is None else _parse(_read(library / FILE_NAME))


def ensure_catalog(path: str) -> str:
    """The identifier of a catalog, which is added to the library's list if it is not in it.

    Args:
        path: Names with slashes between them, e.g. "Props/Wood".

    Raises:
        InputError: The current file was never saved, the path is empty, or the list cannot be
            written.
    """
    path = clean_path(path)
    library = find_library()
    if library is None:
        raise InputError(
            "A catalog belongs to a folder, and this file is in none.", "Save the file first."
        )
    if not path:
        raise InputError("The catalog has no name.", "Type one, for example Props.")
    text = _read(library / FILE_NAME)
    known = _parse(text)
    if path in known:
        return known[path]
    identifier = str(uuid.uuid4())
    line = f"{identifier}:{path}:{path.replace('/', '-')}\n"
    text = text or _HEADER
    _write(library / FILE_NAME, text + ("" if text.endswith("\n") else "\n") + line)
    return identifier


def clean_path(path: str) -> str:
    """A path as Blender keeps it: no empty names, no blanks around them, no colons."""
    parts = path.replace("\\", "/").replace(":", "-").split("/")
    return "/".join(part.strip() for part in parts if part.strip())


def _parse(text: str) -> dict[str, str]:
    """Path -> identifier; lines that are none are passed over."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.strip().split(":")
        if line.lstrip().startswith("#") or len(parts) < 2 or not parts[1].strip():
            continue
        try:
            identifier = uuid.UUID(parts[0].strip())
        except ValueError:
            continue
        found.setdefault(clean_path(parts[1]), str(identifier))
    return found


def _read(file: Path) -> str:
    """The file's text; empty if there is none.

    Raises:
        InputError: It is there and cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The list of catalogs cannot be read: {file}.", "Leave the catalog empty."
        ) from error


def _write(file: Path, text: str) -> None:
    """Replace the file as a whole, so that nobody reads half of it.

    Raises:
        InputError: The folder cannot be written.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(
            f"The list of catalogs cannot be written: {file}.",
            "Choose no catalog, or save the file in a folder that can be written.",
        ) from error
