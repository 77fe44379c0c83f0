# SPDX-License-Identifier: GPL-3.0-or-later
"""Image data-blocks of every kind become the PNG that the artist sees."""

import numpy as np
import pytest
from PIL import Image

ONE_PROCESS = True


def save(bpy, addon, image, tmp_path):
    path = tmp_path / "saved.png"
    addon.image.save_image_as_png(image, bpy.context.scene, path)
    with Image.open(path) as saved:
        assert saved.mode == "RGBA"
        return np.asarray(saved)


def random_pixels(shape=(5, 7, 4)):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_file_is_written_as_it_is(bpy, addon, tmp_path):
    pixels = random_pixels()
    Image.fromarray(pixels).save(tmp_path / "in.png")
    image = bpy.data.images.load(str(tmp_path / "in.png"))
    np.testing.assert_array_equal(save(bpy, addon, image, tmp_path), pixels)


def test_packed_image_whose_file_is_gone_is_written(bpy, addon, tmp_path):
    pixels = random_pixels()
    Image.fromarray(pixels).save(tmp_path / "in.png")
    image = bpy.data.images.load(str(tmp_path / "in.png"))
    image.pack()
    (tmp_path / "in.png").unlink()
    np.testing.assert_array_equal(save(bpy, addon, image, tmp_path), pixels)


def test_grey_and_opaque_files_become_rgba(bpy, addon, tmp_path):
    grey = random_pixels((5, 7))
    Image.fromarray(grey).save(tmp_path / "grey.png")
    image = bpy.data.images.load(str(tmp_path / "grey.png"))
    saved = save(bpy, addon, image, tmp_path)
    for channel in range(3):
        np.testing.assert_array_equal(saved[..., channel], grey)
    assert (saved[..., 3] == 255).all()


def test_alpha_that_the_artist_switched_off_is_opaque(bpy, addon, tmp_path):
    Image.fromarray(random_pixels()).save(tmp_path / "in.png")
    image = bpy.data.images.load(str(tmp_path / "in.png"))
    image.alpha_mode = "NONE"
    assert (save(bpy, addon, image, tmp_path)[..., 3] == 255).all()


def test_linear_float_image_is_encoded_to_srgb_with_straight_alpha(bpy, addon, tmp_path):
    image = bpy.data.images.new("float", 2, 1, alpha=True, float_buffer=True)
    # Premultiplied scene-linear: half-transparent middle grey, and more than white.
    image.pixels.foreach_set(np.array([0.107, 0.107, 0.107, 0.5, 4, 4, 4, 1], np.float32))
    saved = save(bpy, addon, image, tmp_path)
    assert saved[0, 0].tolist() == pytest.approx([127, 127, 127, 128], abs=1)  # linear 0.214
    assert saved[0, 1].tolist() == [255, 255, 255, 255]


def test_render_result_is_saved_and_the_output_settings_stay(bpy, addon, tmp_path):
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    scene.render.resolution_x, scene.render.resolution_y = 24, 16
    scene.render.resolution_percentage = 100
    output = scene.render.image_settings
    output.file_format, output.color_mode, output.color_depth = "OPEN_EXR", "RGB", "16"
    bpy.ops.render.render()
    saved = save(bpy, addon, bpy.data.images["Render Result"], tmp_path)
    assert saved.shape == (16, 24, 4)
    found = (output.file_format, output.color_mode, output.color_depth)
    assert found == ("OPEN_EXR", "RGB", "16")


def test_too_large_picture_gets_a_sentence(bpy, addon, tmp_path):
    image = bpy.data.images.new("wide", addon.image.MAX_SIDE_PX + 1, 1)
    with pytest.raises(addon.image.InputError) as caught:
        save(bpy, addon, image, tmp_path)
    assert "too large" in caught.value.message and "Scale it down" in caught.value.hint
