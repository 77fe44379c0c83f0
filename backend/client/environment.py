# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns preferences and the process's environment into the Python that runs the worker.

The only module of the package that reads `os.environ`.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import SetupError

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
PYTHON_VARIABLE = "MAQUETTE_PYTHON"
MODELS_VARIABLE = "MAQUETTE_MODELS"
REQUIRED_MODULES = {
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "PIL": "pillow",
    "safetensors": "safetensors",
    "skimage": "scikit-image",
    "fast_simplification": "fast-simplification",
    "trimesh": "trimesh",
}
# Windows would open a console window for every worker.
NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
# Ignore the user's site folder, write no .pyc beside the extension, keep the current folder out
# of the module path, speak UTF-8, and leave a stack in the log when native code crashes.
PYTHON_FLAGS = ("-s", "-B", "-P", "-X", "utf8", "-X", "faulthandler")
_SET_UP_HINT = (
    "Set up the worker's environment in the preferences, or name its Python there "
    f"or in {PYTHON_VARIABLE}."
)
# Threads that spin while they wait fight with Blender's own for the same cores.
_SLEEPING_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}
_PROBE = """
import importlib, json, platform, sys
from importlib import metadata
versions, missing = {"python": platform.python_version()}, {}
for module, package in json.loads(sys.argv[1]).items():
    try:
        importlib.import_module(module)
        versions[package] = metadata.version(package)
    except Exception as error:
        missing[package] = f"{type(error).__name__}: {error}"
print(json.dumps({"versions": versions, "missing": missing}))
"""


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """A worker environment that was found complete.

    Attributes:
        python: Its Python.
        versions: Package name -> version, Python included.
    """

    python: Path
    versions: dict[str, str]


def find_python(preferred: str = "") -> Path:
    """The Python of the worker's environment.

    Args:
        preferred: Path from the preferences; empty asks the variable `MAQUETTE_PYTHON`, then
            looks for `.venv` beside the package (a developer's tree).

    Returns:
        An existing file.

    Raises:
        SetupError: None was named or found, or the named one does not exist.
    """
    for named, place in (
        (preferred, "the preferences"),
        (os.environ.get(PYTHON_VARIABLE, ""), PYTHON_VARIABLE),
    ):
        if named:
            path = Path(named).expanduser()
            if path.is_file():
                return path
            raise SetupError(f"The Python named in {place} does not exist: {path}.", _SET_UP_HINT)
    beside = PACKAGE_ROOT / ".venv" / _python_of_venv()
    if beside.is_file():
        return beside
    raise SetupError("The worker's Python environment is not set up.", _SET_UP_HINT)


def check_environment(python: Path, timeout_s: float = 120.0) -> EnvironmentState:
    """Run that Python once and ask which packages it has; takes seconds (it imports torch).

    Raises:
        SetupError: It does not run, takes too long, is too old, or packages are missing or broken.
    """
    command = [str(python), "-s", "-B", "-c", _PROBE, json.dumps(REQUIRED_MODULES)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=timeout_s,
            env=worker_environment(),
            stdin=subprocess.DEVNULL,
            creationflags=NO_WINDOW,
            check=False,
        )
        answer = json.loads(done.stdout.splitlines()[-1])
        versions, missing = answer["versions"], answer["missing"]
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"The worker's Python did not answer within {timeout_s:.0f} s: {python}.",
            "Try again; if it stays, set the environment up anew.",
        ) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SetupError(f"The worker's Python does not run: {python}.", _SET_UP_HINT) from error
    if tuple(int(part) for part in versions["python"].split(".")[:2]) < (3, 11):
        raise SetupError(
            f"The worker's Python is {versions['python']}, too old.", "Use Python 3.11 or newer."
        )
    if missing:
        details = ", ".join(f"{name} ({reason})" for name, reason in missing.items())
        raise SetupError(f"The worker's Python lacks packages: {details}.", _SET_UP_HINT)
    return EnvironmentState(python, versions)


def find_models_folder() -> Path:
    """Where downloaded models lie: the variable `MAQUETTE_MODELS`, else a folder of the user's."""
    named = os.environ.get(MODELS_VARIABLE)
    return Path(named) if named else Path.home() / ".maquette" / "models"


def worker_command(python: Path) -> list[str]:
    """The command line that runs the worker in that Python; further arguments may follow."""
    models = ["--models-folder", str(find_models_folder().absolute())]
    return [str(python), *PYTHON_FLAGS, "-m", "backend.worker", *models]


def worker_environment() -> dict[str, str]:
    """This process's environment without the calling Python's own settings.

    Blender's Python is another one: its `PYTHON*` variables would break the worker's. The package
    root becomes the module path, so `backend` is found wherever the extension is installed.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name != "__PYVENV_LAUNCHER__"
    }
    own = {"PYTHONPATH": str(PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return _SLEEPING_THREADS | inherited | own


def let_threads_sleep() -> None:
    """Make this process's torch, if it is loaded later, leave idle cores to others."""
    for name, value in _SLEEPING_THREADS.items():
        os.environ.setdefault(name, value)


def _python_of_venv() -> str:
    """Where a virtual environment keeps its Python."""
    return "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
