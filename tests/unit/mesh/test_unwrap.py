# SPDX-License-Identifier: GPL-3.0-or-later
import functools
from collections.abc import Callable

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from backend.config import UnwrapConfig
from backend.data import Mesh
from backend.errors import CancelledError
from backend.mesh.layout import signed_areas
from backend.mesh.unwrap import can_hold_texture, unwrap_mesh
from backend.mesh.uv_check import check_uv, count_cover
from backend.progress import Progress
from tests.unit.mesh.uv_measures import chart_labels, stretch_of


def from_trimesh(mesh: trimesh.Trimesh) -> Mesh:
    return Mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))


def ball() -> Mesh:
    """A scanned-like ball: 5120 faces, rough."""
    mesh = from_trimesh(trimesh.creation.icosphere(subdivisions=4))
    noise = np.random.default_rng(0).normal(1, 0.003, (len(mesh.vertices), 1))
    return Mesh((mesh.vertices * noise).astype(np.float32), mesh.faces)


def ring() -> Mesh:
    return from_trimesh(trimesh.creation.torus(0.65, 0.25, major_sections=72, minor_sections=36))


def crate() -> Mesh:
    """A box with boxes on its sides: flat faces and sharp edges, in one mesh of seven pieces."""
    boxes = [trimesh.creation.box((1, 1, 1))]
    for shift in np.concatenate([np.eye(3), -np.eye(3)]):
        boxes.append(trimesh.creation.box((0.5, 0.4, 0.3)).apply_translation(shift))
    return from_trimesh(trimesh.util.concatenate(boxes))


def spiral() -> Mesh:
    """A ramp of three turns; seen along its axis it covers itself."""
    angle = np.linspace(0, 6 * np.pi, 300)
    inner = np.stack([np.cos(angle), 0.05 * angle, np.sin(angle)], -1)
    vertices = np.concatenate([0.5 * inner * (1, 2, 1), inner]).astype(np.float32)
    low = np.arange(299)
    faces = np.concatenate(
        [np.stack([low, low + 1, low + 300], -1), np.stack([low + 1, low + 301, low + 300], -1)]
    )
    return Mesh(vertices, faces.astype(np.int32))


def unwrap(mesh: Mesh, gap_px: float = 4.0) -> np.ndarray:
    """The UVs, checked for what holds for every mesh."""
    unwrapped = unwrap_mesh(mesh, UnwrapConfig(gap_px), Progress())
    assert np.array_equal(unwrapped.vertices, mesh.vertices)
    assert np.array_equal(unwrapped.faces, mesh.faces)
    uv = unwrapped.uv
    assert uv is not None
    assert uv.shape == (len(mesh.faces), 3, 2)
    assert uv.dtype == np.float32
    assert np.isfinite(uv).all()
    assert uv.size == 0 or (uv.min() >= 0 and uv.max() <= 1)
    return uv


@functools.cache
def unwrap_once(make: Callable[[], Mesh]) -> Mesh:
    mesh = make()
    return Mesh(mesh.vertices, mesh.faces, unwrap(mesh))


@pytest.fixture(scope="module", params=[ball, ring, crate, spiral])
def mapped(request: pytest.FixtureRequest) -> Mesh:
    return unwrap_once(request.param)


def test_no_point_of_the_atlas_is_covered_twice(mapped: Mesh) -> None:
    assert count_cover(uv_of(mapped), 4096).max() == 1


def test_charts_keep_their_distance(mapped: Mesh) -> None:
    uv = uv_of(mapped)
    label = chart_labels(mapped.faces, uv)
    owner = np.zeros((2048, 2048), np.int64)
    for chart in range(label.max() + 1):
        owner[count_cover(uv[label == chart], 2048) > 0] = chart + 1
    size = 7  # 4 of a texture of 1024 are 8 of these: no two charts 7 apart or nearer
    near = ndimage.maximum_filter(owner, (size, size), origin=(-3, -3))
    far = ndimage.minimum_filter(np.where(owner > 0, owner, 10**6), (size, size), origin=(-3, -3))
    assert (near[far < 10**6] == far[far < 10**6]).all()
    inner = owner[3:-3, 3:-3]
    assert np.count_nonzero(inner) == np.count_nonzero(owner)


def test_stretch_is_bounded(mapped: Mesh) -> None:
    ratio, density = stretch_of(mapped, uv_of(mapped))
    assert ratio.mean() < 1.05
    assert ratio.quantile(0.99) < 1.3
    assert density.quantile(0.01) > 0.85
    assert density.quantile(0.99) < 1.15


def test_texture_is_not_mirrored(mapped: Mesh) -> None:
    assert (signed_areas(uv_of(mapped).astype(np.float64)) > 0).all()


def test_boxes_are_unfolded_without_stretch() -> None:
    mesh = unwrap_once(crate)
    uv = uv_of(mesh)
    assert chart_labels(mesh.faces, uv).max() + 1 <= 7 * 6
    ratio, density = stretch_of(mesh, uv)
    assert ratio.value.max() < 1.01
    assert np.ptp(density.value) < 0.01


def uv_of(mesh: Mesh) -> np.ndarray:
    assert mesh.uv is not None
    return mesh.uv


@pytest.mark.parametrize(("make", "most"), [(ball, 16), (ring, 40), (spiral, 12)])
def test_charts_are_few(make: Callable[[], Mesh], most: int) -> None:
    mesh = unwrap_once(make)
    assert chart_labels(mesh.faces, uv_of(mesh)).max() + 1 <= most


@pytest.mark.parametrize(("make", "least"), [(ball, 0.5), (ring, 0.5), (crate, 0.6)])
def test_charts_fill_the_square(make: Callable[[], Mesh], least: float) -> None:
    assert signed_areas(unwrap(make(), gap_px=2)).sum() > least


def test_same_mesh_same_map() -> None:
    assert np.array_equal(unwrap(ball()), uv_of(unwrap_once(ball)))


def test_size_and_place_do_not_matter() -> None:
    mesh = ring()
    moved = Mesh((mesh.vertices * 512 + (0, 4096, 0)).astype(np.float32), mesh.faces)
    uv = unwrap(moved)
    assert count_cover(uv, 2048).max() == 1
    assert abs(signed_areas(uv).sum() - signed_areas(uv_of(unwrap_once(ring))).sum()) < 0.08


def test_faces_without_area_do_not_hurt_the_others() -> None:
    mesh = ring()
    middle = mesh.vertices[mesh.faces[5]].mean(axis=0, keepdims=True)
    vertices = np.concatenate([mesh.vertices, middle, middle])
    last = len(mesh.vertices)
    extra = [[0, 0, 1], [3, 3, 3], [last, last + 1, 0], [0, 1, 0]]
    faces = np.concatenate([mesh.faces[:9], extra, mesh.faces[9:]]).astype(np.int32)
    uv = unwrap(Mesh(vertices.astype(np.float32), faces))
    assert count_cover(uv, 2048).max() == 1
    assert (np.abs(signed_areas(uv[:9].astype(np.float64))) > 0).all()


def test_three_sheets_on_one_edge_are_unwrapped() -> None:
    vertices = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [-1, 0, 0.5], [0, 0, 1]], np.float32)
    faces = np.array([[0, 1, 2], [0, 1, 3], [1, 0, 4], [0, 1, 2], [0, 2, 1]], np.int32)
    uv = unwrap(Mesh(vertices, faces))
    assert count_cover(uv, 1024).max() == 1
    assert (signed_areas(uv) > 1e-3).all()


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0, 0], [1, 0, 0], [0, 1, 0]],
        [[0, 0, 0], [1e-6, 0, 0], [0, 1e6, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
    ],
)
def test_one_triangle_of_any_kind_has_a_map(corners: list[list[float]]) -> None:
    unwrap(Mesh(np.array(corners, np.float32), np.array([[0, 1, 2]], np.int32)))


def test_no_faces_have_no_map() -> None:
    assert unwrap(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))).size == 0


def test_loose_triangles_share_the_square() -> None:
    rng = np.random.default_rng(2)
    corners = rng.normal(size=(3000, 3, 3)).astype(np.float32)
    uv = unwrap(Mesh(corners.reshape(-1, 3), np.arange(9000, dtype=np.int32).reshape(-1, 3)))
    assert count_cover(uv, 4096).max() == 1
    assert signed_areas(uv).sum() > 0.2


def test_cancel_is_obeyed() -> None:
    with pytest.raises(CancelledError):
        unwrap_mesh(ball(), UnwrapConfig(), Progress(is_cancelled=lambda: True))


def test_own_maps_can_hold_a_texture() -> None:
    mesh = unwrap_once(ball)
    check = check_uv(mesh)
    assert check.is_usable
    assert check.overlap == 0
    assert can_hold_texture(mesh)


def test_unusable_maps_are_told_apart() -> None:
    mesh = unwrap_once(ball)
    uv = mesh.uv
    assert uv is not None
    halves = uv.copy()
    halves[uv[..., 0].min(axis=1) > 0.5, :, 0] -= 0.5
    broken = uv.copy()
    broken[7, 1] = np.nan
    flat = uv.copy()
    flat[: len(flat) // 2] = 0.5
    for wrong, reason in (
        (None, "no UV map"),
        (broken, "not numbers"),
        (uv * 2, "leaves the square"),
        (halves, "on top of"),
        (flat, "no area"),
        (np.zeros_like(uv), "no area"),
    ):
        check = check_uv(Mesh(mesh.vertices, mesh.faces, wrong))
        assert reason in check.reason
        assert not check.is_usable


def test_mirrored_halves_on_top_of_each_other_are_overlap() -> None:
    mesh = unwrap_once(ball)
    assert mesh.uv is not None
    mirrored = mesh.uv.copy()
    mirrored[mesh.uv[..., 0].min(axis=1) > 0.5, :, 0] *= -1
    mirrored[mirrored[..., 0] < 0, 0] += 1
    assert check_uv(Mesh(mesh.vertices, mesh.faces, mirrored)).overlap > 0.2


def test_cover_counts_each_point_once_at_shared_edges() -> None:
    square = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], np.float32)
    assert (count_cover(square, 64) == 1).all()
    assert (count_cover(np.concatenate([square, square[:, ::-1]]), 64) == 2).all()
