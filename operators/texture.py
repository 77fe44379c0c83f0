# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the selected objects into painting jobs, and painted objects back into what they were."""

from collections.abc import Sequence

import bpy

from .. import properties, session
from ..backend.errors import InputError, MaquetteError
from ..scene.assignment import has_record, restore_materials
from ..scene.bake import Mask
from ..scene.submission import Choices
from ..translations import localize
from .job import StartsFromPicture


class MAQUETTE_OT_retexture(StartsFromPicture, bpy.types.Operator):
    """Paint the selected objects from the reference picture; their meshes stay as they are"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.retexture"
    bl_label = "Re-Texture"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if not any(obj.type == "MESH" for obj in _selected(context)):
            cls.poll_message_set("Select the mesh objects to paint")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.start(context, _order)


class MAQUETTE_OT_restore_material(bpy.types.Operator):
    """Give the selected objects the materials that they had before they were painted"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.restore_material"
    bl_label = "Restore Material"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            cls.poll_message_set("Only in Object Mode")
            return False
        if not any(has_record(obj) for obj in _selected(context)):
            cls.poll_message_set("Select an object that was painted")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            for obj in _selected(context):
                if has_record(obj):  # not any more, if it shares its mesh with one before it
                    restore_materials(obj)
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        return {"FINISHED"}


def _order(context: bpy.types.Context) -> None:
    """Queue the painting of what is selected.

    Raises:
        MaquetteError: Something cannot be used; then no job is queued.
    """
    chosen = context.scene.maquette
    session.current().retexture(
        properties.to_images(chosen),
        properties.to_settings(chosen),
        _selected(context),
        chosen.retexture_atlas == "shared",
        _read_choices(chosen),
    )


def _selected(context: bpy.types.Context) -> Sequence[bpy.types.Object]:
    """The selected objects, the active one first: it names what is shared."""
    active = context.active_object
    chosen = [obj for obj in context.selected_objects if obj != active]
    if active is None or not (active in context.selected_objects or active.mode == "EDIT"):
        return chosen
    return [active, *chosen]


def _read_choices(chosen: properties.MAQUETTE_PG_settings) -> Choices:
    """What the panel's fields say.

    Raises:
        InputError: The mask's picture or attribute is not named.
    """
    kind = chosen.retexture_mask
    if kind == "image" and chosen.mask_image is None:
        raise InputError("No mask picture is chosen.", "Choose one, or paint everywhere.")
    if kind == "attribute" and not chosen.mask_attribute:
        raise InputError("No attribute is named.", "Name one, or paint everywhere.")
    is_within = kind in ("alpha", "image", "attribute")
    return Choices(
        uv=chosen.uv,
        size_px=chosen.texture_size,
        gap=chosen.chart_gap_px / 1024,  # the setting counts pixels of such a texture
        selection_only=kind == "selection",
        mask=Mask(kind, chosen.mask_image, chosen.mask_attribute) if is_within else None,
        keep_colours=chosen.keep_colours,
    )


CLASSES = (MAQUETTE_OT_retexture, MAQUETTE_OT_restore_material)
