# SPDX-License-Identifier: GPL-3.0-or-later
from collections import Counter

import numpy as np
import pytest
import torch

from tests.unit.training.made_props import write_props
from training.datasets import load_props, make_props
from training.procedural import add_procedural, make_assets
from training.procedural_families import FAMILIES, make_asset
from training.procedural_model import Model
from training.procedural_solids import (
    ball,
    box,
    extrude,
    loft,
    prism,
    revolve,
    ring_of,
    roof,
    tube,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def assets():
    return make_assets(240, seed=3, jobs=1)


def volume(solid):
    a, b, c = np.moveaxis(solid.vertices[solid.faces], 1, 0)
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def is_watertight(solid):
    edges = np.concatenate([solid.faces[:, [k, (k + 1) % 3]] for k in range(3)]).tolist()
    count = Counter(map(tuple, edges))
    return all(count[edge] == 1 and count[edge[1], edge[0]] == 1 for edge in count)


def polygon_area(sides):
    return sides / 2 * np.sin(2 * np.pi / sides)


@pytest.mark.parametrize(
    ("solid", "wanted"),
    [
        (box(2, 3, 4), 24),
        (box(2, 3, 4, top=(0, 0)), 8),
        (prism(1, 2, 6), 2 * polygon_area(6)),
        (prism(1, 3, 8, 0), polygon_area(8)),
        (ring_of(1, 0.5, 2, 12), 1.5 * polygon_area(12)),
        (revolve([(1, 0), (1, 2), (0.5, 2), (0.5, 1), (0, 1)], 8), 1.75 * polygon_area(8)),
        (extrude([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)], 0.5), 1.5),
        (extrude([(0, 2), (1, 2), (1, 1), (2, 1), (2, 0), (0, 0)], 0.5), 1.5),
        (roof(2, 1, 4), 4),
        (roof(3, 1, 2, ridge=0), 2),
        (tube([(0, 0, 0), (0, 0, 3)], 1, 6), 3 * polygon_area(6)),
        (box(1, 1, 1).move(3, 4, 5).turn("x", 30).mirror(), 1),
        (prism(1, 2, 6).lay("x").scale(1, 2, 3), 12 * polygon_area(6)),
    ],
)
def test_solid_is_watertight_and_has_its_volume(solid, wanted):
    assert is_watertight(solid)
    assert volume(solid) == pytest.approx(wanted)


def test_ball_bevel_and_closed_tube_are_watertight():
    circle = [(np.sin(a), 0, np.cos(a)) for a in np.arange(12) * np.pi / 6]
    rough = ball(1, 1, np.random.default_rng(0), 0.1)
    for solid in (box(1, 2, 3, 0.2), rough, tube(circle, 0.2, 6, closed=True), ball(1, 2)):
        assert is_watertight(solid) and volume(solid) > 0
    assert volume(ball(1, 2)) == pytest.approx(4 / 3 * np.pi, rel=0.1)


def test_loft_winds_faces_outwards_whatever_the_sense_of_its_rings():
    ring = np.array([(-1, 0, 1), (1, 0, 1), (1, 0, -1), (-1, 0, -1)], float)
    top = np.add(ring, (0, 1, 0))
    for rings in ([ring, top], [ring[::-1], top[::-1]]):
        assert volume(loft(rings)) == pytest.approx(4)


def test_box_stands_on_the_ground_and_prism_shows_a_flat_side_to_the_front():
    assert box(1, 2, 3).vertices.min(0).tolist() == [-0.5, 0, -1.5]
    front = prism(1, 1, 6).vertices[:, 2]
    assert np.isclose(front, front.max()).sum() == 4


def test_asset_depends_on_seed_and_number_alone(assets):
    alone = make_asset(37, 3)
    assert alone.name == assets[37].name
    for key in ("vertices", "faces", "corner_colors"):
        assert np.array_equal(getattr(alone, key), getattr(assets[37], key))
    other = make_asset(37, 4)
    assert other.faces.shape != alone.faces.shape or not np.allclose(other.vertices, alone.vertices)


def test_a_pool_makes_what_one_process_makes(assets):
    pooled = make_assets(130, seed=3, jobs=2)
    assert [a.name for a in pooled] == [a.name for a in assets[:130]]
    assert all(np.array_equal(a.vertices, b.vertices) for a, b in zip(pooled, assets, strict=False))


def test_boxes_are_centred_with_longest_side_two(assets):
    for asset in assets:
        low, high = asset.vertices.min(0), asset.vertices.max(0)
        assert np.isfinite(asset.vertices).all() and asset.vertices.dtype == np.float32
        assert np.abs(low + high).max() < 1e-5, asset.name
        assert (high - low).max() == pytest.approx(2, abs=1e-5), asset.name
        assert (high - low).min() > 0.01, asset.name


def test_every_generator_makes_sound_triangles_of_a_fair_number():
    for generators in FAMILIES.values():
        for generator in set(generators):
            for seed in range(4):
                model = Model(np.random.default_rng(seed))
                generator(model)
                vertices, faces, colors = model.finish()
                corner = vertices[faces]
                cross = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
                assert 8 <= len(faces) <= 2000, generator
                assert np.linalg.norm(cross, axis=1).min() > 0, generator
                assert faces.min() >= 0 and faces.max() < len(vertices)
                assert colors.shape == (len(faces), 3, 3) and colors.dtype == np.uint8


def test_all_families_occur_and_assets_differ(assets):
    assert {asset.tags[0] for asset in assets} == set(FAMILIES)
    assert len({asset.name for asset in assets}) == len(assets)
    assert len({asset.vertices.tobytes() for asset in assets}) == len(assets)


def test_assets_are_coloured_by_parts(assets):
    numbers = [len(np.unique(a.corner_colors.reshape(-1, 3), axis=0)) for a in assets]
    assert np.median(numbers) >= 3
    mean = np.array([a.corner_colors.mean() for a in assets])
    assert mean.min() > 30 and mean.max() < 250 and mean.std() > 15


def test_front_and_back_of_a_car_lie_along_z():
    for seed in range(5):
        model = Model(np.random.default_rng(seed))
        next(g for g in FAMILIES["vehicle"] if g.__name__ == "_car")(model)
        size = np.ptp(model.finish()[0], axis=0)
        assert size[2] > 1.3 * size[0] and size[2] > 1.3 * size[1]


def test_made_shapes_follow_the_split(tmp_path):
    plain = load_props(write_props(tmp_path), "train", CPU, limit=2)
    props = add_procedural(plain, 5, 0)
    made = make_props(make_assets(5, 0), CPU)
    assert props.num_shapes == 7 and props.names[:2] == plain.names
    assert all(name.startswith("procedural/") for name in props.names[2:])
    assert props.groups[2:] == props.names[2:]
    for k in range(7):
        wanted = plain.triangles(k) if k < 2 else made.triangles(k - 2)
        assert torch.equal(props.triangles(k), wanted)
        assert torch.allclose(props.extent[k], wanted.abs().amax((0, 1)))
    assert int(props.first[-1]) == len(props.corners) == len(props.colors)
    assert int(props.first_edge[-1]) == len(props.edges)
    assert props.colors.min() >= 0 and props.colors.max() <= 1


def test_no_made_shapes_leave_the_split_as_it_is(tmp_path):
    plain = load_props(write_props(tmp_path), "train", CPU)
    assert add_procedural(plain, 0, 1) is plain
