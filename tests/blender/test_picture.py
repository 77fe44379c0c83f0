# SPDX-License-Identifier: GPL-3.0-or-later
"""Where reference pictures come from, and the preview of their cut-out."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.blender.conftest import MODULE, WORKER

ONE_PROCESS = True


@pytest.fixture
def photo(tmp_path):
    """A picture file: a blue square left of the middle on a plain light ground."""
    pixels = np.full((96, 128, 3), 230, np.uint8)
    pixels[30:70, 20:60] = (20, 40, 200)
    path = tmp_path / "toy.png"
    Image.fromarray(pixels).save(path)
    return path


def settings_of(bpy):
    return bpy.context.scene.maquette


def test_file_goes_to_the_wanted_side(bpy, addon, photo):
    assert bpy.ops.maquette.load_picture(filepath=str(photo), view="back") == {"FINISHED"}
    settings = settings_of(bpy)
    assert settings.image is None and settings.image_back.name == "toy.png"
    bpy.ops.maquette.load_picture(filepath=str(photo))
    assert settings.image == settings.image_back and len(bpy.data.images) == 1


def test_dropped_files_are_sorted_by_their_names(bpy, addon, photo, tmp_path):
    names = ("chair_left.png", "chair_back.png", "chair.png")
    for name in names:
        (tmp_path / name).write_bytes(photo.read_bytes())
    files = [{"name": name} for name in names]
    bpy.ops.maquette.load_picture("INVOKE_DEFAULT", directory=str(tmp_path), files=files)
    settings = settings_of(bpy)
    chosen = [settings.image, settings.image_left, settings.image_back, settings.image_right]
    assert [image and image.name for image in chosen] == [
        "chair.png",
        "chair_left.png",
        "chair_back.png",
        None,
    ]


@pytest.mark.parametrize("kind", ["missing", "text"])
def test_file_that_is_no_picture_is_told(bpy, addon, tmp_path, kind):
    path = tmp_path / "picture.png"
    if kind == "text":
        path.write_text("not a picture", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"picture\.png"):
        bpy.ops.maquette.load_picture(filepath=str(path))
    assert not bpy.data.images and settings_of(bpy).image is None


def test_drop_handler_takes_what_blender_and_the_worker_read(bpy, addon):
    from backend.image.io import FORMATS

    handler = bpy.types.MAQUETTE_FH_picture
    extensions = handler.bl_file_extensions.split(";")
    assert tuple(extensions) == addon.capture.EXTENSIONS
    Image.init()
    assert {Image.EXTENSION[e] for e in extensions} <= set(FORMATS)
    assert handler.bl_import_operator == "maquette.load_picture"
    for kind, is_wanted in (("VIEW_3D", True), ("IMAGE_EDITOR", False)):
        context = SimpleNamespace(area=SimpleNamespace(type=kind))
        assert handler.poll_drop(context) == is_wanted
    assert not handler.poll_drop(SimpleNamespace(area=None))


def test_clipboard_without_a_picture_is_told(bpy, addon):
    areas = [area.ui_type for area in bpy.context.screen.areas]
    with pytest.raises(RuntimeError, match="no picture in the clipboard"):
        bpy.ops.maquette.paste_picture()
    assert [area.ui_type for area in bpy.context.screen.areas] == areas
    assert not bpy.data.images


@pytest.mark.parametrize("form", ["{0}", "file://{0}", '"{0}"', "copy\nfile://{0}\n"])
def test_copied_file_is_found_in_the_clipboard(bpy, addon, tmp_path, photo, form):
    path = tmp_path / "my toy.png"
    photo.rename(path)
    named = str(path).replace(" ", "%20") if "://" in form else str(path)
    manager = SimpleNamespace(clipboard=form.format(named))
    image = addon.capture.paste_picture(SimpleNamespace(window_manager=manager))
    assert image.name == "my toy.png" and tuple(image.size) == (128, 96)


def test_render_becomes_a_picture_of_its_own(bpy, addon, tmp_path):
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.cycles.use_denoising, scene.render.film_transparent = False, True
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.camera_add(location=(0, -8, 0), rotation=(np.pi / 2, 0, 0))
    scene.camera = bpy.context.object
    with pytest.raises(RuntimeError, match="Render the scene first"):
        bpy.ops.maquette.use_render()
    bpy.ops.render.render()
    assert bpy.ops.maquette.use_render(view="left") == {"FINISHED"}
    image = settings_of(bpy).image_left
    assert image.type == "IMAGE" and image.packed_file and image.name == "Render"
    alpha = addon.image.read_pixels(image)[..., 3]
    assert alpha[32, 32] == 255 and alpha[2, 2] == 0
    assert scene.render.image_settings.color_mode != "" and len(bpy.data.images) == 2


def test_viewport_needs_a_window(bpy, addon):
    with pytest.raises(RuntimeError, match="Only in a Blender that has a window"):
        bpy.ops.maquette.use_viewport()


def test_image_editor_gives_its_picture(bpy, addon, photo):
    with pytest.raises(RuntimeError, match="Show a picture in an Image Editor first"):
        bpy.ops.maquette.use_image()
    area = bpy.context.screen.areas[0]
    kind, area.type = area.type, "IMAGE_EDITOR"
    try:
        area.spaces.active.image = image = bpy.data.images.load(str(photo))
        with bpy.context.temp_override(area=area):
            assert bpy.ops.maquette.use_image(view="right") == {"FINISHED"}
    finally:
        area.type = kind
    assert settings_of(bpy).image_right == image


def test_taking_a_picture_can_be_undone(bpy, addon, photo):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.maquette.load_picture("EXEC_DEFAULT", True, filepath=str(photo))
    assert settings_of(bpy).image is not None
    bpy.ops.ed.undo()
    assert settings_of(bpy).image is None


@pytest.fixture
def python(addon):
    """The real Python of the tests as the worker's."""
    addon.preferences.python_path = os.environ[WORKER]


def alpha_box(pixels):
    rows, columns = np.nonzero(pixels[..., 3] > 127)
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_preview_is_what_the_model_sees(bpy, addon, python, photo):
    bpy.ops.maquette.load_picture(filepath=str(photo))
    settings = settings_of(bpy)
    settings.border_ratio = 0.25
    assert bpy.ops.maquette.preview_cutout() == {"FINISHED"}
    shown = settings.cutout
    assert tuple(shown.image.size) == (512, 512) and shown.image.packed_file
    assert shown.source == settings.image and shown.note == ""
    pixels = addon.image.read_pixels(shown.image)
    # The square fills three quarters of the frame, centred, and nothing else is there.
    assert alpha_box(pixels) == pytest.approx((64, 447, 64, 447), abs=8)
    assert np.abs(pixels[256, 256].astype(int) - (20, 40, 200, 255)).max() <= 1
    assert tuple(shown.image.preview.image_size) == (512, 512)
    first = shown.image.name
    bpy.ops.maquette.preview_cutout()
    assert len(bpy.data.images) == 2 and shown.image.name == first  # the former one is gone


def test_pictures_own_alpha_is_used(bpy, addon, python, picture):
    settings_of(bpy).image = picture
    bpy.ops.maquette.preview_cutout()
    pixels = addon.image.read_pixels(settings_of(bpy).cutout.image)
    assert pixels[5, 5, 3] == 0 and pixels[256, 256].tolist() == [204, 51, 26, 255]


def test_preview_says_that_the_background_is_not_plain(bpy, addon, python, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    bpy.ops.maquette.load_picture(filepath=str(tmp_path / "noise.png"))
    bpy.ops.maquette.preview_cutout()
    assert "background is not plain" in settings_of(bpy).cutout.note


def test_preview_tells_errors_in_a_sentence(bpy, addon, python, use_worker, photo):
    with pytest.raises(RuntimeError, match="Choose a reference picture first"):
        bpy.ops.maquette.preview_cutout()
    settings = settings_of(bpy)
    settings.image = bpy.data.images.new("empty", 64, 64, alpha=True)
    settings.image.pixels.foreach_set(np.zeros(64 * 64 * 4, np.float32))
    with pytest.raises(RuntimeError, match="fully transparent"):
        bpy.ops.maquette.preview_cutout()
    with pytest.raises(RuntimeError, match="This side has no picture"):
        bpy.ops.maquette.preview_cutout(view="left")
    use_worker("-c pass")
    with pytest.raises(RuntimeError, match="could not cut out the picture"):
        bpy.ops.maquette.preview_cutout()
    assert settings.cutout.image is None


def test_disabling_ends_a_cut_out_that_runs(bpy, addon, use_worker, photo):
    use_worker("-c 'import time; time.sleep(600)'")
    bpy.ops.maquette.load_picture(filepath=str(photo))
    cutout = addon.session.current().cutout
    cutout.start(bpy.context.scene, settings_of(bpy).image)
    process, folder = cutout._task.process._process, Path(cutout._task.folder.name)
    assert cutout.is_busy and addon.session.current().needs_polling and folder.is_dir()
    bpy.ops.preferences.addon_disable(module=MODULE)
    assert process.returncode is not None and not folder.exists()


@pytest.mark.parametrize("change", ["file", "scene", "picture"])
def test_cut_out_of_what_is_gone_is_dropped(bpy, addon, python, photo, change):
    bpy.ops.maquette.load_picture(filepath=str(photo))
    cutout = addon.session.current().cutout
    cutout.start(bpy.context.scene, settings_of(bpy).image)
    if change == "file":
        bpy.ops.wm.read_homefile(use_empty=True)
    elif change == "scene":
        home = bpy.context.scene
        bpy.context.window.scene = bpy.data.scenes.new("Other")
        bpy.data.scenes.remove(home)
    else:
        bpy.data.images.remove(settings_of(bpy).image)
    errors = []
    while cutout.is_busy:
        time.sleep(0.02)
        cutout.poll(errors.append)
    assert not errors and not [i for i in bpy.data.images if "cut-out" in i.name]


def test_errors_of_a_cut_out_are_shown_in_the_panel(bpy, addon, use_worker, photo):
    use_worker("-c pass")
    bpy.ops.maquette.load_picture(filepath=str(photo))
    now = addon.session.current()
    now.cutout.start(bpy.context.scene, settings_of(bpy).image)
    while now.cutout.is_busy:
        time.sleep(0.02)
        addon.handlers.poll_session()
    assert now.status.code == "setup" and "could not cut out" in now.status.error
