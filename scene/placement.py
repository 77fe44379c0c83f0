# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a finished job's files into objects, when and where Blender lets them in."""

import math
from collections.abc import Sequence
from pathlib import Path

import bpy

from ..backend.protocol import Result
from .asset import Origin, add_asset
from .retexture import Repaint, apply_repaint

# Background jobs during which adding an object would break undo or the other job.
_BLOCKING_JOBS = ("RENDER", "OBJECT_BAKE")
# An undo step in the midst of moving something would keep it where it happens to be.
_BLOCKING_TOOLS = "TRANSFORM_OT_"
GRID_SPACING = 1.25  # from centre to centre, in sizes of the objects


def place_result(
    origin: Origin | Repaint, result: Result, by_name: bool = False
) -> Sequence[bpy.types.Object]:
    """Add the object that a job made, or paint those that it was started for.

    Args:
        origin: What the job was started for.
        result: What the worker made.
        by_name: Look for objects to paint by their names if they are not those of this session.

    Returns:
        The new object or the painted ones.

    Raises:
        InputError: A file is gone or damaged, or an object is gone or has changed.
    """
    mesh_path = Path(result.mesh_path)
    texture_path = Path(result.texture_path) if result.texture_path else None
    if isinstance(origin, Origin):
        return [add_asset(mesh_path, result.seed, origin, texture_path)]
    assert texture_path is not None  # painting jobs make one
    return apply_repaint(origin, mesh_path, texture_path, by_name)


def grid_offset(index: int, count: int, size_m: float) -> tuple[float, float]:
    """Where one of several objects stands beside the first: in rows to the right, then behind.

    Args:
        index: Which one, 0 to `count` - 1.
        count: How many there are; they fill a square as far as they go.
        size_m: Longest side of each.

    Returns:
        Offsets along X and Y in metres.
    """
    columns = math.ceil(math.sqrt(count))
    spacing = GRID_SPACING * size_m
    return spacing * (index % columns), spacing * (index // columns)


def can_place() -> bool:
    """Whether an object can be added now: Object Mode, and nothing reads the scene."""
    if any(bpy.app.is_job_running(kind) for kind in _BLOCKING_JOBS):
        return False
    windows = bpy.context.window_manager.windows
    tools = [tool.bl_idname for window in windows for tool in window.modal_operators]
    if any(name.startswith(_BLOCKING_TOOLS) for name in tools):
        return False
    active = bpy.context.view_layer.objects.active if bpy.context.view_layer else None
    return active is None or active.mode == "OBJECT"


def push_undo(message: str) -> None:
    """One step of the undo history; from a timer, the window must be named."""
    window = bpy.context.window or next(iter(bpy.context.window_manager.windows), None)
    if window is None:
        return
    with bpy.context.temp_override(window=window):
        bpy.ops.ed.undo_push(message=message)
