# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the settings of the texture, and those of painting objects that are there already."""

import bpy

from .sidebar import Sidebar, make_column


class MAQUETTE_PT_texture(Sidebar, bpy.types.Panel):
    """Which model paints, and how large the texture is."""

    bl_label = "Texture"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.maquette
        column = make_column(self.layout)
        column.prop(settings, "texture")
        column.prop(settings, "texture_size")
        row = column.row()
        row.active = settings.texture == "paint"
        row.prop(settings, "paint_model")


class MAQUETTE_PT_texture_advanced(Sidebar, bpy.types.Panel):
    """Settings of the texture that seldom need a change."""

    bl_label = "Advanced"
    bl_parent_id = "MAQUETTE_PT_texture"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.maquette
        column = make_column(self.layout)
        painting = column.column()
        painting.active = settings.texture == "paint"
        for name in (
            "paint_steps",
            "paint_guidance",
            "project_reference",
            "delight",
            "further_views",
        ):
            painting.prop(settings, name)
        column.separator()
        for name in ("facing_power", "max_angle_deg", "guard_px", "chart_gap_px"):
            column.prop(settings, name)


class MAQUETTE_PT_retexture(Sidebar, bpy.types.Panel):
    """Paint the selected objects, and take the paint off."""

    bl_label = "Re-Texture Selected"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 5

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.maquette
        column = make_column(self.layout)
        column.prop(settings, "retexture_atlas")
        column.prop(settings, "uv")
        column.prop(settings, "front_deg")
        column.prop(settings, "retexture_mask")
        if settings.retexture_mask == "attribute":
            obj = context.object
            if obj is not None and obj.type == "MESH":
                column.prop_search(settings, "mask_attribute", obj.data, "attributes")
            else:
                column.prop(settings, "mask_attribute")
        column.prop(settings, "keep_colours")
        if settings.retexture_mask == "image":
            self.layout.template_ID(settings, "mask_image", new="image.new", open="image.open")
        column = self.layout.column()
        column.operator("maquette.retexture", icon="BRUSH_DATA")
        column.operator("maquette.restore_material", icon="LOOP_BACK")


CLASSES = (MAQUETTE_PT_texture, MAQUETTE_PT_texture_advanced, MAQUETTE_PT_retexture)
