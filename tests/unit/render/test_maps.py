# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.render.maps import (
    blend_corners,
    decode_normals,
    decode_positions,
    encode_depth,
    encode_normals,
    encode_positions,
    face_normals,
    vertex_normals,
)


def test_vertex_normal_is_the_plain_sum_whatever_the_sizes_of_the_faces():
    """A huge floor and a tiny wall meet at vertex 0: their normals count alike."""
    vertices = torch.tensor([[0.0, 0, 0], [0, 0, 100], [100, 0, 0], [0, 0.01, 0], [0.01, 0, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 4, 3]])
    assert torch.allclose(face_normals(vertices, faces), torch.tensor([[0.0, 1, 0], [0, 0, 1]]))
    half = 0.5**0.5
    assert torch.allclose(vertex_normals(vertices, faces)[0], torch.tensor([0.0, half, half]))


def test_normals_of_faces_without_area_and_of_loose_vertices_are_zero():
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 5, 5]])
    faces = torch.tensor([[0, 1, 2]])
    assert not face_normals(vertices, faces).any()
    assert not vertex_normals(vertices, faces).any()


def test_normals_of_tiny_faces_are_unit_vectors():
    vertices = torch.tensor([[0.0, 0, 0], [1e-7, 0, 0], [0, 1e-7, 0]])
    assert torch.allclose(face_normals(vertices, torch.tensor([[0, 1, 2]])), torch.eye(3)[2:])


@pytest.mark.parametrize(
    ("direction", "colour"),
    [
        ([1, 0, 0], [1, 0.5, 0.5]),
        ([0, 1, 0], [0.5, 0.5, 1]),
        ([0, 0, 1], [0.5, 0, 0.5]),
        ([0, 0, -1], [0.5, 1, 0.5]),
    ],
)
def test_colours_of_directions_are_the_published_ones(direction, colour):
    vector = torch.tensor(direction, dtype=torch.float32)
    assert torch.allclose(encode_normals(vector), torch.tensor(colour, dtype=torch.float32))
    place = encode_positions(vector * 0.575)
    assert torch.allclose(place, torch.tensor(colour, dtype=torch.float32))


def test_decoding_inverts_encoding():
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 0.2
    assert torch.allclose(decode_normals(encode_normals(points)), points, atol=1e-6)
    assert torch.allclose(decode_positions(encode_positions(points)), points, atol=1e-6)


def test_depth_picture_is_1_at_the_nearest_and_0_at_the_farthest_and_outside():
    depth = torch.tensor([[[2.0, 3.0], [4.0, torch.inf]], [[torch.inf] * 2] * 2])
    shown, borders = encode_depth(depth)
    assert torch.allclose(shown, torch.tensor([[[1.0, 0.5], [0, 0]], [[0, 0], [0, 0]]]))
    assert torch.equal(borders, torch.tensor([[-4.0, -2.0], [0, 0]]))


def test_corner_values_are_blended_by_their_weights():
    values = torch.tensor([[1.0, 10], [2, 20], [4, 40], [8, 80]])
    found = blend_corners(values, torch.tensor([[3, 0, 2]]), torch.tensor([[0.5, 0.25, 0.25]]))
    assert torch.allclose(found, torch.tensor([[5.25, 52.5]]))
