# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.render.camera import camera_axes, fit_sphere, project_orthographic

VIEWS_DEG = torch.tensor([[0.0, 0], [90, 0], [180, 0], [0, 90]])
RIGHT_UP_DEPTH = [
    ([1, 0, 0], [0, 1, 0], [0, 0, -1]),
    ([0, 0, -1], [0, 1, 0], [-1, 0, 0]),
    ([-1, 0, 0], [0, 1, 0], [0, 0, 1]),
    ([1, 0, 0], [0, 0, -1], [0, -1, 0]),
]


def test_fitted_points_are_centred_and_touch_the_sphere() -> None:
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) * 7 + 3
    centre, scale = fit_sphere(points, 1.15)
    fitted = (points - centre) * scale
    assert torch.allclose(fitted.amax(0), -fitted.amin(0), atol=1e-5)
    assert fitted.norm(dim=-1).max().item() == pytest.approx(0.575, rel=1e-5)


def test_parallel_rays_show_each_side_upright() -> None:
    axes = camera_axes(*VIEWS_DEG.deg2rad().unbind(1))
    for view, directions in enumerate(RIGHT_UP_DEPTH):
        points = 0.3 * torch.tensor(directions, dtype=torch.float32)
        seen = project_orthographic(points, axes, 1.2, 1.5, 0.5, 2.5)[view]
        # Half a picture is 0.6 wide, and half the depth range is 1 deep.
        assert torch.allclose(seen, torch.diag(torch.tensor([0.5, 0.5, 0.3])), atol=1e-6)


def test_depth_is_minus_one_at_near_and_one_at_far() -> None:
    axes = camera_axes(torch.zeros(1), torch.zeros(1))
    points = torch.tensor([[0.0, 0, 1.4], [0.0, 0, -8.5]])  # 0.1 and 10 from a camera at 1.5
    depth = project_orthographic(points, axes, 1.2, 1.5, 0.1, 10.0)[0, :, 2]
    assert torch.allclose(depth, torch.tensor([-1.0, 1.0]), atol=1e-5)
