# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the Generate button, the running job's progress and the last error with its remedy."""

import textwrap

import bpy

from .. import preferences, session
from ..backend.cli import STAGE_TEXTS

STAGES = {
    **STAGE_TEXTS,
    "start": "Starting the worker",
    "place": "Placing the result",
    "cancel": "Cancelling",
}
_PIXELS_PER_CHARACTER = 7.0


class MAQUETTE_PT_queue(bpy.types.Panel):
    """Generate, progress, Cancel, errors."""

    bl_label = "Generate"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_options = {"HIDE_HEADER"}
    bl_order = 4

    def draw(self, context: bpy.types.Context) -> None:
        layout, now = self.layout, session.current()
        if now.is_running:
            _draw_progress(layout, now)
        else:
            row = layout.row()
            row.scale_y = 1.6
            row.operator("maquette.generate", icon="MESH_MONKEY")
        status = now.status
        if status.error:
            _draw_message(layout, context, (status.error, status.hint), "ERROR")
            _draw_remedy(layout, status.code)
        elif now.setup_error:
            error = now.setup_error
            _draw_message(layout, context, (error.message, error.hint), "ERROR", False)
            _draw_remedy(layout, error.code)
        elif status.notes:
            _draw_message(layout, context, status.notes, "INFO")


def _draw_progress(layout: bpy.types.UILayout, now: session.Session) -> None:
    """The stage's bar with the seconds left, and Cancel."""
    status = now.status
    text = STAGES.get(status.stage, status.stage.capitalize())
    if now.is_waiting_to_place:
        text = "Leave the edit mode or wait for the render"
    elif status.seconds_left is not None:
        text = f"{text}, {status.seconds_left:.0f} s left"
    if now.num_waiting:
        text = f"{text} ({now.num_waiting} more)"
    row = layout.row(align=True)
    row.scale_y = 1.6
    row.progress(factor=status.fraction, text=text)
    row.operator("maquette.cancel", text="", icon="X")


def _draw_message(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    texts: tuple[str, ...],
    icon: str,
    is_closable: bool = True,
) -> None:
    """Sentences in a box, wrapped to the sidebar's width."""
    scale = context.preferences.system.ui_scale * _PIXELS_PER_CHARACTER
    characters = max(int(context.region.width / scale) - 6, 20)
    box = layout.box()
    row = box.row()
    column = row.column(align=True)
    for text in texts:
        for line in textwrap.wrap(text, characters):
            column.label(text=line, icon=icon)
            icon = "BLANK1"
    if is_closable:
        row.operator("maquette.clear_error", text="", icon="X", emboss=False)


def _draw_remedy(layout: bpy.types.UILayout, code: str) -> None:
    """The button that mends this kind of error, if there is one."""
    if code == "setup":
        layout.operator(
            "preferences.addon_show", text="Open Preferences", icon="PREFERENCES"
        ).module = preferences.PACKAGE
    elif code == "device_memory":
        layout.operator("maquette.unload_models", icon="TRASH")


CLASSES = (MAQUETTE_PT_queue,)
