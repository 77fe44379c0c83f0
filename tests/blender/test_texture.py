# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate gives a textured object: UV map, material, packed image, one undo step."""

import numpy as np
import pytest
from PIL import Image

from tests.blender.test_generate import EMBEDDED, TINY

ONE_PROCESS = True
PAINTER = "tests/blender/painting_worker.py"


@pytest.fixture
def textured(bpy, addon, use_worker, picture):
    use_worker(PAINTER)
    settings = bpy.context.scene.maquette
    settings.image, settings.texture_size = picture, 512
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    return bpy.context.object


def nodes_of(material):
    return {node.type: node for node in material.node_tree.nodes}


def test_material_shows_the_image_on_the_uv_map(bpy, textured):
    (slot,) = textured.material_slots
    nodes = nodes_of(slot.material)
    assert slot.material.name == "red disc"
    shader, texture, uv_map = nodes["BSDF_PRINCIPLED"], nodes["TEX_IMAGE"], nodes["UVMAP"]
    assert shader.inputs["Base Color"].links[0].from_node == texture
    assert texture.inputs["Vector"].links[0].from_node == uv_map
    assert nodes["OUTPUT_MATERIAL"].inputs["Surface"].links[0].from_node == shader
    assert shader.inputs["Metallic"].default_value == 0.0
    assert shader.inputs["Roughness"].default_value == pytest.approx(0.8)
    (layer,) = textured.data.uv_layers
    assert uv_map.uv_map == layer.name and layer.active and layer.active_render


def test_image_is_packed_and_srgb_and_in_the_right_place(bpy, addon, textured, tmp_path):
    image = nodes_of(textured.active_material)["TEX_IMAGE"].image
    assert image.packed_file is not None and image.colorspace_settings.name == "sRGB"
    assert tuple(image.size) == (512, 512) and not image.filepath.startswith(str(tmp_path))
    blend = tmp_path / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    for path in addon.job_folder.rglob("*.png"):
        path.unlink()
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    obj = bpy.data.objects["red disc"]
    pixels = addon.image.read_pixels(nodes_of(obj.active_material)["TEX_IMAGE"].image)
    uv = np.array([item.vector for item in obj.data.uv_layers[0].uv]).reshape(-1, 3, 2).mean(axis=1)
    column, row = (uv * (512, -512) + (0, 512)).astype(int).T
    # Face 3 of the worker's tetrahedron is the slanted one, whose centre is at a third of the box.
    assert pixels[row[3], column[3], :3].tolist() == [85, 85, 85]
    assert pixels[row[0], column[0], :3].tolist() == [85, 85, 0]  # no front half: z is 0


def test_one_undo_takes_the_textured_object_away(bpy, textured):
    bpy.ops.ed.undo()
    assert not bpy.data.objects and not bpy.data.meshes and not bpy.data.materials
    # The history still knows the result, and its picture with it.
    kept = bpy.context.scene.maquette.history[0].recipe.image
    assert {image.name for image in bpy.data.images} == {"red disc.png", kept.name}
    bpy.ops.ed.redo()
    assert nodes_of(bpy.data.objects["red disc"].active_material)["TEX_IMAGE"].image.packed_file


def test_without_texture_the_mesh_is_bare(bpy, addon, use_worker, picture):
    use_worker(PAINTER)
    settings = bpy.context.scene.maquette
    settings.image, settings.texture = picture, "none"
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    assert not bpy.context.object.material_slots


def test_damaged_texture_is_told_and_nothing_is_added(bpy, addon, tmp_path):
    (tmp_path / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n half")
    with pytest.raises(addon.image.InputError, match="cannot be read"):
        addon.image.load_packed(tmp_path / "half.png", "half")
    assert not bpy.data.images


def test_cycles_shows_the_texture_in_its_colours(bpy, addon, tmp_path):
    """A plane under white light only: what comes back is the base colour."""
    Image.new("RGB", (8, 8), (200, 100, 50)).save(tmp_path / "flat.png")
    image = addon.image.load_packed(tmp_path / "flat.png", "flat")
    bpy.ops.mesh.primitive_plane_add(size=4)
    plane, scene = bpy.context.object, bpy.context.scene
    material = addon.material.create_textured_material("flat", image, "UVMap")
    nodes_of(material)["BSDF_PRINCIPLED"].inputs["Specular IOR Level"].default_value = 0.0
    plane.data.materials.append(material)
    world = scene.world = bpy.data.worlds.new("white")
    world.color = (1.0, 1.0, 1.0)
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.camera.location = (0, 0, 2)
    scene.collection.objects.link(scene.camera)
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 64, False
    scene.render.resolution_x = scene.render.resolution_y = 16
    scene.view_settings.view_transform = "Standard"
    scene.render.filepath = str(tmp_path / "seen.png")
    bpy.ops.render.render(write_still=True)
    seen = np.asarray(Image.open(tmp_path / "seen.png").convert("RGB"), np.float64).mean((0, 1))
    np.testing.assert_allclose(seen, (200, 100, 50), atol=1.5)


def assert_textured(addon, obj, size_px):
    """One material, whose packed image has colours wherever the mesh's UVs are."""
    (slot,), (layer,) = obj.material_slots, obj.data.uv_layers
    image = nodes_of(slot.material)["TEX_IMAGE"].image
    assert tuple(image.size) == (size_px, size_px) and image.packed_file is not None
    uv = np.empty(len(obj.data.loops) * 2, np.float32)
    layer.uv.foreach_get("vector", uv)
    assert uv.min() >= 0 and uv.max() <= 1
    column, row = (uv.reshape(-1, 2) * (size_px, -size_px) + (0, size_px)).astype(int).T
    pixels = addon.image.read_pixels(image)
    seen = pixels[row.clip(0, size_px - 1), column.clip(0, size_px - 1)]
    assert (seen[:, 3] == 255).all() and len(np.unique(seen, axis=0)) > 20


def test_real_worker_textures_with_tiny_networks(bpy, addon, use_worker, picture):
    use_worker(TINY)
    settings = bpy.context.scene.maquette
    settings.image, settings.resolution, settings.target_faces = picture, 64, 2000
    settings.texture_size, settings.further_views, settings.paint_steps = 512, 0, 1
    settings.texture = "paint"
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    assert_textured(addon, bpy.context.object, 512)


def test_real_worker_textures_with_the_embedded_model(bpy, addon):
    settings = bpy.context.scene.maquette
    settings.image = bpy.data.images.load(str(EMBEDDED.parents[2] / "examples/barrel.png"))
    settings.resolution, settings.target_faces = 64, 4000
    settings.texture_size = 512
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    assert_textured(addon, bpy.context.object, 512)
