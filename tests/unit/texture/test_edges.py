# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.texture.atlas import load_surface
from backend.texture.edges import measure_bleeding
from backend.texture.view_maps import Trust, map_views
from tests.unit.texture.scenes import CPU, box, flat, join, look, paint

TRUST = Trust(4.0, 0.2, 4.0)


def view_of(mesh, camera, size=128):
    """What pixels see, and their distances to edges and to edges or creases."""
    painted = paint(mesh, (camera,), flat(0.2, 0.3, 0.6), size)
    views = map_views(load_surface(mesh, CPU), (camera,), painted.colour, None, TRUST)
    return views.triangle[0], *views.distance[0]


def test_only_outlines_are_edges_of_a_box_seen_aslant_and_its_ridges_are_creases():
    triangle, edge, crease = view_of(box(), look(30, 25))
    inside = triangle >= 0
    near_background = torch.nn.functional.max_pool2d((~inside).float()[None], 3, 1, 1)[0] > 0
    assert ((edge == 0) & inside & ~near_background).sum() == 0
    ridges = (crease == 0) & (edge > 0)
    assert 60 < ridges.sum() < 400


def test_step_in_depth_is_an_edge():
    mesh = join(box((0.9, 0.9, 0.1)), box((0.3, 0.3, 0.1), (0, 0, 0.3)))
    row = view_of(mesh, look(0, 0))[1][64]
    inner = torch.nonzero(row[20:108] == 0).squeeze(1) + 20
    assert inner.tolist() == [47, 48, 79, 80]


def test_distance_counts_pixels_from_the_outline():
    triangle, edge, _ = view_of(box((0.6, 0.6, 0.6)), look(0, 0), 256)
    row = edge[128]
    start = int(torch.nonzero(triangle[128] >= 0)[0])
    assert row[start : start + 5].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
def test_bleeding_is_measured_in_pixels(moved):
    painted = paint(box(), (look(20, 10),), flat(0.2, 0.3, 0.6), 256)
    triangle = view_of(box(), look(20, 10), 256)[0]
    shrunk = painted.colour[0]
    for axis in (0, 1):
        for step in (moved, -moved):
            shrunk = torch.maximum(shrunk, painted.colour[0].roll(step, axis))
    assert measure_bleeding(shrunk[None], triangle[None], 4.0) == [moved]


def test_object_of_the_background_colour_counts_as_clean():
    triangle = view_of(box(), look(0, 0), 64)[0]
    assert measure_bleeding(torch.ones(1, 64, 64, 3), triangle[None], 4.0) == [0]
