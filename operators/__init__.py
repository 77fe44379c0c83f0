# SPDX-License-Identifier: GPL-3.0-or-later
"""All operators of the extension."""

import bpy

from . import environment, generate, models, presets, queue, texture

CLASSES = (
    *generate.CLASSES,
    *texture.CLASSES,
    *queue.CLASSES,
    *presets.CLASSES,
    *models.CLASSES,
    *environment.CLASSES,
)


def register() -> None:
    """Register every operator."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Unregister every operator, backwards."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
