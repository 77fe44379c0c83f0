# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes or repairs `.venv` from the pinned requirements; does nothing when it is complete.

Standard library only, for any Python 3: it looks for a Python 3.11 or 3.13 itself. Variables:
PYTHON (which Python to use), DEVICE (cpu, cuda or rocm), TORCH_INDEX (address of the index for
torch alone; "{build}" in it becomes the build's name). What is installed for which machine is
decided where the extension's own installation decides it: `backend/client/builds.py`, `pins.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "maquette-stamp.txt"
VERSIONS = ("3.11", "3.13")
DEBIAN_PACKAGES = "libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1"
NO_PYTHON = "No Python 3.11 or 3.13 with the venv module was found. Install one, or set PYTHON."

LIST_PACKAGES = """
import importlib.metadata, json, sys
found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
print(json.dumps(["%d.%d" % sys.version_info[:2], found]))
"""


def say(text: str) -> None:
    """One line for the person at the terminal."""
    sys.stderr.write(f"venv: {text}\n")


def find_python() -> str | None:
    """The first Python of a supported version that can make environments."""
    code = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    named = os.environ.get("PYTHON")
    for name in [named] if named else ["python3", *(f"python{v}" for v in VERSIONS)]:
        path = shutil.which(name)
        if path:
            run = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
            if run.returncode == 0 and run.stdout.strip() in VERSIONS:
                return path
    return None


if sys.version_info < (3, 11):  # noqa: UP036
    # The modules below need a newer Python than this one may be.
    newer = find_python()
    if newer is None:
        say(NO_PYTHON)
        sys.exit(1)
    sys.exit(subprocess.run([newer, __file__], check=False).returncode)
sys.path.insert(0, str(ROOT))

from backend.client.builds import choose_build, detect_machine, index_address  # noqa: E402
from backend.client.pins import (  # noqa: E402
    REQUIREMENTS,
    install_commands,
    missing_pins,
    pins_digest,
    read_pins,
)
from backend.errors import SetupError  # noqa: E402


def main() -> int:
    """Make the environment if it is missing, changed or broken; 0 if it is usable."""
    index = os.environ.get("TORCH_INDEX", "")
    build = choose_build(detect_machine(), index, os.environ.get("DEVICE", "auto"))
    wanted = stamp_of(build.device)
    is_stamped = STAMP.is_file() and STAMP.read_text(encoding="utf-8") == wanted
    if is_stamped and not missing_packages(build.device):
        return 0
    if installed_packages() is None:
        python = find_python()
        if python is None:
            say(NO_PYTHON)
            return 1
        say(f"making .venv with {python}")
        subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True)
    size_gb = build.download_mb / 1000
    say(f"installing the packages for {build.device} (about {size_gb:.1f} GB and Blender's)")
    install(build.device, index_address(index, build))
    lacking = missing_packages(build.device)
    if lacking:
        say(f"Still missing after the installation: {', '.join(lacking)}.")
        return 1
    STAMP.write_text(wanted, encoding="utf-8")
    check_blender_module()
    return 0


def stamp_of(device: str) -> str:
    """Changes whenever what has to be installed changes."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(pins_digest([device, "dev", "stubs"], REQUIREMENTS).encode())
    return f"{device} {os.environ.get('TORCH_INDEX', '')} {digest.hexdigest()}\n"


def installed_packages() -> tuple[str, dict[str, str]] | None:
    """Python version and packages of `.venv`; None if it does not run or has a wrong version."""
    try:
        run = subprocess.run([str(PYTHON), "-c", LIST_PACKAGES], capture_output=True, check=False)
        version, packages = json.loads(run.stdout)
    except (OSError, ValueError):
        return None
    if version not in VERSIONS:
        return None
    return version, packages


def missing_packages(device: str) -> list[str]:
    """The pins that `.venv` does not fulfil, e.g. ["numpy==1.26.4"]."""
    found = installed_packages()
    if found is None:
        return [".venv"]
    version, packages = found
    pins = read_pins(device, version, REQUIREMENTS) | read_pins("dev", version, REQUIREMENTS)
    lacking = missing_pins(pins, packages)
    if not (VENV / "stubs" / "bpy").is_dir():
        lacking.append("stubs")
    return lacking


def install(device: str, index: str) -> None:
    """The worker's and the developer's packages, then the type stubs, which go elsewhere."""
    pip = [str(PYTHON), "-m", "pip"]
    commands = install_commands(pip, [device, "dev"], index, REQUIREMENTS)
    stubs = install_commands(pip, ["stubs"], "", REQUIREMENTS)[0]
    commands.append([*stubs, "--no-deps", "--upgrade", "--target", str(VENV / "stubs")])
    for command in commands:
        subprocess.run([*command, "--quiet"], check=True)


def check_blender_module() -> None:
    """Say what is missing when Blender's libraries are not all on this system."""
    run = subprocess.run([str(PYTHON), "-c", "import bpy"], capture_output=True, check=False)
    if run.returncode:
        say(f"bpy does not import. On Debian or Ubuntu: apt-get install {DEBIAN_PACKAGES}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        say(f"This command failed: {' '.join(error.cmd)}")
        sys.exit(1)
    except SetupError as error:
        say(str(error))
        sys.exit(1)
