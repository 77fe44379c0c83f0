# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the list of presets: those that ship with Maquette, then those that the user saved."""

import bpy
from bl_ui.utils import PresetPanel  # pyright: ignore[reportMissingModuleSource]

from ..backend.config import PRESET_FOLDER, PRESETS
from ..properties import SAVED_PRESETS


class MAQUETTE_PT_presets(PresetPanel, bpy.types.Panel):
    """Opens from the header of the settings."""

    bl_label = "Presets"
    bl_space_type = "VIEW_3D"
    bl_region_type = "HEADER"

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        layout.emboss = "PULLDOWN_MENU"
        layout.operator_context = "EXEC_DEFAULT"
        column = layout.column(align=True)
        for name in PRESETS:
            column.operator("maquette.apply_preset", text=name.title()).name = name
        layout.separator()
        # Without any folder Blender would write "Missing Paths": ours has no file that is listed.
        folders = bpy.utils.preset_paths(SAVED_PRESETS) or [str(PRESET_FOLDER)]
        self.path_menu(
            folders,
            "script.execute_preset",
            filter_ext=lambda ending: ending == ".py",
            add_operator="maquette.add_preset",
        )


CLASSES = (MAQUETTE_PT_presets,)
