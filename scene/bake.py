# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what materials, masks and colour attributes show into pictures on a UV map.

Cycles bakes copies in a scene made for it and then removed, so any node tree can be read.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from ..backend.errors import InputError
from . import mesh as mesh_data
from .image import encode_png, read_pixels
from .preview import silent_stdout

SAMPLES = 4
BARE_LINEAR = (0.8, 0.8, 0.8, 1.0)  # what Blender shows on faces without a material
_TARGET_UV = "Maquette Bake"


@dataclass(frozen=True, slots=True)
class Canvas:
    """One mesh of a bake.

    Attributes:
        obj: Its materials and its own mesh are used, not its modifiers.
        uv: `[L, 2]`, where on the picture each loop lies.
    """

    obj: bpy.types.Object
    uv: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mask:
    """Where to paint. Exactly one source counts, by `kind`.

    Attributes:
        kind: "alpha": where the present texture is transparent; "image": where `image`, on the
            active UV map, is bright; "attribute": where the attribute of that name is.
        image: For "image".
        attribute: For "attribute": a colour, number or truth on points, corners or faces.
    """

    kind: str
    image: bpy.types.Image | None = None
    attribute: str = ""


def bake_base_colour(canvases: Sequence[Canvas], size_px: int, path: Path) -> None:
    """Write the present base colours as an sRGB PNG.

    Args:
        canvases: Meshes that share the picture.
        size_px: Edge of the picture.
        path: The PNG to write.

    Raises:
        InputError: Cycles is switched off or cannot bake now.
    """
    _bake(canvases, size_px, path, _show_base_colour, "sRGB")


def bake_mask(
    canvases: Sequence[Canvas], size_px: int, path: Path, mask: Mask
) -> NDArray[np.bool_]:
    """Write where to paint as a grey PNG, white where it is.

    Args:
        canvases: Meshes that share the picture.
        size_px: Edge of the picture.
        path: The PNG to write.
        mask: What says where.

    Returns:
        `[T, T]`, the pixels that are not black; row 0 is the top.

    Raises:
        InputError: Cycles is switched off or cannot bake now.
    """
    space = "Non-Color"
    if mask.kind == "image":
        space = mask.image.colorspace_settings.name  # decoded on reading, encoded on writing

    def show(material: bpy.types.Material, canvas: Canvas) -> None:
        _show_mask(material, canvas, mask)

    pixels = _bake(canvases, size_px, path, show, space)
    return pixels[..., 0] > 0


def bake_onto(
    obj: bpy.types.Object,
    original: bpy.types.Mesh,
    mesh: bpy.types.Mesh,
    uv: NDArray[np.float32],
    size_px: int,
    reach: float,
    path: Path,
) -> None:
    """Write an object's present base colours as an sRGB PNG on another mesh of the same shape.

    Args:
        obj: Gives the materials.
        original: Its mesh, with modifiers if they count.
        mesh: The mesh that the picture is for, in the same space.
        uv: `[L, 2]`, where on the picture each of its loops lies.
        size_px: Edge of the picture.
        reach: How far outside of `mesh` the original may lie, in the meshes' units.
        path: The PNG to write.

    Raises:
        InputError: Cycles is switched off or cannot bake now.
    """
    picture = bpy.data.images.new(_TARGET_UV, size_px, size_px)
    scene = _create_scene(size_px)
    target = bpy.data.objects.new(_TARGET_UV, mesh.copy())
    target.data.materials.clear()
    try:
        with _emitting_copy(scene, Canvas(obj, uv), original, _show_base_colour) as source:
            source.matrix_world.identity()  # the rays start along the mesh's own normals
            target.data.materials.append(_copy_material(None))
            _add_bake_target(target.data.materials[0], picture)
            while len(target.data.uv_layers):
                target.data.uv_layers.remove(target.data.uv_layers[0])
            mesh_data.write_uv(target.data, _TARGET_UV, uv)
            scene.collection.objects.link(target)
            source.select_set(True, view_layer=scene.view_layers[0])
            _run_bake(scene, target, True, source, reach)
        path.write_bytes(encode_png(read_pixels(picture)))
    finally:
        bpy.data.scenes.remove(scene)
        bpy.data.batch_remove([target, *target.data.materials, target.data, picture])


def find_largest_image(
    materials: Sequence[bpy.types.Material | None],
) -> bpy.types.Image | None:
    """The largest texture that shows a base colour in any of the materials, or None."""
    found = []
    for material in materials:
        if material is None or material.node_tree is None:
            continue
        socket = find_colour_input(material)
        node = _find_image_node(socket) if socket is not None else None
        found += [node.image] if node is not None else []
    return max(found, key=lambda image: max(image.size), default=None)


def _bake(canvases, size_px, path, show, space) -> NDArray[np.uint8]:
    """Bake what `show` lets materials emit; the written pixels `[T, T, 4]`."""
    picture = bpy.data.images.new(_TARGET_UV, size_px, size_px)
    picture.colorspace_settings.name = space
    scene = _create_scene(size_px)
    try:
        for index, canvas in enumerate(canvases):
            with _baked_copy(scene, canvas, picture, show) as obj:
                _run_bake(scene, obj, is_first=index == 0)
        pixels = read_pixels(picture)
        path.write_bytes(encode_png(pixels))
    finally:
        bpy.data.scenes.remove(scene)
        bpy.data.images.remove(picture)
    return pixels


def _create_scene(size_px: int) -> bpy.types.Scene:
    """An empty scene set up to bake on the CPU."""
    scene = bpy.data.scenes.new(_TARGET_UV)
    try:
        scene.render.engine = "CYCLES"
    except TypeError as error:
        bpy.data.scenes.remove(scene)
        raise InputError(
            "Reading the present texture needs Cycles, which is switched off.",
            "Switch on Cycles Render Engine in the preferences' add-ons.",
        ) from error
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
    scene.render.bake.margin = max(size_px // 128, 4)
    return scene


@contextmanager
def _baked_copy(scene, canvas, picture, show) -> Generator[bpy.types.Object, None, None]:
    """A copy of the mesh in the scene, its materials emitting what is baked into the picture."""
    with _emitting_copy(scene, canvas, canvas.obj.data, show) as obj:
        uv_name = _add_target_uv(obj.data, canvas.uv)
        for material in obj.data.materials:
            _add_bake_target(material, picture)
        obj.data.uv_layers[uv_name].active = True
        yield obj


@contextmanager
def _emitting_copy(scene, canvas, shape, show) -> Generator[bpy.types.Object, None, None]:
    """A copy of a mesh in the scene, its materials emitting what `show` lets them."""
    mesh = shape.copy()
    obj = bpy.data.objects.new(_TARGET_UV, mesh)
    made: list[bpy.types.ID] = [mesh]
    if mesh.shape_keys:
        made.append(mesh.shape_keys)
    try:
        indices = mesh_data.read_array(mesh.polygons, "material_index", 1, np.int32)
        mesh.materials.clear()  # sets all faces to the first slot
        for material in [slot.material for slot in canvas.obj.material_slots] or [None]:
            emitting = _copy_material(material)
            made.append(emitting)
            show(emitting, canvas)
            mesh.materials.append(emitting)
        mesh.polygons.foreach_set("material_index", indices)
        obj.matrix_world = canvas.obj.matrix_world
        scene.collection.objects.link(obj)
        yield obj
    finally:
        bpy.data.batch_remove([obj, *made])


def _add_bake_target(material: bpy.types.Material, picture: bpy.types.Image) -> None:
    """What Cycles bakes into: the image of the material's active node."""
    target = material.node_tree.nodes.new("ShaderNodeTexImage")
    target.image = picture
    material.node_tree.nodes.active = target


def _add_target_uv(mesh: bpy.types.Mesh, uv: NDArray[np.float32]) -> str:
    """A UV map for the target; the rendered one stays what the old textures use."""
    if len(mesh.uv_layers) == 8:  # one that is neither rendered nor active makes room in the copy
        spare = next(u for u in mesh.uv_layers if not u.active_render and not u.active)
        mesh.uv_layers.remove(spare)
    return mesh_data.write_uv(mesh, _TARGET_UV, uv)


def _run_bake(
    scene: bpy.types.Scene,
    obj: bpy.types.Object,
    is_first: bool,
    source: bpy.types.Object | None = None,
    reach: float = 0.0,
) -> None:
    """Bake the object's own colours, or those of a source that lies within reach outside of it."""
    layer = scene.view_layers[0]
    layer.objects.active = obj
    obj.select_set(True, view_layer=layer)
    selected = [obj] if source is None else [source, obj]
    members = {"active_object": obj, "object": obj, "selected_objects": selected}
    try:
        with silent_stdout(), bpy.context.temp_override(scene=scene, view_layer=layer, **members):
            bpy.ops.object.bake(
                type="EMIT",
                margin=scene.render.bake.margin,
                use_clear=is_first,
                target="IMAGE_TEXTURES",
                uv_layer=obj.data.uv_layers.active.name,
                use_selected_to_active=source is not None,
                cage_extrusion=reach,
            )
    except RuntimeError as error:
        raise InputError(
            f"The present texture cannot be read: {str(error).strip()}", "Try again later."
        ) from error


def _copy_material(material: bpy.types.Material | None) -> bpy.types.Material:
    """A copy with nodes; there are none in it if the material shows its plain colour."""
    if material is None:
        emitting = bpy.data.materials.new(_TARGET_UV)
        emitting.diffuse_color = BARE_LINEAR
    else:
        emitting = material.copy()
    is_plain = not compat.has_nodes(emitting)
    if is_plain:
        emitting.use_nodes = True
    if is_plain or material is None:
        emitting.node_tree.nodes.clear()
    return emitting


def _show_base_colour(material: bpy.types.Material, _canvas: Canvas) -> None:
    socket = find_colour_input(material)
    emission = _emit(material)
    if socket is None:
        emission.inputs["Color"].default_value = material.diffuse_color
    elif socket.links:
        material.node_tree.links.new(socket.links[0].from_socket, emission.inputs["Color"])
    else:
        emission.inputs["Color"].default_value = socket.default_value


def _show_mask(material: bpy.types.Material, canvas: Canvas, mask: Mask) -> None:
    tree, socket = material.node_tree, find_colour_input(material)
    emission = _emit(material)
    if mask.kind == "image":
        texture, uv_map = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeUVMap")
        texture.image, uv_map.uv_map = mask.image, canvas.obj.data.uv_layers.active.name
        texture.extension = "EXTEND"  # the far border must not shine through at this one
        tree.links.new(uv_map.outputs["UV"], texture.inputs["Vector"])
        tree.links.new(texture.outputs["Color"], emission.inputs["Color"])
    elif mask.kind == "attribute":
        attribute = tree.nodes.new("ShaderNodeAttribute")
        attribute.attribute_name = mask.attribute
        tree.links.new(attribute.outputs["Fac"], emission.inputs["Color"])
    else:
        emission.inputs["Color"].default_value = (0.0, 0.0, 0.0, 1.0)
        source = _find_image_node(socket)
        if source is not None:
            source.interpolation = "Closest"  # as above, for textures that repeat
            invert = tree.nodes.new("ShaderNodeMath")
            invert.operation = "SUBTRACT"
            invert.inputs[0].default_value = 1.0
            tree.links.new(source.outputs["Alpha"], invert.inputs[1])
            tree.links.new(invert.outputs[0], emission.inputs["Color"])


def _find_image_node(socket: bpy.types.NodeSocket | None) -> bpy.types.Node | None:
    """The first image texture upstream of a socket: its alpha is that of the present texture."""
    waiting = [socket] if socket is not None else []
    seen = set()
    while waiting:
        for link in waiting.pop(0).links:
            node = link.from_node
            if node.type == "TEX_IMAGE" and node.image is not None:
                return node
            if node.name not in seen:
                seen.add(node.name)
                waiting += list(node.inputs)
    return None


def _emit(material: bpy.types.Material) -> bpy.types.Node:
    """Replace what the material shows by an emission shader, and return that."""
    tree = material.node_tree
    material.animation_data_clear()
    for node in tree.nodes:
        if node.type == "OUTPUT_MATERIAL":
            node.is_active_output = False
    output, emission = (
        tree.nodes.new(f"ShaderNode{kind}") for kind in ("OutputMaterial", "Emission")
    )
    output.is_active_output = True
    tree.links.new(emission.outputs["Emission"], output.inputs["Surface"])
    return emission


def find_colour_input(material: bpy.types.Material) -> bpy.types.NodeSocket | None:
    """The colour input of the first shader upstream of the material's output, or None."""
    output = material.node_tree.get_output_node("CYCLES") or material.node_tree.get_output_node(
        "ALL"
    )
    waiting = [output.inputs["Surface"]] if output else []
    seen = set()
    while waiting:
        socket = waiting.pop(0)
        for link in socket.links:
            node = link.from_node
            if node.name in seen:
                continue
            seen.add(node.name)
            for name in ("Base Color", "Color"):
                if name in node.inputs and link.from_socket.type == "SHADER":
                    return node.inputs[name]
            waiting += [other for other in node.inputs if other.type == "SHADER"]
    return None
