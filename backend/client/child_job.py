# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a list of commands into child processes that run one after the other; never waits.

Their output goes into a log file that is read as it grows, so that nothing blocks and no thread is
needed: call `poll` often.
"""

import enum
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CancelledError, MaquetteError, SetupError
from .environment import NO_WINDOW, worker_environment
from .install_errors import explain_failure

_log = logging.getLogger(__name__)
_MB = 10**6
_TAIL_CHARACTERS = 20000
_DOWNLOAD_SHARE = 0.6
# A package's name at the start of "scikit-image>=0.26" or "scikit_image-0.26.0-cp311.whl".
_NAME = re.compile(r"[A-Za-z0-9._]+(?:-[A-Za-z][A-Za-z0-9._]*)*")
_REMOVE = """
import os, shutil, stat, sys
def make_writable(function, path, _):
    os.chmod(path, stat.S_IWRITE)
    function(path)
for folder in sys.argv[1:]:
    if os.path.isdir(folder):
        shutil.rmtree(folder, onerror=make_writable)
"""


class Outcome(enum.Enum):
    """Where an installation or removal stands; the last three are final."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Step:
    """A child process of a job.

    Attributes:
        stage: "look", "make", "packages", "check" or "clean".
        command: What runs.
        span: Fractions of the whole at its start and end.
        size_mb: What it adds to the disk at most, 10^6 bytes; 0 for nothing to speak of.
    """

    stage: str
    command: Sequence[str]
    span: tuple[float, float]
    size_mb: int = 0


def free_mb(folder: Path) -> int:
    """Free space on the disk of a folder, which may not exist yet; 10^6 bytes."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free // _MB


class ChildJob:
    """Runs steps one after the other; the base of an installation and of a removal.

    Args:
        steps: What to run.
        scratch: Folder for the children's temporary files; made when needed.
        log_path: Takes the children's output; its folder is made.
        free_space_mb: Folder -> free space on its disk.

    Attributes:
        outcome: Where it stands.
        stage: The running step's stage; "download" and "unpack" for packages.
        fraction: Share of the whole that is done, 0 to 1; never goes back.
        detail: Package that is being worked on, or empty.
        error: Set when failed or cancelled.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        scratch: Path,
        log_path: Path,
        free_space_mb: Callable[[Path], int] = free_mb,
    ) -> None:
        self._steps = list(steps)
        self._scratch = scratch
        self._log_path = log_path
        self._free_space_mb = free_space_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = self._log_end = 0
        self._free_at_start = 0
        self._partial = b""
        self._ending: Outcome | None = None  # while half of an environment is being removed
        self.outcome = Outcome.RUNNING
        self.stage, self.detail, self.fraction = "", "", 0.0
        self.error: MaquetteError | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing runs any more."""
        return self.outcome is not Outcome.RUNNING

    def start(self) -> None:
        """Start the first step.

        Raises:
            SetupError: The log file cannot be written.
        """
        try:
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            self._log_path.write_bytes(b"")
        except OSError as error:
            raise SetupError(
                f"The extension's folder cannot be written: {error.strerror or error}.",
                "Check its permissions and the free space.",
            ) from error
        self._start_step()

    def poll(self) -> None:
        """Take the news of the running step; start the next one when it has ended."""
        if self.is_finished or self._process is None:
            return
        status = self._process.poll()
        self._read_log()
        if status is None:
            self._measure()
            return
        self._close_pipe()
        self._process = None
        step = self._steps[0]
        try:
            if status != 0:
                raise self.explain(step, status, self.output())
            self.finish_step(step)
        except MaquetteError as error:
            self._fail(error)
            return
        self.fraction = max(self.fraction, step.span[1])
        self._steps.pop(0)
        if self._steps:
            self._start_step()
        else:
            self.outcome = self._ending or Outcome.DONE

    def cancel(self) -> None:
        """Kill the running step with all its children, then remove what it left."""
        if self.is_finished or self._ending is not None:
            return
        self._kill()
        self.error = CancelledError("The installation was cancelled.", "Press Install to start.")
        self._clean_up(Outcome.CANCELLED)

    def close(self) -> None:
        """For the end of the program: as `cancel`, but nobody waits for the removal."""
        self.cancel()
        self._close_pipe()
        self._process = None
        if not self.is_finished:
            self.outcome = self._ending or Outcome.CANCELLED

    def output(self) -> str:
        """The end of what the running step wrote."""
        with self._log_path.open("rb") as file:
            file.seek(max(self._log_start, self._log_end - _TAIL_CHARACTERS))
            return file.read().decode("utf-8", "replace")

    def prepare_step(self, step: Step) -> None:
        """Called before a step starts."""

    def finish_step(self, step: Step) -> None:
        """Called after a step ended well; may raise a `MaquetteError`."""

    def explain(self, step: Step, status: int | None, output: str) -> MaquetteError:
        """The error of a step that failed; without a status it could not be started."""
        return explain_failure(output, status, self._log_path)

    def leftovers(self) -> list[Path]:
        """What is removed when it fails or is cancelled."""
        return []

    def _start_step(self) -> None:
        step = self._steps[0]
        self.stage, self.detail = "download" if step.stage == "packages" else step.stage, ""
        self._log_start = self._log_end = self._log_path.stat().st_size
        try:
            self.prepare_step(step)
            self._free_at_start = self._free_space_mb(self._scratch)
            self._process = self._spawn(step.command)
        except OSError as error:
            self._fail(self.explain(step, None, str(error)))
        except MaquetteError as error:
            self._fail(error)

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._log_path.open("ab") as log:
            return subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._log_path.parent,
                env=worker_environment() | self._own_variables(),
                creationflags=NO_WINDOW,
                start_new_session=sys.platform != "win32",
            )

    def _own_variables(self) -> dict[str, str]:
        """Temporary files go inside; settings of the user's pip that would install elsewhere go."""
        # pip asks a compiler for its version, and rustup's would make its folder at home.
        names = ("TMPDIR", "TEMP", "TMP", "RUSTUP_HOME")
        inside = dict.fromkeys(names, str(self._scratch))
        pip = {"PIP_USER": "0", "PIP_TARGET": "", "PIP_PREFIX": "", "PIP_ROOT": ""}
        return inside | pip | {"PIP_REQUIRE_VIRTUALENV": "0"}

    def _read_log(self) -> None:
        """Take the new lines of the running step."""
        with self._log_path.open("rb") as file:
            file.seek(self._log_end)
            new = file.read()
        self._log_end += len(new)
        *lines, self._partial = (self._partial + new).split(b"\n")
        for line in lines:
            self._follow(line.decode("utf-8", "replace").strip())

    def _follow(self, line: str) -> None:
        """What one line of pip's output says."""
        word, _, rest = line.partition(" ")
        if self._steps[0].stage != "packages" or ".metadata" in rest:
            return
        if word in ("Collecting", "Downloading", "Processing"):
            name = _NAME.match(rest.split(" (")[0].rpartition("/")[2])
            size = rest.rpartition(" (")[2].rstrip(")") if word == "Downloading" else ""
            self.detail = ", ".join(part for part in (name and name[0], size) if part)
        elif line.startswith("Installing collected packages"):
            self.stage, self.detail = "unpack", ""
            self._free_at_start = self._free_space_mb(self._scratch)

    def _measure(self) -> None:
        """Estimate the fraction from what the disk has lost since the step's start."""
        step = self._steps[0]
        if not step.size_mb:
            return
        low, high = step.span
        middle = low + (high - low) * _DOWNLOAD_SHARE
        share = _DOWNLOAD_SHARE
        if self.stage == "unpack":
            low, share = middle, 1 - _DOWNLOAD_SHARE
        else:
            high = middle
        used = self._free_at_start - self._free_space_mb(self._scratch)
        part = min(max(used / (step.size_mb * share), 0.0), 1.0)
        self.fraction = max(self.fraction, low + (high - low) * part)

    def _fail(self, error: MaquetteError) -> None:
        if self._ending is not None:  # the clean-up itself failed: the first error counts
            _log.warning("not all was removed: %s", error)
            self.outcome = self._ending
            return
        self.error = error
        self._clean_up(Outcome.FAILED)

    def _clean_up(self, ending: Outcome) -> None:
        """Remove what is left, in a child, as thousands of files take seconds."""
        paths = [str(path) for path in self.leftovers() if path.exists()]
        self._ending = ending
        if not paths:
            self.outcome = ending
            return
        self._steps = [
            Step("clean", remove_command(*map(Path, paths)), (self.fraction, self.fraction))
        ]
        self._start_step()

    def _kill(self) -> None:
        """End the running step and whatever it has started."""
        if self._process is None:
            return
        if sys.platform == "win32":
            tree = ["taskkill", "/F", "/T", "/PID", str(self._process.pid)]
            subprocess.run(tree, capture_output=True, creationflags=NO_WINDOW, check=False)
            self._process.kill()
        else:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                _log.info("it had ended by itself")
        self._process.wait()
        self._close_pipe()
        self._process = None

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def remove_command(*folders: Path) -> list[str]:
    """The command line that deletes folders with all that is in them."""
    return [sys.executable, "-I", "-c", _REMOVE, *map(str, folders)]
