# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws how the active object was made and painted, and what can be done with that."""

from typing import Any

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ..backend.config import JobConfig, flatten
from ..scene.recipe import Recipe, making_of, painting_of
from .sidebar import Sidebar

_LABEL_SHARE = 0.4
# Shown above the list of what differs from the defaults.
_SHOWN = ("model", "seed", "paint_model", "texture_size")


class MAQUETTE_PT_recipe(Sidebar, bpy.types.Panel):
    """The recipe of the active object."""

    bl_label = "How It Was Made"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 7

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        obj = context.object
        return obj is not None and (making_of(obj) or painting_of(obj)) is not None

    def draw(self, context: bpy.types.Context) -> None:
        obj, layout = context.object, self.layout
        if (making := making_of(obj)) is not None:
            _draw_recipe(layout.box(), making, "OUTLINER_OB_MESH")
            column = layout.column(align=True)
            column.operator("maquette.generate_again", icon="FILE_REFRESH")
            column.operator("maquette.generate_variation", icon="MOD_NOISE")
            column.operator("maquette.texture_again", icon="BRUSH_DATA")
            column.operator("maquette.copy_settings", icon="COPYDOWN").source = "MADE"
        if (painting := painting_of(obj)) is not None:
            layout.label(text="Painted", icon="BRUSH_DATA")
            _draw_recipe(layout.box(), painting, "BRUSH_DATA")
            column = layout.column(align=True)
            if making is None:
                column.operator("maquette.texture_again", icon="BRUSH_DATA")
            column.operator("maquette.copy_settings", icon="COPYDOWN").source = "PAINT"


class MAQUETTE_PT_recipe_details(Sidebar, bpy.types.Panel):
    """The settings that differ from the defaults, and the versions of everything that took part."""

    bl_label = "Details"
    bl_parent_id = "MAQUETTE_PT_recipe"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        obj, panel = context.object, context.scene.maquette
        recipe = making_of(obj) or painting_of(obj)
        if recipe is None:
            return
        defaults = flatten(JobConfig())
        column = self.layout.column(align=True)
        for name, value in recipe.settings.items():
            if name in defaults and name not in _SHOWN and value != defaults[name]:
                _draw_setting(column, panel, name, value)
        column.separator()
        for name, version in recipe.versions.items():
            _draw_row(column, name.replace("-", " ").title(), version)


def draw_in_object_menu(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The operators in the right-click menu of an object, if they apply to it."""
    obj = context.object
    if obj is None or obj.type != "MESH":
        return
    making, painting = making_of(obj), painting_of(obj)
    if making is not None:
        layout.operator("maquette.generate_again", icon="FILE_REFRESH")
        layout.operator("maquette.generate_variation", icon="MOD_NOISE")
    if making is not None or painting is not None:
        layout.operator("maquette.texture_again", icon="BRUSH_DATA")
        layout.operator("maquette.copy_settings", icon="COPYDOWN")
        layout.separator()


def _draw_recipe(layout: bpy.types.UILayout, recipe: Recipe, icon: str) -> None:
    """What an artist asks first: from which picture, by which model, when."""
    column = layout.column(align=True)
    column.label(
        text=recipe.picture, icon="IMAGE_DATA" if recipe.images else "ERROR", translate=False
    )
    panel = bpy.context.scene.maquette
    for name in _names_of(recipe):
        if name in recipe.settings:
            _draw_setting(column, panel, name, recipe.settings[name])
    if recipe.confidence >= 0:
        _draw_row(column, "Confidence", f"{recipe.confidence:.0%}")
    if recipe.made_at:
        _draw_row(column, "Made", recipe.made_at[:16])
    if recipe.seconds:
        _draw_row(column, "Duration", iface_("{seconds} s").format(seconds=round(recipe.seconds)))


def _names_of(recipe: Recipe) -> tuple[str, ...]:
    """The settings that are shown for this kind of result."""
    texture = recipe.settings.get("texture")
    painter = ("paint_model",) if texture == "paint" else ()
    if recipe.kind == "retexture":
        return (*painter, "seed", "texture", "texture_size")
    size = ("texture_size",) if texture != "none" else ()
    return ("model", *painter, "seed", "resolution", *size)


def _draw_setting(layout: bpy.types.UILayout, panel: Any, name: str, value: Any) -> None:
    """A setting's name and value, as the panels show them."""
    item = panel.bl_rna.properties.get(name)
    if item is None:
        _draw_row(layout, name, str(value))
        return
    if item.type == "ENUM" and value in item.enum_items:
        value = iface_(item.enum_items[value].name)
    elif isinstance(value, float):
        value = f"{value:g}"
    _draw_row(layout, item.name, str(value))


def _draw_row(layout: bpy.types.UILayout, label: str, value: str) -> None:
    row = layout.split(factor=_LABEL_SHARE)
    row.label(text=label)
    row.label(text=value, translate=False)


CLASSES = (MAQUETTE_PT_recipe, MAQUETTE_PT_recipe_details)
