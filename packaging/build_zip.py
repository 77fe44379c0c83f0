# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the source tree into `dist/maquette-<version>.zip`, with Blender's own extension tool.

Needs a Python that has the `bpy` module: `.venv/bin/python packaging/build_zip.py`.
"""

import argparse
import importlib.util
import logging
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_ZIP_MIB = 45

logger = logging.getLogger(__name__)


def find_extension_tool() -> Path:
    """The command-line tool for extensions inside the installed `bpy` module.

    Raises:
        FileNotFoundError: This Python has no `bpy`, or one without the tool.
    """
    spec = importlib.util.find_spec("bpy")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        for tool in Path(folder).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"):
            return tool
    raise FileNotFoundError("Blender's extension tool was not found; run `make test` first.")


def build_zip(folder: Path) -> Path:
    """Validate the tree, build the zip into `folder` and validate that too.

    Returns:
        The zip's path.

    Raises:
        subprocess.CalledProcessError: The tool found a mistake (it says which).
        ValueError: The zip is larger than `MAX_ZIP_MIB`.
    """
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    target = folder / f"{manifest['id']}-{manifest['version']}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    _run_tool("validate", str(ROOT))
    _run_tool("build", "--source-dir", str(ROOT), "--output-filepath", str(target))
    _run_tool("validate", str(target))
    size_mib = target.stat().st_size / 2**20
    if size_mib > MAX_ZIP_MIB:
        raise ValueError(f"{target.name} has {size_mib:.1f} MiB; at most {MAX_ZIP_MIB} are allowed")
    logger.info("%s: %.1f MiB", target, size_mib)
    return target


def _run_tool(*arguments: str) -> None:
    """Run one command of the extension tool; its output is kept for the error only."""
    command = [sys.executable, str(find_extension_tool()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        logger.error("%s%s", done.stdout, done.stderr)
        done.check_returncode()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "dist", help="where the zip goes")
    build_zip(parser.parse_args().folder)
