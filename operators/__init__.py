# SPDX-License-Identifier: GPL-3.0-or-later
"""All operators of the extension."""

import bpy

from . import (
    deliver,
    environment,
    finish,
    generate,
    history,
    models,
    picture,
    presets,
    queue,
    recipe,
    texture,
)

CLASSES = (
    *generate.CLASSES,
    *texture.CLASSES,
    *queue.CLASSES,
    *presets.CLASSES,
    *recipe.CLASSES,
    *history.CLASSES,
    *models.CLASSES,
    *environment.CLASSES,
    *picture.CLASSES,
    *finish.CLASSES,
    *deliver.CLASSES,
)


def register() -> None:
    """Register every operator."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Unregister every operator, backwards."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
