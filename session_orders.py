# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what the artist asks for, now or in former times, into orders that can be queued."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy

from . import preferences
from .backend.client.queue import GENERATE, Task
from .backend.client.queue_file import SavedJob, SavedPicture
from .backend.config import JobConfig, flatten, overlay
from .backend.errors import ProtocolError
from .backend.protocol import Result, Submit, decode
from .scene.asset import Origin
from .scene.job_files import make_folder, unwritable
from .scene.placement import grid_offset
from .scene.retexture import Repaint
from .scene.submission import Choices, group_objects, prepare_repaint
from .session_saved import (
    bring_pictures,
    decode_choices,
    decode_origin,
    encode_choices,
    encode_origin,
    write_pictures,
)

Pictures = Mapping[str, SavedPicture]
_NUM_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Order:
    """A job before it is queued; its files are written.

    Attributes:
        name: What lists call it.
        origin: What it is for.
        pictures: View -> picture.
        config: The settings.
        task: What the worker does.
        extra: See `SavedJob`.
        file: The .blend that it belongs to, or "" for the open one.
        scene_name: The scene that it was started from.
    """

    name: str
    origin: Origin | Repaint
    pictures: Pictures
    config: JobConfig
    task: Task
    extra: Mapping[str, Any]
    file: str
    scene_name: str

    def to_saved(self, job_id: str) -> SavedJob:
        """What is needed to queue it again."""
        return SavedJob(
            job_id,
            self.task.kind,
            self.name,
            self.file or bpy.data.filepath,
            self.scene_name,
            dict(self.pictures),
            flatten(self.config),
            self.extra,
        )


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job of former times.

    Attributes:
        request: As the worker got it.
        result: As the worker said it; its files are there.
    """

    request: Submit
    result: Result


def find_done(saved: SavedJob, order: Order, root: Path) -> Done | None:
    """The result of a job of former times, or None if it has to be made.

    Files outside of the job folder are not read: a .blend may come from anybody.

    Args:
        saved: The job.
        order: What is wanted of it.
        root: The job folder.
    """
    try:
        result = decode(json.dumps({**saved.result, "type": "result"}).encode())
    except (ProtocolError, ValueError):
        return None
    if not isinstance(result, Result):
        return None
    paths = [Path(path) for path in (result.mesh_path, result.texture_path) if path]
    if not all(p.is_file() and p.resolve().is_relative_to(root.resolve()) for p in paths):
        return None
    images = [picture.path for picture in order.pictures.values()]
    labels, settings = list(order.pictures), flatten(order.config)
    request = Submit(saved.job_id, str(paths[0].parent), images, labels, settings, saved.kind)
    return Done(request, result)


def order_variants(
    images: Mapping[str, bpy.types.Image], settings: Mapping[str, Any], origin: Origin, count: int
) -> list[Order]:
    """Write the pictures and order objects with consecutive seeds that stand beside each other.

    Args:
        images: View -> picture.
        settings: Flat setting name -> value; its seed is that of the first object.
        origin: Where the first object goes.
        count: How many.

    Raises:
        MaquetteError: A picture or setting cannot be used, or a folder cannot be written.
    """
    config = overlay(JobConfig(), settings)
    pictures = write_pictures(images, preferences.get_job_folder())
    orders = []
    for index in range(count):
        seed = (config.sample.seed + index) % _NUM_SEEDS
        x, y, z = origin.location
        right, back = grid_offset(index, count, origin.size_m)
        variant = replace(
            origin,
            location=(x + right, y + back, z),
            settings={**origin.settings, "seed": seed},
        )
        orders.append(_order_asset(pictures, overlay(config, {"seed": seed}), variant))
    return orders


def order_repaints(
    images: Mapping[str, bpy.types.Image],
    settings: Mapping[str, Any],
    objects: Sequence[bpy.types.Object],
    is_shared: bool,
    choices: Choices,
) -> list[Order]:
    """Write the pictures and meshes and order a texture for each object, or one for all.

    Args:
        images: View -> picture.
        settings: Flat setting name -> value.
        objects: What is selected.
        is_shared: All objects share a texture.
        choices: What the artist wants.

    Raises:
        MaquetteError: Something cannot be used.
    """
    config = overlay(JobConfig(), settings)
    groups = group_objects(objects, is_shared, choices.selection_only)
    pictures = write_pictures(images, preferences.get_job_folder())
    return [_order_repaint(pictures, config, group, choices) for group in groups]


def order_saved(saved: SavedJob) -> list[Order]:
    """Order a job of former times.

    Raises:
        MaquetteError: Something that it needs is gone, or it is damaged.
    """
    config = overlay(JobConfig(), saved.settings)
    pictures = bring_pictures(saved, preferences.get_job_folder())
    if saved.kind == "retexture":
        objects, choices = decode_choices(saved)
        groups = group_objects(objects, True, choices.selection_only)
        return [_order_repaint(pictures, config, group, choices) for group in groups]
    scene = bpy.data.scenes.get(saved.scene) or bpy.context.scene
    order = _order_asset(pictures, config, decode_origin(saved, scene))
    return [replace(order, file=saved.file, scene_name=saved.scene)]


def _order_asset(pictures: Pictures, config: JobConfig, origin: Origin) -> Order:
    """Order a new object."""
    scene = next((s for s in bpy.data.scenes if s.session_uid == origin.scene_uid), None)
    return Order(
        Path(origin.picture).stem or origin.picture,
        origin,
        pictures,
        config,
        GENERATE,
        encode_origin(origin),
        "",
        scene.name if scene else "",
    )


def _order_repaint(
    pictures: Pictures, config: JobConfig, group: list[bpy.types.Object], choices: Choices
) -> Order:
    """Write the meshes of a texture and order it.

    Raises:
        InputError: An object cannot be painted, or the folder cannot be written.
    """
    name = group[0].name if len(group) == 1 else Path(pictures["front"].name).stem
    folder = make_folder("mesh-", preferences.get_job_folder())
    depsgraph = bpy.context.evaluated_depsgraph_get()
    try:
        repaint = prepare_repaint(group, name, choices, depsgraph, folder)
    except OSError as error:
        raise unwritable(error) from error
    return Order(
        name,
        repaint,
        pictures,
        overlay(config, {"uv": repaint.uv}),
        Task("retexture", repaint.mesh_path, repaint.base_path, repaint.mask_path),
        encode_choices(choices, [obj.name for obj in group]),
        "",
        bpy.context.scene.name,
    )
