# SPDX-License-Identifier: GPL-3.0-or-later
"""The mean of several runs' weights."""

import pytest
import torch

from training.average_runs import average_runs
from training.checkpoints import load_shards, save_shards


def write_run(folder, value, name="weight"):
    """A run whose networks hold one tensor each, of this value and of its double."""
    save_shards({name: torch.full((2, 3), value)}, folder, "conditioner")
    save_shards({"bias": torch.full((4,), 2 * value)}, folder, "denoiser")
    return folder


def test_weights_are_the_mean_of_the_runs(tmp_path):
    runs = [write_run(tmp_path / str(k), value) for k, value in enumerate((1.0, 2.0, 6.0))]
    average_runs(runs, tmp_path / "out")
    assert load_shards(tmp_path / "out", "conditioner")["weight"].tolist() == [[3.0] * 3] * 2
    assert load_shards(tmp_path / "out", "denoiser")["bias"].tolist() == [6.0] * 4


def test_one_run_stays_as_it_is(tmp_path):
    average_runs([write_run(tmp_path / "a", 0.25)], tmp_path / "out")
    assert load_shards(tmp_path / "out", "denoiser")["bias"].tolist() == [0.5] * 4


def test_runs_of_different_networks_are_refused(tmp_path):
    runs = [write_run(tmp_path / "a", 1.0), write_run(tmp_path / "b", 1.0, "other")]
    with pytest.raises(ValueError, match="conditioner"):
        average_runs(runs, tmp_path / "out")


def test_no_runs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no runs"):
        average_runs([], tmp_path / "out")
