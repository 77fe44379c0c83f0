# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a job list - a folder of pictures, a CSV or a JSON Lines file - into rows of values."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InputError

PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".tga", ".ppm"),
    *(".jp2", ".psd", ".avif"),
)
TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
LINES_SUFFIXES = (".jsonl", ".ndjson", ".json")
_DELIMITERS = ",;\t"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NOT_UTF8_HINT = "Save the list as UTF-8 (spreadsheets call it CSV UTF-8)."
_LINE_HINT = 'Write one object per line, for example {"image": "chair.png", "seed": 3}.'


@dataclass(frozen=True, slots=True)
class ListError:
    """Something in a job list that cannot be used.

    Attributes:
        place: Where, "jobs.csv:3" or "pictures/chair.png".
        message: What is wrong, one sentence.
        hint: What to do, one sentence.
    """

    place: str
    message: str
    hint: str

    def __str__(self) -> str:
        """All of it on one line."""
        return f"{self.place}: {self.message} {self.hint}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a list.

    Attributes:
        place: Where it stands, "jobs.csv:3" or "pictures/chair.png".
        values: Column -> value: text from a folder or a CSV, any JSON value from JSON Lines; in
            the order of the list, without empty ones. Columns are in lower case with `_`.
    """

    place: str
    values: dict[str, Any]


def read_rows(path: Path) -> tuple[list[Row], list[ListError]]:
    """Read a list.

    Args:
        path: A folder of pictures, a CSV with a header line, or a file with a JSON object a line.

    Returns:
        The rows that could be read and what is wrong with the others. An error of the whole
        header leaves no rows.

    Raises:
        InputError: There is no such list, or it is of another kind or cannot be read.
    """
    try:
        if path.is_dir():
            return _read_folder(path), []
        if not path.is_file():
            raise InputError(f"There is no job list '{path}'.", "Check its path.")
        read = _reader_of(path)
        return read(path.name, path.read_bytes())
    except OSError as error:
        raise InputError(
            f"The job list '{path}' cannot be read: {error.strerror or error}.",
            "Check its permissions.",
        ) from error


def normalise_column(name: str) -> str:
    """A column's name as settings are spelt: lower case, `_` for `-` and blanks."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def make_sort_key(name: str) -> list[tuple[int, int, str]]:
    """A key that puts "chair 2" before "chair 10"."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _read_folder(folder: Path) -> list[Row]:
    """A row for every picture; other and hidden files are passed over."""
    pictures = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    ]
    pictures.sort(key=lambda path: (make_sort_key(path.name), path.name))
    return [Row(f"{folder.name}/{path.name}", {"image": path.name}) for path in pictures]


_Reader = Callable[[str, bytes], tuple[list[Row], list[ListError]]]


def _reader_of(path: Path) -> _Reader:
    """The function that reads files of that suffix.

    Raises:
        InputError: There is none.
    """
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return _read_table
    if suffix in LINES_SUFFIXES:
        return _read_lines
    raise InputError(
        f"'{path.name}' is no job list.",
        "Name a folder of pictures, a .csv file or a .jsonl file.",
    )


def _read_table(name: str, content: bytes) -> tuple[list[Row], list[ListError]]:
    """Read a CSV; commas, semicolons and tabs are told apart by the header."""
    text, error = _decode(name, content)
    if error is not None:
        return [], [error]
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    errors: list[ListError] = []
    columns: list[str] = []
    for line, cells in _table_lines(name, reader, errors):
        place = f"{name}:{line}"
        if not any(cell.strip() for cell in cells):
            continue
        if not columns:
            columns = [normalise_column(cell) for cell in cells]
            if problems := _check_header(place, columns):
                return [], problems
        elif len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            errors.append(
                ListError(
                    place,
                    f"The line has {len(cells)} cells, but the header only {len(columns)}.",
                    "Put texts that hold the separator into double quotes.",
                )
            )
        else:
            pairs = zip(columns, (cell.strip() for cell in cells), strict=False)
            rows.append(Row(place, {key: cell for key, cell in pairs if key and cell}))
    return rows, errors


def _table_lines(
    name: str, reader: Any, errors: list[ListError]
) -> Iterator[tuple[int, list[str]]]:
    """Number of the line on which each row starts, and its cells; stops where quotes are broken."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            errors.append(
                ListError(
                    f"{name}:{line}",
                    f"From here on the list cannot be read: {error}.",
                    "Close every double quote, and write a quote inside a text twice.",
                )
            )
            return
        yield line, cells


def _check_header(place: str, columns: list[str]) -> list[ListError]:
    """What is wrong with the columns whatever they mean."""
    named = [column for column in columns if column]
    twice = sorted({column for column in named if named.count(column) > 1})
    errors = [
        ListError(place, f"The column '{column}' is there twice.", "Remove one of them.")
        for column in twice
    ]
    if "image" not in named:
        shown = f"'{named[0]}'" if named else "nothing"
        errors.append(
            ListError(
                place,
                f"There is no column 'image'; the first line starts with {shown}.",
                "Name the columns in the first line, for example: image,name,seed",
            )
        )
    return errors


def _read_lines(name: str, content: bytes) -> tuple[list[Row], list[ListError]]:
    """Read a JSON object from every line that is not empty."""
    text, error = _decode(name, content)
    if error is not None:
        return [], [error]
    rows: list[Row] = []
    errors: list[ListError] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            rows.append(Row(place, _read_object(line)))
        except (ValueError, RecursionError) as problem:
            message = f"This is no JSON object: {_one_line(problem)}."
            errors.append(ListError(place, message, _LINE_HINT))
    return rows, errors


def _read_object(line: str) -> dict[str, Any]:
    """The object's values, without those that are null.

    Raises:
        ValueError: Not an object, a key twice, or NaN.
    """
    pairs = json.loads(line, object_pairs_hook=_Pairs, parse_constant=_refuse_constant)
    if not isinstance(pairs, _Pairs):
        raise ValueError("it is another kind of value")
    values: dict[str, Any] = {}
    for key, value in pairs:
        column = normalise_column(key)
        if column in values:
            raise ValueError(f"'{key}' is there twice")
        values[column] = value
    return {key: value for key, value in values.items() if value is not None}


class _Pairs(list[tuple[str, Any]]):
    """Keys and values of an object, in which none has been lost yet."""


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are not JSON."""
    raise ValueError(f"{name} is not a number of JSON")


def _decode(name: str, content: bytes) -> tuple[str, ListError | None]:
    """The text with the line ends of Unix; or the first line that is not UTF-8."""
    if content.startswith(_UTF16_MARKS):
        return "", ListError(f"{name}:1", "The list is UTF-16 text.", _NOT_UTF8_HINT)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return "", ListError(f"{name}:{line}", "The line is not UTF-8 text.", _NOT_UTF8_HINT)
    return text.replace("\r\n", "\n").replace("\r", "\n"), None


def _one_line(error: BaseException) -> str:
    """An error's words without the line numbers of the parser, which counts from this line."""
    return re.sub(r": line \d+ column (\d+).*", r" (column \1)", str(error)).rstrip(".")
