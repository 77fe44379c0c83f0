# SPDX-License-Identifier: GPL-3.0-or-later
import json
import math
from dataclasses import FrozenInstanceError

import pytest

from backend.config import (
    NOT_IN_PRESETS,
    PRESET_FOLDER,
    PRESETS,
    JobConfig,
    flatten,
    load_preset,
    overlay,
    setting_names,
)
from backend.errors import InputError


def test_flatten_is_the_inverse_of_overlay():
    values = {"steps": 12, "guidance": 3.5, "resolution": 256, "target_faces": 500, "seed": 9}
    config = overlay(JobConfig(), values)
    assert flatten(config) | values == flatten(config)
    assert overlay(JobConfig(), flatten(config)) == config


def test_overlay_leaves_the_original_and_configs_cannot_be_changed():
    config = JobConfig()
    overlay(config, {"steps": 12})
    assert config == JobConfig()
    with pytest.raises(FrozenInstanceError):
        config.model = "hunyuan3d-2"  # pyright: ignore


@pytest.mark.parametrize("name", setting_names())
def test_every_setting_has_a_text_and_a_default_that_is_allowed(name):
    _, item = setting_names()[name]
    assert len(item.metadata["text"]) > 10
    assert flatten(overlay(JobConfig(), {name: item.default}))[name] == item.default


@pytest.mark.parametrize("name", [n for n, (_, f) in setting_names().items() if f.metadata["max"]])
def test_range_ends_are_allowed_and_what_lies_beyond_is_named(name):
    meta = setting_names()[name][1].metadata
    for value in (meta["min"], meta["max"]):
        assert flatten(overlay(JobConfig(), {name: value}))[name] == value
    for value in (meta["min"] - 1, meta["max"] + 1):
        with pytest.raises(InputError) as caught:
            overlay(JobConfig(), {name: value})
        assert str(meta["min"]) in caught.value.hint
        assert str(meta["max"]) in caught.value.hint


@pytest.mark.parametrize(
    "values",
    [
        {"colour": 1},
        {"seed": 1.5},
        {"seed": "7"},
        {"seed": True},
        {"seed": None},
        {"seed": math.nan},
        {"seed": math.inf},
        {"guidance": math.nan},
        {"guidance": math.inf},
        {"guidance": [1]},
        {"model": "gpt"},
        {"model": 3},
        {"remove_background": "sometimes"},
    ],
)
def test_wrong_values_are_input_errors(values):
    with pytest.raises(InputError) as caught:
        overlay(JobConfig(), values)
    assert next(iter(values)) in caught.value.message
    assert caught.value.hint


def test_whole_floats_from_json_become_integers():
    steps = overlay(JobConfig(), {"steps": 20.0}).sample.steps
    assert (steps, type(steps)) == (20, int)


@pytest.mark.parametrize("name", [path.stem for path in PRESET_FOLDER.glob("*.json")])
def test_shipped_presets_load_and_hold_only_what_differs(name):
    config = load_preset(name)
    values = json.loads((PRESET_FOLDER / f"{name}.json").read_text())
    default = flatten(JobConfig())
    assert {key for key in values if values[key] == default[key]} == set()
    assert flatten(config) == default | values


def test_presets_are_listed_from_quick_to_fine():
    assert sorted(PRESETS) == sorted(path.stem for path in PRESET_FOLDER.glob("*.json"))
    costs = [load_preset(name).field_.resolution for name in PRESETS]
    assert costs == sorted(set(costs))


def test_shipped_presets_say_how_well_and_not_what():
    assert set(NOT_IN_PRESETS) < set(setting_names())
    for name in PRESETS:
        values = json.loads((PRESET_FOLDER / f"{name}.json").read_text())
        assert not set(values) & set(NOT_IN_PRESETS)


@pytest.mark.parametrize("name", setting_names())
def test_every_text_reads_as_a_tooltip(name):
    text = setting_names()[name][1].metadata["text"]
    assert text[0].isupper() and not text.endswith(".") and "  " not in text
    assert len(text) >= 40, "say what a change of it changes"


@pytest.mark.parametrize("text", ["{", "[1]", '"seed"', '{"colour": 1}', '{"seed": -1}', "3"])
def test_broken_presets_are_input_errors(tmp_path, text):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(InputError):
        load_preset("mine", tmp_path)


def test_missing_preset_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no preset called 'none'"):
        load_preset("none", tmp_path)
