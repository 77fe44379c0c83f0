# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from tests.unit.training.made_props import write_props
from training.datasets import gather_shapes, load_props, sample_edges, sample_surfaces
from training.variations import (
    Variation,
    from_luma_chroma,
    to_luma_chroma,
    turn_chroma,
    vary,
)

CUBE, SLAB, BALL = range(3)
SHAPES = torch.tensor([CUBE, SLAB, BALL] * 10)
WILD = Variation(stretch=0.3, turn_chance=0.3, bend_chance=0.7, recolour_chance=0.5)


@pytest.fixture(scope="module")
def props(tmp_path_factory):
    folder = write_props(tmp_path_factory.mktemp("props"))
    return load_props(folder, "train", torch.device("cpu"))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def volume(triangles):
    a, b, c = triangles.double().unbind(1)
    return float((torch.linalg.cross(a, b) * c).sum() / 6)


def assert_fits_the_box(varied):
    for shape in range(varied.num_shapes):
        points = varied.triangles(shape).reshape(-1, 3)
        low, high = points.amin(0), points.amax(0)
        assert (low + high).abs().max() < 1e-5 and (high - low).max() == pytest.approx(2)
        assert torch.allclose((high - low) / 2, varied.extent[shape], atol=1e-5)


@pytest.mark.parametrize("compose", [0.0, 1.0])
def test_varied_shapes_are_closed_face_outwards_and_fit_the_box(props, compose):
    varied = vary(
        props, SHAPES, Variation(**{**settings(WILD), "compose_chance": compose}), seeded()
    )
    assert varied.num_shapes == len(SHAPES)
    assert varied.names == [props.names[s] for s in SHAPES]
    assert_fits_the_box(varied)
    # A closed surface facing outwards has positive volume; one edge turned would show in the sum.
    for shape in range(varied.num_shapes):
        triangles = varied.triangles(shape)
        moved = volume(triangles + torch.tensor([3.0, -2.0, 5.0]))
        assert volume(triangles) > 0.01 and moved == pytest.approx(volume(triangles), rel=1e-3)


def settings(variation):
    return {name: getattr(variation, name) for name in Variation.__dataclass_fields__}


def test_sharp_edges_stay_on_the_surface_and_their_normals_halve_the_angle(props):
    varied = vary(props, torch.full((12,), CUBE), WILD, seeded())
    every = torch.arange(12)
    points, normals = sample_edges(varied, every, 200, seeded(1))
    surface, facing = sample_surfaces(varied, every, 6000, seeded(2))
    for k in range(12):
        apart, nearest = torch.cdist(points[k], surface[k]).min(1)
        assert apart.max() < 0.12
        along = (normals[k] * facing[k][nearest]).sum(1)
        assert (along > 0.2).float().mean() > 0.9


def test_stretch_alone_gives_boxes_of_boxes(props):
    varied = vary(props, torch.full((200,), CUBE), Variation(stretch=0.3), seeded())
    assert_fits_the_box(varied)
    ratio = varied.extent.amin(1)
    low = torch.exp(torch.tensor(-0.6))
    assert low <= ratio.min() < low * 1.1 and ratio.max() > 0.9
    volumes = [volume(varied.triangles(k)) for k in range(200)]
    assert volumes == pytest.approx((8 * varied.extent.prod(1)).tolist(), rel=1e-4)


def test_nothing_to_vary_leaves_the_shape_or_its_mirror_image(props):
    varied = vary(props, torch.full((40,), SLAB), Variation(stretch=0.0), seeded())
    source = props.triangles(SLAB)
    mirrored = (source * torch.tensor([-1.0, 1, 1])).flip(1)
    is_same = [torch.allclose(varied.triangles(k), source) for k in range(40)]
    is_mirrored = [torch.allclose(varied.triangles(k), mirrored) for k in range(40)]
    assert all(a or b for a, b in zip(is_same, is_mirrored, strict=True))
    assert 8 < sum(is_same) < 32


def test_composed_shapes_hold_both_and_touch(props):
    plain = Variation(stretch=0.0, compose_chance=1.0)
    varied = vary(props, torch.full((30,), BALL), plain, seeded())
    ball = len(props.triangles(BALL))
    counts = varied.first[1:] - varied.first[:-1]
    others = {len(props.triangles(k)) for k in range(3)}
    assert {int(count) - ball for count in counts} == others
    for k in range(30):
        first, second = varied.triangles(k)[:ball], varied.triangles(k)[ball:]
        boxes = [(x.amin((0, 1)), x.amax((0, 1))) for x in (first, second)]
        gap = torch.maximum(boxes[0][0] - boxes[1][1], boxes[1][0] - boxes[0][1]).amax()
        assert gap.abs() < 1e-4, "the boxes neither touch nor stand apart"


def test_same_seed_same_shapes(props):
    changes = Variation(**{**settings(WILD), "compose_chance": 0.5})
    first, again, other = (vary(props, SHAPES, changes, seeded(k)) for k in (3, 3, 4))
    assert torch.equal(first.corners, again.corners) and torch.equal(first.colors, again.colors)
    assert first.corners.shape != other.corners.shape or not torch.equal(
        first.corners, other.corners
    )


def test_recolouring_changes_colours_and_no_shape(props):
    plain, colourful = (
        vary(props, SHAPES, Variation(recolour_chance=chance), seeded()) for chance in (0.0, 1.0)
    )
    assert torch.equal(plain.corners, colourful.corners)
    assert colourful.colors.amin() >= 0 and colourful.colors.amax() <= 1
    assert (plain.colors - colourful.colors).abs().amax((1, 2)).gt(0.02).float().mean() > 0.8


def test_parts_of_one_colour_stay_of_one_colour(props):
    one = gather_shapes(props, torch.tensor([CUBE, CUBE]))
    one.colors = torch.tensor([0.8, 0.3, 0.2]).expand_as(one.colors).clone()
    one.colors[6:12] = torch.tensor([0.1, 0.2, 0.9])
    found = vary(one, torch.tensor([0]), Variation(recolour_chance=1.0), seeded())
    assert len(found.colors[:6].reshape(-1, 3).unique(dim=0)) == 1
    assert len(found.colors.reshape(-1, 3).unique(dim=0)) == 2


def test_colour_differences_come_back_and_turn_round():
    colour = torch.rand(500, 3, generator=seeded())
    luma, chroma = to_luma_chroma(colour)
    assert torch.allclose(from_luma_chroma(luma, chroma), colour, atol=1e-5)
    turned = turn_chroma(chroma, torch.full((500,), 1.2))
    assert torch.allclose(turned.norm(dim=1), chroma.norm(dim=1), atol=1e-6)
    assert torch.allclose(turn_chroma(turned, torch.full((500,), -1.2)), chroma, atol=1e-6)
