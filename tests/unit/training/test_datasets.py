# SPDX-License-Identifier: GPL-3.0-or-later
import math

import pytest
import torch

from tests.unit.training.made_props import SHAPES, write_props
from training.datasets import (
    draw_maps,
    gather_shapes,
    hold_out,
    labels,
    load_props,
    look_up,
    make_fields,
    make_point_pool,
    map_surface,
    near_and_uniform,
    sample_edges,
    sample_surfaces,
    take,
)
from training.fields import BAND, BOX, WALL

CUBE, SLAB, BALL = range(3)
EXTENT = torch.tensor([[1.0, 1, 1], [1, 0.25, 0.6], [1, 1, 1]])


@pytest.fixture(scope="module")
def props(tmp_path_factory):
    folder = write_props(tmp_path_factory.mktemp("props"))
    return load_props(folder, "train", torch.device("cpu"))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_archive_is_read_with_its_own_reader(props, tmp_path):
    assert props.names == ["made/cube", "made/slab", "made/ball"] and props.num_shapes == 3
    for shape, (vertices, faces) in enumerate(SHAPES.values()):
        assert torch.equal(props.triangles(shape), torch.tensor(vertices[faces]))
    assert torch.allclose(props.extent, EXTENT, atol=2e-3)
    assert props.colors.amin() == 0 and props.colors.amax() == 1
    folder = write_props(tmp_path)
    assert load_props(folder, "train", torch.device("cpu"), 1, stride=2).names == ["made/cube"]
    with pytest.raises(FileNotFoundError):
        load_props(tmp_path / "nowhere", "train", torch.device("cpu"))


def test_surface_points_lie_on_the_triangles_with_their_normals(props):
    points, normals = sample_surfaces(props, torch.tensor([CUBE, SLAB, BALL]), 4000, seeded())
    half = EXTENT[:2, None]
    apart = (points[:2].abs() - half).abs()
    face = apart.argmin(-1, keepdim=True)
    assert apart.amin(-1).max() < 1e-6 and (points[:2].abs() <= half + 1e-6).all()
    outward = torch.zeros_like(points[:2]).scatter(
        -1, face, torch.gather(points[:2], -1, face).sign()
    )
    corner = apart.sort(-1).values[..., 1] < 1e-3  # too near an edge to tell the face
    assert torch.allclose(normals[:2][~corner], outward[~corner], atol=1e-5)
    assert torch.allclose(normals.norm(dim=-1), torch.ones(3, 4000), atol=1e-5)
    assert (points[2].norm(dim=-1) <= 1 + 1e-5).all() and (points[2].norm(dim=-1) > 0.96).all()
    assert (torch.sum(normals[2] * points[2], -1) > 0.9).all()


def test_surface_points_are_uniform_by_area(props):
    """Chi-square over the slab's 12 triangles, and the mean over each half of one triangle."""
    points, normals = sample_surfaces(props, torch.tensor([SLAB]), 40_000, seeded(1))
    area = torch.tensor([0.25 * 0.6, 1 * 0.6, 1 * 0.25]) * 4
    for axis in range(3):
        share = (normals[0, :, axis].abs() > 0.5).float().mean()
        assert share == pytest.approx(float(area[axis] / area.sum()), abs=0.01)
    top = points[0, normals[0, :, 1] > 0.5]
    cells = torch.histogramdd(top[:, [0, 2]].double(), [4, 4], range=[-1.0, 1.0, -0.6, 0.6]).hist
    expected = len(top) / 16
    assert ((cells - expected) ** 2 / expected).sum() < 37.7  # 99.9 % quantile, 15 degrees


def test_sharp_edges_of_a_cube_are_its_twelve(props):
    edges = props.edges[int(props.first_edge[CUBE]) : int(props.first_edge[CUBE + 1])]
    ends = {tuple(sorted(map(tuple, edge[:6].view(2, 3).tolist()))) for edge in edges}
    corners = [(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]
    expected = {
        (a, b) for a in corners for b in corners
        if a < b and sum(x != y for x, y in zip(a, b, strict=True)) == 1
    }  # fmt: skip
    assert len(edges) == 12 and ends == expected
    for edge in edges:  # the normal points away from the middle, half-way between the faces
        outward = torch.nn.functional.normalize(edge[:3] + edge[3:6], dim=0)
        assert torch.allclose(edge[6:], outward, atol=1e-6)


def test_edge_points_lie_on_the_edges_evenly_by_length(props):
    points, _ = sample_edges(props, torch.tensor([SLAB]), 20_000, seeded(2))
    on = (points[0].abs() - EXTENT[SLAB]).abs() < 1e-6
    assert (on.sum(1) >= 2).all()
    along_x = (~on[:, 0]).float().mean()
    assert along_x == pytest.approx(1 / 1.85, abs=0.02)


def test_shape_without_sharp_edges_has_one_stand_in(props):
    first, last = props.first_edge[BALL : BALL + 2]
    assert last - first == 1


def test_pool_holds_every_shape_and_take_draws_from_the_right_one(props):
    pool = make_point_pool(props, 64, 32, seeded())
    assert pool.surface.shape == (3, 64, 6) and pool.sharp.shape == (3, 32, 6)
    taken = take(pool.surface, torch.tensor([SLAB, CUBE]), 50, seeded())
    for rows, shape in zip(taken, (SLAB, CUBE), strict=True):
        same = (rows[:, None] == pool.surface[shape].float()).all(-1)  # [50, 64]
        assert same.any(1).all() and same.any(0).sum() > 20


def test_maps_keep_the_longest_side_at_two_and_the_axes(props):
    shapes = torch.arange(3).repeat(200)
    maps = draw_maps(props, shapes, seeded(), 0.25, 0.25)
    for shape in (CUBE, SLAB):
        corners = props.triangles(shape).reshape(-1, 3)
        moved = corners @ maps[shapes == shape].transpose(1, 2)
        assert torch.allclose(moved.amax((1, 2)), torch.ones(200), atol=1e-5)
        assert torch.allclose(moved.amax(1), -moved.amin(1), atol=1e-5)
    assert ((maps.abs() > 1e-6).sum((1, 2)) == 3).all()  # axes go to axes
    assert (maps[:, [0, 1, 1, 2], [1, 0, 2, 1]] == 0).all()  # up stays up
    assert (maps[:, 1, 1] > 0).all()
    turned = (maps[:, 0, 0].abs() < 1e-6).float().mean()  # a quarter or three, of 1/4 turned
    assert turned == pytest.approx(1 / 6, abs=0.06)
    scale = maps.abs().amax(2)
    assert (scale.amax(1) / scale.amin(1)).max() <= math.exp(0.5) + 1e-4
    mirrored = (torch.linalg.det(maps) < 0).float().mean()
    assert mirrored == pytest.approx(0.5, abs=0.08)


def test_mapped_normals_stay_orthogonal_to_the_mapped_surface(props):
    shapes = torch.arange(3).repeat(20)
    maps = draw_maps(props, shapes, seeded(3), 0.5, 0.5)
    triangles = props.first[shapes] + 5
    corner = props.corners[triangles]  # [B, 3, 3]
    normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal = torch.nn.functional.normalize(normal, dim=-1)
    moved = map_surface(torch.cat([corner, normal[:, None].expand(-1, 3, -1)], -1), maps)
    edges = moved[:, 1:, :3] - moved[:, :1, :3]
    assert torch.einsum("bec,bec->be", edges, moved[:, 1:, 3:]).abs().max() < 1e-5
    assert torch.allclose(moved[..., 3:].norm(dim=-1), torch.ones(60, 3), atol=1e-5)
    convex = (moved[..., :3] * moved[..., 3:]).sum(-1)  # outwards of shapes about the middle
    assert (convex > 0).all()


def test_look_up_is_trilinear():
    """A field a + b x + c y + d z + e x y z of whole numbers comes back exactly between nodes."""
    side = 5
    x, y, z = torch.meshgrid(*[torch.arange(side)] * 3, indexing="ij")
    field = (3 + 2 * x - 4 * y + z + x * y * z).to(torch.int8)
    fields = torch.stack([torch.zeros_like(field), field])
    points = (torch.rand(2, 500, 3, generator=seeded()) * 2 - 1) * BOX * 0.999
    u, v, w = ((points / BOX + 1) / 2 * (side - 1)).unbind(-1)
    found = look_up(fields, torch.tensor([1, 0]), points) / ((BAND - WALL) / 127)
    assert (found[0] - (3 + 2 * u - 4 * v + w + u * v * w)[0]).abs().max() < 1e-3
    assert not found[1].any()


def test_labels_are_right_after_mapping(props):
    fields = make_fields(props, 96)
    shapes = torch.tensor([CUBE, SLAB, BALL] * 4)
    maps = draw_maps(props, shapes, seeded(4), 0.25, 0.5)
    points = (torch.rand(12, 3000, 3, generator=seeded(5)) * 2 - 1) * 1.04
    found = labels(fields, shapes, maps, points, 0.008)
    back = torch.einsum("bij,bqj->bqi", torch.linalg.inv(maps), points)
    box = (back.abs() - EXTENT[shapes][:, None]).amax(-1)
    truth = torch.where((shapes == BALL)[:, None], back.norm(dim=-1) - 0.99, box)
    inside, outside = truth < -0.02, truth > 0.06
    assert inside.any(1).all() and outside.any(1).all()
    assert (found[inside] > 0.5).all() and (found[outside] == 0).all()
    assert (found[truth < -0.05] == 1).all()


def test_queries_are_near_the_surface_and_all_over_the_box(props):
    surface, _ = sample_surfaces(props, torch.tensor([BALL]), 3000, seeded())
    queries = near_and_uniform(surface, 2000, 1000, seeded(6))
    assert queries.shape == (1, 3000, 3) and queries.abs().max() <= 1.04
    apart = (queries[0, :2000] - surface[0, :2000]).norm(dim=1)
    assert apart.median() < 0.04 and 0.1 < apart.max() < 0.25
    uniform = queries[0, 2000:]
    assert uniform.abs().max() <= 1.02 and (uniform.mean(0).abs() < 0.08).all()
    assert (uniform.std(0) - 1.02 / math.sqrt(3)).abs().max() < 0.04


def test_gathered_shapes_are_the_chosen_ones_in_order(props):
    chosen = gather_shapes(props, torch.tensor([BALL, CUBE, BALL]))
    assert chosen.names == ["made/ball", "made/cube", "made/ball"] == chosen.groups
    for row, shape in enumerate((BALL, CUBE, BALL)):
        assert torch.equal(chosen.triangles(row), props.triangles(shape))
        assert torch.equal(chosen.extent[row], props.extent[shape])
        edges = slice(int(props.first_edge[shape]), int(props.first_edge[shape + 1]))
        own = slice(int(chosen.first_edge[row]), int(chosen.first_edge[row + 1]))
        assert torch.equal(chosen.edges[own], props.edges[edges])
    assert int(chosen.first[-1]) == len(chosen.corners) == len(chosen.colors)


def test_held_out_shapes_keep_their_variants_together(props):
    many = gather_shapes(props, torch.arange(60) % 3)
    many.groups = [f"group {k // 4}" for k in range(60)]
    rest, apart = hold_out(many, 10)
    assert apart.num_shapes == 12 and rest.num_shapes == 48
    assert not set(rest.groups) & set(apart.groups)
    assert hold_out(many, 10)[1].groups == apart.groups
    whole, none = hold_out(many, 0)
    assert whole.num_shapes == 60 and none.num_shapes == 0
