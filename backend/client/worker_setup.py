# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns clicks in the preferences into an installed, checked or removed worker environment.

Holds what the preferences show. Nothing here waits: call `poll` often while `is_busy`.
"""

import enum
from collections.abc import Callable
from pathlib import Path

from ..errors import MaquetteError, SetupError
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
        failure: Why the last job failed, or None.
    """

    def __init__(
        self,
        user_folder: Path,
        find_folder: Callable[[], Path],
        named_python: Callable[[], str],
        is_needed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._user_folder = user_folder
        self._find_folder = find_folder
        self._named_python = named_python
        self._is_needed = is_needed
        self._seen: tuple[str, Path] | None = None  # the name and the folder of what follows
        self._marker: Marker | None = None
        self._is_current = self._has_folder = False
        self._error: MaquetteError | None = None
        self._found: EnvironmentState | None = None
        self.job: ChildJob | None = None
        self.failure: MaquetteError | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self.job is not None and not self.job.is_finished

    @property
    def folder(self) -> Path:
        """The environment's folder, whether it exists or not."""
        return self._find_folder()

    @property
    def is_installed(self) -> bool:
        """Whether the extension's own environment is complete."""
        self._look()
        return self._marker is not None

    @property
    def installed_python(self) -> Path | None:
        """The Python of the extension's own environment, if that is complete."""
        return python_of_venv(self.folder) if self.is_installed else None

    @property
    def has_remains(self) -> bool:
        """Whether there is something to remove: a complete environment or half of one."""
        self._look()
        return self._has_folder

    @property
    def found(self) -> EnvironmentState | None:
        """What the worker's Python has, as far as it is known."""
        self._look()
        return self._found

    @property
    def error(self) -> MaquetteError | None:
        """Why no worker can be started, or None."""
        self._look()
        if self.is_busy and not isinstance(self.job, Trial):
            return SetupError(
                "The worker's environment is being changed.", "Wait until it is ready."
            )
        return self._error

    @property
    def state(self) -> SetupState:
        """Where the environment stands."""
        if self.is_busy:
            if isinstance(self.job, Installation):
                return SetupState.INSTALLING
            is_removal = isinstance(self.job, Removal)
            return SetupState.REMOVING if is_removal else SetupState.CHECKING
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

    def remove(self) -> None:
        """Delete the environment's folder and the logs of its making; nothing else.

        Raises:
            SetupError: The extension's folder cannot be written.
        """
        self._start(Removal(self.folder, self._user_folder / INSTALL_LOG))

    def check(self) -> None:
        """Run the worker's Python once and look whether it has everything.

        Raises:
            SetupError: No Python is named, installed or found, or no log can be written.
        """
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
        self.failure = self._seen = None
        job.start()
        self.job = job

    def _end(self, job: ChildJob) -> None:
        self._seen = None
        self._look()
        if job.outcome is Outcome.FAILED:
            self.failure = job.error
        if isinstance(job, Trial):
            self._error, self._found = self.failure, job.found
        elif isinstance(job, Removal) and job.outcome is Outcome.DONE:
            for name in (INSTALL_LOG, CHECK_LOG):
                (self._user_folder / name).unlink(missing_ok=True)

    def _look(self) -> None:
        """Look at the disk, but only when the named Python or the folder has changed since."""
        now = self._named_python(), self.folder
        if self._seen == now:
            return
        self._seen = now
        name, folder = now
        self._marker = read_marker(folder)
        self._is_current = self._marker is not None and is_current(self._marker)
        self._has_folder = folder.is_dir()
        self._error = self._found = None
        python = python_of_venv(folder) if self._marker else None
        if self._marker and python and not name:
            self._found = EnvironmentState(python, self._marker.versions, self._marker.device)
        if self._is_needed():
            try:
                find_python(name, python)
            except MaquetteError as error:
                self._error = error
