# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a line of the history back into an object, and takes lines out of the history."""

import bpy

from .. import preferences, session
from ..backend.errors import MaquetteError
from ..properties_recipe import MAQUETTE_PG_memory
from ..scene.history import bring_back
from ..scene.placement import can_place
from ..translations import localize


class _NeedsLine:
    """What the operators on the chosen line have in common."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if chosen_line(context) is None:
            cls.poll_message_set("Choose a result in the history")
            return False
        return True


class MAQUETTE_OT_bring_back(_NeedsLine, bpy.types.Operator):
    """Place the chosen result again at the 3D cursor; of a painting, put it on its object again"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.bring_back"
    bl_label = "Bring Back"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if context.mode != "OBJECT" or not can_place():
            cls.poll_message_set("Only in Object Mode, and while nothing renders")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            bring_back(chosen_line(context), preferences.get_job_folder(), context.scene)
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_forget_result(_NeedsLine, bpy.types.Operator):
    """Take the chosen result out of the history; objects and files stay"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.forget_result"
    bl_label = "Remove from History"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        panel = context.scene.maquette
        session.current().history.forget([chosen_line(context).recipe.job_id])
        panel.history.remove(panel.active_memory)
        panel.active_memory = max(min(panel.active_memory, len(panel.history) - 1), 0)
        return {"FINISHED"}


class MAQUETTE_OT_clear_history(bpy.types.Operator):
    """Take all results out of this scene's history; objects and files stay"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.clear_history"
    bl_label = "Clear History"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.scene is None or not context.scene.maquette.history:
            cls.poll_message_set("The history is empty")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        panel = context.scene.maquette
        session.current().history.forget([line.recipe.job_id for line in panel.history])
        panel.history.clear()
        panel.active_memory = 0
        return {"FINISHED"}


def chosen_line(context: bpy.types.Context) -> MAQUETTE_PG_memory | None:
    """The line that is chosen in the list, or None."""
    panel = context.scene.maquette if context.scene else None
    if panel is None or not 0 <= panel.active_memory < len(panel.history):
        return None
    return panel.history[panel.active_memory]


CLASSES = (MAQUETTE_OT_bring_back, MAQUETTE_OT_forget_result, MAQUETTE_OT_clear_history)
