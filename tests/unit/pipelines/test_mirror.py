# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of one side tells of the other, but only of a mesh that is the same there."""

import numpy as np
import torch

from backend.data import Mesh, PaintedViews
from backend.pipelines.mirror import MIRRORED_WEIGHT, add_mirrored, mirror_camera
from backend.progress import Progress
from backend.render.camera import fit_mesh_for_painting, orbit_camera, project
from backend.render.views import RenderConfig, render_views
from tests.unit.pipelines.boxes import make_box

CPU = torch.device("cpu")
CAMERA = orbit_camera(40, 20, 2.2, fov_deg=35)
SIZE = 96


def see(mesh: Mesh) -> PaintedViews:
    """A picture whose red is the column, all of it trusted."""
    views = render_views(mesh, [CAMERA], RenderConfig(SIZE), Progress(), CPU)
    colour = torch.zeros(1, SIZE, SIZE, 3)
    colour[..., 0] = torch.arange(SIZE) / SIZE
    return PaintedViews((CAMERA,), colour, (100.0,), views.mask)


def test_mirrored_camera_sees_mirrored_points_at_mirrored_places():
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * 0.4
    there = project(points * torch.tensor([-1.0, 1, 1]), [mirror_camera(CAMERA)])
    here = project(points, [CAMERA]) * torch.tensor([-1.0, 1, 1])
    assert (there - here).abs().max() < 1e-5
    turn = mirror_camera(CAMERA).world_to_camera[:, :3]
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(turn) > 0.99


def test_symmetric_mesh_gets_the_flipped_picture_where_the_first_shows_nothing():
    mesh, _, _ = fit_mesh_for_painting(make_box((1, 0.8, 0.7)))
    projected = see(mesh)
    both = add_mirrored(mesh, projected, Progress(), CPU)
    assert both.weights == (100.0, MIRRORED_WEIGHT)
    assert torch.equal(both.colour[1], projected.colour[0].flip(1))
    assert both.mask is not None and projected.mask is not None
    share = both.mask[1].sum() / projected.mask[0].sum()
    # Front and top are in the first picture already; the other side is not.
    assert 0.2 < share < 0.7
    assert not (both.mask[1] & ~projected.mask[0].flip(1)).any()


def test_mesh_with_another_other_side_is_left_alone():
    box, lump = make_box((1, 0.8, 0.7)), make_box((0.9, 0.7, 0.6))
    vertices = np.concatenate([box.vertices, lump.vertices + np.float32((-1.2, 0.5, 0.3))])
    faces = np.concatenate([box.faces, lump.faces + len(box.vertices)])
    mesh, _, _ = fit_mesh_for_painting(Mesh(vertices.astype(np.float32), faces))
    projected = see(mesh)
    assert add_mirrored(mesh, projected, Progress(), CPU) is projected
