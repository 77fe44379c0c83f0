# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a preset's name into settings of the panel, and the panel's settings into a preset."""

import bpy
from bl_operators.presets import AddPresetBase  # pyright: ignore[reportMissingModuleSource]

from .. import properties
from ..backend import config
from ..backend.errors import MaquetteError
from ..translations import localize

# What changes from picture to picture, and so is not part of a saved preset.
_OF_ONE_JOB = ("seed", "front_deg")
_TEXTS = {
    "draft": "Quick, to see whether picture and seed are good: a coarse mesh and a small texture",
    "standard": "For most objects: all settings at their defaults",
    "detailed": "Slow and fine, for objects that are looked at closely",
}
PRESETS = tuple((name, name.title(), _TEXTS[name]) for name in config.PRESETS)


class MAQUETTE_OT_apply_preset(bpy.types.Operator):
    """Set quality and speed of the next job; model, seed and kind of texture stay"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.apply_preset"
    bl_label = "Apply Preset"
    bl_options = {"REGISTER", "UNDO"}

    name: bpy.props.EnumProperty(name="Preset", items=PRESETS, default="standard")

    @classmethod
    def description(cls, _context: bpy.types.Context, chosen: bpy.types.OperatorProperties) -> str:
        return str(bpy.app.translations.pgettext_tip(_TEXTS[chosen.name]))

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            values = config.flatten(config.load_preset(self.name))
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        wanted = {name: v for name, v in values.items() if name not in config.NOT_IN_PRESETS}
        properties.from_settings(context.scene.maquette, wanted)
        return {"FINISHED"}


class MAQUETTE_OT_add_preset(AddPresetBase, bpy.types.Operator):
    """Keep the present settings under this name, or delete the preset of this name"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.add_preset"
    bl_label = "Add Preset"
    preset_menu = "MAQUETTE_PT_presets"
    preset_subdir = properties.SAVED_PRESETS
    # Whole paths: on Python 3.13, older Blenders lose the names of `preset_defines`.
    preset_values = [
        f"bpy.context.scene.maquette.{name}"
        for name in config.setting_names()
        if name not in _OF_ONE_JOB
    ]


CLASSES = (MAQUETTE_OT_apply_preset, MAQUETTE_OT_add_preset)
