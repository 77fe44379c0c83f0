# SPDX-License-Identifier: GPL-3.0-or-later
"""One example picture to a textured mesh, a Blender file and pictures of it: `make demo`.

Starts Blender's `bpy` module with this source tree as an enabled extension and runs the command
that `blender --background --command maquette generate` runs. The files go under `out/`;
`demo_sides.png` shows the object from the front, from its left, from behind and from its right.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE = "bl_ext.user_default.maquette"
PICTURE = ROOT / "examples" / "truck.png"


def enable_extension(user_folder: Path) -> None:
    """Start Blender with a fresh user folder whose only extension is this tree."""
    extensions = user_folder / "extensions/user_default"
    extensions.mkdir(parents=True)
    (extensions / "maquette").symlink_to(ROOT, target_is_directory=True)
    os.environ["BLENDER_USER_RESOURCES"] = str(user_folder)
    bpy = importlib.import_module("bpy")
    bpy.ops.preferences.addon_enable(module=MODULE)


def run_demo(image: Path, out: Path, words: list[str]) -> int:
    """Generate, save, render; print the files and the seconds of each stage.

    Returns:
        The command's exit status.
    """
    start = time.perf_counter()
    files = [out / f"demo{end}" for end in (".glb", ".blend", ".png", "_sides.png")]
    names = ("--out", "--blend", "--preview", "--turntable")
    flags = [word for pair in zip(names, files, strict=True) for word in pair]
    command = importlib.import_module(f"{MODULE}.command")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = command.run(["generate", str(image), *map(str, flags), "--json", *words])
    if status != 0:
        return status
    line = next(text for text in printed.getvalue().splitlines() if text.startswith("{"))
    result = json.loads(line)
    total = time.perf_counter() - start
    stages = result["seconds"]
    rest = total - sum(stages.values())
    for name, seconds in [*stages.items(), ("scene and pictures", rest), ("total", total)]:
        print(f"{name:>19}: {seconds:6.1f} s")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{result['faces']} faces, seed {result['seed']}, peak memory {peak_mib:.0f} MiB")
    for path in files:
        print(path)
    return 0


def main() -> int:
    """Read the arguments, start Blender in a folder that is gone afterwards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path, default=PICTURE, help="reference picture")
    parser.add_argument("--folder", type=Path, default=ROOT / "out", help="where the files go")
    options, words = parser.parse_known_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as user_folder:
        enable_extension(Path(user_folder))
        return run_demo(options.image, options.folder, words)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # some versions of the module hang when Python ends
