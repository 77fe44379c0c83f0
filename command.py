# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns `blender --background --command maquette ...` into a job and a saved scene."""

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from . import compat, preferences, session
from .backend import cli
from .backend.batch.command import Hooks
from .backend.batch.work import Extra
from .backend.client.environment import Places
from .backend.client.in_process import InProcess
from .backend.client.queue import Transport
from .backend.client.queue_file import SavedPicture
from .backend.client.worker_process import WorkerProcess
from .backend.config import flatten
from .backend.errors import InputError
from .backend.protocol import Result
from .scene.asset import Origin, add_asset, read_version
from .scene.batch import SUFFIX, check_library, write_blend, write_library
from .scene.kept_pictures import keep_making
from .scene.preview import render_preview, render_turntable
from .scene.recipe import Made

NAME = "maquette"
_PROG = f"blender --background --command {NAME}"


def run(argv: Sequence[str]) -> int:
    """Run one command of `python -m backend`; those that make a mesh have flags of the scene too.

    Args:
        argv: What follows `maquette` on the command line.

    Returns:
        The exit status: 0 done, 2 bad input, 1 any other error.
    """
    parser = cli.Parser(prog=_PROG, add_help=False, allow_abbrev=False)
    if list(argv[:1]) == ["batch"]:
        return _run_batch(parser, argv)
    parser.add_argument("--blend", type=Path)
    parser.add_argument("--preview", type=Path)
    parser.add_argument("--turntable", type=Path)
    parser.add_argument("--size", type=float, default=1.0, dest="size_m")
    try:
        wanted, rest = parser.parse_known_args(argv)
    except InputError as error:
        return cli.report_error(error)
    on_result = functools.partial(_fill_scene, wanted)
    named, setup = preferences.get_python_path(), session.current().setup
    places = Places(
        preferences.get_models_folder(), Path(named) if named else setup.installed_python
    )
    online = bpy.app.online_access
    return cli.main(rest, _PROG, session.make_worker, on_result, online, places=places)


def _run_batch(parser: cli.Parser, argv: Sequence[str]) -> int:
    """Run `batch`, which here also makes .blend files; the exit status."""
    parser.add_argument("--asset-library", type=Path, dest="library")
    parser.add_argument("--size", type=float, default=1.0, dest="size_m")
    try:
        wanted, rest = parser.parse_known_args(argv)
    except InputError as error:
        return cli.report_error(error)
    library = wanted.library.absolute() if wanted.library else None
    hooks = Hooks(
        extras=[Extra(SUFFIX, functools.partial(write_blend, wanted.size_m))],
        on_checked=functools.partial(check_library, library) if library else None,
        on_finished=functools.partial(write_library, library) if library else None,
        models_folder=preferences.get_models_folder(),
    )
    return cli.main(rest, _PROG, _make_process, None, bpy.app.online_access, hooks)


def _make_process(device: str) -> Transport:
    """A worker that can be stopped at once and may die: never one in this process.

    Raises:
        SetupError: No Python for the worker is named, installed or found.
    """
    worker = session.make_worker(device)
    if not isinstance(worker, InProcess):
        return worker
    log_path = preferences.get_job_folder() / "worker.log"
    folder = preferences.get_models_folder()
    arguments = ["--device", device]
    return WorkerProcess(Path(sys.executable), log_path, arguments, models_folder=folder)


def _fill_scene(wanted: argparse.Namespace, request: cli.JobRequest, result: Result) -> None:
    """Put the mesh into an empty scene, then save and render what was asked for.

    Raises:
        InputError: A file cannot be written.
    """
    if not (wanted.blend or wanted.preview or wanted.turntable):
        return
    bpy.ops.wm.read_homefile(use_empty=True)
    named_after = request.task.mesh_path or request.images["front"]
    origin = Origin(
        picture=named_after.name,
        scene_uid=bpy.context.scene.session_uid,
        location=(0.0, 0.0, 0.0),
        size_m=wanted.size_m,
        version=read_version(),
        settings=flatten(request.config),
    )
    texture_path = Path(result.texture_path) if result.texture_path else None
    obj = add_asset(Path(result.mesh_path), result.seed, origin, texture_path)
    if request.task.kind == "generate":
        given = {view: SavedPicture(path.name, str(path)) for view, path in request.images.items()}
        what = request.task.kind, obj.name, given, flatten(request.config), result
        keep_making(obj, Made.of_job(*what, size_m=wanted.size_m))
    try:
        if wanted.blend:
            bpy.ops.wm.save_as_mainfile(filepath=str(wanted.blend.absolute()), copy=True)
        if wanted.preview:
            render_preview(obj, wanted.preview.absolute())
        if wanted.turntable:
            render_turntable(obj, wanted.turntable.absolute())
    except RuntimeError as error:
        raise InputError(str(error).strip(), "Choose a folder that can be written to.") from error


def register() -> None:
    """Add the command."""
    global _handle
    _handle = compat.add_command(NAME, run)


def unregister() -> None:
    """Remove the command."""
    global _handle
    compat.remove_command(_handle)
    _handle = None


_handle: Any = None
