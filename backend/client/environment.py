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
    "Install the worker's environment in the preferences, or name its Python there "
    f"or in {PYTHON_VARIABLE}."
)
# Threads that spin while they wait fight with Blender's own for the same cores.
_SLEEPING_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}
# Where the hub's client, torch, and the compilers of the drivers write unless they are told.
_CACHE_FOLDERS = {
    "HF_HOME": "huggingface",
    "TORCH_HOME": "torch",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TRITON_CACHE_DIR": "triton",
    "CUDA_CACHE_PATH": "cuda",
    "MIOPEN_USER_DB_PATH": "miopen",
    "MIOPEN_CUSTOM_CACHE_DIR": "miopen",
    "XDG_CACHE_HOME": "other",
}
_PROBE = """
import importlib, json, platform, sys
from importlib import metadata
versions, missing, device = {"python": platform.python_version()}, {}, ""
for module, package in json.loads(sys.argv[1]).items():
    try:
        importlib.import_module(module)
        versions[package] = metadata.version(package)
    except Exception as error:
        missing[package] = f"{type(error).__name__}: {error}"
if "torch" in versions:
    import torch
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name(0)
    elif torch.backends.mps.is_available():
        device = "Apple GPU"
print(json.dumps({"versions": versions, "missing": missing, "device": device}))
"""
PROCESSOR = "Processor"


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """A worker environment that was found complete.

    Attributes:
        python: Its Python.
        versions: Package name -> version, Python included.
        device: What it computes on: the GPU's name, or `PROCESSOR`.
    """

    python: Path
    versions: dict[str, str]
    device: str = PROCESSOR


@dataclass(frozen=True, slots=True)
class Places:
    """Where a calling program keeps things, if not in the usual places.

    Attributes:
        models_folder: Default of `find_models_folder`, or None.
        python: Python of the environment that the program has installed, or None.
    """

    models_folder: Path | None = None
    python: Path | None = None


def find_python(preferred: str = "", installed: Path | None = None) -> Path:
    """The Python of the worker's environment.

    Args:
        preferred: Path from the preferences; empty asks the variable `MAQUETTE_PYTHON`, then
            takes `installed`, then looks for `.venv` beside the package (a developer's tree).
        installed: Python of the environment that this extension has installed, or None.

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
    if installed is not None:
        return installed
    beside = python_of_venv(PACKAGE_ROOT / ".venv")
    if beside.is_file():
        return beside
    raise SetupError("The worker's Python environment is not set up.", _SET_UP_HINT)


def check_environment(python: Path, timeout_s: float = 120.0) -> EnvironmentState:
    """Run that Python once and ask which packages it has; takes seconds (it imports torch).

    Raises:
        SetupError: It does not run, takes too long, is too old, or packages are missing or broken.
    """
    try:
        done = subprocess.run(
            probe_command(python),
            capture_output=True,
            timeout=timeout_s,
            env=worker_environment(),
            stdin=subprocess.DEVNULL,
            creationflags=NO_WINDOW,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise silent_python(python, timeout_s) from error
    except OSError as error:
        raise dead_python(python) from error
    return read_probe(python, done.stdout)


def probe_command(python: Path) -> list[str]:
    """The command line whose output `read_probe` reads."""
    return [str(python), "-s", "-B", "-c", _PROBE, json.dumps(REQUIRED_MODULES)]


def read_probe(python: Path, output: bytes) -> EnvironmentState:
    """What the probe found.

    Args:
        python: The Python that ran it.
        output: All that it wrote to its stdout; the answer is the last line.

    Raises:
        SetupError: There is no answer, the Python is too old, or packages are missing or broken.
    """
    try:
        answer = json.loads(output.splitlines()[-1])
        versions, missing = answer["versions"], answer["missing"]
        number = tuple(int(part) for part in versions["python"].split(".")[:2])
    except (ValueError, LookupError, TypeError) as error:
        raise dead_python(python) from error
    if number < (3, 11):
        raise SetupError(
            f"The worker's Python is {versions['python']}, too old.", "Use Python 3.11 or newer."
        )
    if missing:
        details = ", ".join(f"{name} ({reason})" for name, reason in missing.items())
        raise SetupError(f"The worker's Python lacks packages: {details}.", _SET_UP_HINT)
    return EnvironmentState(python, versions, answer.get("device") or PROCESSOR)


def silent_python(python: Path, timeout_s: float) -> SetupError:
    """What to say of a Python that did not answer in time."""
    return SetupError(
        f"The worker's Python did not answer within {timeout_s:.0f} s: {python}.",
        "Try again; if it stays, set the environment up anew.",
    )


def find_models_folder(default: Path | None = None) -> Path:
    """Where downloaded models lie.

    Args:
        default: What is taken unless the variable `MAQUETTE_MODELS` names a folder; None: a folder
            of the user's.
    """
    named = os.environ.get(MODELS_VARIABLE)
    return Path(named) if named else default or Path.home() / ".maquette" / "models"


def worker_command(python: Path, models_folder: Path | None = None) -> list[str]:
    """The command line that runs the worker in that Python; further arguments may follow."""
    models = ["--models-folder", str(find_models_folder(models_folder).absolute())]
    return [str(python), *PYTHON_FLAGS, "-m", "backend.worker", *models]


def worker_environment(models_folder: Path | None = None) -> dict[str, str]:
    """This process's environment without the calling Python's own settings.

    Blender's Python is another one: its `PYTHON*` variables would break the worker's. The package
    root becomes the module path, so `backend` is found wherever the extension is installed.

    Args:
        models_folder: As for `find_models_folder`; libraries keep their caches inside of it.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name != "__PYVENV_LAUNCHER__"
    }
    own = {"PYTHONPATH": str(PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return _SLEEPING_THREADS | _cache_variables(models_folder) | inherited | own


def let_threads_sleep() -> None:
    """Make this process's torch, if it is loaded later, leave idle cores to others."""
    for name, value in _SLEEPING_THREADS.items():
        os.environ.setdefault(name, value)


def keep_caches_inside(models_folder: Path | None = None) -> None:
    """Make libraries that this process loads later keep their caches in the models folder."""
    for name, value in _cache_variables(models_folder).items():
        os.environ.setdefault(name, value)


def _cache_variables(models_folder: Path | None) -> dict[str, str]:
    """Variables that name the caches of libraries and drivers; what the user has set stays."""
    inside = find_models_folder(models_folder).absolute() / ".cache"
    variables = {name: str(inside / folder) for name, folder in _CACHE_FOLDERS.items()}
    if "HF_HOME" not in os.environ:  # who has signed in at the hub stays so: it is read only
        variables["HF_TOKEN_PATH"] = str(Path.home() / ".cache" / "huggingface" / "token")
    return variables


def python_of_venv(folder: Path) -> Path:
    """Where a virtual environment keeps its Python."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def dead_python(python: Path) -> SetupError:
    """What to say of a Python that ended without an answer."""
    return SetupError(f"The worker's Python does not run: {python}.", _SET_UP_HINT)
