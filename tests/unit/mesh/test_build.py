# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
import torch
import trimesh

from backend.config import MeshConfig
from backend.data import Field, Mesh
from backend.errors import CancelledError, EmptyFieldError, WeightsError
from backend.mesh.build import build_mesh
from backend.mesh.clean import (
    clean_mesh,
    euler_number,
    is_closed_manifold,
    signed_volume,
    split_pieces,
)
from backend.mesh.extract import extract_surface
from backend.mesh.simplify import cut_apart, simplify_mesh
from backend.progress import Progress
from tests.unit.field.solids import (
    SOLIDS,
    Solid,
    ball,
    box,
    decode,
    saturated,
    torus,
    union,
    waves,
    wires,
    without,
)

VOXEL_64 = 2.02 / 64


def build(solid: Solid, target_faces: int = 5000, floater_ratio: float = 0.01) -> Mesh:
    field, _ = decode(solid, 64)
    return build_mesh(field, MeshConfig(target_faces, floater_ratio), Progress())


def assert_sound(mesh: Mesh) -> None:
    """Closed 2-manifold, also after merging by place; outward; no face without area."""
    assert mesh.vertices.dtype == np.float32
    assert mesh.faces.dtype == np.int32
    assert is_closed_manifold(mesh.faces)
    assert np.array_equal(np.unique(mesh.faces), np.arange(len(mesh.vertices)))
    merged = trimesh.Trimesh(mesh.vertices, mesh.faces)
    assert merged.is_watertight
    assert merged.is_winding_consistent
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).area_faces.min() > 0
    for piece in split_pieces(mesh.faces, len(mesh.vertices)):
        assert signed_volume(mesh.vertices, piece) > 0


@pytest.mark.parametrize("name", [name for name in SOLIDS if name != "fast waves"])
@pytest.mark.parametrize("target_faces", [3000, 20000])
def test_mesh_is_sound_and_within_the_budget(name: str, target_faces: int) -> None:
    mesh = build(SOLIDS[name], target_faces)
    assert_sound(mesh)
    assert 0 < len(mesh.faces) <= target_faces


@pytest.mark.parametrize(
    ("solid", "euler", "volume"),
    [
        (ball(0.8), 2, 4 / 3 * np.pi * 0.8**3),
        (torus(), 0, 2 * np.pi**2 * 0.65 * 0.25**2),
        (box((0.8, 0.5, 0.3)), 2, 8 * 0.8 * 0.5 * 0.3),
    ],
)
def test_mesh_is_the_analytic_solid(solid: Solid, euler: int, volume: float) -> None:
    mesh = build(solid)
    assert euler_number(mesh.faces) == euler
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(volume, rel=0.02)
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces).sample(20000, seed=0)
    distance = solid(torch.from_numpy(surface.astype(np.float32))).abs().max()
    assert distance < 0.6 * VOXEL_64


def test_surface_before_simplifying_is_within_a_tenth_of_a_voxel() -> None:
    mesh = extract_surface(decode(ball(0.8), 64)[0])
    distance = np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.8)
    assert distance.max() < 0.1 * VOXEL_64


def test_hole_at_box_border_is_closed() -> None:
    mesh = extract_surface(decode(box((0.5, 0.5, 0.5), (0.8, 0, 0)), 64)[0])
    assert_sound(mesh)
    assert euler_number(mesh.faces) == 2
    assert mesh.vertices[:, 0].max() == pytest.approx(1.01, abs=0.05 * VOXEL_64)
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(0.71, rel=0.02)


def test_inside_everywhere_gives_the_box_itself() -> None:
    field = Field(np.ones((65, 65, 65), np.float32), (-1.01,) * 3, (1.01,) * 3)
    mesh = extract_surface(field)
    assert_sound(mesh)
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(2.02**3, rel=0.01)


def test_boxes_with_unequal_edges_are_kept() -> None:
    values = decode(ball(0.8), 64)[0].values
    mesh = extract_surface(Field(values, (0.0, -1.0, 2.0), (4.0, 1.0, 3.0)))
    expected = np.array([[2.0, 0.0, 2.5]]) + np.array([[-1], [1]]) * 0.8 / 2.02 * [4, 2, 1]
    assert np.allclose([mesh.vertices.min(0), mesh.vertices.max(0)], expected, atol=0.02)


def test_samples_on_the_level_leave_no_flat_faces() -> None:
    grid = np.arange(-16, 17)
    x, y, z = np.meshgrid(grid, grid, grid, indexing="ij")
    values = (8 - np.maximum(abs(x), np.maximum(abs(y), abs(z)))).astype(np.float32)
    assert (values == 0).any()
    mesh = extract_surface(Field(values, (-16.0,) * 3, (16.0,) * 3))
    assert_sound(mesh)
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(
        16**3, rel=0.03
    )  # rims are cut


def test_noise_gives_a_closed_surface() -> None:
    values = np.random.default_rng(0).standard_normal((33, 33, 33)).astype(np.float32)
    mesh = extract_surface(Field(values, (-1.0,) * 3, (1.0,) * 3))
    assert is_closed_manifold(mesh.faces)


def test_level_above_everything_is_an_empty_field() -> None:
    field, _ = decode(lambda p: -1 - p.norm(dim=-1), 64)
    with pytest.raises(EmptyFieldError) as caught:
        extract_surface(field)
    assert "seed" in caught.value.hint


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_an_error(value: float) -> None:
    values = decode(ball(0.8), 64)[0].values.copy()
    values[3, 4, 5] = value
    with pytest.raises(WeightsError, match="not numbers"):
        extract_surface(Field(values, (-1.01,) * 3, (1.01,) * 3))


def test_small_floater_is_removed_and_large_one_kept() -> None:
    large, small = ball(0.5, (-0.4, 0, 0)), ball(0.15, (0.6, 0.5, 0.5))
    solid = union(large, small, ball(0.06, (0.6, -0.5, 0)))
    kept = build(solid, floater_ratio=0.01)  # volume shares 2.7 % and 0.17 %
    assert len(split_pieces(kept.faces, len(kept.vertices))) == 2
    assert kept.vertices[:, 1].max() == pytest.approx(0.65, abs=VOXEL_64)
    alone = build(solid, floater_ratio=0.1)
    assert len(split_pieces(alone.faces, len(alone.vertices))) == 1
    assert alone.vertices[:, 0].max() == pytest.approx(0.1, abs=VOXEL_64)
    everything = build(solid, floater_ratio=0.0)
    assert len(split_pieces(everything.faces, len(everything.vertices))) == 3


def test_cavity_and_what_floats_in_it_are_removed() -> None:
    mesh = build(union(without(ball(0.8), ball(0.6)), ball(0.4)))
    assert len(split_pieces(mesh.faces, len(mesh.vertices))) == 1
    volume = 4 / 3 * np.pi * 0.8**3
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(volume, rel=0.02)


def test_open_bowl_keeps_its_inner_wall() -> None:
    bowl = without(without(ball(0.8), ball(0.6)), box((1, 0.5, 1), (0, 0.6, 0)))
    mesh = build(bowl)
    assert_sound(mesh)
    assert euler_number(mesh.faces) == 2
    assert np.linalg.norm(mesh.vertices, axis=1).min() == pytest.approx(0.6, abs=VOXEL_64)


def test_piece_beside_a_ring_is_not_taken_for_enclosed() -> None:
    mesh = build(union(torus(0.65, 0.2), ball(0.15)))
    assert len(split_pieces(mesh.faces, len(mesh.vertices))) == 2


def test_clean_mends_holes_winding_and_duplicates() -> None:
    whole = extract_surface(decode(ball(0.8), 64)[0])
    torn = whole.faces[50:, ::-1]  # one hole, all faces turned inward
    corners = whole.vertices[torn].reshape(-1, 3)  # no two faces share a vertex
    faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    flat = np.array([[0, 0, 1]], np.int32)
    mesh = clean_mesh(Mesh(corners, np.concatenate([faces, faces[:9], flat])), 0.01)
    assert_sound(mesh)
    assert euler_number(mesh.faces) == 2
    volume = 4 / 3 * np.pi * 0.8**3
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(volume, rel=0.01)


def test_clean_of_nothing_is_nothing() -> None:
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert len(clean_mesh(empty, 0.01).faces) == 0


def test_two_cubes_that_share_an_edge_are_cut_apart() -> None:
    cubes = [trimesh.creation.box(bounds=[[i, i, 0], [i + 1, i + 1, 1]]) for i in (0, 1)]
    joined = trimesh.util.concatenate(cubes)
    joined.merge_vertices()
    assert not joined.is_watertight
    mesh = cut_apart(joined.vertices.astype(np.float32), joined.faces.astype(np.int32))
    assert_sound(mesh)
    assert len(split_pieces(mesh.faces, len(mesh.vertices))) == 2
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("target_faces", [5000, 500, 100])
@pytest.mark.parametrize("solid", [wires(), waves(12), saturated(wires(0.03))])
def test_pinched_thin_parts_stay_closed(solid: Solid, target_faces: int) -> None:
    mesh = simplify_mesh(extract_surface(decode(solid, 64)[0]), target_faces)
    assert is_closed_manifold(mesh.faces)


def test_simplified_torus_keeps_its_hole_and_shape() -> None:
    mesh = build(torus(), 500)
    assert len(mesh.faces) <= 500
    assert euler_number(mesh.faces) == 0
    volume = 2 * np.pi**2 * 0.65 * 0.25**2
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(volume, rel=0.05)


@pytest.mark.parametrize("target_faces", [100, 2000])
def test_budget_holds_for_a_field_too_intricate_for_it(target_faces: int) -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((33, 33, 33)).astype(np.float32) + np.float32(0.2)
    field = Field(values, (-1.01,) * 3, (1.01,) * 3)
    mesh = build_mesh(field, MeshConfig(target_faces), Progress())
    assert_sound(mesh)
    assert len(mesh.faces) <= target_faces


def test_cancel_stops_the_stage() -> None:
    field, _ = decode(ball(0.8), 64)
    with pytest.raises(CancelledError):
        build_mesh(field, MeshConfig(), Progress(is_cancelled=lambda: True))
