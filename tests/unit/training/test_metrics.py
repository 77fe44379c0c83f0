# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from training.metrics import (
    crossing_points,
    evaluate_grid,
    fscore_and_chamfer,
    grid_points,
    thin_out,
)


def test_grid_points_run_from_corner_to_corner_with_x_slowest():
    points = grid_points(2, 0.5, torch.device("cpu"))
    assert points[[0, 1, 3, 9, 26]].tolist() == [
        [-0.5, -0.5, -0.5], [-0.5, -0.5, 0], [-0.5, 0, -0.5], [0, -0.5, -0.5], [0.5, 0.5, 0.5]
    ]  # fmt: skip


def test_grid_is_evaluated_at_its_nodes():
    weights = torch.tensor([100.0, 10.0, 1.0])
    values = evaluate_grid(lambda points: points @ weights, 4, 2.0, torch.device("cpu"))
    assert values.shape == (5, 5, 5) and values[4, 2, 0] == 200 - 2


def test_crossing_points_of_a_sphere_lie_on_it():
    values = evaluate_grid(lambda p: 0.6 - p.norm(dim=-1), 60, 1.05, torch.device("cpu"))
    points = crossing_points(values, 1.05)
    assert (points.norm(dim=1) - 0.6).abs().max() < 5e-4
    octants = (points > 0).long() @ torch.tensor([4, 2, 1])
    assert (torch.bincount(octants, minlength=8) > 500).all()


def test_crossing_points_of_another_level_and_of_nothing():
    values = evaluate_grid(lambda p: p[..., 0], 10, 1.0, torch.device("cpu"))
    points = crossing_points(values, 1.0, 0.25)
    assert len(points) == 121 and torch.allclose(points[:, 0], torch.tensor(0.25))
    assert len(crossing_points(values, 1.0, 3.0)) == 0


def test_equal_point_sets_are_perfect():
    points = torch.rand(100, 3, generator=torch.Generator().manual_seed(0))
    assert fscore_and_chamfer(points, points) == (pytest.approx(1), pytest.approx(0, abs=1e-3))


def test_scores_of_known_point_sets():
    truth = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    result = torch.tensor([[0.0, 0.04, 0], [1, 0, 0.1]])
    f, chamfer = fscore_and_chamfer(result, truth)
    precision, recall = 1 / 2, 1 / 4
    assert f == pytest.approx(2 * precision * recall / (precision + recall))
    back = (0.04 + 0.1 + (1 + 0.1**2) ** 0.5 + (4 + 0.1**2) ** 0.5) / 4
    assert chamfer == pytest.approx((0.07 + back) / 2, abs=1e-5)


def test_no_result_and_no_match_score_zero():
    truth = torch.rand(10, 3)
    assert fscore_and_chamfer(torch.zeros(0, 3), truth) == (0.0, 2.0)
    assert fscore_and_chamfer(truth + 5, truth)[0] == 0


def test_thinning_keeps_distinct_points_of_the_set():
    points = torch.arange(30.0).view(10, 3)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(thin_out(points, 10, generator), points)
    kept = {tuple(point) for point in thin_out(points, 4, generator).tolist()}
    assert len(kept) == 4 and kept <= {tuple(point) for point in points.tolist()}
