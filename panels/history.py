# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the scene's last results with thumbnails."""

import bpy

from .. import session
from ..properties_recipe import MAQUETTE_PG_memory
from .sidebar import Sidebar

_ICONS = {"generate": "OUTLINER_OB_MESH", "retexture": "BRUSH_DATA"}


class MAQUETTE_UL_history(bpy.types.UIList):
    """One row for each result: thumbnail, name, and when it was made."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: bpy.types.AnyType,
        item: MAQUETTE_PG_memory,
        _icon: int,
        _active_data: bpy.types.AnyType,
        _active_property: str,
    ) -> None:
        row = layout.row(align=True)
        number = _thumbnail_of(item)
        if number:
            row.label(text=item.name, icon_value=number, translate=False)
        else:
            row.label(
                text=item.name, icon=_ICONS.get(item.recipe.kind, "QUESTION"), translate=False
            )
        time = row.row()
        time.alignment = "RIGHT"
        time.active = False
        time.label(text=item.recipe.made_at[5:16], translate=False)


class MAQUETTE_PT_history(Sidebar, bpy.types.Panel):
    """The last results of this scene, also those whose object was deleted."""

    bl_label = "History"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 8

    def draw(self, context: bpy.types.Context) -> None:
        layout, panel = self.layout, context.scene.maquette
        if not panel.history:
            layout.label(text="No results yet")
            return
        row = layout.row()
        row.template_list(
            "MAQUETTE_UL_history", "", panel, "history", panel, "active_memory", rows=4
        )
        column = row.column(align=True)
        column.operator("maquette.forget_result", text="", icon="REMOVE")
        column.operator("maquette.clear_history", text="", icon="TRASH")
        if not 0 <= panel.active_memory < len(panel.history):
            return
        line = panel.history[panel.active_memory]
        if number := _thumbnail_of(line):
            layout.template_icon(icon_value=number, scale=6.0)
        column = layout.column(align=True)
        column.operator("maquette.bring_back", icon="LOOP_BACK")
        column.operator("maquette.generate_again", icon="FILE_REFRESH").source = "HISTORY"
        column.operator("maquette.generate_variation", icon="MOD_NOISE").source = "HISTORY"
        column.operator("maquette.copy_settings", icon="COPYDOWN").source = "HISTORY"


def _thumbnail_of(line: MAQUETTE_PG_memory) -> int:
    """Number of the icon, 0 for none."""
    return session.current().history.thumbnails.icon_of(line.recipe.job_id, line.thumbnail)


CLASSES = (MAQUETTE_UL_history, MAQUETTE_PT_history)
