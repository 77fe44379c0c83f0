# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks, and the colours that are there, of objects that are painted."""

import numpy as np
import pytest
from PIL import Image

from tests.blender.retexture_objects import (
    add,
    add_material,
    assignment_of,
    drop_uv_maps,
    hash_object,
    image_of,
    indices_of,
    paint_at,
    repaint,
    sent,
    uv_of,
)
from tests.blender.test_generate import TINY, is_idle, poll_until
from tests.blender.test_texture import nodes_of

ONE_PROCESS = True


def test_only_selected_faces_are_painted(bpy, addon, ready):
    obj = add(bpy, "cube")
    red = add_material(bpy, obj.data, "Red")
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode="OBJECT")
    obj.data.polygons[1].select = obj.data.polygons[4].select = True
    bpy.ops.object.mode_set(mode="EDIT")
    ready.retexture_mask = "selection"
    assert bpy.ops.maquette.retexture(wait=False) == {"FINISHED"}
    poll_until(addon, lambda: addon.session.current().is_waiting_to_place)
    assert list(obj.data.materials) == [red]
    bpy.ops.object.mode_set(mode="OBJECT")
    poll_until(addon, is_idle(addon))
    assert addon.session.current().status.error == ""
    assert indices_of(obj.data).tolist() == [0, 1, 0, 0, 1, 0]
    assert obj.data.materials[0] == red
    polygons = np.repeat(np.arange(6), 2)
    np.testing.assert_array_equal(sent(addon)["face_mask"], np.isin(polygons, (1, 4)))
    bpy.ops.maquette.restore_material()
    assert indices_of(obj.data).tolist() == [0] * 6 and list(obj.data.materials) == [red]


def test_bare_faces_beside_a_selection_stay_bare(bpy, addon, ready):
    obj = add(bpy, "cube")
    for polygon in obj.data.polygons:
        polygon.select = polygon.index == 2
    ready.retexture_mask = "selection"
    repaint(bpy)
    assert obj.data.materials[0] is None and indices_of(obj.data).tolist() == [0, 0, 1, 0, 0, 0]
    bpy.ops.maquette.restore_material()
    assert not obj.material_slots


def test_selection_without_faces_is_told(bpy, addon, ready):
    obj = add(bpy, "cube")
    obj.data.polygons.foreach_set("select", np.zeros(6, bool))
    ready.retexture_mask = "selection"
    with pytest.raises(RuntimeError, match="No face is selected"):
        bpy.ops.maquette.retexture()


def test_transparent_parts_are_painted_and_opaque_ones_stay(bpy, addon, ready, tmp_path):
    """A texture whose right half is erased; on a map that overlaps, so that it must be moved."""
    pixels = np.full((64, 64, 4), (0, 160, 80, 255), np.uint8)
    pixels[:, 32:, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "old.png")
    obj = add(bpy, "grid", x_subdivisions=8, y_subdivisions=8)
    material = add_material(bpy, obj.data, "Old")
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(str(tmp_path / "old.png"))
    shader = nodes_of(material)["BSDF_PRINCIPLED"]
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    ready.retexture_mask, ready.uv = "alpha", "new"
    counts = {kind: len(getattr(bpy.data, kind)) for kind in ("scenes", "objects", "meshes")}
    repaint(bpy)
    assert counts == {kind: len(getattr(bpy.data, kind)) for kind in counts}
    x = np.array([polygon.center.x for polygon in obj.data.polygons])
    assert (indices_of(obj.data)[x > 0] == 1).all()
    assert (indices_of(obj.data)[x < -0.3] == 0).all()
    for polygon in obj.data.polygons:
        if polygon.center.x > 0.3:
            seen = paint_at(addon, obj, polygon.index)
            assert abs(seen[0] - (polygon.center.x + 1) / 2) < 0.2 and seen[1] < 0.05
    new = obj.data.materials[1]
    left = next(p.index for p in obj.data.polygons if p.center.x < -0.8)
    np.testing.assert_allclose(paint_at(addon, obj, left, new) * 255, (0, 160, 80), atol=1.01)


@pytest.mark.parametrize("kind", ["image", "attribute"])
def test_painted_mask_decides(bpy, addon, ready, kind):
    obj = add(bpy, "grid", x_subdivisions=8, y_subdivisions=8)
    add_material(bpy, obj.data, "Blue", (0.0, 0.0, 1.0, 1.0))
    if kind == "image":
        ready.mask_image = bpy.data.images.new("mask", 32, 32)
        white = np.zeros((32, 32, 4), np.float32)
        white[:16] = 1.0  # rows count from the bottom
        ready.mask_image.pixels.foreach_set(white.ravel())
    else:
        mask = obj.data.attributes.new("where", "FLOAT", "POINT")
        values = [float(v.co.y < 0.01) for v in obj.data.vertices]
        mask.data.foreach_set("value", values)
        ready.mask_attribute = "where"
    ready.retexture_mask = kind
    repaint(bpy)
    y = np.array([polygon.center.y for polygon in obj.data.polygons])
    assert (indices_of(obj.data)[y < 0] == 1).all()
    assert (indices_of(obj.data)[y > 0.3] == 0).all()
    new = obj.data.materials[1]
    low = next(p.index for p in obj.data.polygons if p.center.y < -0.8)
    high = next(p.index for p in obj.data.polygons if p.center.y > 0.8)
    assert paint_at(addon, obj, low, new)[2] > 0.8  # painted: the front is -Y
    np.testing.assert_allclose(paint_at(addon, obj, high, new), (0, 0, 1), atol=0.01)


def test_mask_picture_needs_a_map_to_lie_on(bpy, addon, ready):
    drop_uv_maps(add(bpy, "cube").data)
    ready.retexture_mask, ready.mask_image = "image", ready.image
    with pytest.raises(RuntimeError, match="no UV map for the mask picture"):
        bpy.ops.maquette.retexture()


def test_present_colours_of_all_materials_are_sent(bpy, addon, ready):
    """Shaders with a colour, one behind a mix, a material without nodes, and an empty slot."""
    obj = add(bpy, "cube")
    add_material(bpy, obj.data, "Red", (1.0, 0.0, 0.0, 1.0))
    add_material(bpy, obj.data, "Grey", (0.2140411, 0.2140411, 0.2140411, 1.0))  # sRGB 0.5
    obj.data.materials.append(bpy.data.materials.new("No Nodes"))
    obj.data.materials[2].use_nodes = False
    obj.data.materials[2].diffuse_color = (0.0, 0.0, 1.0, 1.0)
    obj.data.materials.append(None)
    mixed = add_material(bpy, obj.data, "Mixed", (0.0, 1.0, 0.0, 1.0))
    mix, glass = (mixed.node_tree.nodes.new(f"ShaderNode{n}") for n in ("MixShader", "BsdfGlass"))
    links, nodes = mixed.node_tree.links, nodes_of(mixed)
    links.new(nodes["BSDF_PRINCIPLED"].outputs["BSDF"], mix.inputs[1])
    links.new(glass.outputs["BSDF"], mix.inputs[2])
    links.new(mix.outputs["Shader"], nodes["OUTPUT_MATERIAL"].inputs["Surface"])
    obj.data.polygons.foreach_set("material_index", np.array([0, 1, 2, 3, 4, 1], np.int32))
    colours = [(255, 0, 0), (128,) * 3, (0, 0, 255), (231,) * 3, (0, 255, 0), (128,) * 3]
    if obj.data.materials[2].use_nodes:  # Blender 5 cannot turn them off: they count, and are grey
        colours[2] = (231,) * 3
    before = hash_object(obj), assignment_of(obj)[2]
    ready.keep_colours = True
    repaint(bpy)
    (path,) = addon.job_folder.glob("mesh-*/base.png")
    base = np.asarray(Image.open(path))
    uv = uv_of(obj.data, "UVMap")
    assert before[0] == hash_object(obj) and before[1] != assignment_of(obj)[2]
    for polygon, colour in zip(obj.data.polygons, colours, strict=True):
        u, v = uv[list(polygon.loop_indices)].mean(axis=0)
        found = base[int((1 - v) * 512), int(u * 512), :3]
        np.testing.assert_allclose(found, colour, atol=1)


@pytest.mark.parametrize("mask", ["selection", "alpha"])
def test_real_worker_paints_with_tiny_networks(bpy, addon, use_worker, ready, mask):
    """What this side writes is what the worker reads, and the other way round."""
    use_worker(TINY)
    obj = add(bpy, "cylinder", vertices=8)
    add_material(bpy, obj.data, "Red", (1.0, 0.0, 0.0, 1.0))
    drop_uv_maps(obj.data)
    for polygon in obj.data.polygons:
        polygon.select = polygon.center.x > 0
    ready.retexture_mask, ready.further_views, ready.paint_steps = mask, 0, 1
    ready.texture = "paint"
    if mask == "alpha":
        red = nodes_of(obj.data.materials[0])
        texture = obj.data.materials[0].node_tree.nodes.new("ShaderNodeTexImage")
        texture.image = bpy.data.images.new("clear", 8, 8, alpha=True)
        texture.image.pixels.foreach_set(np.zeros(256, np.float32))
        links = obj.data.materials[0].node_tree.links
        links.new(texture.outputs["Color"], red["BSDF_PRINCIPLED"].inputs["Base Color"])
    before = hash_object(obj)
    repaint(bpy)
    image = image_of(obj.data.materials[1])
    assert tuple(image.size) == (512, 512) and "Maquette" in obj.data.uv_layers
    painted = indices_of(obj.data) == 1
    expected = [mask != "selection" or polygon.center.x > 0 for polygon in obj.data.polygons]
    assert painted.tolist() == expected
    assert len(np.unique(addon.image.read_pixels(image)[..., 0])) > 10
    after = hash_object(obj)
    assert {k for k in before if after[k] != before[k]} == {"uv maps"}
