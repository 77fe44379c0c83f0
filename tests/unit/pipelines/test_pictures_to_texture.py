# SPDX-License-Identifier: GPL-3.0-or-later
"""From a mesh and its picture to a texture without a network, on a chair with striped sides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.config import JobConfig, overlay
from backend.data import FloatArray
from backend.errors import CancelledError
from backend.pipelines.pictures_to_texture import project_texture
from backend.pipelines.texture_result import TextureResult
from backend.pipelines.uv import Target
from backend.progress import Progress
from backend.render.camera import orbit_camera
from backend.render.views import RenderConfig, render_views
from backend.texture.show import show_texture
from tests.unit.render.test_align import make_chair

CPU = torch.device("cpu")
CAMERA = orbit_camera(35, 20, 2.0, fov_deg=35)
SIZE = 256


def stripes(position: torch.Tensor) -> torch.Tensor:
    """Unlit colours `[..., 3]` of places in the position map: bands that change with height."""
    is_band = (position[..., 2:] * 12).floor() % 2 > 0
    return torch.where(is_band, torch.tensor([0.7, 0.25, 0.2]), torch.tensor([0.2, 0.35, 0.6]))


def photograph() -> FloatArray:
    """An unlit picture of the chair, transparent around it."""
    views = render_views(make_chair(), [CAMERA], RenderConfig(320), Progress(), CPU)
    alpha = views.mask[0].float()[..., None]
    return torch.cat([stripes(views.position[0]), alpha], -1).numpy().astype(np.float32)


def texture(
    picture: FloatArray, progress: Progress | None = None, delight: str = "auto"
) -> TextureResult:
    config = replace(JobConfig(), bake=replace(JobConfig().bake, texture_size=SIZE))
    config = overlay(config, {"remove_background": "never", "delight": delight})
    target = Target(make_chair())
    return project_texture(target, [picture], (0,), config, progress or Progress(), CPU)


@pytest.fixture(scope="module")
def result() -> TextureResult:
    return texture(photograph())


def test_what_the_picture_shows_lies_on_the_mesh(result):
    views = render_views(make_chair(), [CAMERA], RenderConfig(192), Progress(), CPU)
    uv = result.mesh.uv
    shown = show_texture(views, uv, torch.from_numpy(result.picture.astype(np.float32) / 255))
    expected = stripes(views.position)
    is_red, was_red = (x[..., 0] > x[..., 2] for x in (shown, expected))
    clear = views.mask & (views.facing > 0.4)
    assert (is_red == was_red)[clear].float().mean() > 0.85


def test_mesh_stays_as_it_was_and_gets_a_map(result):
    chair = make_chair()
    assert np.array_equal(result.mesh.vertices, chair.vertices)
    assert np.array_equal(result.mesh.faces, chair.faces)
    assert result.is_new_uv
    assert result.picture.shape == (SIZE, SIZE, 3)
    assert 0.1 < result.coverage["seen"] < 0.9
    assert result.warnings == ()


def test_light_stays_in_the_colours_only_if_it_is_to_stay(result):
    dim = photograph()
    dim[..., :3] *= 0.6
    views = render_views(make_chair(), [CAMERA], RenderConfig(192), Progress(), CPU)
    clear = (views.mask & (views.facing > 0.4)).numpy()

    def brightness(found: TextureResult) -> float:
        picture = torch.from_numpy(found.picture.astype(np.float32) / 255)
        return float(show_texture(views, found.mesh.uv, picture).numpy()[clear].mean())

    true = float(stripes(views.position).numpy()[clear].mean())
    assert brightness(texture(dim, delight="never")) == pytest.approx(0.6 * true, rel=0.03)
    views = render_views(make_chair(), [CAMERA], RenderConfig(320), Progress(), CPU)
    dim[..., :3] *= 0.6 + 0.4 * views.facing[0].numpy()[..., None]  # a lamp at the camera
    kept, taken = (texture(dim, delight=delight).picture for delight in ("never", "auto"))
    assert np.abs(kept.astype(int) - taken).max() > 20


def test_nothing_of_the_surface_stays_blank(result):
    colours = result.picture.reshape(-1, 3)
    assert (colours.max(1) < 250).all()
    assert (colours.max(1) > 10).all()


def test_picture_of_something_else_gives_its_mean_colour_and_says_so():
    picture = np.zeros((64, 64, 4), np.float32)
    picture[28:36] = (0.1, 0.6, 0.3, 1.0)  # a bar right across
    found = texture(picture)
    expected = np.array([0.1, 0.6, 0.3]) * 255
    assert np.abs(found.picture.astype(float) - expected).max() < 3
    assert any("mean colour" in warning for warning in found.warnings)


@pytest.mark.parametrize("stage", ["unwrap", "prepare", "align", "bake"])
def test_cancel_is_seen_in_every_stage(stage):
    reached = []
    progress = Progress(lambda report: reached.append(report.stage), lambda: stage in reached)
    with pytest.raises(CancelledError):
        texture(photograph(), progress)
    assert reached[-1] == stage
