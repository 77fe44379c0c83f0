# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.config import BakeConfig
from backend.data import Mesh, PaintedViews
from backend.errors import CancelledError
from backend.progress import Progress
from backend.render.camera import orbit_camera
from backend.texture.bake import bake_texture
from tests.unit.texture.scenes import (
    AROUND,
    bake,
    box,
    flat,
    join,
    look,
    paint,
    psnr,
    smooth,
    truth,
)

SIX = tuple(look(*angles) for angles in AROUND)


def test_six_true_views_of_a_box_come_back():
    mesh = box()
    texture = bake(mesh, paint(mesh, SIX, smooth))
    expected, inside = truth(mesh, smooth)
    assert texture.seen[inside].all()
    assert psnr(texture.base_colour, expected, inside) > 42


def test_perspective_views_come_back():
    mesh = box()
    cameras = tuple(orbit_camera(*angles, 1.8, fov_deg=40) for angles in AROUND)
    texture = bake(mesh, paint(mesh, cameras, smooth))
    expected, inside = truth(mesh, smooth)
    assert texture.seen[inside].all()
    assert psnr(texture.base_colour, expected, inside) > 42


def test_slanted_views_of_a_box_leave_no_trace_of_their_borders():
    mesh = box()
    cameras = tuple(look(azimuth, 30) for azimuth in (30, 120, 210, 300))
    painted = paint(mesh, cameras, smooth)
    expected, inside = truth(mesh, smooth)
    texture = bake(mesh, painted)
    seen = inside & texture.seen
    assert seen.sum() > 0.7 * inside.sum()
    assert psnr(texture.base_colour, expected, seen) > 40


def test_views_of_different_brightness_meet_close_to_the_heaviest():
    mesh = box()
    cameras = tuple(look(azimuth, 20) for azimuth in (0, 60, 120, 180, 240, 300))
    painted = paint(mesh, cameras, smooth, weights=(1.0, 0.1, 0.1, 0.5, 0.1, 0.1))
    gains = torch.tensor([1.0, 0.8, 1.15, 0.9, 1.1, 0.85])[:, None, None, None]
    background = (painted.colour == 1).all(-1, keepdim=True)
    dimmed = torch.where(background, painted.colour, (painted.colour * gains).clamp(max=1))
    texture = bake(mesh, replace(painted, colour=dimmed))
    expected, inside = truth(mesh, smooth)
    seen = inside & texture.seen
    level = np.median(texture.base_colour[seen] / expected[seen])
    assert abs(level - 1) < 0.07
    assert psnr(texture.base_colour / level, expected, seen) > 37


def test_hidden_surface_takes_nothing_from_what_hides_it():
    wall, blocker = box((1.0, 1.0, 0.1)), box((0.3, 0.3, 0.1), (0, 0, 0.4))
    mesh = join(wall, blocker)

    def colour(point: torch.Tensor) -> torch.Tensor:
        near = point[..., 2:] > 0.3
        return torch.where(near, torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.2, 0.8]))

    texture = bake(mesh, paint(mesh, (look(0, 0),), colour))
    expected, inside = truth(mesh, colour)
    is_wall = inside & (expected[..., 2] > 0.5)
    assert (~texture.seen & is_wall).sum() > 100
    is_front = is_wall & (truth(mesh, lambda point: point)[0][..., 2] > 0)
    assert (~texture.seen & is_front).sum() > 100
    error = np.abs(texture.base_colour - expected).max(axis=2)
    assert error[is_front].max() < 0.02
    assert error[is_wall].max() < 0.05  # the rear, which no view shows, is a guess from all


def test_background_painted_over_the_outline_does_not_reach_the_texture():
    mesh = box()
    blue = flat(0.1, 0.2, 0.7)
    painted = paint(mesh, SIX, blue, size=256)
    moved = painted.colour.roll((2, 1), (1, 2))  # outlines miss the mesh's by two pixels
    texture = bake(mesh, replace(painted, colour=moved))
    expected, inside = truth(mesh, blue)
    assert np.abs(texture.base_colour - expected)[inside].max() < 0.05


def test_sharp_edge_between_flat_colours_stays_sharp():
    mesh = box()

    def halves(point: torch.Tensor) -> torch.Tensor:
        return torch.where(point[..., :1] > 0.013, torch.tensor([0.9] * 3), torch.tensor([0.1] * 3))

    texture = bake(mesh, paint(mesh, SIX, halves, size=256))
    expected, inside = truth(mesh, halves)
    wrong = np.abs(texture.base_colour - expected).max(2) > 0.2
    assert wrong[inside].mean() < 0.03
    away = inside & (np.abs(np.roll(expected, 3, 1) - expected).max(2) < 0.1)
    away &= np.abs(np.roll(expected, -3, 1) - expected).max(2) < 0.1
    away &= np.abs(np.roll(expected, 3, 0) - expected).max(2) < 0.1
    away &= np.abs(np.roll(expected, -3, 0) - expected).max(2) < 0.1
    assert np.abs(texture.base_colour - expected)[away].max() < 0.02


def test_pixels_outside_of_the_mask_are_not_read():
    mesh = box()
    painted = paint(mesh, SIX, smooth)
    mask = torch.zeros(painted.colour.shape[:3], dtype=torch.bool)
    mask[:, :, :70] = True
    spoiled = torch.where(mask[..., None], painted.colour, torch.tensor([1.0, 0.0, 1.0]))
    texture = bake(mesh, PaintedViews(SIX, spoiled, painted.weights, mask))
    expected, inside = truth(mesh, smooth)
    seen = inside & texture.seen
    assert 0.4 * inside.sum() < seen.sum() < 0.8 * inside.sum()
    assert psnr(texture.base_colour, expected, seen) > 40


def test_same_input_gives_the_same_texture():
    mesh = box()
    painted = paint(mesh, SIX, smooth, size=64)
    first, second = bake(mesh, painted), bake(mesh, painted)
    assert np.array_equal(first.base_colour, second.base_colour)
    assert np.array_equal(first.seen, second.seen)


def test_mesh_that_no_view_sees_is_grey():
    mesh = box()
    painted = PaintedViews((look(0, 0, 0.01),), torch.ones(1, 16, 16, 3), (1.0,))
    away = Mesh(mesh.vertices + np.float32(5), mesh.faces, mesh.uv)
    texture = bake(away, painted, 64)
    assert not texture.seen.any() and texture.coverage.any()
    assert np.allclose(texture.base_colour, 0.5, atol=1e-3)


def test_mesh_without_faces_gives_an_empty_texture():
    mesh = Mesh(
        np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, 3, 2), np.float32)
    )
    texture = bake(mesh, PaintedViews(SIX, torch.ones(6, 8, 8, 3), (1.0,) * 6), 64)
    assert not texture.coverage.any() and texture.base_colour.shape == (64, 64, 3)


def test_mesh_without_uv_is_refused():
    mesh = replace(box(), uv=None)
    with pytest.raises(ValueError, match="UV"):
        bake(mesh, PaintedViews(SIX, torch.ones(6, 8, 8, 3), (1.0,) * 6))


def test_bake_can_be_cancelled():
    mesh = box()
    progress = Progress(is_cancelled=lambda: True)
    with pytest.raises(CancelledError):
        bake_texture(mesh, paint(mesh, SIX, smooth, 32), BakeConfig(64), progress)
