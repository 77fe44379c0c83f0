# SPDX-License-Identifier: GPL-3.0-or-later
"""Props and generated shapes, drawn in their ratio."""

import pytest
import torch

from tests.unit.training.made_props import write_props
from training.datasets import load_props
from training.shape_mix import ShapeMix


@pytest.fixture(scope="module")
def props(tmp_path_factory):
    return load_props(write_props(tmp_path_factory.mktemp("props")), "train", torch.device("cpu"))


def test_without_generated_shapes_there_are_only_props(props):
    mix = ShapeMix(props, 0, 0.0, 0)
    assert mix.props is props
    assert mix.spread(2).tolist() == [*range(props.num_shapes)] * 2
    assert mix.draw(50, torch.Generator().manual_seed(0)).max() == props.num_shapes - 1


def test_generated_shapes_come_last_and_have_their_share(props):
    mix = ShapeMix(props, 7, 0.4, 0)
    count = props.num_shapes
    assert mix.props.num_shapes == count + 7
    assert mix.props.names[:count] == props.names
    spread = mix.spread(6)
    assert (spread < count).sum() == 6 * count
    assert (spread >= count).float().mean() == pytest.approx(0.4, abs=0.05)
    assert set(spread.tolist()) == set(range(count + 7))
    drawn = mix.draw(4000, torch.Generator().manual_seed(0))
    assert (drawn >= count).float().mean() == pytest.approx(0.4, abs=0.03)
    assert drawn.max() == count + 6
