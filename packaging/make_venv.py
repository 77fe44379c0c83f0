# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes or repairs `.venv` from the pinned requirements; does nothing when it is complete.

Standard library only, for any Python 3: it looks for a Python 3.11 or 3.13 itself. Variables:
PYTHON (which Python to use), DEVICE (cpu, cuda, rocm or mps), TORCH_INDEX (index for torch alone).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "maquette-stamp.txt"
REQUIREMENTS = ROOT / "requirements"
VERSIONS = ("3.11", "3.13")
DEBIAN_PACKAGES = "libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1"

LIST_PACKAGES = """
import importlib.metadata, json, sys
found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
print(json.dumps(["%d.%d" % sys.version_info[:2], found]))
"""


def main() -> int:
    """Make the environment if it is missing, changed or broken; 0 if it is usable."""
    device = os.environ.get("DEVICE") or find_device()
    wanted = stamp_of(device)
    if (
        STAMP.is_file()
        and STAMP.read_text(encoding="utf-8") == wanted
        and not missing_packages(device)
    ):
        return 0
    if installed_packages() is None:
        python = find_python()
        if python is None:
            say(
                "No Python 3.11 or 3.13 with the venv module was found. Install one, or set PYTHON."
            )
            return 1
        say(f"making .venv with {python}")
        subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True)
    say(f"installing the packages for {device} (some GB; the first time takes minutes)")
    install(device)
    lacking = missing_packages(device)
    if lacking:
        say(f"Still missing after the installation: {', '.join(lacking)}.")
        return 1
    STAMP.write_text(wanted, encoding="utf-8")
    check_blender_module()
    return 0


def say(text: str) -> None:
    """One line for the person at the terminal."""
    sys.stderr.write(f"venv: {text}\n")


def find_device() -> str:
    """Which accelerator this machine has, as the name of a requirements file."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "mps"
    smi = shutil.which("nvidia-smi")
    if smi and subprocess.run([smi, "-L"], capture_output=True, check=False).returncode == 0:
        return "cuda"
    return "cpu"


def stamp_of(device: str) -> str:
    """Changes whenever what has to be installed changes."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(REQUIREMENTS.glob("*.txt")):
        digest.update(path.name.encode() + path.read_bytes())
    return f"{device} {os.environ.get('TORCH_INDEX', '')} {digest.hexdigest()}\n"


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


def installed_packages() -> tuple[str, dict[str, str]] | None:
    """Python version and packages of `.venv`; None if it does not run or has a wrong version."""
    try:
        run = subprocess.run([str(PYTHON), "-c", LIST_PACKAGES], capture_output=True, check=False)
        version, packages = json.loads(run.stdout)
    except (OSError, ValueError):
        return None
    if version not in VERSIONS:
        return None
    return version, {normal(name): number for name, number in packages.items()}


def normal(name: str) -> str:
    """Package name as registries compare it."""
    return name.lower().replace("_", "-").split("[")[0]


def missing_packages(device: str) -> list[str]:
    """The pins that `.venv` does not fulfil, e.g. ["numpy==1.26.4"]."""
    found = installed_packages()
    if found is None:
        return [".venv"]
    version, packages = found
    lacking = []
    for name in (device, "common", "dev"):
        for line in (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            pin, _, marker = (part.strip() for part in line.partition(";"))
            if "==" not in pin or pin.startswith("#") or not marker_holds(marker, version):
                continue
            package, number = pin.split("==")
            if packages.get(normal(package), "").split("+")[0] != number:
                lacking.append(pin)
    if not (VENV / "stubs" / "bpy").is_dir():
        lacking.append("stubs")
    return lacking


def marker_holds(marker: str, version: str) -> bool:
    """Whether `python_version OP "X.Y"` holds; an empty marker always does."""
    if not marker:
        return True
    _, operator, number = marker.split()
    mine, other = (tuple(map(int, text.strip('"').split("."))) for text in (version, number))
    return {"<": mine < other, ">=": mine >= other, "==": mine == other}[operator]


def install(device: str) -> None:
    """Torch first, as it may come from another index, then everything else."""
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    files = [str(REQUIREMENTS / f"{name}.txt") for name in (device, "dev", "stubs")]
    index = os.environ.get("TORCH_INDEX")
    if index:
        torch = next(
            line for line in Path(files[0]).read_text().splitlines() if line.startswith("torch==")
        )
        subprocess.run([*pip, torch, "--index-url", index], check=True)
    subprocess.run([*pip, "-r", files[0], "-r", files[1]], check=True)
    stubs = ["--no-deps", "--upgrade", "--target", str(VENV / "stubs"), "-r", files[2]]
    subprocess.run([*pip, *stubs], check=True)


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
