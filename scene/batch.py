# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the results of a batch into .blend files, and these into one asset library."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from ..backend.batch.command import Batch
from ..backend.batch.files import hash_file, name_part, settle
from ..backend.batch.manifest import DONE
from ..backend.batch.plan import BatchJob
from ..backend.batch.work import RESULT, Place
from ..backend.client.queue_file import SavedPicture
from ..backend.config import flatten
from ..backend.errors import InputError, MaquetteError
from ..backend.protocol import Result
from .asset import Origin, add_asset, read_version
from .image import show_in_preview
from .kept_pictures import keep_making
from .library import mark_asset
from .placement import grid_offset
from .preview import silent_stdout
from .recipe import Made

SUFFIX = ".blend"


def write_blend(size_m: float, job: BatchJob, result: Result, path: Path) -> None:
    """Save a result as the one object of a new file, named as its job.

    Args:
        size_m: Longest side of the object.
        job: What was asked for.
        result: What the worker made; its files are still there.
        path: The file, which ends in .blend.

    Raises:
        MaquetteError: The file cannot be written.
    """
    bpy.ops.wm.read_homefile(use_empty=True)
    named_after = job.task.mesh_path or job.images["front"]
    origin = Origin(
        picture=named_after.name,
        scene_uid=bpy.context.scene.session_uid,
        location=(0.0, 0.0, 0.0),
        size_m=size_m,
        version=read_version(),
        settings=flatten(job.config),
    )
    texture_path = Path(result.texture_path) if result.texture_path else None
    obj = add_asset(Path(result.mesh_path), result.seed, origin, texture_path)
    obj.name = obj.data.name = job.name
    if job.task.kind == "generate":
        _write_recipe(obj, size_m, job, result)
    _save(path)


def check_library(path: Path, batch: Batch) -> None:
    """Find out before the work whether the asset library may be written.

    Raises:
        InputError: It is no .blend file, is that of a job, or holds what this batch has not made.
    """
    if path.suffix.lower() != SUFFIX:
        raise InputError(
            f"'{path.name}' is no .blend file.", "Example: --asset-library props.blend"
        )
    if not path.parent.is_dir():
        raise InputError(f"There is no folder '{path.parent}'.", "Make it, or choose another.")
    names = {name for job in batch.jobs for name in batch.place.name_outputs(job)}
    if path.parent.resolve() == batch.place.folder.resolve() and path.name in names:
        raise InputError(f"'{path.name}' is the file of a job.", "Name the library otherwise.")
    if path.exists() and batch.manifest.files.get(str(path)) != _try_hash(path):
        raise InputError(
            f"'{path}' is there already and holds what this batch has not made.",
            "Choose another name, or move that file away.",
        )


def write_library(path: Path, batch: Batch) -> None:
    """Gather the objects of all finished jobs in one file, marked as assets, with previews.

    Args:
        path: The file; one that is there is replaced when the new one is whole.
        batch: The jobs, whose .blend files are in its folder.

    Raises:
        MaquetteError: A file cannot be read or written.
    """
    done = [job for job in batch.jobs if batch.manifest.records[job.name].state == DONE]
    if not done:
        return
    bpy.ops.wm.read_homefile(use_empty=True)
    for index, job in enumerate(done):
        objects = _append(batch.place.folder / f"{job.name}{SUFFIX}")
        across, behind = grid_offset(index, len(done), max(max(o.dimensions) for o in objects))
        for obj in objects:
            obj.location = (across, behind, 0.0)
            mark_asset(obj, "", ())
            _give_preview(obj, job.name, batch.place)
    part = name_part(path)
    _save(part)
    try:
        settle(part, path)
        batch.manifest.add_file(str(path), hash_file(path))
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _write_recipe(obj: bpy.types.Object, size_m: float, job: BatchJob, result: Result) -> None:
    """Let the object know how it was made, with its pictures, so that it can be made again."""
    pictures = {view: SavedPicture(path.name, str(path)) for view, path in job.images.items()}
    made = Made.of_job(job.task.kind, job.name, pictures, flatten(job.config), result, size_m)
    keep_making(obj, made)


def _append(path: Path) -> Sequence[bpy.types.Object]:
    """Take the objects of a file into the current scene.

    Raises:
        MaquetteError: The file cannot be read.
    """
    reading: Any = bpy.data.libraries.load(str(path), link=False)
    try:
        with reading as (source, target):
            target.objects = source.objects
    except OSError as error:
        raise MaquetteError(
            f"'{path}' cannot be read: {error}.", "Run the batch again with --resume."
        ) from error
    for obj in target.objects:
        bpy.context.scene.collection.objects.link(obj)
    return target.objects


def _give_preview(obj: bpy.types.Object, name: str, place: Place) -> None:
    """Show the small picture that the worker drew, if it is there."""
    path = place.thumbnail_path(name, RESULT)
    if path.is_file():
        image = bpy.data.images.load(str(path))
        show_in_preview(image, obj)
        bpy.data.images.remove(image)


def _save(path: Path) -> None:
    """Save the current file as a copy.

    Raises:
        MaquetteError: It cannot be written.
    """
    try:
        # Blender says that it has saved, by C or Python, which is no line of --json.
        with silent_stdout(), contextlib.redirect_stdout(io.StringIO()):
            bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, check_existing=False)
    except RuntimeError as error:
        raise _unwritable(path, str(error).strip()) from error


def _unwritable(path: Path, reason: str) -> MaquetteError:
    return MaquetteError(f"'{path}' cannot be written: {reason}.", "Make room, then use --resume.")


def _try_hash(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError:
        return ""
