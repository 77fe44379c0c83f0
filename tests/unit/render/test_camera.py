# SPDX-License-Identifier: GPL-3.0-or-later
import math

import numpy as np
import pytest
import torch

from backend.data import Mesh
from backend.errors import InputError
from backend.render.camera import (
    PAINTING_DISTANCE,
    PAINTING_WIDTH,
    STANDARD_VIEWS_DEG,
    align_corners,
    camera_axes,
    directions_to_camera,
    fit_mesh_for_painting,
    fit_sphere,
    orbit_camera,
    painting_camera,
    pixel_centres,
    pixels_to_screen,
    project,
    project_orthographic,
    screen_to_pixels,
    unproject,
    view_depth,
)

VIEWS_DEG = torch.tensor([[0.0, 0], [90, 0], [180, 0], [0, 90]])
RIGHT_UP_DEPTH = [
    ([1, 0, 0], [0, 1, 0], [0, 0, -1]),
    ([0, 0, -1], [0, 1, 0], [-1, 0, 0]),
    ([-1, 0, 0], [0, 1, 0], [0, 0, 1]),
    ([1, 0, 0], [0, 0, -1], [0, -1, 0]),
]


def test_fitted_points_are_centred_and_touch_the_sphere() -> None:
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) * 7 + 3
    centre, scale = fit_sphere(points, 1.15)
    fitted = (points - centre) * scale
    assert torch.allclose(fitted.amax(0), -fitted.amin(0), atol=1e-5)
    assert fitted.norm(dim=-1).max().item() == pytest.approx(0.575, rel=1e-5)


def test_parallel_rays_show_each_side_upright() -> None:
    axes = camera_axes(*VIEWS_DEG.deg2rad().unbind(1))
    for view, directions in enumerate(RIGHT_UP_DEPTH):
        points = 0.3 * torch.tensor(directions, dtype=torch.float32)
        seen = project_orthographic(points, axes, 1.2, 1.5, 0.5, 2.5)[view]
        # Half a picture is 0.6 wide, and half the depth range is 1 deep.
        assert torch.allclose(seen, torch.diag(torch.tensor([0.5, 0.5, 0.3])), atol=1e-6)


def test_depth_is_minus_one_at_near_and_one_at_far() -> None:
    axes = camera_axes(torch.zeros(1), torch.zeros(1))
    points = torch.tensor([[0.0, 0, 1.4], [0.0, 0, -8.5]])  # 0.1 and 10 from a camera at 1.5
    depth = project_orthographic(points, axes, 1.2, 1.5, 0.1, 10.0)[0, :, 2]
    assert torch.allclose(depth, torch.tensor([-1.0, 1.0]), atol=1e-5)


CAMERAS = [
    painting_camera(30, 20),
    painting_camera(180, -90),
    orbit_camera(200, -35, 2.0, fov_deg=50),
]


def random_points(count=200):
    return (torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) - 0.5) * 1.1


@pytest.mark.parametrize("pair", STANDARD_VIEWS_DEG)
def test_painting_camera_equals_the_axes_of_its_angles(pair) -> None:
    angles = torch.tensor([pair], dtype=torch.float32).deg2rad()
    axes = camera_axes(angles[:, 0], angles[:, 1])
    points = random_points()
    near, far = 0.0, 4 * (PAINTING_DISTANCE + PAINTING_WIDTH)
    expected = project_orthographic(points, axes, PAINTING_WIDTH, PAINTING_DISTANCE, near, far)
    found = project(points, [painting_camera(*pair)])
    assert torch.allclose(found[..., :2], expected[..., :2], atol=1e-5)
    depth = (expected[..., 2] + 1) / 2 * far
    assert torch.allclose(found[..., 2], far - depth, atol=1e-5)


def test_perspective_camera_frames_what_its_field_of_view_says() -> None:
    camera = orbit_camera(90, 0, 3.0, fov_deg=60)
    edge = math.tan(math.radians(30)) * 3
    points = torch.tensor([[0, edge, 0], [0, 0, -edge], [1.0, 0, 0], [4.0, 0, 0]])
    found = project(points, [camera])[0]
    assert torch.allclose(found[:3, :2], torch.tensor([[0.0, 1], [1, 0], [0, 0]]), atol=1e-6)
    assert torch.allclose(found[:, 2], torch.tensor([1 / 3, 1 / 3, 1 / 2, 0]), atol=1e-6)


def test_straight_down_view_is_the_limit_of_steep_ones() -> None:
    for azimuth in (0, 77):
        steep, limit = (painting_camera(azimuth, e).world_to_camera for e in (89.999, 90))
        assert abs(steep - limit).max() < 1e-4


def test_unprojecting_gives_the_point_back() -> None:
    points = random_points()
    screen = project(points, CAMERAS)
    found = unproject(screen[..., :2], view_depth(points, CAMERAS), CAMERAS)
    assert (found - points).abs().max() < 2e-6


def test_nearness_orders_points_as_depth_does_and_is_zero_behind() -> None:
    points = random_points()
    depth, nearness = view_depth(points, CAMERAS), project(points, CAMERAS)[..., 2]
    assert torch.equal(nearness.argsort(1, descending=True), depth.argsort(1))
    assert (nearness > 0).all()
    behind = torch.stack([torch.from_numpy(c.world_to_camera[2, :3]) * 9 for c in CAMERAS])
    nearness = project(behind, CAMERAS)[..., 2]
    assert (nearness.diagonal() == 0).all() and nearness.isfinite().all()


def test_direction_to_the_camera_goes_through_its_eye() -> None:
    points = random_points()
    camera = orbit_camera(-40, 10, 1.7, fov_deg=35)
    angles = torch.deg2rad(torch.tensor([-40.0, 10.0]))
    eye = 1.7 * camera_axes(angles[:1], angles[1:])[0, 2]
    found = directions_to_camera(points, camera)
    assert torch.allclose(found, torch.nn.functional.normalize(eye - points, dim=1), atol=1e-6)
    parallel = directions_to_camera(points, painting_camera(90, 0))
    assert torch.allclose(parallel, torch.tensor([1.0, 0, 0]).expand_as(points), atol=1e-6)


def test_pixels_and_screen_are_inverse_and_row_0_is_the_top() -> None:
    place = torch.tensor([[-1.0, 1.0], [1.0, -1.0], [0.0, 0.5]])
    pixel = screen_to_pixels(place, 8)
    assert torch.equal(pixel, torch.tensor([[0.0, 0], [8, 8], [4, 2]]))
    assert torch.equal(pixels_to_screen(pixel, 8), place)
    assert torch.equal(pixel_centres(8, torch.device("cpu"))[2, 5], torch.tensor([5.5, 2.5]))


@pytest.mark.parametrize("camera", CAMERAS)
def test_aligned_corners_put_pixel_i_where_the_published_renderer_does(camera) -> None:
    size = 16
    line = (pixel_centres(size, torch.device("cpu"))[0, :, 0])[None]
    aligned = align_corners(camera, size)
    place = pixels_to_screen(torch.stack([line, line], -1), size)
    points = unproject(place, torch.ones(1, size), [aligned])[0]
    found = project(points, [camera])[0, :, 0]
    assert torch.allclose(found, 2 * torch.arange(size) / (size - 1) - 1, atol=1e-5)


def test_mesh_is_fitted_for_painting_and_can_be_brought_back() -> None:
    vertices = random_points(40).numpy() * 9 + 4
    faces = np.arange(39, dtype=np.int32).reshape(-1, 3)
    mesh, centre, scale = fit_mesh_for_painting(Mesh(vertices, faces))
    assert np.linalg.norm(mesh.vertices, axis=1).max() == pytest.approx(0.575, rel=1e-5)
    assert np.allclose(mesh.vertices / scale + centre.numpy(), vertices, atol=1e-5)


@pytest.mark.parametrize("num_faces", [0, 1])
def test_mesh_without_extent_is_refused(num_faces) -> None:
    vertices = np.ones((3, 3), dtype=np.float32)
    with pytest.raises(InputError):
        fit_mesh_for_painting(
            Mesh(vertices, np.arange(3 * num_faces, dtype=np.int32).reshape(-1, 3))
        )


def test_camera_takes_a_width_or_a_field_of_view() -> None:
    with pytest.raises(ValueError, match="either"):
        orbit_camera(0, 0, 1.0)
    with pytest.raises(ValueError, match="either"):
        orbit_camera(0, 0, 1.0, width=1.0, fov_deg=30)
