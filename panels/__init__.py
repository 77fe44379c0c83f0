# SPDX-License-Identifier: GPL-3.0-or-later
"""All panels of the extension: drawing only."""

import bpy

from . import (
    environment,
    finish,
    generate,
    history,
    lists,
    menus,
    picture,
    presets,
    queue,
    recipe,
    texture,
)

# Parents before their children.
CLASSES = (
    *presets.CLASSES,
    *generate.CLASSES,
    *texture.CLASSES,
    *queue.CLASSES,
    *lists.CLASSES,
    *recipe.CLASSES,
    *history.CLASSES,
    *environment.CLASSES,
    *picture.CLASSES,
    *finish.CLASSES,
    *menus.CLASSES,
)


def register() -> None:
    """Register every panel, and the entries in Blender's own menus."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    menus.register()


def unregister() -> None:
    """Unregister every panel, backwards."""
    menus.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
