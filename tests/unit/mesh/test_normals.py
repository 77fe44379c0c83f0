# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
import trimesh

from backend.data import Mesh
from backend.mesh.extract import extract_surface
from backend.mesh.normals import find_fans, vertex_normals
from tests.unit.field.solids import decode, torus


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return extract_surface(decode(torus(), 64)[0])


def folded(angle_deg: float) -> Mesh:
    """Two triangles on one edge, turned against each other."""
    angle = np.radians(angle_deg)
    far = (0, -np.cos(angle), np.sin(angle))
    vertices = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), far], np.float32)
    return Mesh(vertices, np.array([[0, 1, 2], [1, 0, 3]], np.int32))


def test_normals_are_those_of_the_torus(mesh: Mesh) -> None:
    x, y, z = mesh.vertices.T
    ring = 0.65 * np.stack([x, 0 * y, z], -1) / np.hypot(x, z)[:, None]
    expected = mesh.vertices - ring
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    normals = vertex_normals(mesh)
    assert normals.dtype == np.float32
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert (normals * expected).sum(-1).min() > np.cos(np.radians(8))


def test_normal_of_a_lone_vertex_is_a_unit_vector() -> None:
    mesh = Mesh(np.zeros((4, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    assert np.allclose(np.linalg.norm(vertex_normals(mesh), axis=1), 1)


def test_box_has_three_normals_at_each_vertex() -> None:
    solid = trimesh.creation.box()
    mesh = Mesh(np.asarray(solid.vertices, np.float32), np.asarray(solid.faces, np.int32))
    fan, normals = find_fans(mesh, 40.0)
    assert len(normals) == 24
    assert np.allclose(normals[fan.reshape(-1, 3)], solid.face_normals[:, None], atol=1e-6)
    for number in range(24):
        assert len(np.unique(mesh.faces.reshape(-1)[fan == number])) == 1


def test_edges_are_sharp_beyond_the_angle_only() -> None:
    assert len(find_fans(folded(39.0), 40.0)[1]) == 4
    assert len(find_fans(folded(41.0), 40.0)[1]) == 6


def test_half_turn_keeps_all_smooth(mesh: Mesh) -> None:
    fan, normals = find_fans(mesh, 180.0)
    assert np.array_equal(fan, mesh.faces.reshape(-1))
    assert np.array_equal(normals, vertex_normals(mesh))


def test_round_surface_has_no_creases(mesh: Mesh) -> None:
    fan, normals = find_fans(mesh, 40.0)
    assert np.array_equal(fan, mesh.faces.reshape(-1))
    assert np.allclose(normals, vertex_normals(mesh))


def test_fan_ends_at_creases_and_goes_on_around_them() -> None:
    # A cone's tip: 16 sides, each turned by less than 40 degrees against the next, and a rim.
    solid = trimesh.creation.cone(1.0, 1.0, sections=16)
    mesh = Mesh(np.asarray(solid.vertices, np.float32), np.asarray(solid.faces, np.int32))
    fan, normals = find_fans(mesh, 40.0)
    tip = int(mesh.vertices[:, 2].argmax())
    at_tip = np.unique(fan[mesh.faces.reshape(-1) == tip])
    assert len(at_tip) == 1
    assert np.allclose(normals[at_tip[0]], (0, 0, 1), atol=1e-5)
    assert len(normals) == len(mesh.vertices) + 16  # the rim twice


def test_three_faces_at_an_edge_do_not_mix() -> None:
    vertices = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 1]], np.float32)
    faces = np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4]], np.int32)
    fan, normals = find_fans(Mesh(vertices, faces), 60.0)
    assert len(normals) == 9
    assert len(np.unique(fan)) == 9


def test_face_without_area_does_not_part_its_neighbours() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.5, 0, 0], [0, -1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [1, 0, 3], [0, 4, 3], [3, 4, 1]], np.int32)
    fan, normals = find_fans(Mesh(vertices, faces), 40.0)
    assert np.allclose(normals, (0, 0, 1), atol=1e-6) or np.allclose(normals[fan][:3], (0, 0, 1))
    assert len(normals) == 5
