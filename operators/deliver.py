# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns finished objects into assets with previews, and into files."""

from pathlib import Path

import bpy
from bpy.app.translations import pgettext_rpt as rpt_

from .. import properties_finish as declared
from ..backend.errors import InputError, MaquetteError
from ..scene.export import ExportChoices, export_objects
from ..scene.library import make_previews, mark_asset, refresh_browsers, split_tags
from ..scene.lod import find_levels
from ..scene.variant import base_name
from ..translations import localize

_SKIP = {"options": {"SKIP_SAVE"}}  # the scene remembers, not the operator


def _fill_in(operator: bpy.types.Operator, context: bpy.types.Context, names: tuple) -> None:
    """Take what was not said from what the scene remembers."""
    for name in names:
        if not operator.properties.is_property_set(name):
            setattr(operator, name, getattr(context.scene.maquette.finish, name))


def _find_objects(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The selected objects, the active one first; hulls go with their objects."""
    chosen = [obj for obj in context.selected_objects if not obj.maquette.is_hull]
    return sorted(chosen, key=lambda obj: obj != context.active_object)


class MAQUETTE_OT_mark_asset(bpy.types.Operator):
    """Mark the selected objects as assets, with a preview, tags of picture and model, and a catalog"""  # noqa: D415, E501 (tooltip)

    bl_idname = "maquette.mark_asset"
    bl_label = "Mark as Asset"
    bl_options = {"REGISTER", "UNDO"}

    catalog: bpy.props.StringProperty(**declared.CATALOG, **_SKIP)
    tags: bpy.props.StringProperty(**declared.TAGS, **_SKIP)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        objects = _find_objects(context)
        if not objects:
            cls.poll_message_set("Select objects")
            return False
        if any(obj.library or obj.override_library for obj in objects):
            cls.poll_message_set("Linked objects belong to another file's assets")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        _fill_in(self, context, ("catalog", "tags"))
        objects = _find_objects(context)
        try:
            for obj in objects:
                mark_asset(obj, self.catalog, split_tags(self.tags))
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        try:
            make_previews([obj for obj in objects if obj.type == "MESH"])
        except RuntimeError as error:
            text = rpt_("Marked without a preview: {reason}")
            self.report({"WARNING"}, text.format(reason=str(error).strip()))
        refresh_browsers()
        return {"FINISHED"}


class MAQUETTE_OT_export(bpy.types.Operator):
    """Write the selected objects into the folder, with textures and modifiers; earlier exports of the same names are replaced"""  # noqa: D415, E501 (tooltip)

    bl_idname = "maquette.export"
    bl_label = "Export"
    bl_options = {"REGISTER"}

    folder: bpy.props.StringProperty(**declared.FOLDER, **_SKIP)
    file_format: bpy.props.EnumProperty(**declared.FORMAT, **_SKIP)
    engine: bpy.props.EnumProperty(**declared.ENGINE, **_SKIP)
    one_each: bpy.props.BoolProperty(**declared.ONE_EACH, **_SKIP)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            cls.poll_message_set("Only in Object Mode")
            return False
        if not _find_objects(context):
            cls.poll_message_set("Select objects to export")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        _fill_in(self, context, ("folder", "file_format", "engine", "one_each"))
        objects = _find_objects(context)
        groups = [[obj] for obj in objects] if self.one_each else [objects]
        try:
            choices = ExportChoices(
                _find_folder(self.folder), self.file_format, self.engine == "UNITY"
            )
            files = [
                export_objects(group, _name_of(group[0]), choices, context.view_layer)
                for group in groups
            ]
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        text = rpt_("Wrote {file}") if len(files) == 1 else rpt_("Wrote {file} and {count} more")
        self.report({"INFO"}, text.format(file=files[0], count=len(files) - 1))
        return {"FINISHED"}


def _name_of(obj: bpy.types.Object) -> str:
    """What a file is named after: a set of levels goes by the name of its object."""
    return base_name(obj) if find_levels(obj) else obj.name


def _find_folder(chosen: str) -> Path:
    """The chosen folder, else that of the saved file.

    Raises:
        InputError: There is neither.
    """
    if not bpy.data.filepath and (not chosen or chosen.startswith("//")):
        raise InputError("The export has no folder.", "Choose one, or save the file first.")
    return Path(bpy.path.abspath(chosen or "//"))


CLASSES = (MAQUETTE_OT_mark_asset, MAQUETTE_OT_export)
