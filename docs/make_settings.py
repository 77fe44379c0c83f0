# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the settings of `backend/config.py` into the page `docs/manual/settings.md`.

Run from the repository's root: `.venv/bin/python docs/make_settings.py`.
"""

import json
import sys
from dataclasses import Field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from backend.client.arguments import FLAGS  # noqa: E402
from backend.config import PRESET_FOLDER, setting_names  # noqa: E402

PAGE = ROOT / "docs" / "manual" / "settings.md"
TITLES = {
    "": "Model",
    "image": "Picture",
    "sample": "Sampling",
    "field_": "Surface",
    "mesh": "Mesh",
    "paint": "Painting",
    "texture": "Texture",
    "unwrap": "UV map",
    "bake": "Baking",
}
HEAD = """# Settings

Made by `docs/make_settings.py` from `backend/config.py`; changes belong there. The flag is the one
of `python -m backend generate`.
"""


def make_page() -> str:
    """The whole page as Markdown."""
    groups: dict[str, list[tuple[str, Field[Any]]]] = {}
    for name, (group, item) in setting_names().items():
        groups.setdefault(group, []).append((name, item))
    parts = [HEAD]
    for group, items in groups.items():
        rows = "\n".join(make_row(name, item) for name, item in items)
        parts.append(
            f"## {TITLES[group]}\n\n"
            "| Setting | Flag | Default | Allowed | What it changes |\n"
            f"|---|---|---|---|---|\n{rows}\n"
        )
    return "\n".join([*parts, make_presets()])


def make_row(name: str, item: "Field[Any]") -> str:
    """One setting as a row of its table."""
    meta = item.metadata
    flag = FLAGS.get(name, "--" + name.replace("_", "-"))
    choices = ", ".join(f"`{choice}`" for choice in meta["choices"])
    allowed = choices or f"{meta['min']} to {meta['max']}"
    unit = f" {meta['unit']}" if meta["unit"] else ""
    return f"| `{name}` | `{flag}` | {item.default}{unit} | {allowed}{unit} | {meta['text']} |"


def make_presets() -> str:
    """What each preset sets differently from the defaults."""
    rows = []
    for path in sorted(PRESET_FOLDER.glob("*.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        text = ", ".join(f"`{name}` {value}" for name, value in values.items())
        rows.append(f"| `{path.stem}` | {text or 'nothing: these are the defaults'} |")
    table = "\n".join(rows)
    return f"## Presets\n\n| Preset | Differs from the defaults in |\n|---|---|\n{table}\n"


if __name__ == "__main__":
    PAGE.write_text(make_page(), encoding="utf-8")
