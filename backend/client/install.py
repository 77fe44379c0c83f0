# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a Python and a build of PyTorch into the worker's environment, step by step; never waits.

The environment counts only when its marker file, written last, is there: whatever ends an
installation half-way leaves none.
"""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import MaquetteError, SetupError
from .builds import PYTHONS, Build, index_address
from .child_job import ChildJob, Step, free_mb, remove_command
from .environment import (
    EnvironmentState,
    dead_python,
    probe_command,
    python_of_venv,
    read_probe,
)
from .install_errors import explain_failure
from .pins import REQUIREMENTS, install_commands, pins_digest

MARKER = "maquette.json"
_SCRATCH = "tmp"
# Windows allows 259 characters; the longest path inside of torch 2.12 has 119, then come others.
_MAX_PATH, _LONGEST_INSIDE = 259, len("/Lib/site-packages/") + 119
# Room that is left free beside what is needed.
_SPARE_MB = 300
# Shares of the time: by and large the same for all builds.
_SPANS = {"look": (0.0, 0.01), "make": (0.01, 0.04), "check": (0.95, 1.0)}
_PACKAGES_SPAN = (0.04, 0.95)
# torch, where it has a command of its own, and the rest.
_TORCH_SHARE = 0.85
# Ends with the process that started it: when that dies, its end of the pipe to stdin closes.
_GUARDED = (
    "import os, runpy, sys, threading\n"
    "def wait():\n"
    "    os.read(0, 1)\n"
    "    os._exit(1)\n"
    "threading.Thread(target=wait, daemon=True).start()\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
)
_LOOK = """
import json, platform, struct, sys
answer = {"version": list(sys.version_info[:2]), "bits": 8 * struct.calcsize("P"), "missing": []}
for name in ("venv", "ensurepip"):
    try:
        __import__(name)
    except ImportError:
        answer["missing"].append(name)
print(json.dumps(answer))
"""


@dataclass(frozen=True, slots=True)
class Marker:
    """What is written into a complete environment.

    Attributes:
        build: Name of the build of PyTorch.
        requirements: Name of the requirements file that it was made from, without suffix.
        pins: Digest of that file and of those that it includes.
        versions: Package name -> version, as its check found them.
        device: What it computes on.
    """

    build: str
    requirements: str
    pins: str
    versions: dict[str, str]
    device: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an installation does.

    Attributes:
        folder: The environment's folder.
        steps: In order.
        build: What is installed.
        pins: Digest of the requirements.
        python: The Python that the environment will have.
    """

    folder: Path
    steps: tuple[Step, ...]
    build: Build
    pins: str
    python: Path


def make_plan(
    folder: Path,
    base_python: Path,
    build: Build,
    index: str = "",
    requirements: Path = REQUIREMENTS,
) -> Plan:
    """The steps that make an environment.

    Args:
        folder: The environment's folder; what is in it is removed first.
        base_python: The Python that it is made with.
        build: Which PyTorch.
        index: Address of the index that has it, see `builds`; empty: pip's default.
        requirements: Folder of the requirements files.
    """
    python = python_of_venv(folder)
    pip = [str(python), "-I", "-c", _GUARDED, "pip"]
    files, address = [build.device], index_address(index, build)
    commands = install_commands(pip, files, address, requirements)
    low, high = _PACKAGES_SPAN
    middle = low + (high - low) * _TORCH_SHARE
    spans = [(low, middle), (middle, high)] if len(commands) == 2 else [(low, high)]
    size_mb = build.download_mb + build.disk_mb
    packages = [
        Step("packages", command, span, round(size_mb * (span[1] - span[0]) / (high - low)))
        for command, span in zip(commands, spans, strict=True)
    ]
    make = [str(base_python), "-I", "-m", "venv", str(folder)]
    look = [str(base_python), "-I", "-c", _LOOK]
    steps = (
        Step("look", look, _SPANS["look"]),
        Step("clean", remove_command(folder), (0.01, 0.01)),
        Step("make", make, _SPANS["make"]),
        *packages,
        Step("check", probe_command(python), _SPANS["check"]),
    )
    return Plan(folder, steps, build, pins_digest(files, requirements), python)


def read_marker(folder: Path) -> Marker | None:
    """What a complete environment says about itself; None if there is no complete one."""
    if not python_of_venv(folder).is_file():
        return None
    try:
        marker = Marker(**json.loads((folder / MARKER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return marker if isinstance(marker.versions, dict) else None  # pyright: ignore[reportUnnecessaryIsInstance]


def find_installed(folder: Path) -> Path | None:
    """The Python of a complete environment, or None."""
    return python_of_venv(folder) if read_marker(folder) else None


def is_current(marker: Marker, requirements: Path = REQUIREMENTS) -> bool:
    """Whether an environment was made from the requirements of this version of the extension."""
    try:
        return marker.pins == pins_digest([marker.requirements], requirements)
    except OSError:
        return False


class Installation(ChildJob):
    """Makes an environment.

    Args:
        plan: What to do.
        log_path: Takes pip's output.
        free_space_mb: Folder -> free space on its disk.

    Attributes:
        found: What the check at the end has found; set when done.
    """

    def __init__(
        self, plan: Plan, log_path: Path, free_space_mb: Callable[[Path], int] = free_mb
    ) -> None:
        super().__init__(plan.steps, plan.folder / _SCRATCH, log_path, free_space_mb)
        self._plan = plan
        self.found: EnvironmentState | None = None

    def prepare_step(self, step: Step) -> None:
        """Make the folders, and find out whether there is room.

        Raises:
            SetupError: There is too little space, or the folder's path is too long.
        """
        if step.stage == "clean" and self._ending is None:
            (self._plan.folder / MARKER).unlink(missing_ok=True)
        if step.stage == "make":
            check_path_length(self._plan.folder)
            self._check_space()
            self._scratch.mkdir(parents=True, exist_ok=True)

    def finish_step(self, step: Step) -> None:
        """Judge the base Python, and at the end write the marker.

        Raises:
            SetupError: The Python cannot be used, or packages are missing after all.
        """
        if step.stage == "look":
            check_base_python(self.output())
        elif step.stage == "check":
            self.found = read_probe(self._plan.python, find_answer(self.output()))
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._write_marker(self.found)

    def explain(self, step: Step, status: int | None, output: str) -> MaquetteError:
        """What pip's output means; a base Python that does not run is its own case."""
        if step.stage == "look":
            return _useless_base()
        return super().explain(step, status, output)

    def leftovers(self) -> list[Path]:
        """The half environment."""
        return [self._plan.folder]

    def _check_space(self) -> None:
        needed = self._plan.build.download_mb + self._plan.build.disk_mb + _SPARE_MB
        free = self._free_space_mb(self._plan.folder)
        if free < needed:
            raise SetupError(
                f"The disk has {free / 1000:.1f} GB left, and {needed / 1000:.1f} GB are needed.",
                "Free some space, or choose an Environment Folder on another disk.",
            )

    def _write_marker(self, found: EnvironmentState) -> None:
        """As the very last thing, so that nothing unfinished is ever taken for an environment."""
        build = self._plan.build
        marker = Marker(build.name, build.device, self._plan.pins, found.versions, found.device)
        path = self._plan.folder / MARKER
        part = path.with_suffix(".part")
        try:
            part.write_text(json.dumps(asdict(marker), indent=1), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise explain_failure(str(error), None, self._log_path) from error


class Removal(ChildJob):
    """Deletes an environment, and nothing else.

    Args:
        folder: The environment's folder.
        log_path: Takes error messages.
    """

    def __init__(self, folder: Path, log_path: Path) -> None:
        step = Step("clean", remove_command(folder), (0.0, 1.0))
        super().__init__([step], log_path.parent, log_path)
        self._folder = folder

    def prepare_step(self, step: Step) -> None:
        """From now on it does not count any more."""
        (self._folder / MARKER).unlink(missing_ok=True)

    def finish_step(self, step: Step) -> None:
        """Be sure that it is gone.

        Raises:
            SetupError: Something is still there.
        """
        if self._folder.exists():
            raise SetupError(
                f"Not all of the environment could be removed: {self._folder}.",
                "Close programs that use it, then press Remove again.",
            )

    def cancel(self) -> None:
        """Half of a removal is of no use to anybody: it goes on."""


class Trial(ChildJob):
    """Runs a Python once and asks for its packages.

    Args:
        python: Which one.
        log_path: Takes its output.

    Attributes:
        found: What it has; set when done.
    """

    def __init__(self, python: Path, log_path: Path) -> None:
        super().__init__(
            [Step("check", probe_command(python), (0.0, 1.0))], log_path.parent, log_path
        )
        self._python = python
        self.found: EnvironmentState | None = None

    def finish_step(self, step: Step) -> None:
        """Read the answer.

        Raises:
            SetupError: It is no usable environment.
        """
        self.found = read_probe(self._python, find_answer(self.output()))

    def explain(self, step: Step, status: int | None, output: str) -> MaquetteError:
        """A Python that ends with an error is none."""
        return dead_python(self._python)


def check_path_length(folder: Path, platform: str = sys.platform) -> None:
    """Find out before the download whether the longest paths will fit.

    Raises:
        SetupError: They will not; only on Windows.
    """
    if platform == "win32" and len(str(folder)) + _LONGEST_INSIDE > _MAX_PATH:
        raise SetupError(
            f"The path of the environment's folder is too long for Windows: {folder}.",
            "Choose an Environment Folder with a shorter path in the preferences.",
        )


def find_answer(output: str) -> bytes:
    """The last line that is a JSON object: libraries may write before and after it."""
    lines = [line for line in output.splitlines() if line.startswith("{")]
    return lines[-1].encode() if lines else b""


def check_base_python(answer: str) -> None:
    """Judge what `_LOOK` printed.

    Raises:
        SetupError: That Python cannot make a usable environment.
    """
    try:
        found = json.loads(find_answer(answer))
        version, bits, missing = tuple(found["version"]), found["bits"], found["missing"]
    except (ValueError, LookupError, TypeError) as error:
        raise _useless_base() from error
    shown = ".".join(map(str, version))
    allowed = ", ".join(".".join(map(str, item)) for item in PYTHONS)
    if version < PYTHONS[0]:
        raise SetupError(f"Python {shown} is too old for PyTorch.", f"Choose one of: {allowed}.")
    if version not in PYTHONS:
        raise SetupError(f"Python {shown} is too new for PyTorch.", f"Choose one of: {allowed}.")
    if bits != 64:
        raise SetupError(f"This Python has {bits} bits.", "Choose one of 64 bits.")
    if missing:
        raise SetupError(
            f"This Python cannot make environments: it lacks {' and '.join(missing)}.",
            "On Debian and Ubuntu install python3-venv; or choose another Python.",
        )


def _useless_base() -> SetupError:
    return SetupError("The Python for the installation does not run.", "Choose another one.")
