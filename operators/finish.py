# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns finished objects into lighter ones, quads, voxels, levels of detail and collision hulls.

No mesh that is there is changed: what is new stands beside the original, which is hidden.
"""

from collections.abc import Callable

import bpy
from bpy.app.translations import pgettext_rpt as rpt_

from .. import properties_finish as declared
from ..backend.errors import InputError, MaquetteError
from ..scene.collision import add_hull
from ..scene.lod import make_levels
from ..scene.origin import place_origin
from ..scene.remesh import VoxelChoices, make_quads, make_voxels
from ..scene.variant import (
    add_variant,
    base_name,
    check_mesh,
    count_triangles,
    hide_original,
    reduce_mesh,
    select_only,
)
from ..translations import localize

_SKIP = {"options": {"SKIP_SAVE"}}  # the scene remembers, not the operator


class _Finishes:
    """What all operators share that work on the selected meshes."""

    bl_options = {"REGISTER", "UNDO"}

    # Properties of the operator that have the same name in `Scene.maquette.finish`.
    remembered: tuple[str, ...] = ()

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            cls.poll_message_set("Only in Object Mode")
            return False
        if not find_meshes(context):
            cls.poll_message_set("Select a mesh object")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        for name in self.remembered:
            if not self.properties.is_property_set(name):
                setattr(self, name, getattr(context.scene.maquette.finish, name))
        context.window.cursor_modal_set("WAIT")
        try:
            for obj in find_meshes(context):
                check_local(obj)
                check_mesh(obj)
            self.finish(context, find_meshes(context))
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        finally:
            context.window.cursor_modal_restore()
        return {"FINISHED"}

    def replace(
        self,
        context: bpy.types.Context,
        objects: list[bpy.types.Object],
        make: Callable[[bpy.types.Object], bpy.types.Object],
    ) -> None:
        """Hide the objects and select what was made of each."""
        made = [make(obj) for obj in objects]
        for obj in objects:
            hide_original(obj, context.view_layer)
        select_only(made, context.view_layer)
        faces = sum(len(obj.data.polygons) for obj in made)
        self.report({"INFO"}, rpt_("{count} faces; the original is hidden").format(count=faces))


class MAQUETTE_OT_reduce_faces(_Finishes, bpy.types.Operator):
    """Make a lighter copy with fewer triangles, UV map and texture kept; the original is hidden"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.reduce_faces"
    bl_label = "Reduce Faces"
    remembered = ("faces",)

    faces: bpy.props.IntProperty(**declared.FACES, **_SKIP)

    def finish(self, context: bpy.types.Context, objects: list[bpy.types.Object]) -> None:
        for obj in objects:
            if count_triangles(obj.data) <= self.faces and not obj.modifiers:
                raise InputError(
                    f"'{obj.name}' has only {count_triangles(obj.data)} triangles.",
                    "Ask for fewer.",
                )
        self.replace(
            context,
            objects,
            lambda obj: add_variant(obj, reduce_mesh(obj, context.scene, self.faces), "low"),
        )


class MAQUETTE_OT_make_quads(_Finishes, bpy.types.Operator):
    """Make a copy whose triangles are joined to quads, UV map and texture kept; the original is hidden"""  # noqa: D415, E501 (tooltip)

    bl_idname = "maquette.make_quads"
    bl_label = "Triangles to Quads"

    max_angle_deg: bpy.props.FloatProperty(
        name="Max Angle",
        description="Join triangles that are folded by less than so many degrees. More makes more "
        "quads, and more crooked ones",
        default=40.0,
        min=0.0,
        max=180.0,
    )

    def finish(self, context: bpy.types.Context, objects: list[bpy.types.Object]) -> None:
        self.replace(
            context, objects, lambda obj: make_quads(obj, context.scene, self.max_angle_deg)
        )


class MAQUETTE_OT_remesh_voxels(_Finishes, bpy.types.Operator):
    """Make a closed copy of even faces. It gets a new UV map, and the base colors are baked onto it; other textures are not. The original is hidden"""  # noqa: D415, E501 (tooltip)

    bl_idname = "maquette.remesh_voxels"
    bl_label = "Voxel Remesh"
    remembered = ("voxels", "texture_px")

    voxels: bpy.props.IntProperty(**declared.VOXELS, **_SKIP)
    texture_px: bpy.props.IntProperty(**declared.TEXTURE_PX, **_SKIP)

    def finish(self, context: bpy.types.Context, objects: list[bpy.types.Object]) -> None:
        choices = VoxelChoices(self.voxels, self.texture_px)
        self.replace(context, objects, lambda obj: make_voxels(obj, context.scene, choices))


class MAQUETTE_OT_make_levels(_Finishes, bpy.types.Operator):
    """Make copies with all, fewer and few triangles in a collection, named _LOD0 to _LOD2; the original is hidden"""  # noqa: D415, E501 (tooltip)

    bl_idname = "maquette.make_levels"
    bl_label = "Make Levels of Detail"
    remembered = ("middle_share", "far_share")

    middle_share: bpy.props.FloatProperty(**declared.MIDDLE_SHARE, **_SKIP)
    far_share: bpy.props.FloatProperty(**declared.FAR_SHARE, **_SKIP)

    def finish(self, context: bpy.types.Context, objects: list[bpy.types.Object]) -> None:
        shares = self.middle_share / 100, self.far_share / 100
        levels = [make_levels(obj, context, shares) for obj in objects]
        select_only([finest for finest, *_ in levels], context.view_layer)
        counts = [count_triangles(level.data) for level in levels[0]]
        self.report(
            {"INFO"}, rpt_("Triangles: {counts}").format(counts=", ".join(map(str, counts)))
        )


class MAQUETTE_OT_add_hull(_Finishes, bpy.types.Operator):
    """Add a convex hull around the object for collisions, as its child that is never rendered"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.add_hull"
    bl_label = "Add Collision Hull"
    remembered = ("hull_faces", "hull_name")

    hull_faces: bpy.props.IntProperty(**declared.HULL_FACES, **_SKIP)
    hull_name: bpy.props.EnumProperty(**declared.HULL_NAME, **_SKIP)

    def finish(self, context: bpy.types.Context, objects: list[bpy.types.Object]) -> None:
        for obj in objects:
            hull = add_hull(obj, context.scene, self.hull_faces, self.hull_name)
            text = rpt_("{name}: {count} triangles")
            self.report({"INFO"}, text.format(name=hull.name, count=len(hull.data.polygons)))


class MAQUETTE_OT_place_origin(_Finishes, bpy.types.Operator):
    """Move the object's origin; the shape stays where it is"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.place_origin"
    bl_label = "Place Origin"
    remembered = ("origin",)

    origin: bpy.props.EnumProperty(**declared.ORIGIN, **_SKIP)

    def finish(self, _context: bpy.types.Context, objects: list[bpy.types.Object]) -> None:
        for obj in {obj.data: obj for obj in objects}.values():  # each mesh once
            place_origin(obj, self.origin)


def find_meshes(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The selected mesh objects, the active one first; hulls are left to their objects."""
    chosen = [obj for obj in context.selected_objects if obj.type == "MESH"]
    active = context.active_object
    chosen.sort(key=lambda obj: obj != active)
    return [obj for obj in chosen if not obj.maquette.is_hull]


def check_local(obj: bpy.types.Object) -> None:
    """Make sure that an object and its mesh belong to this file.

    Raises:
        InputError: They are linked.
    """
    if obj.library or obj.data.library or obj.data.override_library:
        raise InputError(
            f"'{base_name(obj)}' is linked from another file.",
            "Make it local: Object > Relations > Make Local > Selected Objects and Data.",
        )


CLASSES = (
    MAQUETTE_OT_reduce_faces,
    MAQUETTE_OT_make_quads,
    MAQUETTE_OT_remesh_voxels,
    MAQUETTE_OT_make_levels,
    MAQUETTE_OT_add_hull,
    MAQUETTE_OT_place_origin,
)
