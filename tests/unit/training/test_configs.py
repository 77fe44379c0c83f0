# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings files of the shipped runs against the runs' own logs."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from training.flow import FlowTraining
from training.shape_vae import VaeTraining

TRAINING = Path(__file__).parents[3] / "training"


@pytest.mark.parametrize(
    ("name", "log", "settings"),
    [
        ("mini_shape_vae", "vae_log", VaeTraining),
        ("mini_flow", "flow_log", FlowTraining),
    ],
)
def test_settings_file_is_what_the_log_says_was_run(name, log, settings):
    config = json.loads((TRAINING / "configs" / f"{name}.json").read_text(encoding="utf-8"))
    lines = (TRAINING / "logs" / f"{log}.jsonl").read_text(encoding="utf-8").splitlines()
    start, speed = (json.loads(line) for line in lines[:2])
    # A setting younger than the run has its default, which changes nothing.
    ran = asdict(settings(**start["config"]))
    assert asdict(settings(**config)) == {**ran, "steps": speed["steps"]}


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        ("mini_flow*.json", FlowTraining),
        ("mini_shape_vae.json", VaeTraining),
        ("mini_decoder.json", VaeTraining),
    ],
)
def test_every_settings_file_names_known_settings(names, settings):
    paths = sorted((TRAINING / "configs").glob(names))
    assert paths
    for path in paths:
        settings(**json.loads(path.read_text(encoding="utf-8")))
