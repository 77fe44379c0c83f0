# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns Check into a trial run of the worker's Python."""

import bpy

from .. import handlers, session
from ..backend.errors import MaquetteError


class MAQUETTE_OT_check_environment(bpy.types.Operator):
    """Start the worker's Python once and look whether it has everything"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.check_environment"
    bl_label = "Check Worker"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if session.current().is_checking:
            cls.poll_message_set("The check is running")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            session.current().start_check()
        except MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        handlers.start_polling()
        if bpy.app.background:
            handlers.wait_until_idle()
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_check_environment,)
