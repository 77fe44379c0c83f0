# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the list of jobs and what can be done with each."""

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import session
from ..session_jobs import (
    CANCELLED,
    CANCELLING,
    DONE,
    FAILED,
    KEPT,
    PLACING,
    RUNNING,
    WAITING,
    Entry,
)
from .queue import draw_message, seconds_text
from .sidebar import Sidebar

ICONS = {
    WAITING: "TIME",
    RUNNING: "PLAY",
    CANCELLING: "CANCEL",
    PLACING: "IMPORT",
    DONE: "CHECKMARK",
    KEPT: "PACKAGE",
    FAILED: "ERROR",
    CANCELLED: "CANCEL",
}
TEXTS = {
    WAITING: "Waiting",
    CANCELLING: "Cancelling",
    PLACING: "Waits for Object Mode or for the end of a render",
    DONE: "Done",
    KEPT: "Not placed yet",
    FAILED: "Failed",
    CANCELLED: "Cancelled",
}


_NAME_SHARE = 0.6  # of a row's width, beside the bar


class MAQUETTE_UL_jobs(bpy.types.UIList):
    """One row for each job: its name, how far it is, and its buttons."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: bpy.types.AnyType,
        item: bpy.types.PropertyGroup,
        _icon: int,
        _active_data: bpy.types.AnyType,
        _active_property: str,
    ) -> None:
        entry = _find(item.name)
        if entry is None:
            return
        state = entry.state
        row = layout.row(align=True)
        # The stage's name has no room here: it stands below Generate.
        part = row.split(factor=_NAME_SHARE, align=True) if state == RUNNING else row
        part.label(text=entry.name, icon=ICONS[state], translate=False)
        if state == RUNNING:
            part.progress(factor=entry.fraction, text=seconds_text(entry))
        for name, icon in _buttons_of(state):
            row.operator(name, text="", icon=icon, emboss=False).job_id = entry.job_id


class MAQUETTE_PT_jobs(Sidebar, bpy.types.Panel):
    """All jobs, and those of former times that can be queued again."""

    bl_label = "Jobs"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_order = 4

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        now = session.current()
        return bool(now.jobs.entries or now.unfinished.offered)

    def draw(self, context: bpy.types.Context) -> None:
        layout, now = self.layout, session.current()
        offered = len(now.unfinished.offered)
        if offered:
            row = layout.row(align=True)
            text = f"{iface_('Queue Again')} ({offered})"
            row.operator("maquette.queue_again", text=text, icon="RECOVER_LAST", translate=False)
            row.operator("maquette.discard_unfinished", text="", icon="X")
        if not now.jobs.entries:
            return
        shown = context.window_manager.maquette
        row = layout.row()
        row.template_list("MAQUETTE_UL_jobs", "", shown, "jobs", shown, "active_job", rows=3)
        chosen = shown.jobs[shown.active_job] if shown.active_job < len(shown.jobs) else None
        entry = _find(chosen.name) if chosen else None
        _draw_side(row.column(align=True), entry)
        if entry is not None:
            _draw_details(layout, context, entry)
        if len([e for e in now.jobs.entries if e.is_active]) > 1:
            layout.operator("maquette.cancel", text="Cancel All", icon="CANCEL").job_id = ""


def _find(job_id: str) -> Entry | None:
    entries = session.current().jobs.entries
    return next((entry for entry in entries if entry.job_id == job_id), None)


def _buttons_of(state: str) -> list[tuple[str, str]]:
    """Operators on a job in that state, with their icons."""
    if state in (WAITING, RUNNING):
        return [("maquette.cancel", "X")]
    removal = ("maquette.remove_job", "REMOVE")
    if state in (FAILED, CANCELLED):
        return [("maquette.retry_job", "FILE_REFRESH"), removal]
    if state == KEPT:
        return [("maquette.place_job", "IMPORT"), removal]
    return [removal] if state == DONE else []


def _draw_side(column: bpy.types.UILayout, entry: Entry | None) -> None:
    """The buttons beside the list: the chosen job's place in it, and clearing it."""
    moves = column.column(align=True)
    moves.enabled = entry is not None and entry.state == WAITING
    for direction, icon in (("UP", "TRIA_UP"), ("DOWN", "TRIA_DOWN")):
        move = moves.operator("maquette.move_job", text="", icon=icon)
        move.job_id, move.direction = entry.job_id if entry else "", direction
    column.separator()
    column.operator("maquette.clear_jobs", text="", icon="TRASH")


def _draw_details(layout: bpy.types.UILayout, context: bpy.types.Context, entry: Entry) -> None:
    """What there is to say about the chosen job."""
    trouble = entry.trouble
    if trouble is not None:
        texts = (trouble.message, trouble.hint)
        draw_message(layout, context, texts, ICONS[entry.state], is_closable=False)
    elif entry.state != RUNNING:
        layout.label(text=TEXTS[entry.state], icon=ICONS[entry.state])


CLASSES = (MAQUETTE_UL_jobs, MAQUETTE_PT_jobs)
