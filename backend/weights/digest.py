# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a model's name into a short text that tells whether its weights are the same as before."""

import hashlib
from pathlib import Path

from ..errors import MaquetteError
from .catalogue import EMBEDDED_FOLDER, LIGHT_STEM, ModelEntry, find_model, find_paint_model
from .hub import find_weights

_EDGE_BYTES = 1 << 20


def weights_digest(setting: str, name: str, folder: Path) -> str:
    """Identify a model's weights without reading them all.

    Args:
        setting: "model" for one that makes shapes, "paint_model" for one that paints.
        name: One of `config.MODELS` or `config.PAINT_MODELS`.
        folder: The folder of downloaded models.

    Returns:
        64 hex digits: the SHA-256 of the index for the embedded model, whose digests it lists; else
        of each file's name, size, first and last mebibyte. Whatever paints, the network that takes
        the light off its pictures counts, too. Empty if there are no weights.
    """
    found = hashlib.sha256()
    try:
        entry = find_model(name) if setting == "model" else find_paint_model(name)
        files = _files_of(entry, folder)
        if files and setting == "paint_model":
            files.append(EMBEDDED_FOLDER / f"{LIGHT_STEM}.json")
        for path in files:
            _add_file(found, path)
    except (MaquetteError, OSError):
        return ""
    return found.hexdigest() if files else ""


def _files_of(entry: ModelEntry, folder: Path) -> list[Path]:
    """The files that stand for a model, in the order of their names."""
    if entry.is_embedded:
        return [EMBEDDED_FOLDER / f"{entry.file}.json"]
    path = find_weights(entry, folder)
    if not entry.patterns:
        return [path]
    root = folder / entry.repository.rpartition("/")[2]
    return sorted({found for pattern in entry.patterns for found in root.glob(pattern)})


def _add_file(found: "hashlib._Hash", path: Path) -> None:
    """Take in a file's name, its size, and its first and last mebibyte."""
    size = path.stat().st_size
    found.update(f"{path.name} {size}\n".encode())
    with path.open("rb") as file:
        found.update(file.read(_EDGE_BYTES))
        if size > _EDGE_BYTES:
            file.seek(max(size - _EDGE_BYTES, _EDGE_BYTES))
            found.update(file.read(_EDGE_BYTES))
