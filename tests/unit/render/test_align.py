# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras are found again from pictures of made solids."""

import math

import numpy as np
import pytest
import torch

from backend.data import Camera, FloatArray, Mesh
from backend.errors import CancelledError
from backend.image.prepare import frame_object
from backend.progress import Progress
from backend.render.align import AlignConfig, AlignedCamera, find_camera, warp_picture
from backend.render.camera import fit_mesh_for_painting, orbit_camera
from backend.render.maps import decode_normals
from backend.render.splat import Poses, splat, spread_points
from backend.render.views import RenderConfig, render_views
from tests.unit.pipelines.boxes import make_box

CPU = torch.device("cpu")
LIGHT = torch.tensor([0.4, 0.7, 0.6])
CONFIG = AlignConfig(fine_points=60_000, fine_px=128)  # fast


def make_chair() -> Mesh:
    """A seat, a back rest and one arm: no two directions show the same outline."""
    parts = [
        ((0.8, 0.2, 0.8), (0, 0, 0)),
        ((0.8, 0.9, 0.15), (0, 0.45, -0.33)),
        ((0.15, 0.4, 0.6), (0.33, 0.2, 0.05)),
        ((0.2, 0.6, 0.2), (-0.2, -0.3, 0.1)),
    ]
    vertices, faces = [], []
    for size, place in parts:
        box = make_box(size, uv=False)
        faces.append(box.faces + sum(map(len, vertices)))
        vertices.append(box.vertices + np.float32(place))
    mesh = Mesh(np.concatenate(vertices).astype(np.float32), np.concatenate(faces))
    return fit_mesh_for_painting(mesh)[0]


def photograph(mesh: Mesh, camera: Camera, size: int = 320) -> FloatArray:
    """A lit picture, framed as pictures are prepared."""
    views = render_views(mesh, [camera], RenderConfig(size), Progress(), CPU)
    level = 0.25 + 0.6 * (decode_normals(views.normal[0]) @ LIGHT).clamp(min=0)
    alpha = views.mask[0].float()
    pixels = torch.stack([level, level * 0.8, level * 0.6, alpha], -1).clamp(0, 1)
    return frame_object(pixels.numpy().astype(np.float32), 256, 0.15)


def find(mesh: Mesh, pixels: FloatArray, label: int = 0) -> AlignedCamera:
    return find_camera(mesh, pixels, label, CONFIG, Progress(), CPU)


def angle_between(found: AlignedCamera, azimuth: float, elevation: float) -> float:
    """Degrees between two directions."""
    a, b = (
        orbit_camera(*angles, 1.0, width=1.0).world_to_camera[2, :3].astype(np.float64)
        for angles in ((found.azimuth_deg, found.elevation_deg), (azimuth, elevation))
    )
    return math.degrees(math.acos(min(1.0, float(a @ b))))


@pytest.mark.parametrize(
    ("azimuth", "elevation", "fov", "label"),
    [(35, 20, 25, 0), (-50, -8, 45, 0), (70, 30, 12, 1), (200, 10, 30, 2), (290, 5, 40, 3)],
)
def test_camera_of_an_asymmetric_solid_is_found_again(azimuth, elevation, fov, label):
    mesh = make_chair()
    camera = orbit_camera(azimuth, elevation, 0.62 / math.sin(math.radians(fov / 2)), fov_deg=fov)
    picture = photograph(mesh, camera)
    found = find(mesh, picture, label)
    assert found.is_found and found.agreement > 0.95
    assert angle_between(found, azimuth, elevation) < 2.5
    views = render_views(mesh, [found.camera], RenderConfig(256), Progress(), CPU)
    shown = warp_picture(picture, found, 256)[..., 3] > 0.5
    union = (shown | views.mask[0]).sum()
    assert (shown & views.mask[0]).sum() / union > 0.96  # two pixels of 256 around the outline
    level = 0.25 + 0.6 * (decode_normals(views.normal[0]) @ LIGHT).clamp(min=0)
    gap = (warp_picture(picture, found, 256)[..., 0] - level).abs()
    assert gap[shown & views.mask[0]].median() < 0.02  # the same surface is under each pixel


def test_camera_shows_the_mesh_as_large_as_it_fits():
    mesh = make_chair()
    camera = orbit_camera(30, 15, 2.0, fov_deg=35)
    found = find(mesh, photograph(mesh, camera))
    mask = render_views(mesh, [found.camera], RenderConfig(256), Progress(), CPU).mask[0]
    assert not mask[[0, -1]].any() and not mask[:, [0, -1]].any()
    rows, columns = torch.nonzero(mask, as_tuple=True)
    margin = min(rows.min(), columns.min(), 255 - rows.max(), 255 - columns.max())
    assert margin < 10


def test_symmetric_solid_gets_a_camera_whose_outline_agrees():
    mesh = fit_mesh_for_painting(make_box(uv=False))[0]
    camera = orbit_camera(45, 20, 2.0, fov_deg=35)
    found = find(mesh, photograph(mesh, camera))
    assert found.is_found and found.agreement > 0.95
    assert abs(found.elevation_deg - 20) < 3
    assert abs(abs(found.azimuth_deg) - 45) < 3  # one of the two that look the same


def test_picture_of_something_else_is_not_believed():
    mesh = make_chair()
    slab = fit_mesh_for_painting(make_box((1.0, 0.06, 0.1), uv=False))[0]
    found = find(mesh, photograph(slab, orbit_camera(10, 5, 2.0, fov_deg=35)))
    assert not found.is_found and found.agreement < 0.75


def test_same_picture_gives_the_same_camera():
    mesh = make_chair()
    picture = photograph(mesh, orbit_camera(-20, 10, 2.0, fov_deg=30))
    first, second = find(mesh, picture), find(mesh, picture)
    assert np.array_equal(first.camera.world_to_camera, second.camera.world_to_camera)
    assert first.shift == second.shift and first.scale == second.scale


def test_cancel_takes_effect_between_the_steps():
    class Cancelled(Progress):
        def step(self, done: int, total: int) -> None:
            raise CancelledError("", "")

    mesh = make_chair()
    picture = photograph(mesh, orbit_camera(0, 0, 2.0, fov_deg=30))
    with pytest.raises(CancelledError):
        find_camera(mesh, picture, 0, CONFIG, Cancelled(), CPU)


def test_points_lie_evenly_on_the_surface_whatever_its_triangles():
    box = make_box((2, 1, 1), uv=False)
    points = spread_points(box, 10_000, CPU)
    top = (points.normal[:, 1] > 0.99).sum()
    right = (points.normal[:, 0] > 0.99).sum()
    assert top == pytest.approx(2000, abs=20) and right == pytest.approx(1000, abs=20)
    assert torch.allclose(points.place[points.normal[:, 1] > 0.99][:, 1], torch.tensor(0.5))


def test_nearest_point_of_a_pixel_is_seen():
    points = torch.tensor([[0.0, 0, -0.4], [0.0, 0, 0.4], [0.3, 0.3, 0.0]])
    pose = Poses(*(torch.tensor([x]) for x in (0.0, 0.0, 0.2, 1.0)), torch.tensor([[0.5, 0.5]]))
    seen = splat(points, pose, 8)[0]
    assert seen[4, 4] == 1 and (seen >= 0).sum() == 2
    row, column = torch.nonzero(seen == 2)[0].tolist()
    assert row < 4 < column  # up and right
