# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes: what a result knows of its making, and making it again from that."""

import hashlib
import importlib
import json

import numpy as np
import pytest

from backend.config import JobConfig, flatten
from tests.blender.conftest import MODULE
from tests.blender.retexture_objects import add, image_of, paint_at, select
from tests.blender.test_generate import FAKE
from tests.blender.test_panels import Layout
from tests.blender.test_texture import PAINTER

ONE_PROCESS = True


@pytest.fixture
def made(bpy, addon, use_worker, picture):
    """An object of the painting worker, 2 m high, with a texture of 512 pixels."""
    use_worker(PAINTER)
    panel = bpy.context.scene.maquette
    panel.image, panel.size_m, panel.texture_size, panel.seed = picture, 2.0, 512, 77
    panel.steps, panel.border_ratio = 12, 0.15
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    return bpy.context.object


def digests_of(obj):
    """Everything of a mesh and its texture, hashed."""
    mesh = obj.data
    found = hashlib.sha256()
    layers = [(mesh.vertices, "co", 3, np.float32), (mesh.loops, "vertex_index", 1, np.int32)]
    if mesh.uv_layers:
        layers.append((mesh.uv_layers[0].uv, "vector", 2, np.float32))
    for collection, name, width, dtype in layers:
        values = np.empty(len(collection) * width, dtype)
        collection.foreach_get(name, values)
        found.update(values.tobytes())
    textures = [image_of(m).packed_file.data for m in mesh.materials if m]
    return found.hexdigest(), [hashlib.sha256(bytes(data)).hexdigest() for data in textures]


def settings_of(bpy, addon):
    return addon.properties.to_settings(bpy.context.scene.maquette)


def reload(bpy, tmp_path):
    """Save, and open again."""
    path = tmp_path / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))


def test_object_carries_everything_that_made_it(bpy, addon, made):
    recipe = made.maquette.made
    assert (recipe.kind, recipe.picture, recipe.size_m) == ("generate", "red disc.png", 2.0)
    settings = json.loads(recipe.settings)
    assert settings.keys() == flatten(JobConfig()).keys()
    assert (settings["seed"], settings["steps"], settings["border_ratio"]) == (77, 12, 0.15)
    versions = json.loads(recipe.versions)
    assert versions["blender"] == bpy.app.version_string
    assert versions["maquette"] == made.maquette.version
    digests = json.loads(recipe.digests)
    assert digests.keys() == {"front", "mesh", "texture"}
    folder = addon.job_folder / recipe.job_id
    for name, file in (("mesh", "mesh.npz"), ("texture", "base_colour.png")):
        assert digests[name] == hashlib.sha256((folder / file).read_bytes()).hexdigest()


def test_pictures_of_all_views_stay_in_the_file(bpy, addon, use_worker, picture, tmp_path):
    use_worker(FAKE)
    panel = bpy.context.scene.maquette
    panel.image = picture
    shades = {}
    for place, name in enumerate(("image_left", "image_back", "image_right")):
        image = bpy.data.images.new(name, 8, 8)
        shades[name] = 0.2 + 0.2 * place
        image.pixels.foreach_set(np.tile(np.float32([shades[name], 0, 0, 1]), 64))
        setattr(panel, name, image)
    bpy.ops.maquette.generate()
    for name in ("image", *shades):
        chosen = getattr(panel, name)
        setattr(panel, name, None)
        bpy.data.images.remove(chosen)
    reload(bpy, tmp_path)
    recipe = bpy.data.objects["red disc"].maquette.made
    assert recipe.image.packed_file and tuple(recipe.image.size) == (64, 64)
    for name, shade in shades.items():
        pixels = addon.image.read_pixels(getattr(recipe, name))
        assert tuple(pixels[0, 0]) == (round(shade * 255), 0, 0, 255)


def test_a_picture_is_kept_once(bpy, addon, made):
    num_images = len(bpy.data.images)
    bpy.ops.maquette.generate_variation()
    other = bpy.context.object
    assert other != made and other.maquette.made.image == made.maquette.made.image
    assert len(bpy.data.images) == num_images + 1  # the texture


def test_linked_pictures_are_not_copied(bpy, addon, use_worker, picture, tmp_path):
    use_worker(FAKE)
    addon.preferences.keep_pictures = "linked"
    picture.filepath_raw, picture.file_format = str(tmp_path / "disc.png"), "PNG"
    picture.save()
    image = bpy.data.images.load(str(tmp_path / "disc.png"))
    bpy.context.scene.maquette.image = image
    bpy.ops.maquette.generate()
    assert bpy.context.object.maquette.made.image == image and not image.packed_file


def test_linking_still_copies_what_is_in_no_file(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    addon.preferences.keep_pictures = "linked"
    generated = bpy.data.images.new("generated", 16, 16)
    bpy.context.scene.maquette.image = generated
    bpy.ops.maquette.generate()
    kept = bpy.context.object.maquette.made.image
    assert kept != generated and kept.packed_file and tuple(kept.size) == (16, 16)


def test_again_stands_at_the_cursor_with_the_size_of_its_making(bpy, addon, made):
    bpy.context.scene.cursor.location = (3.0, 4.0, 5.0)
    bpy.context.scene.maquette.size_m = 9.0
    made.scale = (5.0, 5.0, 5.0)
    bpy.ops.maquette.generate_again()
    again = bpy.context.object
    assert tuple(again.location) == (3.0, 4.0, 5.0)
    assert max(again.dimensions) == pytest.approx(2.0)


def test_only_texture_again_keeps_the_mesh_and_follows_how_it_stands(bpy, addon, made):
    before = digests_of(made)[0]
    made.rotation_euler.z = np.pi / 2
    bpy.context.view_layer.update()
    bpy.context.scene.maquette.texture_size = 1024
    assert bpy.ops.maquette.texture_again() == {"FINISHED"}
    assert digests_of(made)[0] == before and bpy.context.object == made
    settings = json.loads(made.maquette.paint.settings)
    assert (settings["front_deg"], settings["texture_size"], settings["seed"]) == (90.0, 512, 77)
    assert made.maquette.made.job_id != made.maquette.paint.job_id
    assert json.loads(made.maquette.made.settings)["front_deg"] == 0.0


def test_painting_of_an_object_is_kept_and_done_again(bpy, addon, use_worker, picture):
    use_worker(PAINTER)
    panel = bpy.context.scene.maquette
    panel.image, panel.texture_size, panel.seed, panel.front_deg = picture, 512, 9, 90.0
    cube = add(bpy, "cube")
    bpy.ops.maquette.retexture()
    assert not cube.maquette.made.job_id and cube.maquette.paint.kind == "retexture"
    expected = paint_at(addon, cube, 0)
    first = cube.data.materials[cube.data.polygons[0].material_index]
    panel.front_deg, panel.seed, panel.image = 0.0, 1, None
    assert bpy.ops.maquette.texture_again() == {"FINISHED"}
    second = cube.data.materials[cube.data.polygons[0].material_index]
    assert second != first
    np.testing.assert_allclose(paint_at(addon, cube, 0), expected)
    assert json.loads(cube.maquette.paint.settings)["seed"] == 9


def test_mask_is_part_of_the_recipe(bpy, addon, use_worker, picture):
    use_worker(PAINTER)
    panel = bpy.context.scene.maquette
    panel.image, panel.texture_size, panel.retexture_mask = picture, 512, "image"
    mask = bpy.data.images.new("mask", 8, 8)
    mask.pixels.foreach_set(np.ones(256, np.float32))
    panel.mask_image, panel.keep_colours = mask, True
    cube = add(bpy, "cube")
    bpy.ops.maquette.retexture()
    panel.retexture_mask, panel.mask_image, panel.keep_colours = "all", None, False
    assert bpy.ops.maquette.copy_settings(source="PAINT") == {"FINISHED"}
    assert (panel.retexture_mask, panel.mask_image, panel.keep_colours) == ("image", mask, True)
    assert bpy.ops.maquette.texture_again() == {"FINISHED"}
    cube.maquette.paint.mask_image = None
    with pytest.raises(RuntimeError, match="mask picture of this recipe is gone"):
        bpy.ops.maquette.texture_again()


def test_linked_duplicates_share_the_recipe_of_their_paint(bpy, addon, use_worker, picture):
    use_worker(PAINTER)
    bpy.context.scene.maquette.image = picture
    cube = add(bpy, "cube")
    twin = bpy.data.objects.new("Twin", cube.data)
    bpy.context.collection.objects.link(twin)
    select(bpy, cube)
    bpy.ops.maquette.retexture()
    assert twin.maquette.paint.job_id == cube.maquette.paint.job_id != ""


def test_copy_settings_fills_the_panel(bpy, addon, made, picture):
    panel = bpy.context.scene.maquette
    wanted = settings_of(bpy, addon)
    for name, value in flatten(JobConfig()).items():
        setattr(panel, name, value)
    panel.image, panel.size_m, panel.image_left = None, 1.0, picture
    assert bpy.ops.maquette.copy_settings() == {"FINISHED"}
    assert settings_of(bpy, addon) == wanted
    assert (panel.image, panel.image_left, panel.size_m) == (picture, None, 2.0)


def test_copy_settings_takes_the_kept_picture_where_the_own_one_has_changed(
    bpy, addon, made, picture
):
    picture.pixels.foreach_set(np.ones(64 * 64 * 4, np.float32))
    bpy.ops.maquette.copy_settings()
    chosen = bpy.context.scene.maquette.image
    assert chosen == made.maquette.made.image != picture


def test_recipes_of_first_versions_still_work(bpy, addon, made, picture):
    for name in type(made.maquette.made).__annotations__:
        made.maquette.made.property_unset(name)
    settings = json.loads(made.maquette.settings) | {"colour_depth": 3}
    made.maquette.settings = json.dumps(settings)
    assert bpy.ops.maquette.generate_again() == {"FINISHED"}
    again = bpy.context.object
    assert digests_of(again) == digests_of(made)
    assert max(again.dimensions) == pytest.approx(2.0)
    assert any("colour_depth" in note for note in addon.session.current().status.notes)
    select(bpy, made)
    assert bpy.ops.maquette.copy_settings() == {"FINISHED"}
    bpy.data.images.remove(picture)
    with pytest.raises(RuntimeError, match="A picture of this recipe is gone"):
        bpy.ops.maquette.generate_again()


def test_what_has_no_recipe_is_told(bpy, addon, use_worker):
    use_worker(PAINTER)
    with pytest.raises(RuntimeError, match="that Maquette has made"):
        bpy.ops.maquette.generate_again()
    add(bpy, "cube")
    for operator in ("generate_again", "generate_variation", "texture_again", "copy_settings"):
        with pytest.raises(RuntimeError, match="that Maquette has made"):
            getattr(bpy.ops.maquette, operator)()


def test_recipe_survives_duplication_and_appending(bpy, addon, made, tmp_path):
    path = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(path)) as (_, target):
        target.objects = ["red disc"]
    bpy.context.collection.objects.link(target.objects[0])
    select(bpy, target.objects[0])
    bpy.ops.object.duplicate()
    assert bpy.ops.maquette.generate_again() == {"FINISHED"}
    assert bpy.context.object.maquette.made.settings == target.objects[0].maquette.made.settings


def draw(bpy, name):
    layout = Layout(bpy)
    panel = getattr(bpy.types, f"MAQUETTE_PT_{name}")
    assert not hasattr(panel, "poll") or panel.poll(bpy.context)
    panel.draw(type("Panel", (), {"layout": layout}), bpy.context)
    return layout


def test_panel_tells_how_the_object_was_made_and_painted(bpy, addon, made):
    words = draw(bpy, "recipe").words
    assert words[words.index("Confidence") + 1] == "62%"
    assert {"red disc.png", "Maquette Mini", "77", "512", made.maquette.made.made_at[:16]} <= {
        *words
    }
    bpy.ops.maquette.texture_again()
    layout = draw(bpy, "recipe")
    assert layout.words.count("Confidence") == 1  # a mesh that was given has none
    assert layout.operators == [
        *(f"maquette.{name}" for name in ("generate_again", "generate_variation")),
        *(f"maquette.{name}" for name in ("texture_again", "copy_settings", "copy_settings")),
    ]
    details = draw(bpy, "recipe_details").words
    assert {"Steps", "12", "Blender", bpy.app.version_string} <= set(details)


def test_panel_hides_on_objects_of_others(bpy, addon):
    add(bpy, "cube")
    assert not bpy.types.MAQUETTE_PT_recipe.poll(bpy.context)


def test_right_click_menu_offers_what_applies(bpy, addon, made):
    def operators():
        layout = Layout(bpy)
        importlib.import_module(f"{MODULE}.panels.recipe").draw_in_object_menu(layout, bpy.context)
        return layout.operators

    names = ("generate_again", "generate_variation", "texture_again", "copy_settings")
    assert operators() == [f"maquette.{name}" for name in names]
    add(bpy, "cube")
    assert operators() == []
