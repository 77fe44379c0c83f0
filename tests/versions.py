# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the tests in Blender with other versions of it: `python tests/versions.py [4.2 5.0 ...]`.

Each version is a module in an environment of its own under .venv-versions/ (1 GB and half a minute
the first time). Workers run by .venv, so the built extension meets a real worker in every Blender.
A version whose Python is not on this machine is left out, and said.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv-versions"
WORKER_PYTHON = ROOT / ".venv/bin/python"
# Version of Blender -> the module's version, and the Python that it is made for.
MODULES = {
    "4.2": ("4.2.23", "3.11"),
    "5.0": ("5.0.1", "3.11"),
    "5.1": ("5.1.2", "3.13"),
    "5.2": ("5.2.3", "3.13"),
}
# Of .venv's packages, what the tests themselves import.
PACKAGES = ("pytest", "pytest-timeout", "pytest-xdist", "pillow", "scipy", "trimesh")
# What touches Blender itself; the other files test the worker, or the same paths once more.
FILES = (
    "test_extension",
    "test_leaks",
    "test_panels",
    "test_generate",
    "test_queue",
    "test_image",
    "test_picture",
    "test_finish",
    "test_deliver",
    "test_history",
    "test_presets",
    "test_recipe",
    "test_retexture",
    "test_retexture_masks",
    "test_retexture_meanwhile",
    "test_retexture_shape",
    "test_retexture_uv",
)


def find_python(version: str) -> str | None:
    """A Python of this version that runs, or None."""
    candidates = [f"python{version}", "python3", sys.executable]
    pyenv = Path.home() / ".pyenv" / "versions"
    candidates += [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    code = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if not (path := shutil.which(candidate)):
            continue
        done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip() == version:
            return path
    return None


def read_pins() -> list[str]:
    """The packages beside Blender, in the versions that .venv has."""
    lines = [
        line.split(";")[0].strip()
        for name in ("dev", "common")
        for line in (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
    ]
    return [line for line in lines if line.split("==")[0] in PACKAGES]


def make_environment(version: str, python: str) -> Path:
    """The Python of this Blender's environment, which is made if it is missing or another one."""
    folder = FOLDER / version
    wanted = "\n".join([f"bpy=={MODULES[version][0]}", *read_pins()])
    stamp = folder / "maquette-stamp.txt"
    if not stamp.is_file() or stamp.read_text("utf-8") != wanted:
        subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", *wanted.splitlines()], check=True)
        stamp.write_text(wanted, "utf-8")
    return folder / "bin/python"


def run_tests(version: str) -> str:
    """Run the tests in one version; what to say about it."""
    number, needed = MODULES[version]
    python = find_python(needed)
    if python is None:
        return f"Blender {number}: left out, there is no Python {needed} here"
    start = time.monotonic()
    files = [ROOT / "tests/blender" / f"{name}.py" for name in FILES]
    command = [make_environment(version, python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-n", os.environ.get("JOBS", "2"), "--dist", "loadfile"]
    command += [str(path.relative_to(ROOT)) for path in files if path.exists()]
    environment = os.environ | {"MAQUETTE_TEST_WORKER": str(WORKER_PYTHON), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    outcome = "passed" if done.returncode == 0 else "FAILED"
    return f"Blender {number}: {outcome} in {time.monotonic() - start:.0f} s"


def main(versions: list[str]) -> int:
    """Run the tests in each version; 1 if they failed in one."""
    outcomes = []
    for version in versions or list(MODULES):
        outcomes.append(run_tests(version))
        sys.stdout.write(outcomes[-1] + "\n")
        sys.stdout.flush()
    sys.stdout.write("\nOther versions of Blender:\n" + "".join(f"  {o}\n" for o in outcomes))
    return int(any("FAILED" in outcome for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
