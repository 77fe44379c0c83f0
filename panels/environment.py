# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the worker's environment: what it has, what is being done with it, and what can be done."""

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import session
from ..backend.client.worker_setup import SetupState, WorkerSetup
from .queue import draw_message
from .sidebar import Sidebar

_STAGES = {
    "look": "Looking at the Python",
    "clean": "Removing what was there",
    "make": "Making the environment",
    "download": "Downloading",
    "unpack": "Unpacking",
    "check": "Trying it out",
}
_SHOWN_PACKAGES = ("python", "torch", "numpy")


class MAQUETTE_MT_environment(bpy.types.Menu):
    """The state of the worker's environment with its buttons; drawn inside other layouts."""

    bl_label = "Worker"

    def draw(self, context: bpy.types.Context) -> None:
        setup = session.current().setup
        box = self.layout.box()
        if setup.state is SetupState.INSTALLING:
            _draw_installation(box, setup)
            return
        _draw_state(box, context, setup)
        _draw_buttons(box, setup)


class MAQUETTE_PT_worker(Sidebar, bpy.types.Panel):
    """The worker's state, and a button that frees its memory."""

    bl_label = "Worker"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 6

    def draw(self, _context: bpy.types.Context) -> None:
        column = self.layout.column()
        column.menu_contents("MAQUETTE_MT_environment")
        column.operator("maquette.unload_models", icon="TRASH")


def _draw_installation(layout: bpy.types.UILayout, setup: WorkerSetup) -> None:
    """The bar with the stage and the package, and Cancel."""
    job = setup.job
    text = iface_(_STAGES.get(job.stage, "Installing"))
    if job.detail:
        text = f"{text}: {job.detail}"
    row = layout.row(align=True)
    row.scale_y = 1.4
    row.progress(factor=job.fraction, text=text)
    row.operator("maquette.cancel_environment", text="", icon="X")
    layout.label(text="You can go on working meanwhile")


def _draw_state(layout: bpy.types.UILayout, context: bpy.types.Context, setup: WorkerSetup) -> None:
    """What is there, and what is wrong with it."""
    state, error = setup.state, setup.failure or setup.error
    if state is SetupState.REMOVING:
        layout.label(text="Removing...", icon="SORTTIME")
    elif state is SetupState.CHECKING:
        layout.label(text="Checking...", icon="SORTTIME")
    elif state is SetupState.MISSING and not setup.failure:
        text = iface_("The worker needs an environment with PyTorch, which is installed once.")
        draw_message(layout, context, (text,), "INFO", False)
    elif error:
        draw_message(layout, context, (error.message, error.hint), "ERROR", False)
    else:
        _draw_found(layout, setup)
    if setup.note:
        draw_message(layout, context, (setup.note,), "INFO", False)


def _draw_found(layout: bpy.types.UILayout, setup: WorkerSetup) -> None:
    """Versions and device of an environment that works, as far as they are known."""
    found = setup.found
    if found is None:
        layout.label(text="A Python for the worker is named or found", icon="CHECKMARK")
        return
    column = layout.column(align=True)
    names = [f"{name.capitalize()} {found.versions.get(name, '?')}" for name in _SHOWN_PACKAGES]
    column.label(text=", ".join(names), icon="CHECKMARK", translate=False)
    column.label(text=iface_(found.device), icon="SYSTEM", translate=False)


def _draw_buttons(layout: bpy.types.UILayout, setup: WorkerSetup) -> None:
    """Install for those who have nothing, else Check, Repair and Remove."""
    if setup.state is SetupState.MISSING:
        if not bpy.app.online_access:
            row = layout.row()
            row.enabled = not bpy.app.online_access_override  # by an option at Blender's start
            row.prop(bpy.context.preferences.system, "use_online_access")
        row = layout.row()
        row.scale_y = 1.4
        row.operator("maquette.install_environment", icon="IMPORT")
        if not setup.has_remains:
            return
    row = layout.row(align=True)
    row.operator("maquette.check_environment", text="Check", icon="CHECKMARK")
    row.operator("maquette.repair_environment", icon="FILE_REFRESH")
    row.operator("maquette.remove_environment", icon="TRASH")


CLASSES = (MAQUETTE_MT_environment, MAQUETTE_PT_worker)
