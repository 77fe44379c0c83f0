# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.models.hunyuan3d.config import ShapeVAEConfig
from backend.models.hunyuan3d.surface_points import (
    count_queries,
    sample_farthest_points,
    select_points,
)


def pick_slowly(points: list[list[float]], count: int) -> list[int]:
    """Farthest-point sampling straight from its definition."""
    picked = [0]
    while len(picked) < count:
        gaps = [
            min(sum((a - b) ** 2 for a, b in zip(p, points[i], strict=True)) for i in picked)
            for p in points
        ]
        picked.append(gaps.index(max(gaps)))
    return picked


def test_each_pick_is_the_farthest_from_those_before() -> None:
    points = torch.randint(-8, 9, (3, 60, 3)).float()
    picked = sample_farthest_points(points, 25)
    assert picked.tolist() == [pick_slowly(row, 25) for row in points.tolist()]


def test_ties_go_to_the_lowest_index() -> None:
    square = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 2, 0], [2, 2, 0]]])
    assert sample_farthest_points(square, 5).tolist() == [[0, 4, 2, 3, 1]]


def test_all_points_are_picked_once_when_as_many_are_asked() -> None:
    points = torch.randn(2, 30, 3)
    assert sample_farthest_points(points, 30).sort(dim=1).values.tolist() == [list(range(30))] * 2


def make_config(**changes: int) -> ShapeVAEConfig:
    return ShapeVAEConfig(16, 4, 32, 2, 1, **{"pc_size": 144, "downsample_ratio": 4, **changes})


def test_queries_are_shared_out_by_the_number_of_points() -> None:
    assert count_queries(make_config(pc_sharpedge_size=48)) == (12, 4)
    assert count_queries(make_config()) == (16, 0)
    assert count_queries(make_config(pc_size=100, pc_sharpedge_size=50)) == (10, 6)


def test_uniform_points_come_first_and_features_stay_with_their_points() -> None:
    config = make_config(pc_sharpedge_size=48)
    surface = torch.randn(2, 192, 7)
    surface[..., 6] = (torch.arange(192) >= 144).float()
    queries, inputs = select_points(surface, config)
    assert queries.shape == (2, 16, 7)
    assert inputs.shape == (2, 48 + 16, 7)
    assert queries[..., 6].sum(dim=1).tolist() == [4, 4]
    assert queries[:, :12, 6].sum() == 0
    for row in range(2):
        originals = {tuple(point) for point in surface[row].tolist()}
        kept = [tuple(point) for point in inputs[row].tolist()]
        assert set(kept) <= originals
        assert len(set(kept)) == len(kept)
        assert {tuple(point) for point in queries[row].tolist()} <= set(kept)


def test_wrong_number_of_points_is_said() -> None:
    with pytest.raises(ValueError, match="expected 144"):
        select_points(torch.randn(1, 100, 7), make_config())
