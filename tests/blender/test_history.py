# SPDX-License-Identifier: GPL-3.0-or-later
"""The history: which results it lists, and bringing them back."""

import importlib
import os
import shutil
import time

import numpy as np
import pytest

from tests.blender.conftest import MODULE
from tests.blender.retexture_objects import add, indices_of, paint_at, select
from tests.blender.test_generate import TINY, is_idle, poll_until
from tests.blender.test_panels import Layout, make_context
from tests.blender.test_recipe import digests_of, reload
from tests.blender.test_texture import PAINTER

ONE_PROCESS = True
OLD_S = 40 * 24 * 3600


@pytest.fixture
def ready(bpy, addon, use_worker, picture):
    """The painting worker and a chosen picture."""
    use_worker(PAINTER)
    panel = bpy.context.scene.maquette
    panel.image, panel.texture_size = picture, 512
    return panel


@pytest.fixture
def thumbnails(addon):
    return importlib.import_module(f"{MODULE}.scene.thumbnail")


def generate(bpy, seed):
    bpy.context.scene.maquette.seed = seed
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    return bpy.context.object


def seeds_of(addon, scene):
    recipe = importlib.import_module(f"{MODULE}.scene.recipe")
    return [recipe.read_recipe(line.recipe).seed for line in scene.maquette.history]


def delete(bpy, obj):
    select(bpy, obj)
    bpy.ops.object.delete()


def age(folder):
    """Make a folder look as if it had been left for long."""
    then = time.time() - OLD_S
    os.utime(folder, (then, then))


def test_results_are_listed_the_newest_first(bpy, addon, ready):
    for seed in (1, 2, 3):
        generate(bpy, seed)
    assert seeds_of(addon, bpy.context.scene) == [3, 2, 1]
    line = ready.history[0]
    assert (line.name, ready.active_memory) == ("red disc", 0)
    assert line.folder == str(addon.job_folder / line.recipe.job_id)
    assert line.recipe.image and line.thumbnail


def test_list_is_limited(bpy, addon, ready):
    addon.preferences.history_length = 2
    for seed in (1, 2, 3):
        generate(bpy, seed)
    assert seeds_of(addon, bpy.context.scene) == [3, 2]
    addon.preferences.history_length = 0
    generate(bpy, 4)
    assert seeds_of(addon, bpy.context.scene) == [3, 2]


def test_each_scene_has_its_own(bpy, addon, ready, picture):
    generate(bpy, 1)
    first = bpy.context.scene
    bpy.context.window.scene = bpy.data.scenes.new("Other")
    bpy.context.scene.maquette.image = picture
    generate(bpy, 2)
    assert seeds_of(addon, first) == [1] and seeds_of(addon, bpy.context.scene) == [2]


def test_deleted_object_leaves_the_file_and_comes_back(bpy, addon, ready):
    obj = generate(bpy, 1)
    before = digests_of(obj)
    delete(bpy, obj)
    assert "red disc" not in bpy.data.objects
    bpy.context.scene.cursor.location = (1.0, 2.0, 3.0)
    assert bpy.ops.maquette.bring_back() == {"FINISHED"}
    again = bpy.context.object
    assert again.name == "red disc" and tuple(again.location) == (1.0, 2.0, 3.0)
    assert digests_of(again) == before
    assert again.maquette.made.job_id == ready.history[0].recipe.job_id
    assert len(ready.history) == 1


def test_history_is_saved_in_the_file(bpy, addon, ready, tmp_path):
    before = digests_of(generate(bpy, 1))
    delete(bpy, bpy.context.object)
    bpy.data.images.remove(bpy.data.images["red disc.png"])
    reload(bpy, tmp_path)
    (line,) = bpy.context.scene.maquette.history
    assert line.recipe.image.packed_file and line.thumbnail
    assert bpy.ops.maquette.bring_back() == {"FINISHED"}
    assert digests_of(bpy.context.object) == before


def test_chosen_line_comes_back(bpy, addon, ready):
    for seed in (1, 2, 3):
        delete(bpy, generate(bpy, seed))
    ready.active_memory = 2
    bpy.ops.maquette.bring_back()
    assert bpy.context.object.maquette.seed == 1


def test_files_that_are_gone_are_told_and_made_again(bpy, addon, ready):
    before = digests_of(generate(bpy, 1))
    delete(bpy, bpy.context.object)
    shutil.rmtree(ready.history[0].folder)
    with pytest.raises(RuntimeError, match=r"The files of 'red disc' are gone.*Generate it again"):
        bpy.ops.maquette.bring_back()
    assert not bpy.data.objects
    ready.seed = 5
    assert bpy.ops.maquette.generate_again(source="HISTORY") == {"FINISHED"}
    assert digests_of(bpy.context.object) == before
    assert seeds_of(addon, bpy.context.scene) == [1, 1]


def test_files_elsewhere_are_not_read(bpy, addon, ready, tmp_path):
    generate(bpy, 1)
    outside = tmp_path / "elsewhere"
    shutil.copytree(ready.history[0].folder, outside)
    shutil.rmtree(ready.history[0].folder)
    for folder in (str(outside), "../elsewhere", ""):
        ready.history[0].folder = folder
        with pytest.raises(RuntimeError, match="are gone"):
            bpy.ops.maquette.bring_back()


def test_undo_takes_the_object_but_not_the_line(bpy, addon, ready, picture):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.maquette.generate(wait=False) == {"FINISHED"}
    poll_until(addon, is_idle(addon))
    before = digests_of(bpy.data.objects["red disc"])
    bpy.ops.ed.undo()
    assert "red disc" not in bpy.data.objects
    panel = bpy.context.scene.maquette
    assert [line.name for line in panel.history] == ["red disc"]
    assert panel.history[0].recipe.image.packed_file
    bpy.ops.ed.redo()
    panel = bpy.context.scene.maquette
    assert "red disc" in bpy.data.objects and len(panel.history) == 1
    bpy.ops.ed.undo()
    assert bpy.ops.maquette.bring_back() == {"FINISHED"}
    assert digests_of(bpy.context.object) == before


def test_line_that_was_removed_stays_away(bpy, addon, ready):
    for seed in (1, 2, 3):
        generate(bpy, seed)
    ready.active_memory = 1
    assert bpy.ops.maquette.forget_result() == {"FINISHED"}
    assert seeds_of(addon, bpy.context.scene) == [3, 1]
    addon.session.current().history.restore()
    assert seeds_of(addon, bpy.context.scene) == [3, 1]
    assert bpy.ops.maquette.clear_history() == {"FINISHED"}
    addon.session.current().history.restore()
    assert len(ready.history) == 0 and len(bpy.data.objects) == 3
    with pytest.raises(RuntimeError, match="Choose a result in the history"):
        bpy.ops.maquette.bring_back()
    with pytest.raises(RuntimeError, match="The history is empty"):
        bpy.ops.maquette.clear_history()


def test_lines_come_back_in_the_order_of_their_making(bpy, addon, ready):
    for seed in (1, 2, 3):
        generate(bpy, seed)
    for line, made_at in zip(ready.history, ("c", "b", "a"), strict=True):
        line.recipe.made_at = made_at
    history = addon.session.current().history
    memories = [
        type(m)(**{n: getattr(m, n) for n in m.__slots__} | {"made": dated(m.made, made_at)})
        for m, made_at in zip(history._memories, ("a", "b", "c"), strict=True)
    ]
    history._memories = memories
    ready.history.remove(1)
    history.restore()
    assert seeds_of(addon, bpy.context.scene) == [3, 2, 1]


def dated(made, made_at):
    return type(made)(**{n: getattr(made, n) for n in made.__slots__} | {"made_at": made_at})


def test_paint_comes_back_onto_its_object(bpy, addon, ready):
    cube = add(bpy, "cube")
    bpy.ops.maquette.retexture()
    expected = paint_at(addon, cube, 2)
    bpy.ops.maquette.restore_material()
    cube.name = "Renamed"
    cube.location.x = 3.0
    assert not cube.data.materials
    assert bpy.ops.maquette.bring_back() == {"FINISHED"}
    np.testing.assert_array_equal(paint_at(addon, cube, 2), expected)
    assert cube.maquette.paint.job_id == ready.history[0].recipe.job_id
    assert len(bpy.data.objects) == 1
    bpy.ops.maquette.restore_material()
    assert not cube.data.materials


def test_paint_comes_back_onto_the_faces_that_it_was_on(bpy, addon, ready):
    cube = add(bpy, "cube")
    for index, polygon in enumerate(cube.data.polygons):
        polygon.select = index in (1, 4)
    ready.retexture_mask = "selection"
    bpy.ops.maquette.retexture()
    before = indices_of(cube.data).tolist()
    bpy.ops.maquette.restore_material()
    bpy.ops.maquette.bring_back()
    assert indices_of(cube.data).tolist() == before and before.count(max(before)) == 2


@pytest.mark.parametrize("change", ["delete", "edit"])
def test_paint_of_a_mesh_that_is_gone_is_told(bpy, addon, ready, change):
    cube = add(bpy, "cube")
    bpy.ops.maquette.retexture()
    bpy.ops.maquette.restore_material()
    if change == "delete":
        delete(bpy, cube)
    else:
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.mesh.subdivide()
        bpy.ops.object.mode_set(mode="OBJECT")
    num_materials = len(bpy.data.materials)
    with pytest.raises(RuntimeError, match="'Cube' is gone or its mesh was edited since"):
        bpy.ops.maquette.bring_back()
    assert len(bpy.data.materials) == num_materials


def test_painting_is_done_again_from_the_history(bpy, addon, ready):
    cube = add(bpy, "cube")
    bpy.ops.maquette.retexture()
    expected = paint_at(addon, cube, 0)
    bpy.ops.maquette.restore_material()
    add(bpy, "cone")
    assert bpy.ops.maquette.generate_again(source="HISTORY") == {"FINISHED"}
    np.testing.assert_array_equal(paint_at(addon, cube, 0), expected)
    assert not bpy.data.objects["Cone"].data.materials
    bpy.data.objects.remove(cube)
    with pytest.raises(RuntimeError, match="What was painted as 'Cube' is gone"):
        bpy.ops.maquette.generate_again(source="HISTORY")


def test_thumbnail_shows_the_result(bpy, addon, use_worker, picture, thumbnails):
    use_worker(TINY)
    panel = bpy.context.scene.maquette
    panel.image, panel.resolution, panel.target_faces, panel.texture = picture, 64, 300, "none"
    num_images = len(bpy.data.images)
    bpy.ops.maquette.generate()
    pixels = thumbnails.decode_thumbnail(panel.history[0].thumbnail).astype(int)
    assert pixels.shape == (128, 128, 3)
    edge, middle = pixels[2, 2], pixels[64, 64]
    assert np.ptp(edge) <= 12 and middle[0] > middle[2] + 20  # clay before a grey ground
    assert len(bpy.data.images) == num_images + 1  # the picture that is kept


def test_thumbnail_of_a_picture_where_the_worker_draws_none(bpy, addon, ready, thumbnails):
    generate(bpy, 1)
    pixels = thumbnails.decode_thumbnail(ready.history[0].thumbnail).astype(int)
    assert tuple(pixels[64, 64]) == (204, 51, 26)  # the red disc
    assert tuple(pixels[1, 1]) == (46, 46, 46)


def test_damaged_thumbnails_are_left_out(addon, thumbnails):
    whole = np.arange(128 * 128 * 3, dtype=np.uint32).astype(np.uint8).reshape(128, 128, 3)
    text = thumbnails.encode_thumbnail(whole)
    np.testing.assert_array_equal(thumbnails.decode_thumbnail(text), whole)
    larger = thumbnails.encode_thumbnail(np.zeros((4000, 4000), np.uint8))
    for bad in ("", "x", "AAAA", text[: len(text) // 2], "ä" * 8):
        assert thumbnails.decode_thumbnail(bad) is None
    assert thumbnails.decode_thumbnail(larger).nbytes == whole.nbytes  # never more than that
    icons = thumbnails.Thumbnails()
    assert icons.icon_of("a", "AAAA") == 0 and icons.icon_of("b", "") == 0
    icons.close()


def test_icon_has_the_pixels_of_the_thumbnail(bpy, addon, thumbnails):
    rows = np.zeros((128, 128, 3), np.uint8)
    rows[:64] = (255, 0, 0)  # the upper half
    icons = thumbnails.Thumbnails()
    icons.icon_of("a", thumbnails.encode_thumbnail(rows))
    (icon,) = icons._icons.values()
    for kind, side in (("image", 128), ("icon", 32)):
        assert tuple(getattr(icon, f"{kind}_size")) == (side, side)
        pixels = np.array(getattr(icon, f"{kind}_pixels_float")).reshape(side, side, 4)
        assert tuple(pixels[-1, 0]) == (1.0, 0.0, 0.0, 1.0)  # Blender counts from the bottom
        assert tuple(pixels[0, 0]) == (0.0, 0.0, 0.0, 1.0)
    icons.close()
    assert icons._icons is None


def test_panel_lists_results_with_their_buttons(bpy, addon, ready):
    def draw():
        layout = Layout(bpy)
        panel = bpy.types.MAQUETTE_PT_history
        panel.draw(type("Panel", (), {"layout": layout}), make_context(bpy))
        return layout

    assert draw().words == ["No results yet"]
    generate(bpy, 1)
    layout = draw()
    assert layout.words[:2] == ["red disc", ready.history[0].recipe.made_at[5:16]]
    names = ("forget_result", "clear_history", "bring_back", "generate_again")
    names += ("generate_variation", "copy_settings")
    assert layout.operators == [f"maquette.{name}" for name in names]
    sources = [button.source for button in layout.made if hasattr(button, "source")]
    assert sources == ["HISTORY"] * 3


def test_old_job_folders_are_deleted_but_not_those_in_use(bpy, addon, ready):
    addon.preferences.keep_days = 30
    generate(bpy, 1)
    folders = [addon.job_folder / name for name in ("20200101-000000-abcdef", "pictures-old")]
    for folder in folders:
        folder.mkdir()
        age(folder)
    own = [path for path in addon.job_folder.iterdir() if path.is_dir() and path not in folders]
    for folder in own:
        age(folder)  # they belong to a job that is on the list
    generate(bpy, 2)
    addon.session.current().history._cleaning.result(timeout=30)
    assert not any(folder.exists() for folder in folders)
    assert all(folder.is_dir() for folder in own)
