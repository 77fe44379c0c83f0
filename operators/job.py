# SPDX-License-Identifier: GPL-3.0-or-later
"""What all operators that start a job have in common."""

from collections.abc import Callable

import bpy

from .. import handlers, session
from ..backend.errors import InputError, MaquetteError
from ..translations import localize


class StartsJob:
    """A base of operators that queue a job; their `execute` returns what `start` does."""

    wait: bpy.props.BoolProperty(
        name="Wait",
        description="In background Blender, which has no timers: return when the result is there",
        default=True,
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if (error := session.current().setup_error) is not None:
            cls.poll_message_set(localize(error))
            return False
        if context.scene is None:
            cls.poll_message_set("There is no scene")
            return False
        return True

    def start(
        self, context: bpy.types.Context, order: Callable[[bpy.types.Context], object]
    ) -> set[str]:
        """Queue what `order` asks for and, in background Blender, wait for it."""
        now = session.current()
        is_blocking = bpy.app.background and self.wait
        try:
            if is_blocking and context.mode != "OBJECT":
                raise InputError("A script can do this in Object Mode only.", "Leave this mode.")
            order(context)
        except MaquetteError as error:
            now.status = session.Status.of_error(error)
        else:
            (handlers.wait_until_idle if is_blocking else handlers.start_polling)()
        if not now.status.error:
            return {"FINISHED"}
        self.report({"ERROR"}, localize(now.status.error, now.status.hint))
        return {"CANCELLED"}


class StartsFromPicture(StartsJob):
    """One that needs the panel's reference picture."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if context.scene.maquette.image is None:
            cls.poll_message_set("Choose a reference picture first")
            return False
        return True
