# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns example pictures into the README's figure: each input above the mesh made from it.

    .venv/bin/python docs/make_pictures.py

Runs the product with its default settings and seed 0; nothing is picked by hand afterwards.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("armchair", "barrel", "chest", "cottage", "truck")
CELL_PX = 256
OUT = ROOT / "docs" / "images" / "examples.png"


def make_preview(name: str, folder: Path) -> Path:
    """Run `make demo`'s script on one example; the preview's path."""
    demo = [sys.executable, str(ROOT / "examples" / "demo.py")]
    picture = ROOT / "examples" / f"{name}.png"
    subprocess.run([*demo, str(picture), "--folder", str(folder / name)], check=True, cwd=ROOT)
    return folder / name / "demo.png"


def main() -> None:
    """Make the figure."""
    sheet = Image.new("RGB", (CELL_PX * len(NAMES), CELL_PX * 2), "white")
    with tempfile.TemporaryDirectory() as folder:
        for column, name in enumerate(NAMES):
            source = ROOT / "examples" / f"{name}.png"
            for row, path in enumerate((source, make_preview(name, Path(folder)))):
                with Image.open(path) as opened:
                    cell = opened.convert("RGBA").resize((CELL_PX, CELL_PX))
                sheet.paste(cell, (column * CELL_PX, row * CELL_PX), cell)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(OUT, optimize=True)


if __name__ == "__main__":
    main()
