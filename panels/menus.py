# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts entries into Blender's own menus, and a right-click menu into the Image Editor."""

from typing import Any

import bpy

from .picture import draw_in_image_menu
from .recipe import draw_in_object_menu as draw_recipe

_OPERATORS = (
    ("maquette.reduce_faces", "MOD_DECIM"),
    ("maquette.make_quads", "MOD_TRIANGULATE"),
    ("maquette.remesh_voxels", "MOD_REMESH"),
    ("maquette.make_levels", "MOD_MULTIRES"),
    ("maquette.add_hull", "MESH_ICOSPHERE"),
    ("maquette.mark_asset", "ASSET_MANAGER"),
    ("maquette.export", "EXPORT"),
)
_IMAGE_MENUS = ("IMAGE_MT_image", "IMAGE_MT_uvs_context_menu")


class MAQUETTE_MT_finish(bpy.types.Menu):
    """What the Finish panel does, on a right click on an object."""

    bl_label = "Maquette"

    def draw(self, context: bpy.types.Context) -> None:
        draw_recipe(self.layout, context)
        for operator, icon in _OPERATORS:
            self.layout.operator(operator, icon=icon)
        self.layout.operator_menu_enum("maquette.place_origin", "origin", icon="OBJECT_ORIGIN")


class MAQUETTE_MT_image_context(bpy.types.Menu):
    """The right-click menu of an Image Editor that only views, for which Blender has none."""

    bl_label = "Image"

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.operator_context = "INVOKE_REGION_WIN"
        self.layout.operator("image.open", icon="FILE_FOLDER")
        draw_in_image_menu(self, context)


def draw_in_object_menu(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Appended to the 3D viewport's right-click menu."""
    if context.object is not None and context.object.type == "MESH":
        self.layout.separator()
        self.layout.menu("MAQUETTE_MT_finish")


CLASSES = (MAQUETTE_MT_finish, MAQUETTE_MT_image_context)


def register() -> None:
    """Append the entries, and add the key to the add-ons' key map; background Blender has none."""
    for name in _IMAGE_MENUS:
        getattr(bpy.types, name).append(draw_in_image_menu)
    bpy.types.VIEW3D_MT_object_context_menu.append(draw_in_object_menu)
    keys = bpy.context.window_manager.keyconfigs.addon
    if keys is not None:
        keymap = keys.keymaps.new("Image", space_type="IMAGE_EDITOR")
        item = keymap.keymap_items.new("wm.call_menu", "RIGHTMOUSE", "PRESS")
        item.properties.name = "MAQUETTE_MT_image_context"
        _keys.append((keymap, item))


def unregister() -> None:
    """Take the key and the entries away again."""
    while _keys:
        keymap, item = _keys.pop()
        keymap.keymap_items.remove(item)
    bpy.types.VIEW3D_MT_object_context_menu.remove(draw_in_object_menu)
    for name in _IMAGE_MENUS:
        getattr(bpy.types, name).remove(draw_in_image_menu)


_keys: list[tuple[Any, Any]] = []
