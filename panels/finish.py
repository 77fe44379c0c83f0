# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws what can be done with finished objects: lighter meshes, game parts, assets, files."""

import bpy

from .sidebar import Sidebar, make_column


class _Closed(Sidebar):
    """Panels that are closed at first."""

    bl_options = {"DEFAULT_CLOSED"}


class MAQUETTE_PT_finish(_Closed, bpy.types.Panel):
    """The object that is worked on."""

    bl_label = "Finish"
    bl_order = 10

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.object is not None and context.object.type == "MESH"

    def draw(self, context: bpy.types.Context) -> None:
        obj = context.object
        row = self.layout.row()
        row.label(text=obj.name, icon="OBJECT_DATA", translate=False)
        if obj.mode == "OBJECT":
            row = row.row()
            row.alignment = "RIGHT"
            row.label(text=f"{len(obj.data.polygons):,}", icon="FACESEL", translate=False)


class MAQUETTE_PT_finish_mesh(_Closed, bpy.types.Panel):
    """Other faces for the same shape."""

    bl_label = "Mesh"
    bl_parent_id = "MAQUETTE_PT_finish"
    bl_options = set()

    def draw(self, context: bpy.types.Context) -> None:
        finish, column = context.scene.maquette.finish, make_column(self.layout)
        column.prop(finish, "faces")
        column.operator("maquette.reduce_faces", icon="MOD_DECIM")
        column.separator()
        column.operator("maquette.make_quads", icon="MOD_TRIANGULATE")
        column.separator()
        column.prop(finish, "voxels")
        column.prop(finish, "texture_px")
        column.operator("maquette.remesh_voxels", icon="MOD_REMESH")
        column.separator()
        column.prop(finish, "origin")
        column.operator("maquette.place_origin", icon="OBJECT_ORIGIN")


class MAQUETTE_PT_finish_game(_Closed, bpy.types.Panel):
    """What game engines want beside the mesh."""

    bl_label = "Game Parts"
    bl_parent_id = "MAQUETTE_PT_finish"

    def draw(self, context: bpy.types.Context) -> None:
        finish, column = context.scene.maquette.finish, make_column(self.layout)
        column.prop(finish, "middle_share")
        column.prop(finish, "far_share")
        column.operator("maquette.make_levels", icon="MOD_MULTIRES")
        column.separator()
        column.prop(finish, "hull_faces")
        column.prop(finish, "hull_name")
        column.operator("maquette.add_hull", icon="MESH_ICOSPHERE")


class MAQUETTE_PT_finish_asset(_Closed, bpy.types.Panel):
    """How the object appears in the Asset Browser."""

    bl_label = "Asset"
    bl_parent_id = "MAQUETTE_PT_finish"

    def draw(self, context: bpy.types.Context) -> None:
        finish, column = context.scene.maquette.finish, make_column(self.layout)
        column.prop(finish, "catalog")
        column.prop(finish, "tags")
        column.operator("maquette.mark_asset", icon="ASSET_MANAGER")


class MAQUETTE_PT_finish_export(_Closed, bpy.types.Panel):
    """Files for engines and other programs."""

    bl_label = "Export"
    bl_parent_id = "MAQUETTE_PT_finish"

    def draw(self, context: bpy.types.Context) -> None:
        finish, column = context.scene.maquette.finish, make_column(self.layout)
        column.prop(finish, "folder")
        column.prop(finish, "file_format")
        if finish.file_format == "FBX":
            column.prop(finish, "engine")
        column.prop(finish, "one_each")
        column.operator("maquette.export", icon="EXPORT")


CLASSES = (
    MAQUETTE_PT_finish,
    MAQUETTE_PT_finish_mesh,
    MAQUETTE_PT_finish_game,
    MAQUETTE_PT_finish_asset,
    MAQUETTE_PT_finish_export,
)
