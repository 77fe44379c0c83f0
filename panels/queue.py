# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the Generate button, the running job's progress and the last error with its remedy."""

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import preferences, session
from ..backend.cli import STAGE_TEXTS
from ..session_jobs import CANCELLING, RUNNING, Entry
from ..translations import localize, wrap
from .sidebar import Sidebar, make_column

STAGES = {
    **STAGE_TEXTS,
    "start": "Starting the worker",
    "place": "Placing the result",
    "cancel": "Cancelling",
}
_PIXELS_PER_CHARACTER = 7.0


class MAQUETTE_PT_queue(Sidebar, bpy.types.Panel):
    """Generate, variants, progress, errors."""

    bl_label = "Generate"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_options = {"HIDE_HEADER"}
    bl_order = 4

    def draw(self, context: bpy.types.Context) -> None:
        layout, now = self.layout, session.current()
        row = layout.row()
        row.scale_y = 1.6
        row.operator("maquette.generate", icon="MESH_MONKEY")
        column = make_column(layout)
        column.prop(context.scene.maquette, "variants")
        if now.is_running:
            _draw_progress(layout, now)
        status = now.status
        if status.error:
            draw_message(layout, context, (status.error, status.hint), "ERROR")
            _draw_remedy(layout, status.code)
        elif now.setup_error:
            _draw_remedy(layout, now.setup_error.code)
        elif status.notes:
            draw_message(layout, context, status.notes, "INFO")


def _draw_progress(layout: bpy.types.UILayout, now: session.Session) -> None:
    """The running job's bar with its stage and the seconds left, and Cancel for it."""
    running = next(iter(now.jobs.with_state(RUNNING, CANCELLING)), None)
    status = now.status
    if running is not None:
        text = progress_text(running)
    elif status.stage == "place":
        text = iface_("Leave the edit mode or wait for the render")
    else:
        text = iface_(STAGES["start"])
    if now.num_waiting:
        text += " " + iface_("({count} more)").format(count=now.num_waiting)
    row = layout.row(align=True)
    row.progress(factor=status.fraction, text=text)
    if status.stage != "place":
        cancel = row.operator("maquette.cancel", text="", icon="X")
        cancel.job_id = running.job_id if running else ""


def progress_text(entry: Entry) -> str:
    """The stage of a running job and the seconds that it has left."""
    report = entry.job.progress
    stage = "cancel" if entry.state == CANCELLING else report.stage if report else "start"
    text = str(iface_(STAGES.get(stage, stage.capitalize())))
    seconds = "" if stage == "cancel" else seconds_text(entry)
    return f"{text}, {seconds}" if seconds else text


def seconds_text(entry: Entry) -> str:
    """The seconds that a running job's stage has left; empty while they are not known."""
    report = entry.job.progress
    if report is None or report.seconds_left is None:
        return ""
    return iface_("{seconds} s left").format(seconds=round(report.seconds_left))


def draw_message(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    texts: tuple[str, ...],
    icon: str,
    is_closable: bool = True,
) -> None:
    """Sentences in a box, wrapped to the sidebar's width."""
    scale = context.preferences.system.ui_scale * _PIXELS_PER_CHARACTER
    margin = 10 if is_closable else 9  # icon, frames, and the cross
    characters = max(int(context.region.width / scale) - margin, 20)
    box = layout.box()
    row = box.row()
    column = row.column(align=True)
    for text in map(localize, texts):
        for line in wrap(text, characters):
            column.label(text=line, icon=icon, translate=False)
            icon = "BLANK1"
    if is_closable:
        row.operator("maquette.clear_error", text="", icon="X", emboss=False)


def _draw_remedy(layout: bpy.types.UILayout, code: str) -> None:
    """The button that mends this kind of error, if there is one."""
    if code == "setup":
        layout.menu_contents("MAQUETTE_MT_environment")
        layout.operator(
            "preferences.addon_show", text="Open Preferences", icon="PREFERENCES"
        ).module = preferences.PACKAGE
    elif code == "device_memory":
        layout.operator("maquette.unload_models", icon="TRASH")


CLASSES = (MAQUETTE_PT_queue,)
