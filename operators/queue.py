# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the buttons of the list of jobs into calls of the session."""

from collections.abc import Callable

import bpy

from .. import handlers, session
from ..backend.errors import MaquetteError
from ..translations import localize

DIRECTIONS = (("UP", "Up", "Make it sooner"), ("DOWN", "Down", "Make it later"))


class _OnJob:
    """What operators on one job have in common."""

    job_id: bpy.props.StringProperty(name="Job", options={"HIDDEN", "SKIP_SAVE"})

    def do(self, change: Callable[[], object]) -> set[str]:
        """Make a change, and report what is wrong with it."""
        try:
            change()
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            handlers.start_polling()
            return {"CANCELLED"}
        handlers.start_polling()
        return {"FINISHED"}


class MAQUETTE_OT_cancel(_OnJob, bpy.types.Operator):
    """Stop this job, or all of them, at the next step"""  # noqa: D415 (tooltip)

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
        return self.do(lambda: session.current().cancel(self.job_id))


class MAQUETTE_OT_move_job(_OnJob, bpy.types.Operator):
    """Let a waiting job come sooner or later"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.move_job"
    bl_label = "Move Job"
    bl_options = {"REGISTER"}

    direction: bpy.props.EnumProperty(name="Direction", items=DIRECTIONS, default="UP")

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not session.current().jobs.with_state("waiting"):
            cls.poll_message_set("No job is waiting")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        steps = -1 if self.direction == "UP" else 1
        return self.do(lambda: session.current().jobs.move(self.job_id, steps))


class MAQUETTE_OT_retry_job(_OnJob, bpy.types.Operator):
    """Queue this job again, with the same pictures and settings"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.retry_job"
    bl_label = "Try Again"
    bl_options = {"REGISTER"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.do(lambda: session.current().jobs.retry(self.job_id))


class MAQUETTE_OT_place_job(_OnJob, bpy.types.Operator):
    """Place this result in the open file, at the 3D cursor or on the objects it was made for"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.place_job"
    bl_label = "Place Here"
    bl_options = {"REGISTER"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.do(lambda: session.current().place_here(self.job_id))


class MAQUETTE_OT_remove_job(_OnJob, bpy.types.Operator):
    """Take this job off the list; its files stay"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.remove_job"
    bl_label = "Remove from List"
    bl_options = {"REGISTER"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.do(lambda: session.current().jobs.remove(self.job_id))


class MAQUETTE_OT_clear_jobs(_OnJob, bpy.types.Operator):
    """Take all jobs off the list that have ended; results that are not placed yet stay"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.clear_jobs"
    bl_label = "Clear List"
    bl_options = {"REGISTER"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.do(session.current().jobs.clear)


class MAQUETTE_OT_queue_again(_OnJob, bpy.types.Operator):
    """Queue the jobs again that had not ended when Blender did, or when this file was saved"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.queue_again"
    bl_label = "Queue Again"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        now = session.current()
        if now.setup_error:
            cls.poll_message_set(localize(now.setup_error))
            return False
        if not now.unfinished.offered:
            cls.poll_message_set("There are no unfinished jobs")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.do(session.current().queue_again)


class MAQUETTE_OT_discard_unfinished(_OnJob, bpy.types.Operator):
    """Forget the unfinished jobs; the files of their folders stay"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.discard_unfinished"
    bl_label = "Discard"
    bl_options = {"REGISTER"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return self.do(session.current().unfinished.take)


class MAQUETTE_OT_clear_error(bpy.types.Operator):
    """Hide this message"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.clear_error"
    bl_label = "Hide Message"
    bl_options = {"REGISTER"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        session.current().clear_message()
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_cancel,
    MAQUETTE_OT_move_job,
    MAQUETTE_OT_retry_job,
    MAQUETTE_OT_place_job,
    MAQUETTE_OT_remove_job,
    MAQUETTE_OT_clear_jobs,
    MAQUETTE_OT_queue_again,
    MAQUETTE_OT_discard_unfinished,
    MAQUETTE_OT_clear_error,
)
