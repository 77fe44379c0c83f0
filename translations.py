# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the tables in `locale/` into translations of everything that Blender draws for Maquette.

A table is a .po file, named by Blender's name of the language. Messages have values in them, so
they are looked up by their pattern: "'{}' has no faces." stands for every name.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_rpt as rpt_

from .backend.errors import MaquetteError

FOLDER = Path(__file__).parent / "locale"
# Labels of operators are looked up in a context of their own, everything else in the general one.
CONTEXTS = ("*", "Operator")
# A word with the spaces after it, or one ideograph with the marks that must not begin a line.
_WIDE = "\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef"
_PIECES = re.compile(rf"\s+|[^\s{_WIDE}]+\s*|[{_WIDE}][、。，．：；！？）」』〉》”…ー]*\s*")
_STOP = re.compile(r"\. ")
_VALUE = re.compile(r"\\\{\w*(?::[^{}]*)?\\\}")


def read_table(lines: Iterable[str]) -> dict[str, str]:
    """English text -> translation, of the lines of a .po file; its heading is left out."""
    entries: list[dict[str, str]] = []
    field = ""
    for line in map(str.strip, lines):
        name, _, quoted = line.partition(" ")
        if name == "msgid":
            entries.append({})
        if name in ("msgid", "msgstr"):
            field, line = name, quoted
        if line.startswith('"'):
            entries[-1][field] = entries[-1].get(field, "") + json.loads(line)
    return {entry["msgid"]: entry["msgstr"] for entry in entries if entry["msgid"]}


def localize(message: MaquetteError | str, hint: str = "") -> str:
    """What went wrong and what to do about it, in the artist's language.

    Args:
        message: An error, or one sentence or more of the messages that the tables know.
        hint: A further one.
    """
    if isinstance(message, MaquetteError):
        message, hint = message.message, message.hint
    return " ".join(_translate(text) for text in (message, hint) if text)


def wrap(text: str, columns: int) -> list[str]:
    """Lines of a text that are not wider than so many letters; ideographs count twice.

    Chinese and Japanese, which have no spaces, break after any character but not before a mark.
    """
    lines, line = [], ""
    for piece in _PIECES.findall(text):
        if line and _width_of(line) + _width_of(piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def _width_of(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _translate(text: str) -> str:
    """One text, or several sentences of which each has its own translation."""
    if (known := _look_up(text, has_sentences=False)) != text:
        return known
    for stop in _STOP.finditer(text):
        first, rest = text[: stop.start() + 1], text[stop.end() :]
        if (known := _look_up(first, has_sentences=False)) != first:
            return f"{known} {_translate(rest)}"
    return _look_up(text, has_sentences=True)


def _look_up(text: str, has_sentences: bool) -> str:
    """One text; values in it are translated too, where they are known.

    Args:
        text: In English.
        has_sentences: A value may be several sentences, as another program's message is.
    """
    known = str(rpt_(text))
    if known != text or not bpy.context.preferences.view.use_translate_interface:
        return known
    for pattern, translated in _patterns.get(bpy.app.translations.locale or "", ()):
        found = pattern.fullmatch(text)
        if found and (has_sentences or not any(map(_STOP.search, found.groups()))):
            return translated.format(*(_translate(value) for value in found.groups()))
    return text


def _make_patterns(table: dict[str, str]) -> Iterator[tuple[re.Pattern[str], str]]:
    """The texts with values in them, those with most words of their own first."""
    for text in sorted(table, key=lambda text: -len(re.sub(r"\{[^}]*\}", "", text))):
        if "{" in text and "{}" in table[text]:
            pattern = _VALUE.sub("(.*?)", re.escape(text))
            yield re.compile(pattern, re.DOTALL), table[text]


def register() -> None:
    """Read the tables and hand them to Blender."""
    tables: dict[str, dict[tuple[str, str], str]] = {}
    for path in sorted(FOLDER.glob("*.po")):
        table = read_table(path.read_text(encoding="utf-8").splitlines())
        tables[path.stem] = {(c, text): table[text] for text in table for c in CONTEXTS}
        _patterns[path.stem] = list(_make_patterns(table))
    bpy.app.translations.register(__name__, tables)


def unregister() -> None:
    """Take the tables back."""
    bpy.app.translations.unregister(__name__)
    _patterns.clear()


_patterns: dict[str, list[tuple[re.Pattern[str], str]]] = {}
