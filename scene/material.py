# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a colour or a texture into a Principled BSDF material."""

import bpy

ROUGHNESS = 0.8  # as in the .glb files


def create_plain_material(
    name: str, colour_linear: tuple[float, float, float], roughness: float
) -> bpy.types.Material:
    """A material of one colour.

    Args:
        name: Name of the new data-block.
        colour_linear: Scene-linear RGB in [0, 1].
        roughness: 0 mirror to 1 matt.
    """
    material, shader = _create_material(name)
    shader.inputs["Base Color"].default_value = (*colour_linear, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    return material


def create_textured_material(name: str, image: bpy.types.Image, uv_name: str) -> bpy.types.Material:
    """A matt material whose base colour is an image.

    Args:
        name: Name of the new data-block.
        image: The base colour.
        uv_name: The UV map that the image lies on; named by a node of its own, so that it does not
            matter which of the mesh's UV maps is the active one.
    """
    material, shader = _create_material(name)
    shader.inputs["Metallic"].default_value = 0.0
    shader.inputs["Roughness"].default_value = ROUGHNESS
    nodes, links = material.node_tree.nodes, material.node_tree.links
    texture, uv_map = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeUVMap")
    texture.image, uv_map.uv_map = image, uv_name
    left, top = shader.location
    texture.location, uv_map.location = (left - 300, top), (left - 520, top - 160)
    links.new(uv_map.outputs["UV"], texture.inputs["Vector"])
    links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    nodes.active = texture  # what Texture Paint and the viewport's Texture colour show
    return material


def _create_material(name: str) -> tuple[bpy.types.Material, bpy.types.Node]:
    """A new material and its shader."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:  # Blender 4: nodes are off in a new material
        material.use_nodes = True
    nodes = material.node_tree.nodes
    return material, next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
