# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every text that an artist may read, in the sources and in Blender's classes.

A text with values in it is found as its pattern: f"'{name}' has no faces." as "'{}' has no faces.".
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

from tests.blender.conftest import MODULE, ROOT

SOURCES = ("*.py", "operators/*.py", "panels/*.py", "scene/*.py", "backend/**/*.py")
# Functions whose texts are shown as they are.
TRANSLATORS = {"iface_", "rpt_", "tip_", "pgettext_iface", "pgettext_rpt", "pgettext_tip"}
SHOWING = {"label", "operator", "prop", "menu", "progress", "popover", "operator_menu_enum"}
# Tables of texts in the sources; what is in them is translated where it is drawn.
TABLES = {"STAGE_TEXTS", "STAGES", "_STAGES", "TEXTS", "_DEVICES", "PROCESSOR", "_SOURCES"}
# Values that messages are filled with.
WORDS = ("front", "left", "back", "right")
# Functions that return what comes after the name of a thing in a message.
FRAGMENTS = {"find_fault"}
# Read at a terminal only, where everything is English.
SKIPPED = (
    "backend/batch/",
    "backend/cli.py",
    "backend/client/arguments.py",
    "backend/client/in_process.py",
    "backend/pipelines/painted_views.py",
    "backend/protocol.py",
    "scene/batch.py",
    "command.py",
)
# Property groups that keep what happened and are never drawn.
RECORDS = ("recipe", "target", "memory", "slot", "paint", "provenance", "status", "job")
NAMES = ("Maquette Mini", "Unity", "UV", "UCX_Name", "Name_collision", "Name-convcolonly")
ERRORS = {
    "MaquetteError", "InputError", "ModelMissingError", "WeightsError", "DeviceMemoryError",
    "SetupError", "OfflineError", "WorkerDiedError", "ProtocolError", "CancelledError",
}  # fmt: skip


def pattern_of(node: ast.expr) -> Iterator[str]:
    """The texts that an expression of literals can give."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
        yield "".join(str(part) for part in parts)
    elif isinstance(node, ast.IfExp):
        yield from pattern_of(node.body)
        yield from pattern_of(node.orelse)


def is_text(text: str) -> bool:
    """Whether this is for reading, not a name or a mere frame of values."""
    return bool(re.search(r"[A-Za-z]{2}", text.replace("{}", "")))


def is_sentence(text: str) -> bool:
    """Whether a text outside of any call is one that is said: notes, hints, parts of messages."""
    return bool(re.fullmatch(r" ?[A-Za-z'{][^\n%\\|]*[.:]?\.", text)) and len(text.split()) > 2


def read_sources() -> dict[str, str]:
    """Text -> the file and line where it was found first."""
    found = dict.fromkeys(WORDS, "a message")
    for place in sorted({path for glob in SOURCES for path in ROOT.glob(glob)}):
        relative = place.relative_to(ROOT)
        if relative.as_posix().startswith(SKIPPED) and relative.name != "cli.py":
            continue
        tree = ast.parse(place.read_text(encoding="utf-8"))
        passed = _find_unsaid(tree)
        for node in ast.walk(tree):
            if relative.name != "cli.py" and node not in passed:
                for text in filter(is_sentence, pattern_of(node)):
                    found.setdefault(text, f"{relative}:{node.lineno}")
            for text in _texts_of(node):
                if is_text(text) and (relative.name != "cli.py" or isinstance(node, ast.Assign)):
                    found.setdefault(text, f"{relative}:{node.lineno}")
    return found


def _find_unsaid(tree: ast.Module) -> set[ast.AST]:
    """Docstrings, and the parts of f-strings."""
    alone = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {p for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for p in n.values}
    return alone | parts


def _texts_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef) and node.name in FRAGMENTS:
        values = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
        yield from (text for value in values if value for text in pattern_of(value))
    elif isinstance(node, ast.Call):
        yield from _texts_of_call(node)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        named = {target.id for target in targets if isinstance(target, ast.Name)}
        if named & TABLES and node.value is not None:
            yield from _texts_in_table(node.value)


def _texts_in_table(value: ast.expr) -> Iterator[str]:
    """A text alone, the values of a dictionary, or the second items of rows."""
    if isinstance(value, ast.Dict):
        for item in value.values:
            yield from pattern_of(item)
    elif isinstance(value, ast.Tuple):
        for row in value.elts:
            yield from pattern_of(row.elts[1]) if isinstance(row, ast.Tuple) else ()
    else:
        yield from pattern_of(value)


def _texts_of_call(node: ast.Call) -> Iterator[str]:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in TRANSLATORS or name == "poll_message_set":
        yield from pattern_of(node.args[0]) if node.args else ()
    elif name in ("report", "_draw_row") and len(node.args) >= 2:
        yield from pattern_of(node.args[1])
    elif name in ERRORS:
        for argument in (*node.args, *(k.value for k in node.keywords)):
            yield from pattern_of(argument)
    elif name in SHOWING:
        is_raw = any(k.arg == "translate" for k in node.keywords)
        for keyword in () if is_raw else node.keywords:
            if keyword.arg in ("text", "title", "confirm_text"):
                yield from pattern_of(keyword.value)


def read_classes(bpy) -> dict[str, str]:
    """Names and tooltips of everything that the extension has registered -> where."""
    found: dict[str, str] = {}
    for name, label, rna in _find_classes(bpy):
        found.setdefault(label, name)
        if "_OT_" in name:
            found.setdefault(rna.description, name)
        for item in rna.properties:
            if not item.is_runtime or item.is_hidden:
                continue
            place = f"{name}.{item.identifier}"
            shown = [item, *getattr(item, "enum_items", ())]
            for part in shown:
                if part.name != part.identifier:
                    found.setdefault(part.name, place)
                found.setdefault(part.description, place)
    return {text: place for text, place in found.items() if is_text(text) and not is_name(text)}


def is_name(text: str) -> bool:
    """Whether this is a proper name, the same in every language."""
    return text in NAMES or text.startswith("Hunyuan3D ")


def _find_classes(bpy) -> Iterator[tuple[str, str, Any]]:
    """Name, label and description by Blender of each class whose texts are drawn."""
    types = bpy.types
    bases = (types.Panel, types.Menu, types.PropertyGroup, types.AddonPreferences)
    for base in (*bases, types.FileHandler):
        for cls in base.__subclasses__():
            is_own = cls.__module__.startswith(MODULE) and cls.is_registered
            if is_own and cls.__name__.rpartition("_")[2] not in RECORDS:
                yield cls.__name__, getattr(cls, "bl_label", ""), cls.bl_rna
    for name in dir(bpy.ops.maquette):
        rna = getattr(bpy.ops.maquette, name).get_rna_type()
        yield f"MAQUETTE_OT_{name}", rna.name, rna
