# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from tests.unit.training.made_props import make_ball, make_box, make_sheet
from training.fields import (
    BAND,
    BOX,
    WALL,
    centre_occupancy,
    signed_distance,
    solid_occupancy,
    unsigned_distance,
)

RESOLUTION = 112
LIMIT = BAND - WALL


def corners(*shapes):
    return torch.cat([torch.tensor(vertices[faces]) for vertices, faces in shapes])


def nodes(resolution=RESOLUTION, box=BOX):
    line = torch.linspace(-box, box, resolution + 1)
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1)


def box_distance(points, half, centre=(0.0, 0.0, 0.0)):
    """Exact signed distance to a box, negative inside."""
    apart = (points - torch.tensor(centre)).abs() - torch.tensor(half)
    return apart.clamp(min=0).norm(dim=-1) + apart.amax(-1).clamp(max=0)


def assert_is_walled_solid(field, distance, tolerance):
    """`field` is the distance less the wall: sign everywhere, value but in the inner wall."""
    expected = (distance - WALL).clamp(-LIMIT, LIMIT)
    sure = (distance - WALL).abs() > tolerance
    assert torch.equal((field < 0)[sure], (distance < WALL)[sure])
    # Which half of the wall a node is in is known to about a node.
    cell = 2 * BOX / (len(field) - 1)
    exact = (distance < -WALL) | (distance > 1.8 * cell)
    assert (exact & (expected.abs() < LIMIT)).sum() > 1000
    assert (field - expected)[exact].abs().max() < tolerance
    assert (field - expected).abs().max() < 2 * WALL


def test_ball_field_is_its_distance_less_the_wall():
    field = signed_distance(corners(make_ball(0.7)), 180)
    assert field.shape == (181, 181, 181)
    assert field.amin() == pytest.approx(-LIMIT) and field.amax() == pytest.approx(LIMIT)
    assert_is_walled_solid(field, nodes(180).norm(dim=-1) - 0.7, 1.5e-3)


def test_box_with_long_triangles_has_the_exact_distance():
    half = (0.8, 0.35, 0.6)
    field = signed_distance(corners(make_box(half)), 180)
    assert_is_walled_solid(field, box_distance(nodes(180), half), 1e-5)


def test_open_sheet_becomes_a_plate_of_twice_the_wall():
    field = signed_distance(corners(make_sheet()), RESOLUTION)
    apart = box_distance(nodes(), (0.6, 0.0, 0.6))
    expected = (apart - WALL).clamp(-LIMIT, LIMIT)
    sure = (apart - WALL).abs() > 1e-5
    assert torch.equal((field < 0)[sure], (apart < WALL)[sure]) and (field < 0).any()
    outside = apart >= WALL
    assert (field - expected)[outside].abs().max() < 1e-5


def test_box_inside_a_box_leaves_no_cavity():
    outer, inner = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    both = signed_distance(corners(make_box(outer), make_box(inner)), RESOLUTION)
    assert torch.equal(both < 0, signed_distance(corners(make_box(outer)), RESOLUTION) < 0)


def test_intersecting_boxes_are_their_union():
    halves, centres = ((0.6, 0.3, 0.3), (0.3, 0.3, 0.6)), ((-0.2, 0, 0), (0.2, 0.1, 0))
    pair = zip(halves, centres, strict=True)
    field = signed_distance(corners(*(make_box(h, c) for h, c in pair)), RESOLUTION)
    pair = zip(halves, centres, strict=True)
    union = torch.stack([box_distance(nodes(), h, c) for h, c in pair]).amin(0)
    sure = (union - WALL).abs() > 1e-5
    assert torch.equal((field < 0)[sure], (union < WALL)[sure])


def test_box_without_a_lid_is_open_and_with_turned_faces_stays_closed():
    vertices, faces = make_box((0.6, 0.6, 0.6))
    top = (vertices[faces][..., 1] > 0).all(1)
    middle = (RESOLUTION // 2,) * 3
    without = signed_distance(corners((vertices, faces[~top])), RESOLUTION)
    turned = faces.copy()
    turned[::2] = turned[::2, ::-1]
    assert without[middle] > 0 > signed_distance(corners((vertices, turned)), RESOLUTION)[middle]


def test_cells_as_wide_as_the_wall_are_refused():
    triangles = corners(make_box((0.5, 0.5, 0.5)))
    with pytest.raises(ValueError, match="leak"):
        signed_distance(triangles, int(BOX / WALL))
    assert signed_distance(triangles, int(BOX / WALL) + 2)[45, 45, 45] < 0


def test_unsigned_distance_equals_the_distance_to_one_triangle():
    triangle = torch.tensor([[[-0.5, -0.2, 0.1], [0.6, 0.3, -0.4], [0.1, 0.7, 0.5]]])
    grid = unsigned_distance(triangle, 40, band=0.4)
    u, v = torch.meshgrid(torch.linspace(0, 1, 150), torch.linspace(0, 1, 150), indexing="ij")
    a, b, c = triangle[0]
    dense = (a + u[..., None] * (b - a) + ((1 - u) * v)[..., None] * (c - a)).view(-1, 3)
    points = nodes(40).view(-1, 3)[::17]
    nearest = torch.cdist(points, dense).amin(1).clamp(max=0.4)
    assert (grid.view(-1)[::17] - nearest).abs().max() < 0.006
    assert (grid.view(-1)[::17] <= nearest + 1e-5).all()


def cell_centres():
    line = (torch.arange(48) + 0.5) / 24 - 1
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1)


def test_centre_occupancy_of_a_ball_is_the_ball_and_its_wall():
    found = centre_occupancy(corners(make_ball(0.7)))
    radius = cell_centres().norm(dim=-1)
    sure = (radius - 0.7 - WALL).abs() > 3e-3
    assert torch.equal(found[sure], (radius < 0.7 + WALL)[sure])
    assert sure.float().mean() > 0.99


def test_solid_occupancy_of_a_ball_is_the_ball_and_one_cell():
    found = solid_occupancy(corners(make_ball(0.7)))
    radius = cell_centres().norm(dim=-1)
    sure = (radius - 0.7 - 1 / 24).abs() > 3e-3
    assert torch.equal(found[sure], (radius < 0.7 + 1 / 24)[sure])
    assert sure.float().mean() > 0.98


def test_solid_cells_of_a_shape_that_fills_the_box_are_all_cells_and_its_cavity_counts():
    outer = make_box((1.0, 1.0, 1.0))
    assert solid_occupancy(corners(outer)).all()
    assert solid_occupancy(corners(outer, make_box((0.5, 0.5, 0.5)))).all()
    vertices, faces = outer
    lid = (vertices[faces][..., 1] > 0).all(1)
    opened = solid_occupancy(corners((vertices, faces[~lid])))
    assert not opened[24, 24, 24] and opened[0].all() and not opened[24, 47, 24]


@pytest.mark.parametrize("shift", [0.003, 0.012, 0.02])
def test_thin_plate_moved_by_a_part_of_a_cell_still_overlaps_itself(shift):
    plate = corners(make_box((0.9, 0.01, 0.9)))
    for place in torch.linspace(0, 2 / 48, 7):
        first, second = (
            solid_occupancy(plate + torch.tensor([0, float(place) + off, 0])) for off in (0, shift)
        )
        assert (first & second).sum() / (first | second).sum() > 0.6


def test_tilted_sheet_lets_nothing_through():
    vertices, faces = make_box((0.5, 0.5, 0.5))
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, 0.6, -0.4], [-0.6, 0, 0.3], [0.4, -0.3, 0]]))
    found = solid_occupancy(corners((vertices, faces)) @ turn)
    inside = (cell_centres() @ turn.T).abs().amax(-1) < 0.5
    assert found[inside].all() and inside.sum() > 10000
