# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns Cancel into a message to the worker."""

import bpy

from .. import session


class MAQUETTE_OT_cancel(bpy.types.Operator):
    """Stop the running job at its next step"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.cancel"
    bl_label = "Cancel"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not session.current().is_running:
            cls.poll_message_set("No job is running")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.current().cancel()
        return {"FINISHED"}


class MAQUETTE_OT_clear_error(bpy.types.Operator):
    """Hide this message"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.clear_error"
    bl_label = "Hide Message"
    bl_options = {"REGISTER"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.current().clear_message()
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_cancel, MAQUETTE_OT_clear_error)
