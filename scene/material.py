# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a colour and a roughness into a Principled BSDF material."""

import bpy


def create_plain_material(
    name: str, colour_linear: tuple[float, float, float], roughness: float
) -> bpy.types.Material:
    """A material of one colour.

    Args:
        name: Name of the new data-block.
        colour_linear: Scene-linear RGB in [0, 1].
        roughness: 0 mirror to 1 matt.
    """
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # Blender 4: nodes are off in a new material
        material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*colour_linear, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    return material
