# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.render.clip import clip_near, near_plane


def random_corners(count=400):
    return torch.randn(count, 3, 3, generator=torch.Generator().manual_seed(0)).double()


def area_vectors(corners):
    """Twice the area, as a vector along the normal `[K, 3]`."""
    return torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def test_parts_lie_in_front_and_add_up_with_what_is_behind():
    corners = random_corners()
    front, face, _ = clip_near(corners, 0.2)
    mirrored = corners * torch.tensor([1.0, 1.0, -1.0])
    behind, other, _ = clip_near(mirrored, -0.2)
    assert (-front[..., 2]).min() > 0.2 - 1e-12
    sums = torch.zeros(len(corners), 3).double()
    sums.index_add_(0, face, area_vectors(front))
    # The mirror reverses x and y of a normal.
    sums.index_add_(0, other, area_vectors(behind) * torch.tensor([-1.0, -1.0, 1.0]))
    assert torch.allclose(sums, area_vectors(corners), atol=1e-12)


def test_parts_keep_their_face_and_blend_its_corners():
    corners = random_corners()
    front, face, blend = clip_near(corners, 0.0)
    assert blend is not None
    assert torch.allclose(blend @ corners[face], front) and (blend >= 0).all()
    assert torch.allclose(blend.sum(2), torch.ones(len(blend), 3).double())
    cosine = torch.cosine_similarity(area_vectors(front), area_vectors(corners)[face])
    assert cosine.min() > 1 - 1e-6  # turned the same way round


def test_neighbours_are_cut_at_the_same_points():
    quad = torch.tensor([[0.0, 0, -1.0], [1, 0.3, 2.0], [0.2, 1, -0.7], [1.3, 1.1, 0.4]]).double()
    faces = torch.tensor([[0, 1, 2], [2, 1, 3]])
    front, face, _ = clip_near(quad[faces], 0.1)
    first, second = (front[face == k].reshape(-1, 3) for k in (0, 1))
    first, second = (points[(points[:, 2] + 0.1).abs() < 1e-12] for points in (first, second))
    apart = torch.cdist(first, second)
    assert (apart < 1e-14).any() and (apart > 0.1).any()  # one of two cuts is on the shared edge


def test_nothing_is_copied_when_nothing_is_cut():
    corners = random_corners(5) - torch.tensor([0.0, 0, 100.0])
    front, face, blend = clip_near(corners, 1.0)
    assert torch.equal(front, corners) and face.tolist() == [0, 1, 2, 3, 4] and blend is None
    front, face, blend = clip_near(-corners, 1.0)
    assert len(front) == len(face) == 0 and blend is None


def test_near_plane_scales_with_the_scene_and_is_the_camera_itself_for_parallel_rays():
    depth = torch.tensor([-3.0, 1.0, 5.0])
    assert near_plane(depth, False) == pytest.approx(0.05)
    assert near_plane(depth * 10, False) == pytest.approx(0.5)
    assert 0 < near_plane(depth, True) < 1e-6
    assert near_plane(-depth.abs(), False) == 0
