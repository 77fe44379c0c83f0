# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws what is known about the worker."""

import bpy

from .. import session


class MAQUETTE_PT_worker(bpy.types.Panel):
    """The worker's state, and a button that frees its memory."""

    bl_label = "Worker"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 6

    def draw(self, _context: bpy.types.Context) -> None:
        now = session.current()
        column = self.layout.column()
        if now.is_checking:
            column.label(text="Checking...", icon="SORTTIME")
        elif now.environment:
            versions = now.environment.versions
            for name in ("python", "torch"):
                column.label(
                    text=f"{name.capitalize()} {versions.get(name, '?')}", icon="CHECKMARK"
                )
        column.operator("maquette.check_environment", icon="CHECKMARK")
        column.operator("maquette.unload_models", icon="TRASH")


CLASSES = (MAQUETTE_PT_worker,)
