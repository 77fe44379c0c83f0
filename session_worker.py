# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the preferences into a worker, and into a verdict whether one can be started."""

import importlib.util
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import bpy

from . import preferences
from .backend.client.environment import EnvironmentState, check_environment, find_python
from .backend.client.in_process import InProcess
from .backend.client.queue import Transport
from .backend.client.worker_process import WorkerProcess
from .backend.errors import MaquetteError

WORKER_LOG = "worker.log"


@dataclass(slots=True)
class EnvironmentCheck:
    """What is known about the Python that runs the worker. Main thread only.

    Attributes:
        state: What the last check found, or None.
    """

    state: EnvironmentState | None = None
    _check: "Future[EnvironmentState] | None" = None
    _setup: tuple[str, MaquetteError | None] | None = None  # for this preference: what is wrong

    @property
    def is_running(self) -> bool:
        """Whether that Python is being tried."""
        return self._check is not None

    @property
    def error(self) -> MaquetteError | None:
        """Why no worker can be started, or None; looked up again when the preference changes."""
        preferred = preferences.get_python_path()
        if self._setup is None or self._setup[0] != preferred:
            self._setup = preferred, find_setup_error(preferred)
        return self._setup[1]

    def start(self) -> None:
        """Run the worker's Python once in the background and ask for its packages.

        Raises:
            SetupError: No Python is named or found.
        """
        self.state = self._setup = None
        python = find_python(preferences.get_python_path())
        pool = ThreadPoolExecutor(1)
        self._check = pool.submit(check_environment, python)
        pool.shutdown(wait=False)

    def poll(self) -> None:
        """Take the answer if it is there; never waits."""
        if self._check is None or not self._check.done():
            return
        check, self._check = self._check, None
        preferred = preferences.get_python_path()
        try:
            self.state, self._setup = check.result(), (preferred, None)
        except MaquetteError as error:
            self._setup = preferred, error


def _uses_own_python() -> bool:
    """Whether jobs run in this process: background Blender, no other Python named, torch there."""
    return (
        bpy.app.background
        and not preferences.get_python_path()
        and importlib.util.find_spec("torch") is not None
    )


def find_setup_error(preferred: str) -> MaquetteError | None:
    """Whether a worker's Python is named or found; None means that it is."""
    if _uses_own_python():
        return None
    try:
        find_python(preferred)
    except MaquetteError as error:
        return error
    return None


def make_worker(device: str = "") -> Transport:
    """A worker as the preferences want it, not started.

    Args:
        device: Name of the device; empty takes the preference.

    Raises:
        SetupError: No Python for the worker is named or found.
    """
    chosen = preferences.get_preferences()
    device = device or chosen.device
    if _uses_own_python():
        return InProcess(device)
    arguments = ["--device", device, "--idle-minutes", str(chosen.idle_minutes)]
    log_path = preferences.get_job_folder() / WORKER_LOG
    return WorkerProcess(find_python(preferences.get_python_path()), log_path, arguments)
