# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns clicks in the preferences into an installed, checked or removed worker environment.

Holds what the preferences show. Nothing here waits: call `poll` often while `is_busy`.
"""

import enum
from collections.abc import Callable
from pathlib import Path

from ..errors import MaquetteError
from .builds import Build
from .child_job import ChildJob, Outcome
from .environment import EnvironmentState, find_python, python_of_venv
from .install import Installation, Marker, Removal, Trial, is_current, make_plan, read_marker

INSTALL_LOG, CHECK_LOG = "install.log", "check.log"
OUTDATED_NOTE = "This environment was made for another version of Maquette: press Repair"


class SetupState(enum.Enum):
    """What can be said of the worker's environment."""

    MISSING = "missing"
    INSTALLING = "installing"
    REMOVING = "removing"
    CHECKING = "checking"
    READY = "ready"
    BROKEN = "broken"


class WorkerSetup:
    """The worker's environment: the installed one, or another Python that the user has named.

    Args:
        user_folder: Folder that this extension may write; takes the logs.
        find_folder: Gives the environment's folder, which is made, and removed, as a whole.
        named_python: Gives the Python that the user has named, or an empty string.
        is_needed: Tells whether a worker needs a Python at all (it may run in this process).

    Attributes:
        job: The installation, removal or check that runs, or ran last; None before the first.
        found: What the worker's Python has, as far as it is known.
        failure: Why the last job failed, or None.
    """

    def __init__(
        self,
        user_folder: Path,
        find_folder: Callable[[], Path],
        named_python: Callable[[], str],
        is_needed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._find_folder = find_folder
        self.folder = find_folder()
        self._user_folder = user_folder
        self._named_python = named_python
        self._is_needed = is_needed
        self._marker: Marker | None = None
        self._is_current = self._has_folder = False
        self._read_folder()
        self._lookup: tuple[str, MaquetteError | None] | None = None  # for this name: what is wrong
        self._checked_name: str | None = None
        self.job: ChildJob | None = None
        self.found: EnvironmentState | None = self._found_by_marker()
        self.failure: MaquetteError | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self.job is not None and not self.job.is_finished

    @property
    def is_installed(self) -> bool:
        """Whether the extension's own environment is complete."""
        return self._marker is not None

    @property
    def installed_python(self) -> Path | None:
        """The Python of the extension's own environment, if that is complete."""
        return python_of_venv(self.folder) if self._marker else None

    @property
    def has_remains(self) -> bool:
        """Whether there is something to remove: a complete environment or half of one."""
        return self._has_folder

    @property
    def error(self) -> MaquetteError | None:
        """Why no worker can be started, or None; looked up again when the named Python changes."""
        name = self._named_python()
        if not self.is_busy and self.folder != (folder := self._find_folder()):
            self.folder, self._lookup, self._checked_name = folder, None, None
            self._read_folder()
        if self._lookup is None or self._lookup[0] != name:
            self._lookup = name, self._look_up(name)
            if self._checked_name != name:
                self.found = None if name else self._found_by_marker()
        return self._lookup[1]

    @property
    def state(self) -> SetupState:
        """Where the environment stands."""
        if self.is_busy:
            running = {Installation: SetupState.INSTALLING, Removal: SetupState.REMOVING}
            return running.get(type(self.job), SetupState.CHECKING)  # pyright: ignore[reportArgumentType, reportCallIssue]
        if self.error is None:
            return SetupState.READY
        is_there = self.is_installed or self._named_python()
        return SetupState.BROKEN if is_there else SetupState.MISSING

    @property
    def note(self) -> str:
        """What the user should know about a ready environment, or an empty string."""
        is_own = self.is_installed and not self._named_python()
        return OUTDATED_NOTE if is_own and not self._is_current else ""

    def find_python(self) -> Path:
        """The Python that runs the worker.

        Raises:
            SetupError: None is named, installed or found.
        """
        return find_python(self._named_python(), self.installed_python)

    def install(self, base_python: Path, build: Build, index: str = "") -> None:
        """Make the environment anew; what is there is removed first.

        Args:
            base_python: The Python that it is made with.
            build: Which PyTorch.
            index: Address of the index that has it; empty: pip's default.

        Raises:
            SetupError: The extension's folder cannot be written.
        """
        plan = make_plan(self.folder, base_python, build, index)
        self._start(Installation(plan, self._user_folder / INSTALL_LOG))
        self._marker = self.found = None

    def remove(self) -> None:
        """Delete the environment's folder and the logs of its making; nothing else.

        Raises:
            SetupError: The extension's folder cannot be written.
        """
        self._start(Removal(self.folder, self._user_folder / INSTALL_LOG))
        self._marker = self.found = None

    def check(self) -> None:
        """Run the worker's Python once and look whether it has everything.

        Raises:
            SetupError: No Python is named, installed or found, or no log can be written.
        """
        self.found = None
        self._checked_name = self._named_python()
        self._start(Trial(self.find_python(), self._user_folder / CHECK_LOG))

    def cancel(self) -> None:
        """Stop an installation or a check, and remove what it has left."""
        if self.job is not None:
            self.job.cancel()

    def poll(self) -> None:
        """Take the news of the running job."""
        job = self.job
        if job is None or job.is_finished:
            return
        job.poll()
        if job.is_finished:
            self._end(job)

    def close(self) -> None:
        """End what runs, for the end of the program."""
        if self.job is not None:
            self.job.close()

    def _start(self, job: ChildJob) -> None:
        self.failure = self._lookup = None
        job.start()
        self.job = job

    def _end(self, job: ChildJob) -> None:
        self._read_folder()
        self._lookup = None
        if job.outcome is Outcome.FAILED:
            self.failure = job.error
        if isinstance(job, Trial):
            self.found = job.found
            self._lookup = self._named_python(), self.failure
        else:
            self.found = self._found_by_marker()
            if job.outcome is Outcome.DONE and isinstance(job, Removal):
                for name in (INSTALL_LOG, CHECK_LOG):
                    (self._user_folder / name).unlink(missing_ok=True)

    def _read_folder(self) -> None:
        """Look once what is there, so that drawing need not."""
        self._marker = read_marker(self.folder)
        self._is_current = self._marker is not None and is_current(self._marker)
        self._has_folder = self.folder.is_dir()

    def _look_up(self, name: str) -> MaquetteError | None:
        """Whether a Python is named, installed or found; None means that it is."""
        if not self._is_needed():
            return None
        try:
            find_python(name, self.installed_python)
        except MaquetteError as error:
            return error
        return None

    def _found_by_marker(self) -> EnvironmentState | None:
        """What the check at the end of the installation has found."""
        if self._marker is None:
            return None
        python = python_of_venv(self.folder)
        return EnvironmentState(python, self._marker.versions, self._marker.device)
