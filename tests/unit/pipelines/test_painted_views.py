# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of painted views: what they mean, and what is refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from backend.config import JobConfig, overlay
from backend.errors import InputError
from backend.pipelines.painted_views import read_painted_views
from backend.pipelines.uv import Target
from backend.pipelines.views_to_texture import bake_views
from backend.progress import Progress
from tests.unit.pipelines.boxes import SIDES, make_box, texel_of, write_views

CPU = torch.device("cpu")
GOOD = {"file": "a.png", "azimuth_deg": 0, "distance": 2, "width": 1.5}
IDENTITY = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -2]]


@pytest.fixture
def folder(tmp_path):
    """A folder with a picture, one that is not square, and a mask."""
    Image.new("RGB", (20, 20), (10, 20, 30)).save(tmp_path / "a.png")
    Image.new("RGB", (20, 10)).save(tmp_path / "wide.png")
    Image.new("L", (20, 20), 255).save(tmp_path / "mask.png")
    Image.new("L", (10, 10), 255).save(tmp_path / "small.png")
    return tmp_path


def read(folder, *views):
    (folder / "cameras.json").write_text(json.dumps({"views": list(views)}))
    return read_painted_views(folder)


def bake(folder, mesh):
    config = overlay(JobConfig(), {"uv": "keep"})
    config = replace(config, bake=replace(config.bake, texture_size=150))
    return bake_views(Target(mesh), read_painted_views(folder), config, Progress(), CPU)


def test_six_views_of_a_box_land_on_its_six_sides(tmp_path):
    write_views(tmp_path / "views")
    asset = bake(tmp_path / "views", make_box())
    assert asset.picture is not None and not asset.is_new_uv
    for name, (_, colour) in SIDES.items():
        assert tuple(asset.picture[texel_of(name, 150)]) == pytest.approx(colour, abs=1), name
    assert asset.coverage["seen"] > 0.99 and asset.coverage["views"] == 6


@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_cameras_are_in_the_meshs_own_frame(tmp_path, shift):
    write_views(tmp_path / "views")
    path = tmp_path / "views" / "cameras.json"
    document = json.loads(path.read_text())
    for view in document["views"]:
        view["target"] = [shift, 2 * shift, -shift]
        view["distance"], view["width"] = 2.0 * 50, 1.4 * 50
    path.write_text(json.dumps(document))
    offset = np.array([shift, 2 * shift, -shift], np.float32)
    box = replace(make_box(), vertices=make_box().vertices * np.float32(50) + offset)
    asset = bake(tmp_path / "views", box)
    assert asset.picture is not None
    for name, (_, colour) in SIDES.items():
        assert tuple(asset.picture[texel_of(name, 150)]) == pytest.approx(colour, abs=1), name
    assert asset.mesh.vertices is box.vertices


def test_perspective_matrix_and_angles_mean_the_same_camera(folder):
    angle = {"kind": "perspective", "fov_deg": 40, "file": "a.png"}
    first, second = read(
        folder,
        {**angle, "azimuth_deg": 0, "distance": 2},
        {**angle, "world_to_camera": IDENTITY},
    ).cameras
    assert np.allclose(first.world_to_camera, second.world_to_camera, atol=1e-6)
    assert not first.is_orthographic
    assert first.width == pytest.approx(2 * math.tan(math.radians(20)))


def test_sizes_are_brought_to_the_largest_and_masks_and_alpha_limit_what_is_read(folder):
    pixels = np.full((40, 40, 4), 255, np.uint8)
    pixels[:, :10, 3] = 0
    Image.fromarray(pixels).save(folder / "alpha.png")
    half = np.zeros((40, 40), np.uint8)
    half[20:] = 255
    Image.fromarray(half).save(folder / "half.png")
    views = read(
        folder,
        {**GOOD, "weight": 0.25},
        {**GOOD, "file": "alpha.png", "mask": "half.png"},
    )
    assert views.colour.shape == (2, 40, 40, 3)
    assert torch.allclose(views.colour[0], torch.tensor([10, 20, 30]) / 255, atol=1e-5)
    assert views.weights == (0.25, 1.0)
    assert views.mask is not None and views.mask[0].all()
    expected = torch.zeros(40, 40, dtype=torch.bool)
    expected[20:, 10:] = True
    assert torch.equal(views.mask[1], expected)


WRONG = {
    "unknown key": {**GOOD, "azimut_deg": 3},
    "no file": {"azimuth_deg": 0, "distance": 2, "width": 1.5},
    "file elsewhere": {**GOOD, "file": "../a.png"},
    "missing file": {**GOOD, "file": "gone.png"},
    "not square": {**GOOD, "file": "wide.png"},
    "mask of another size": {**GOOD, "mask": "small.png"},
    "no width": {"file": "a.png", "azimuth_deg": 0, "distance": 2},
    "width of zero": {**GOOD, "width": 0},
    "width is text": {**GOOD, "width": "1"},
    "width is true": {**GOOD, "width": True},
    "infinite": {**GOOD, "width": math.inf},
    "no azimuth": {"file": "a.png", "distance": 2, "width": 1},
    "distance below zero": {**GOOD, "distance": -1},
    "above the pole": {**GOOD, "elevation_deg": 91},
    "weight of zero": {**GOOD, "weight": 0},
    "unknown kind": {**GOOD, "kind": "fisheye"},
    "perspective without angle": {**GOOD, "kind": "perspective"},
    "angle of a half turn": {**GOOD, "kind": "perspective", "fov_deg": 180},
    "two cameras": {**GOOD, "world_to_camera": IDENTITY},
    "mirrored": {"file": "a.png", "width": 1, "world_to_camera": [[-1, 0, 0, 0], *IDENTITY[1:]]},
    "scaled": {"file": "a.png", "width": 1, "world_to_camera": [[2, 0, 0, 0], *IDENTITY[1:]]},
    "two rows": {"file": "a.png", "width": 1, "world_to_camera": IDENTITY[:2]},
    "ragged": {"file": "a.png", "width": 1, "world_to_camera": [[1, 0, 0], *IDENTITY[1:]]},
    "target of two": {**GOOD, "target": [0, 0]},
    "target of words": {**GOOD, "target": ["a", "b", "c"]},
}


@pytest.mark.parametrize("view", WRONG.values(), ids=WRONG)
def test_wrong_views_are_input_errors_that_name_the_view(folder, view):
    with pytest.raises(InputError) as caught:
        read(folder, GOOD, view)
    assert "view 2" in caught.value.message or "gone.png" in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"views": []}', '{"views": 3}', '{"views": [3]}', "[" * 100_000]
)
def test_broken_lists_are_input_errors(folder, text):
    (folder / "cameras.json").write_text(text)
    with pytest.raises(InputError, match=r"cameras\.json"):
        read_painted_views(folder)


def test_folder_without_a_list_is_an_input_error(folder):
    with pytest.raises(InputError, match=r"no 'cameras\.json'"):
        read_painted_views(folder / "nowhere")
