# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns Install, Repair, Remove and Check into jobs of the worker's environment."""

import sys
from collections.abc import Callable
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import handlers, preferences, session
from ..backend.client.builds import Build, choose_build, detect_machine
from ..backend.errors import MaquetteError
from ..translations import localize, wrap

_DIALOG_WIDTH = 460


class _Changes:
    """What operators that change the environment have in common."""

    @classmethod
    def poll_idle(cls) -> bool:
        """Whether nothing runs that needs the environment or changes it."""
        now = session.current()
        if now.setup.is_busy:
            cls.poll_message_set("The worker's environment is being changed")
            return False
        if now.is_running:
            cls.poll_message_set("A job is running: wait for it or cancel it")
            return False
        return True

    def run(self, start: Callable[..., None], *args: object) -> set[str]:
        """Start a job of the environment; the worker ends first, as it uses the files."""
        try:
            session.current().end_worker()
            start(*args)
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        return self.follow()

    def follow(self) -> set[str]:
        """See to it that the job is polled; background Blender waits for its end."""
        handlers.start_polling()
        if bpy.app.background:
            handlers.wait_until_idle()
            failure = session.current().setup.failure
            if failure:
                self.report({"ERROR"}, localize(failure))
                return {"CANCELLED"}
        return {"FINISHED"}


class _Install(_Changes):
    """Downloads and installs, after a dialog that says how much."""

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if preferences.get_python_path():
            cls.poll_message_set("Another Python is named in the preferences: empty that field")
            return False
        if not bpy.app.online_access:
            cls.poll_message_set("Turn on Allow Online Access in the preferences, under System")
            return False
        return cls.poll_idle()

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        try:
            self._build = _choose_build()
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        context.window_manager.invoke_props_dialog(
            self, width=_DIALOG_WIDTH, title=self.bl_label, confirm_text=self.bl_label
        )
        return {"RUNNING_MODAL"}

    def draw(self, context: bpy.types.Context) -> None:
        build, setup = self._build, session.current().setup
        column = self.layout.column()
        size = iface_("Download: about {download:.1f} GB, on the disk: about {disk:.1f} GB").format(
            download=build.download_mb / 1000, disk=build.disk_mb / 1000
        )
        column.label(text=size, icon="IMPORT", translate=False)
        text = iface_("PyTorch for: {device}").format(device=iface_(_DEVICES[build.device]))
        column.label(text=text, icon="SYSTEM", translate=False)
        column.label(text=str(setup.folder), icon="FILE_FOLDER", translate=False)
        if setup.has_remains:
            column.label(text="What is there now is removed first", icon="TRASH")
        for line in _split(build.note):
            column.label(text=line, icon="INFO", translate=False)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        chosen = preferences.get_preferences()
        base = bpy.path.abspath(chosen.base_python) if chosen.base_python else sys.executable
        try:
            build = _choose_build()
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        setup = session.current().setup
        return self.run(setup.install, Path(base), build, chosen.torch_index)


class MAQUETTE_OT_install_environment(_Install, bpy.types.Operator):
    """Download PyTorch and the other packages that the worker needs, and install them"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.install_environment"
    bl_label = "Install"
    bl_options = {"REGISTER"}


class MAQUETTE_OT_repair_environment(_Install, bpy.types.Operator):
    """Remove the worker's environment and install it anew"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.repair_environment"
    bl_label = "Repair"
    bl_options = {"REGISTER"}


class MAQUETTE_OT_remove_environment(_Changes, bpy.types.Operator):
    """Delete the worker's environment from the disk; jobs, models and settings stay"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.remove_environment"
    bl_label = "Remove"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not session.current().setup.has_remains:
            cls.poll_message_set("Nothing is installed")
            return False
        return cls.poll_idle()

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        context.window_manager.invoke_confirm(
            self,
            event,
            title=iface_("Remove the worker's environment?"),
            message=str(session.current().setup.folder),
            confirm_text=iface_("Remove"),
        )
        return {"RUNNING_MODAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.run(session.current().setup.remove)


class MAQUETTE_OT_cancel_environment(bpy.types.Operator):
    """Stop the installation and delete what it has written so far"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.cancel_environment"
    bl_label = "Cancel Installation"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not session.current().setup.is_busy:
            cls.poll_message_set("Nothing is being installed")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.current().setup.cancel()
        return {"FINISHED"}


class MAQUETTE_OT_check_environment(_Changes, bpy.types.Operator):
    """Start the worker's Python once and look whether it has everything"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.check_environment"
    bl_label = "Check Worker"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if session.current().setup.is_busy:
            cls.poll_message_set("The worker's environment is being changed or checked")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            session.current().start_check()
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        handlers.start_polling()
        if bpy.app.background:
            handlers.wait_until_idle()
        return {"FINISHED"}


_DEVICES = {
    "cuda": "NVIDIA GPU",
    "rocm": "AMD GPU",
    "mps": "Apple GPU",
    "cpu": "Processor",
}


def _choose_build() -> Build:
    """The build for this machine and the preferences.

    Raises:
        SetupError: There is none.
    """
    chosen = preferences.get_preferences()
    device = "cpu" if chosen.device == "cpu" else "auto"
    return choose_build(detect_machine(), chosen.torch_index, device)


def _split(text: str, characters: int = 62) -> list[str]:
    """Lines of a text, for a dialog of fixed width."""
    return wrap(localize(text), characters)


CLASSES = (
    MAQUETTE_OT_install_environment,
    MAQUETTE_OT_repair_environment,
    MAQUETTE_OT_remove_environment,
    MAQUETTE_OT_cancel_environment,
    MAQUETTE_OT_check_environment,
)
