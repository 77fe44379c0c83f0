# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the scene's settings into a job, and a die roll into a seed."""

import random
from typing import Any

import bpy

from .. import handlers, properties, session
from ..backend.errors import InputError, MaquetteError
from ..scene.asset import Origin, read_version
from ..translations import localize

_MAX_SEED = 2**31 - 1


class MAQUETTE_OT_generate(bpy.types.Operator):
    """Make a textured mesh from the reference picture, at the 3D cursor"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.generate"
    bl_label = "Generate"
    bl_options = {"REGISTER"}

    wait: bpy.props.BoolProperty(
        name="Wait",
        description="In background Blender, which has no timers: return when the mesh is there",
        default=True,
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        now = session.current()
        if now.setup_error:
            cls.poll_message_set(localize(now.setup_error))
            return False
        if context.scene is None or context.scene.maquette.image is None:
            cls.poll_message_set("Choose a reference picture first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        now = session.current()
        is_blocking = bpy.app.background and self.wait
        try:
            if is_blocking and context.mode != "OBJECT":
                raise InputError("A script can generate in Object Mode only.", "Leave this mode.")
            now.submit_variants(*_read_scene(context.scene), context.scene.maquette.variants)
        except MaquetteError as error:
            now.status = session.Status.of_error(error)
        else:
            (handlers.wait_until_idle if is_blocking else handlers.start_polling)()
        if not now.status.error:
            return {"FINISHED"}
        self.report({"ERROR"}, localize(now.status.error, now.status.hint))
        return {"CANCELLED"}


class MAQUETTE_OT_randomize_seed(bpy.types.Operator):
    """Choose another seed, for another variation of the shape"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.randomize_seed"
    bl_label = "Randomize Seed"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.maquette.seed = random.randrange(_MAX_SEED)
        return {"FINISHED"}


def _read_scene(
    scene: bpy.types.Scene,
) -> tuple[dict[str, bpy.types.Image], dict[str, Any], Origin]:
    """Pictures, settings and origin of a job, as `Session.submit_variants` takes them."""
    chosen = scene.maquette
    images = properties.to_images(chosen)
    settings = properties.to_settings(chosen)
    origin = Origin(
        picture=chosen.image.name,
        scene_uid=scene.session_uid,
        location=tuple(scene.cursor.location),
        size_m=chosen.size_m,
        version=read_version(),
        settings=settings,
    )
    return images, settings, origin


CLASSES = (MAQUETTE_OT_generate, MAQUETTE_OT_randomize_seed)
