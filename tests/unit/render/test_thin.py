# SPDX-License-Identifier: GPL-3.0-or-later
"""Hard cases of rasterising: slivers, shared edges, huge triangles, and parts between pixels."""

from fractions import Fraction

import pytest
import torch

from backend.render import rasterize as module
from backend.render.rasterize import rasterize

SIZE = 48


def draw(corners, **settings):
    view = torch.zeros(len(corners), dtype=torch.int64)
    return rasterize(corners, view, 1, SIZE, SIZE, **settings)


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def covered_exactly(triangle, column, row):
    """Whether a pixel centre lies in a triangle or on its border, in exact arithmetic."""
    points = [[Fraction(float(value)) for value in corner[:2]] for corner in triangle]
    x, y = column + Fraction(1, 2), row + Fraction(1, 2)
    sides = []
    for k in range(3):
        (ax, ay), (bx, by) = points[k], points[(k + 1) % 3]
        sides.append((bx - ax) * (y - ay) - (by - ay) * (x - ax))
    return all(side >= 0 for side in sides) or all(side <= 0 for side in sides)


def slivers(count, size, seed):
    """Triangles of about `size` pixels around random pixel centres."""
    centre = torch.floor(random(count, 1, 2, seed=seed) * SIZE) + 0.5
    place = centre + (random(count, 3, 2, seed=seed + 1) - 0.5) * size
    return torch.cat([place, torch.ones(count, 3, 1)], 2)


@pytest.mark.parametrize("size", [1e-3, 0.05, 3.0])
def test_slivers_are_decided_as_exact_arithmetic_does(size):
    triangles = slivers(60, size, 3)
    num_hits = 0
    for triangle in triangles:
        found = draw(triangle[None]).triangle[0] == 0
        column, row = triangle[:, :2].mean(0).floor().int().tolist()
        for x in range(max(column - 2, 0), min(column + 3, SIZE)):
            for y in range(max(row - 2, 0), min(row + 3, SIZE)):
                assert found[y, x].item() == covered_exactly(triangle, x, y)
                num_hits += int(found[y, x])
        assert found.sum() <= 16
    assert num_hits > 10


def test_needles_are_decided_as_exact_arithmetic_does():
    """Forty pixels long and a ten-thousandth high, through pixel centres."""
    for seed in range(6):
        start, end = torch.floor(random(2, 2, seed=seed) * SIZE) + 0.5
        aside = (random(2, seed=seed + 50) - 0.5) * 2e-4
        corners = torch.cat([torch.stack([start, end, end + aside]), torch.ones(3, 1)], 1)
        found = draw(corners[None]).triangle[0] == 0
        expected = [[covered_exactly(corners, x, y) for x in range(SIZE)] for y in range(SIZE)]
        assert torch.equal(found, torch.tensor(expected))


@pytest.mark.parametrize("seed", range(3))
def test_no_pixel_falls_between_the_triangles_of_a_surface(seed):
    """A grid of corners, some of them exactly on pixel centres, covers the whole picture."""
    count = 37
    line = torch.linspace(-1, SIZE + 1, count)
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)  # [N, N, 2]
    grid[1:-1, 1:-1] += (random(count - 2, count - 2, 2, seed=seed) - 0.5) * 0.8
    on_centre = random(count, count, seed=seed + 9) < 0.3
    on_centre[[0, -1]] = on_centre[:, [0, -1]] = False
    grid[on_centre] = torch.floor(grid[on_centre]) + 0.5
    points = torch.cat([grid, 0.5 + random(count, count, 1, seed=seed)], -1)
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, :-1], points[1:, 1:]
    corners = torch.stack([torch.stack([a, b, c], 2), torch.stack([b, d, c], 2)])
    fragments = draw(corners.reshape(-1, 3, 3))
    assert (fragments.triangle >= 0).all()
    assert fragments.inverse_depth.min() > 0.49 and fragments.inverse_depth.max() < 1.51


def test_triangle_of_ten_million_pixels_is_exact():
    corners = torch.tensor([[[-3e7, 30.25, 0.5], [4e7, 30.25, 0.7], [24.0, -2e7, 0.6]]])
    fragments = draw(corners.double())
    drawn = fragments.triangle[0] == 0
    assert drawn[:30].all() and not drawn[30:].any()
    expected = 0.5 + 0.2 * 3 / 7
    assert (fragments.inverse_depth[0, :30] - expected).abs().max() < 1e-5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_triangles_with_corners_nowhere_are_left_out(value):
    corners = torch.tensor([[[0.0, 0, 1], [40, 0, 1], [0, 40, 1]]]).repeat(2, 1, 1)
    corners[1, 1, 0] = value
    assert set(draw(corners, has_thin_parts=True).triangle.unique().tolist()) == {-1, 0}


def test_depth_stays_within_the_triangle_however_thin_it_is():
    corners = slivers(3000, 0.3, 7)
    corners[..., 2] = 0.5 + random(3000, 3, seed=8)
    fragments = draw(corners)
    seen = fragments.triangle >= 0
    own = corners[fragments.triangle[seen]][..., 2]
    depth = fragments.inverse_depth[seen]
    assert seen.sum() > 200
    assert (depth >= own.amin(1) - 1e-6).all() and (depth <= own.amax(1) + 1e-6).all()
    weights = fragments.barycentric[seen]
    assert (weights >= 0).all() and (weights.sum(1) - 1).abs().max() < 1e-5
    assert ((weights * own).sum(1) - depth).abs().max() < 1e-4


def strip(y, height, near=1.0):
    """Two triangles that make a bar across the picture."""
    a, b = [2.0, y, near], [46.0, y, near]
    c, d = [46.0, y + height, near], [2.0, y + height, near]
    return torch.tensor([[a, b, c], [a, c, d]])


@pytest.mark.parametrize("is_turned", [False, True])
def test_bar_between_rows_of_pixels_is_drawn_once_along_its_length(is_turned):
    corners = strip(10.6, 0.1)
    if is_turned:
        corners = corners[..., [1, 0, 2]]
    assert (draw(corners).triangle < 0).all()
    drawn = draw(corners, has_thin_parts=True).triangle[0] >= 0
    drawn = drawn.T if is_turned else drawn
    assert drawn[10, 2:46].all() and drawn.sum() == 44


def test_bar_in_front_of_a_surface_is_drawn_and_one_behind_is_not():
    wall = torch.tensor([[[-60.0, -60, 0.5], [250, -60, 0.5], [-60, 250, 0.5]]])
    before = draw(torch.cat([wall, strip(10.6, 0.1, 0.6)]), has_thin_parts=True).triangle[0]
    behind = draw(torch.cat([wall, strip(10.6, 0.1, 0.4)]), has_thin_parts=True).triangle[0]
    assert (before[10, 2:46] > 0).all() and (before > 0).sum() == 44
    assert (behind == 0).all()


def test_unbroken_surface_of_tiny_triangles_does_not_change():
    """A steep slope in triangles smaller than a pixel: none of them sticks out."""
    line = torch.linspace(4.1, 44.3, 90)
    y, x = torch.meshgrid(line, line, indexing="ij")
    points = torch.stack([x, y, 1 + 0.02 * x - 0.015 * y], -1)
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, :-1], points[1:, 1:]
    corners = torch.stack([torch.stack([a, b, c], 2), torch.stack([b, d, c], 2)]).reshape(-1, 3, 3)
    plain, thin = draw(corners), draw(corners, has_thin_parts=True)
    assert torch.equal(plain.triangle, thin.triangle)


def test_point_beside_a_pixel_centre_gets_the_nearest_place_on_the_bar():
    fragments = draw(strip(10.6, 0.1), has_thin_parts=True)
    owner = fragments.triangle[0, 10, 20]
    place = fragments.barycentric[0, 10, 20] @ strip(10.6, 0.1)[owner]
    assert place[0].item() == pytest.approx(20.5, abs=0.01)
    assert 10.59 < place[1].item() < 10.71


def test_parts_draw_the_same_thin_lines_as_one_pass(monkeypatch):
    corners = slivers(400, 6.0, 5) * torch.tensor([1.0, 0.05, 1.0]) + torch.tensor([0.0, 20, 0])
    corners[..., 2] = 0.5 + random(400, 1, seed=6)
    whole = draw(corners, has_thin_parts=True)
    monkeypatch.setattr(module, "MAX_ITEMS_CPU", 30)
    parts = draw(corners, has_thin_parts=True)
    assert (whole.triangle != draw(corners).triangle).sum() > 20
    for name in ("triangle", "barycentric", "inverse_depth"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_no_wire_of_a_fan_is_lost_at_2048():
    """Sixty wires of a thousandth of a pixel, at all angles, each of them seen all along."""
    size, count = 2048, 60
    angle = torch.arange(count) / count * torch.pi + 0.013
    along = torch.stack([torch.cos(angle), torch.sin(angle)], 1).double()
    aside = torch.stack([-along[:, 1], along[:, 0]], 1) * 5e-4
    inner, outer = 1024 + 300 * along, 1024 + 1000 * along
    ends = [inner - aside, outer - aside, outer + aside, inner + aside]
    corners = torch.stack([ends[k] for k in (0, 1, 2, 0, 2, 3)], 1).reshape(-1, 3, 2)
    corners = torch.cat([corners, torch.ones(2 * count, 3, 1)], 2)
    view = torch.zeros(2 * count, dtype=torch.int64)
    fragments = rasterize(corners, view, 1, size, size, has_thin_parts=True)
    wires = fragments.triangle[fragments.triangle >= 0] // 2
    steps = 700 * along.abs().amax(1)
    seen = torch.bincount(wires, minlength=count)
    assert (seen >= steps - 2).all() and (seen <= 1.1 * steps + 2).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_sees_what_the_cpu_sees():
    corners = slivers(2000, 9.0, 11)
    corners[..., 2] = 0.5 + random(2000, 3, seed=12)
    view = torch.arange(2000) % 2
    expected = rasterize(corners, view, 2, SIZE, SIZE, has_thin_parts=True)
    found = rasterize(corners.cuda(), view.cuda(), 2, SIZE, SIZE, has_thin_parts=True)
    same = found.triangle.cpu() == expected.triangle
    assert same.float().mean() > 0.999
    depth = (found.inverse_depth.cpu() - expected.inverse_depth).abs()
    assert depth.max() < 1e-6
    weights = (found.barycentric.cpu() - expected.barycentric).abs()[same]
    assert weights.max() < 1e-5
