# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the reference pictures and the settings of the next job in the 3D viewport's sidebar."""

import bpy

from ..backend.config import PRESETS
from .sidebar import Sidebar, make_column


class MAQUETTE_PT_shape(Sidebar, bpy.types.Panel):
    """The reference picture and the model."""

    bl_label = "Picture to Asset"

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.maquette
        column = self.layout.column()
        column.template_ID_preview(settings, "image", open="image.open", rows=3, cols=6)
        column.menu("MAQUETTE_MT_picture_front", icon="IMAGE_REFERENCE")
        column.separator()
        column.use_property_split = True
        column.use_property_decorate = False
        column.prop(settings, "model")
        column.prop(settings, "size_m")


class MAQUETTE_PT_views(Sidebar, bpy.types.Panel):
    """Pictures of the other sides."""

    bl_label = "More Views"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.maquette
        for view in ("left", "back", "right"):
            name = f"image_{view}"
            column = self.layout.column(align=True)
            row = column.row()
            row.label(text=settings.bl_rna.properties[name].name)
            row.menu(f"MAQUETTE_MT_picture_{view}", text="", icon="IMAGE_REFERENCE")
            column.template_ID(settings, name, open="image.open")


class MAQUETTE_PT_settings(Sidebar, bpy.types.Panel):
    """Quality, variation, and how fine the mesh is."""

    bl_label = "Settings"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_order = 2

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        self.layout.emboss = "NONE"
        self.layout.popover(panel="MAQUETTE_PT_presets", icon="PRESET", text="")

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.maquette
        row = self.layout.row(align=True)
        for name in PRESETS:
            row.operator("maquette.apply_preset", text=name.title()).name = name
        column = make_column(self.layout)
        row = column.row(align=True)
        row.prop(settings, "seed")
        row.operator("maquette.randomize_seed", text="", icon="FILE_REFRESH")
        column.prop(settings, "resolution")
        column.prop(settings, "target_faces")


class MAQUETTE_PT_advanced(Sidebar, bpy.types.Panel):
    """Settings that seldom need a change."""

    bl_label = "Advanced"
    bl_parent_id = "MAQUETTE_PT_settings"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.maquette
        column = make_column(self.layout)
        for name in ("steps", "guidance", "candidates", "floater_ratio", "smoothing", "crease_deg"):
            column.prop(settings, name)
        column.separator()
        for name in ("remove_background", "border_ratio"):
            column.prop(settings, name)


CLASSES = (MAQUETTE_PT_shape, MAQUETTE_PT_views, MAQUETTE_PT_settings, MAQUETTE_PT_advanced)
