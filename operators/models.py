# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns Free Memory into a message to the worker."""

import bpy

from .. import session


class MAQUETTE_OT_unload_models(bpy.types.Operator):
    """Unload the models, so that other programs can use the memory"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.unload_models"
    bl_label = "Free Memory"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if session.current().is_running:
            cls.poll_message_set("A job is running: wait for it or cancel it")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.current().unload()
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_unload_models,)
