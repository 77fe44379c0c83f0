# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns an object into a set of three levels of detail, in a collection of their own."""

import bpy

from .variant import (
    add_variant,
    base_name,
    check_mesh,
    count_triangles,
    evaluate_mesh,
    hide_original,
    reduce_mesh,
)

MIN_TRIANGLES = 4


def make_levels(
    obj: bpy.types.Object, context: bpy.types.Context, shares: tuple[float, float]
) -> list[bpy.types.Object]:
    """Add NAME_LOD0 (all triangles), NAME_LOD1 and NAME_LOD2; the original is hidden.

    Each level is made from the original, at the same place, and uses the same materials. The first
    one is shown, the others are hidden.

    Args:
        obj: The original; its mesh is not changed.
        context: The scene and view layer that are shown.
        shares: How much of the triangles the middle and the far level keep, each in (0, 1].

    Returns:
        The three levels, finest first.

    Raises:
        InputError: The object has no faces, or too intricate ones for so few.
    """
    check_mesh(obj)
    scene, view_layer = context.scene, context.view_layer
    meshes = [evaluate_mesh(obj, scene)]
    present = count_triangles(meshes[0])
    for share in shares:
        meshes.append(reduce_mesh(obj, scene, max(round(present * share), MIN_TRIANGLES)))
    collection = bpy.data.collections.new(f"{base_name(obj)} LOD")
    scene.collection.children.link(collection)
    levels = []
    for index, mesh in enumerate(meshes):
        level = add_variant(obj, mesh, f"LOD{index}")
        for other in level.users_collection:
            other.objects.unlink(level)
        collection.objects.link(level)
        level.hide_set(index > 0, view_layer=view_layer)
        levels.append(level)
    hide_original(obj, view_layer)
    return levels


def find_levels(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """The coarser levels of an object that is the finest of a set, else none."""
    if "_LOD0" not in obj.name:
        return []
    names = [obj.name.replace("_LOD0", f"_LOD{index}") for index in (1, 2)]
    found = [c.objects.get(name) for c in obj.users_collection for name in names]
    return [level for level in dict.fromkeys(found) if level is not None]
