# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the scene's settings into a job, and a die roll into a seed."""

import random
from typing import Any

import bpy

from .. import properties, session
from ..scene.asset import Origin, read_version
from .job import StartsFromPicture

_MAX_SEED = 2**31 - 1


class MAQUETTE_OT_generate(StartsFromPicture, bpy.types.Operator):
    """Make a textured mesh from the reference picture, at the 3D cursor"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.generate"
    bl_label = "Generate"
    bl_options = {"REGISTER"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.start(context, _order)


class MAQUETTE_OT_randomize_seed(bpy.types.Operator):
    """Choose another seed, for another variation of the shape"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.randomize_seed"
    bl_label = "Randomize Seed"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.maquette.seed = random.randrange(_MAX_SEED)
        return {"FINISHED"}


def _order(context: bpy.types.Context) -> None:
    """Queue the jobs that the panel asks for."""
    scene = context.scene
    session.current().submit_variants(*_read_scene(scene), scene.maquette.variants)


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
