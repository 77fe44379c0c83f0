# SPDX-License-Identifier: GPL-3.0-or-later
import math

import pytest
import torch

from backend.render import rasterize as module
from backend.render.camera import camera_axes, project_perspective
from backend.render.rasterize import interpolate, rasterize


def draw(triangles, height=12, width=16, view=None, num_views=1):
    corners = torch.tensor(triangles, dtype=torch.float32).reshape(-1, 3, 3)
    view = torch.zeros(len(corners), dtype=torch.int64) if view is None else torch.tensor(view)
    return rasterize(corners, view, num_views, height, width)


def inside(triangle, height=12, width=16):
    """Pixel centres in a triangle, by one cross product per edge in float64."""
    a = torch.tensor(triangle, dtype=torch.float64)[:, :2]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    point = torch.stack([x, y], -1).double()
    side = []
    for k in range(3):
        edge, apart = a[(k + 1) % 3] - a[k], point - a[k]
        side.append(edge[0] * apart[..., 1] - edge[1] * apart[..., 0])
    side = torch.stack(side)
    return (side >= 0).all(0) | (side <= 0).all(0)


def random_triangles(count, seed, height=12, width=16):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 3, 3, generator=generator)
    corners[..., :2] = corners[..., :2] * torch.tensor([width, height]) * 1.5 - 3
    corners[..., 2] += 0.1
    return corners


@pytest.mark.parametrize("seed", range(8))
def test_triangle_covers_exactly_the_pixel_centres_inside(seed):
    triangle = random_triangles(1, seed)[0]
    assert torch.equal(draw(triangle.tolist()).triangle[0] == 0, inside(triangle.tolist()))


def test_turned_triangle_covers_the_same_pixels():
    triangle = [[1.2, 1.1, 1], [14.3, 3.2, 1], [6.1, 10.7, 1]]
    first, second = draw(triangle), draw(triangle[::-1])
    assert torch.equal(first.triangle, second.triangle) and (first.triangle == 0).any()


def test_nearer_triangle_wins_at_every_pixel_where_they_cross():
    left = [[0, 0, 1.0], [0, 12, 1.0], [16, 6, 0.1]]
    right = [[16, 0, 1.0], [16, 12, 1.0], [0, 6, 0.1]]
    both, alone = draw([left, right]), [draw(left), draw(right)]
    depth = torch.stack([part.inverse_depth[0] for part in alone])
    seen = depth.amax(0) > 0
    assert torch.equal(both.triangle[0][seen], depth.argmax(0)[seen])
    assert torch.equal(both.inverse_depth[0], depth.amax(0))
    assert (both.triangle[0][~seen] == -1).all()
    assert {0, 1} <= set(both.triangle.unique().tolist())


def test_higher_index_wins_at_equal_depth():
    triangle = [[0, 0, 0.5], [16, 0, 0.5], [0, 12, 0.5]]
    assert set(draw([triangle] * 3).triangle.unique().tolist()) == {-1, 2}


def test_parts_give_the_same_picture_as_one_pass(monkeypatch):
    corners = random_triangles(60, 3)
    view = torch.arange(60) % 2
    whole = rasterize(corners, view, 2, 12, 16)
    monkeypatch.setattr(module, "MAX_ITEMS_CPU", 50)
    parts = rasterize(corners, view, 2, 12, 16)
    assert (whole.triangle >= 0).float().mean() > 0.3
    for name in ("triangle", "barycentric", "inverse_depth"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_view_sees_only_its_own_triangles():
    triangle = [[0, 0, 1], [16, 0, 1], [0, 12, 1]]
    fragments = draw([triangle, triangle], view=[2, 0], num_views=3)
    found = [set(part.unique().tolist()) for part in fragments.triangle]
    assert found == [{-1, 1}, {-1}, {-1, 0}]


def test_triangle_thinner_than_a_pixel_hits_exactly_the_centres_that_it_covers():
    sliver = [[0, 5.4, 1], [16, 5.4, 1], [16, 5.6, 1]]  # holds row 5's centres right of the middle
    covered = torch.zeros(12, 16, dtype=torch.bool)
    covered[5, 8:] = True
    assert torch.equal(draw(sliver).triangle[0] == 0, covered)
    between = [[0, 5.6, 1], [16, 5.6, 1], [16, 6.4, 1]]  # between two rows of centres
    assert (draw(between).triangle == -1).all()


@pytest.mark.parametrize(
    "triangle",
    [
        [[2.5, 2.5, 1], [8.5, 8.5, 1], [5.5, 5.5, 1]],
        [[3.5, 3.5, 1]] * 3,
        [[-9, -9, 1], [-2, -9, 1], [-2, -1, 1]],
        [[40, 2, 1], [50, 2, 1], [40, 9, 1]],
        [[0, 0, 1], [16, 0, 1], [0, 12, -1]],
    ],
    ids=["line", "point", "above left", "right", "behind the camera"],
)
def test_nothing_is_drawn_of(triangle):
    fragments = draw(triangle)
    assert (fragments.triangle == -1).all()
    assert not fragments.barycentric.any() and not fragments.inverse_depth.any()


def test_no_triangles_give_an_empty_picture():
    fragments = rasterize(torch.zeros(0, 3, 3), torch.zeros(0, dtype=torch.int64), 1, 4, 5)
    assert fragments.triangle.shape == (1, 4, 5) and (fragments.triangle == -1).all()
    assert fragments.barycentric.shape == (1, 4, 5, 3) and not fragments.barycentric.any()


def test_interpolation_is_linear_on_the_screen_without_depths():
    triangle = [[0, 0, 1.0], [16, 0, 0.2], [0, 12, 0.6]]
    fragments = draw(triangle)
    place = interpolate(torch.tensor([triangle])[..., :2], fragments)[0]
    y, x = torch.meshgrid(torch.arange(12) + 0.5, torch.arange(16) + 0.5, indexing="ij")
    seen = fragments.triangle[0] >= 0
    assert torch.allclose(place[seen], torch.stack([x, y], -1)[seen], atol=1e-4)
    assert not place[~seen].any()


def test_perspective_blend_equals_rays_through_the_pixel_centres():
    """World positions by interpolation against ray-plane intersections in float64."""
    size, fov, azimuth, elevation = 64, math.radians(50), 0.7, 0.3
    world = torch.tensor([[-0.8, -0.5, 0.9], [0.9, -0.4, -0.7], [0.1, 0.8, 0.2]])
    axes = camera_axes(torch.tensor([azimuth]), torch.tensor([elevation]))
    screen = project_perspective(world[None], axes, torch.tensor([fov]))
    pixel = (screen[..., :2] * torch.tensor([1.0, -1.0]) + 1) * size / 2
    corners = torch.cat([pixel, screen[..., 2:]], -1)
    fragments = rasterize(corners, torch.zeros(1, dtype=torch.int64), 1, size, size)
    found = interpolate(world[None], fragments, corners[..., 2])[0].double()

    right, up, backward = axes[0].double()
    eye = backward * math.sqrt(3) / math.sin(fov / 2)
    line = ((torch.arange(size) + 0.5) / size * 2 - 1).double() * math.tan(fov / 2)
    y, x = torch.meshgrid(-line, line, indexing="ij")
    ray = x[..., None] * right + y[..., None] * up - backward
    a, b, c = world.double()
    normal = torch.linalg.cross(b - a, c - a)
    along = (normal @ (a - eye)) / (ray @ normal)
    expected = eye + along[..., None] * ray
    seen = fragments.triangle[0] == 0
    assert seen.sum() > 300
    assert (found - expected)[seen].abs().max() < 2e-5
    assert (1 / fragments.inverse_depth[0].double() - along)[seen].abs().max() < 1e-4
    linear = interpolate(world[None], fragments)[0].double()
    assert (linear - expected)[seen].abs().max() > 0.02


def axes_at(azimuth_deg, elevation_deg):
    angles = torch.deg2rad(torch.tensor([azimuth_deg, elevation_deg]))
    return camera_axes(angles[:1], angles[1:])[0]


@pytest.mark.parametrize(
    ("azimuth", "elevation", "right", "up", "backward"),
    [
        (0.0, 0.0, [1, 0, 0], [0, 1, 0], [0, 0, 1]),
        (90.0, 0.0, [0, 0, -1], [0, 1, 0], [1, 0, 0]),
        (180.0, 0.0, [-1, 0, 0], [0, 1, 0], [0, 0, -1]),
        (0.0, 90.0, [1, 0, 0], [0, 0, -1], [0, 1, 0]),
    ],
    ids=["front", "from +X", "back", "from above"],
)
def test_camera_axes_follow_the_convention(azimuth, elevation, right, up, backward):
    expected = torch.tensor([right, up, backward], dtype=torch.float32)
    assert torch.allclose(axes_at(azimuth, elevation), expected, atol=1e-6)


def test_camera_axes_are_a_right_handed_frame_at_any_angle():
    for azimuth, elevation in ((33.0, -71.0), (-140.0, 25.0), (275.0, 60.0)):
        axes = axes_at(azimuth, elevation)
        assert torch.allclose(axes @ axes.T, torch.eye(3), atol=1e-6)
        assert torch.allclose(torch.linalg.cross(axes[0], axes[1]), axes[2], atol=1e-6)


def test_sphere_just_fits_the_picture():
    generator = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(1, 200_000, 3, generator=generator), dim=-1)
    for fov_deg in (10.0, 55.0):
        axes = axes_at(20.0, 10.0)[None]
        fov = torch.deg2rad(torch.tensor([fov_deg]))
        place = project_perspective(points * 0.7, axes, fov, radius=0.7)[..., :2]
        assert place.norm(dim=-1).max() == pytest.approx(1, abs=2e-3)


def test_higher_points_project_higher_and_nearer_ones_have_larger_inverse_depth():
    axes, fov = axes_at(90.0, 0.0)[None], torch.tensor([0.6])
    points = torch.tensor([[[0.0, 0.5, 0.0], [0.0, -0.5, 0.0], [0.5, 0, 0], [0, 0, -0.5]]])
    high, low, near, aside = project_perspective(points, axes, fov)[0]
    assert high[1] > 0 > low[1] and aside[0] > 0
    assert near[2] > high[2] and high[2] == pytest.approx(math.sin(0.3) / math.sqrt(3), abs=1e-6)
