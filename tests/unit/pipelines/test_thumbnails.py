# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
import torch
from PIL import Image

from backend.data import Mesh
from backend.errors import InputError
from backend.pipelines.thumbnails import draw_asset, draw_picture, write_thumbnail
from tests.unit.pipelines.boxes import SIDES, make_box, make_texture

CPU = torch.device("cpu")
BACKDROP = (230, 230, 235)


def test_wide_picture_is_fitted_between_stripes_of_the_backdrop():
    pixels = np.zeros((40, 80, 4), np.float32)
    pixels[...] = (1.0, 0.0, 0.0, 1.0)
    pixels[:, 40:, 3] = 0.0
    small = draw_picture(pixels, 20)
    assert small.shape == (20, 20, 3)
    assert np.abs(small[:4].astype(int) - BACKDROP).max() <= 1
    assert (small[6:14, 1:9] == (255, 0, 0)).all()
    assert np.abs(small[6:14, 11:].astype(int) - BACKDROP).max() <= 1


def test_picture_smaller_than_the_square_is_enlarged():
    small = draw_picture(np.ones((16, 16, 4), np.float32), 48)
    assert (small == 255).all()


def test_box_shows_front_left_and_top_in_their_own_hues():
    drawn = draw_asset(make_box((9, 9, 9)), make_texture(256), 64, CPU).astype(float)
    assert np.abs(drawn[0, 0] - BACKDROP).max() <= 1
    hues = {name: np.array(colour) / max(colour) for name, (_, colour) in SIDES.items()}
    shown = drawn[12:52, 12:52].reshape(-1, 3)
    shown = shown / shown.max(axis=1, keepdims=True)
    seen = {name: (np.abs(shown - hue).max(axis=1) < 0.03).mean() for name, hue in hues.items()}
    assert min(seen[name] for name in ("front", "left", "top")) > 0.1
    assert max(seen[name] for name in ("back", "right", "bottom")) < 0.01


def test_front_is_lit_more_than_the_far_side_and_clay_has_one_hue():
    drawn = draw_asset(make_box(uv=False), None, 64, CPU).astype(float)
    front, side = drawn[36, 24], drawn[36, 50]
    assert front.sum() > side.sum() * 1.1
    assert front / front.max() == pytest.approx(side / side.max(), abs=0.03)


def test_mesh_without_faces_is_refused_in_words():
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(InputError, match="no surface"):
        draw_asset(empty, None, 16, CPU)


def test_thumbnail_is_a_small_jpeg(tmp_path):
    write_thumbnail(np.full((32, 32, 3), 99, np.uint8), tmp_path / "t.jpg")
    with Image.open(tmp_path / "t.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (32, 32))
        assert np.abs(np.asarray(image).astype(int) - 99).max() <= 1
