# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the rows of a job list into jobs, or into a list of everything that is wrong with them.

Nothing here starts work: the plan says what is to be made, `local.py` says when and where.
"""

import difflib
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..client.queue import GENERATE, Task
from ..config import JobConfig, load_preset, overlay, setting_names
from ..errors import InputError, MaquetteError
from .rows import ListError, Row, read_rows

VIEW_COLUMNS = {
    "image": "front",
    "image_left": "left",
    "image_back": "back",
    "image_right": "right",
}
"""Column -> view."""
MESH_COLUMNS = ("mesh", "base_texture", "texel_mask")
OTHER_COLUMNS = ("name", "preset")
ALIASES = {"faces": "target_faces"}
"""Further names of settings, as the command line has them."""
MESH_SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl")
MAX_NAME_BYTES = 180
_FORBIDDEN = '/\\:*?"<>|'
_RESERVED = {
    *("con", "prn", "aux", "nul"),
    *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10)),
}


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One thing to make.

    Attributes:
        name: Unique in its list; names the files that are made.
        images: View ("front", "left", "back", "right") -> picture, full path.
        config: All settings.
        task: Make an asset, or paint a mesh.
        place: Where it stands in the list.
    """

    name: str
    images: dict[str, Path]
    config: JobConfig
    task: Task = GENERATE
    place: str = ""

    @property
    def inputs(self) -> dict[str, Path]:
        """Every file that is read, by what it is for."""
        named = {f"image_{view}": path for view, path in self.images.items()}
        task = self.task
        for role, path in (
            ("mesh", task.mesh_path),
            ("base_texture", task.base_texture_path),
            ("texel_mask", task.texel_mask_path),
        ):
            if path is not None:
                named[role] = path
        return named


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for every job that does not say otherwise.

    Attributes:
        preset: Name of the preset to start from; empty: the settings' own defaults.
        settings: Flat setting name -> value, over the preset.
    """

    preset: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Plan:
    """What a list asks for.

    Attributes:
        jobs: In the order of the list.
        errors: All that has to be mended first; with any, `jobs` is not complete.
    """

    jobs: tuple[BatchJob, ...]
    errors: tuple[ListError, ...] = ()


FindMissing = Callable[[BatchJob], MaquetteError | None]


def read_plan(path: Path, defaults: Defaults, find_missing: FindMissing | None = None) -> Plan:
    """Read a list and check all of it.

    Args:
        path: See `rows.read_rows`. Relative paths in it start at its folder.
        defaults: Settings of jobs that do not name others.
        find_missing: Says which weights of a job are not on this machine, if any.

    Raises:
        InputError: There is no such list, or it is of another kind; or the defaults are wrong.
    """
    overlay(_start(defaults.preset), defaults.settings)
    rows, errors = read_rows(path)
    base = path.absolute() if path.is_dir() else path.absolute().parent
    jobs: list[BatchJob] = []
    for row in rows:
        reader = _RowReader(row, base, defaults)
        job = reader.read()
        if not reader.errors and find_missing and (missing := find_missing(job)):
            reader.complain(missing)
        errors += reader.errors
        jobs.append(job)
    errors += _find_twins(jobs)
    if not rows and not errors:
        errors.append(ListError(str(path), "The list has no jobs.", "Put a picture into it."))
    return Plan(tuple(jobs), tuple(_in_order(errors, rows)))


class _RowReader:
    """Reads one row and gathers what is wrong with it."""

    def __init__(self, row: Row, base: Path, defaults: Defaults) -> None:
        self._row = row
        self._base = base
        self._defaults = defaults
        self._values = {ALIASES.get(key, key): value for key, value in row.values.items()}
        self.errors: list[ListError] = []

    def read(self) -> BatchJob:
        """The job; of no use if there are errors."""
        self._refuse_unknown_columns()
        images = {
            view: path
            for column, view in VIEW_COLUMNS.items()
            if (path := self._read_path(column, "picture")) is not None
        }
        if not self._values.get("image"):
            self._add("There is no picture.", "Fill in the column 'image'.")
        task = self._read_task()
        return BatchJob(self._read_name(), images, self._read_config(), task, self._row.place)

    def complain(self, error: MaquetteError) -> None:
        """Note an error of this row."""
        self._add(error.message, error.hint)

    def _add(self, message: str, hint: str) -> None:
        self.errors.append(ListError(self._row.place, message, hint))

    def _refuse_unknown_columns(self) -> None:
        for alias, name in ALIASES.items():
            if alias in self._row.values and name in self._row.values:
                self._add(f"'{alias}' and '{name}' are the same.", "Remove one of them.")
        known = [*VIEW_COLUMNS, *MESH_COLUMNS, *OTHER_COLUMNS, *setting_names(), *ALIASES]
        for key in self._row.values:
            if key not in known:
                close = difflib.get_close_matches(key, known, 1)
                hint = f"Did you mean '{close[0]}'?" if close else f"Use: {', '.join(known)}."
                self._add(f"There is no column or setting '{key}'.", hint)

    def _read_text(self, column: str) -> str | None:
        value = self._values.get(column)
        if value is None or isinstance(value, str):
            return value
        self._add(f"'{column}' needs a text, not {value!r}.", "Put it into double quotes.")
        return None

    def _read_path(self, column: str, kind: str) -> Path | None:
        text = self._read_text(column)
        if not text:
            return None
        path = self._base / text
        if problem := _find_problem(path):
            self._add(
                f"The {kind} '{text}' {problem}.",
                "Put the file there or correct its path, which starts at the list's folder.",
            )
        return path

    def _read_task(self) -> Task:
        mesh = self._read_path("mesh", "mesh")
        base_texture = self._read_path("base_texture", "texture")
        texel_mask = self._read_path("texel_mask", "mask")
        if mesh is None:
            if base_texture or texel_mask:
                self._add("A texture or mask is named without a mesh.", "Fill in 'mesh'.")
            return GENERATE
        if mesh.suffix.lower() not in MESH_SUFFIXES:
            self._add(f"'{mesh.name}' is no mesh file.", f"Use {', '.join(MESH_SUFFIXES)}.")
        return Task("retexture", mesh, base_texture, texel_mask)

    def _read_name(self) -> str:
        name = self._read_text("name")
        picture = self._values.get("image")
        if name is None and isinstance(picture, str):
            name = Path(picture).stem
        if name is not None and (problem := find_name_problem(name)):
            self._add(
                f"'{name}' cannot name a file: {problem}.",
                "Give it another name in the column 'name'.",
            )
        return name or ""

    def _read_config(self) -> JobConfig:
        config = JobConfig()
        try:
            preset = self._read_text("preset") or self._defaults.preset
            config = overlay(_start(preset), self._defaults.settings)
        except InputError as error:
            self.complain(error)
        for name, (_, item) in setting_names().items():
            if name not in self._values:
                continue
            value = self._values[name]
            if isinstance(value, str) and not item.metadata["choices"]:
                value = _to_number(value)
            try:
                config = overlay(config, {name: value})
            except InputError as error:
                self.complain(error)
        if self._values.get("mesh") and config.texture.texture == "none":
            self._add(
                "A mesh is to be painted, but 'texture' is 'none'.", "Use 'project' or 'paint'."
            )
        return config


def find_name_problem(name: str) -> str:
    """Why a name cannot be that of a file on every system, or an empty text."""
    if not name or name != name.strip() or name.startswith(".") or name.endswith("."):
        return "it is empty, or starts or ends with a blank or dot"
    if any(letter in _FORBIDDEN or unicodedata.category(letter) == "Cc" for letter in name):
        return f"it has one of {' '.join(_FORBIDDEN)} or a control character"
    try:
        if len(name.encode()) > MAX_NAME_BYTES:
            return "it is too long"
    except UnicodeEncodeError:
        return "it is not text"
    if name.partition(".")[0].casefold() in _RESERVED:
        return "Windows keeps this name for itself"
    return ""


def order_by_model(jobs: Sequence[BatchJob]) -> list[BatchJob]:
    """Jobs of one model beside each other, so that it is loaded once; else as they came."""
    first: dict[tuple[str, str], int] = {}
    for job in jobs:
        first.setdefault(_models_of(job), len(first))
    return sorted(jobs, key=lambda job: first[_models_of(job)])


def _models_of(job: BatchJob) -> tuple[str, str]:
    is_painted = job.config.texture.texture == "paint"
    shape = job.config.model if job.task.kind == "generate" else ""
    return shape, job.config.paint.paint_model if is_painted else ""


def _find_twins(jobs: Sequence[BatchJob]) -> list[ListError]:
    """Names that come twice; file systems differ in case and accents, so these do not count."""
    seen: dict[str, BatchJob] = {}
    errors: list[ListError] = []
    for job in jobs:
        key = unicodedata.normalize("NFKC", job.name).casefold()
        if key and (other := seen.setdefault(key, job)) is not job:
            errors.append(
                ListError(
                    job.place,
                    f"The name '{job.name}' is that of {other.place} too.",
                    "Give one of them another name in the column 'name'.",
                )
            )
    return errors


def _in_order(errors: Sequence[ListError], rows: Sequence[Row]) -> list[ListError]:
    """Errors sorted by their place in the list, those of unreadable lines among them."""

    def find_line(error: ListError) -> int:
        number = error.place.rpartition(":")[2]
        return int(number) if number.isdecimal() else position.get(error.place, 0)

    position = {row.place: index for index, row in enumerate(rows)}
    return sorted(errors, key=find_line)


def _start(preset: str) -> JobConfig:
    return load_preset(preset) if preset else JobConfig()


def _find_problem(path: Path) -> str:
    """Why a file cannot be read as far as can be told without reading it, or an empty text."""
    try:
        if path.is_dir():
            return "is a folder"
        if not path.is_file():
            return "does not exist"
        return "" if os.access(path, os.R_OK) else "may not be read"
    except OSError as error:
        return f"cannot be looked at: {error.strerror or error}"


def _to_number(text: str) -> int | float | str:
    """The number that a cell holds; other texts stay, for the setting to refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
