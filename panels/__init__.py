# SPDX-License-Identifier: GPL-3.0-or-later
"""All panels of the extension: drawing only."""

import bpy

from . import environment, generate, lists, presets, queue, texture

# Parents before their children.
CLASSES = (
    *presets.CLASSES,
    *generate.CLASSES,
    *texture.CLASSES,
    *queue.CLASSES,
    *lists.CLASSES,
    *environment.CLASSES,
)


def register() -> None:
    """Register every panel."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Unregister every panel, backwards."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
