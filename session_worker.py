# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the preferences into a worker, and into a verdict whether one can be started."""

import importlib.util
from pathlib import Path

import bpy

from . import preferences
from .backend.client.environment import find_python
from .backend.client.in_process import InProcess
from .backend.client.install import find_installed
from .backend.client.queue import Transport
from .backend.client.worker_process import WorkerProcess
from .backend.client.worker_setup import WorkerSetup

WORKER_LOG = "worker.log"


def make_setup() -> WorkerSetup:
    """The worker's environment, as the preferences want it."""
    return WorkerSetup(
        Path(bpy.utils.extension_path_user(preferences.PACKAGE)),
        preferences.get_environment_folder,
        preferences.get_python_path,
        lambda: not uses_own_python(),
    )


def uses_own_python() -> bool:
    """Whether jobs run in this process: background Blender, no other Python named, torch there."""
    return (
        bpy.app.background
        and not preferences.get_python_path()
        and importlib.util.find_spec("torch") is not None
    )


def make_worker(device: str = "") -> Transport:
    """A worker as the preferences want it, not started.

    Args:
        device: Name of the device; empty takes the preference.

    Raises:
        SetupError: No Python for the worker is named, installed or found.
    """
    chosen = preferences.get_preferences()
    device = device or chosen.device
    models_folder = preferences.get_models_folder()
    python = find_installed(preferences.get_environment_folder())
    if uses_own_python() and python is None:
        return InProcess(device, models_folder=models_folder)
    arguments = ["--device", device, "--idle-minutes", str(chosen.idle_minutes)]
    log_path = preferences.get_job_folder() / WORKER_LOG
    python = find_python(preferences.get_python_path(), python)
    return WorkerProcess(python, log_path, arguments, models_folder=models_folder)
