# SPDX-License-Identifier: GPL-3.0-or-later
"""Hides what differs between the versions of Blender that the extension runs in, 4.2 and newer."""

from collections.abc import Callable, Sequence
from typing import Any

import bpy
import numpy as np


def add_command(name: str, run: Callable[[Sequence[str]], int]) -> Any:
    """Add a command to `blender --command`; a handle, or None in the `bpy` module without any."""
    if not hasattr(bpy.utils, "register_cli_command"):
        return None
    return bpy.utils.register_cli_command(name, run)


def remove_command(handle: Any) -> None:
    """Take a command away; nothing for None."""
    if handle is not None:
        bpy.utils.unregister_cli_command(handle)


def png_settings(output: bpy.types.ImageFormatSettings) -> dict[str, str]:
    """Output settings for PNG files, in the order in which they can be set.

    Blender 5 offers file formats for one kind of media at a time.
    """
    wanted = {"file_format": "PNG", "color_mode": "RGBA", "color_depth": "8"}
    return {"media_type": "IMAGE", **wanted} if hasattr(output, "media_type") else wanted


def has_nodes(material: bpy.types.Material) -> bool:
    """Whether a material is drawn by its nodes; from Blender 5 every one is."""
    return bpy.app.version >= (5, 0, 0) or material.use_nodes


def select_everything(mesh: bpy.types.Mesh) -> None:
    """Select all faces of a mesh that is not in Edit Mode, and with them its edges.

    Blender 5.0 crashes where the edges of a new mesh are selected by `foreach_set`.
    """
    for elements in (mesh.vertices, mesh.polygons):
        elements.foreach_set("select", np.ones(len(elements), bool))
