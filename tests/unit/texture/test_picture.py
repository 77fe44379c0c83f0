# SPDX-License-Identifier: GPL-3.0-or-later
import io

import numpy as np
import pytest
from PIL import Image

from backend.errors import InputError
from backend.texture.picture import encode_png, read_mask, read_texture, to_bytes


@pytest.mark.parametrize("channels", [3, 4])
def test_texture_survives_to_the_byte(channels, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (70, 50, channels), np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(picture))
    assert np.array_equal(read_texture(path), picture)


def test_file_says_that_it_is_srgb():
    content = encode_png(np.zeros((8, 8, 3), np.uint8))
    assert Image.open(io.BytesIO(content)).info["srgb"] == 0


def test_colours_are_rounded_and_clamped():
    colour = np.array([[-1, 0.5 / 255, 0.51 / 255, 254.6 / 255, 2, 1]], np.float32)
    assert to_bytes(colour).tolist() == [[0, 0, 1, 255, 255, 255]]


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "I;16"])
def test_other_kinds_of_pictures_become_colours(mode, tmp_path):
    Image.new(mode, (20, 10)).save(tmp_path / "a.png")
    assert read_texture(tmp_path / "a.png").shape == (10, 20, 4 if mode == "LA" else 3)


def test_mask_is_what_is_brighter_than_half(tmp_path):
    grey = np.array([[0, 127, 128, 255]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png").tolist() == [[False, False, True, True]]


@pytest.mark.parametrize(
    "content", [b"", b"text", encode_png(np.zeros((64, 64, 3), np.uint8))[:60]]
)
def test_damaged_files_are_input_errors(content, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png"):
        read_texture(tmp_path / "a.png")


def test_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError):
        read_mask(tmp_path / "gone.png")
