# SPDX-License-Identifier: GPL-3.0-or-later
import json

import pytest
import torch

from backend.models.maquette.colour_guess import ColourGuess
from tests.unit.training.made_props import write_props
from training import guess
from training.checkpoints import Log, load_shards


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = write_props(tmp_path_factory.mktemp("props"))
    generator = torch.Generator().manual_seed(0)
    return guess.find_cells(guess.make_entries(folder, "train", 4, generator))


def test_cells_are_known_or_wanted_and_hold_what_the_views_show(cells):
    assert cells
    for one in cells:
        assert len(one.target) >= 10 and len(one.source) >= 5
        assert one.target.shape[1] == one.source.shape[1] == 6
        assert (one.target[:, :3].abs() <= 0.51).all()
        assert (one.truth >= 0).all() and (one.truth <= 1).all() and (one.share > 0).all()


def test_the_fit_lowers_the_error_on_what_it_sees_and_is_repeated_by_its_seed(cells, tmp_path):
    def fit():
        generator = torch.Generator().manual_seed(1)
        return guess.fit(cells, 40, generator, Log(tmp_path / "log.jsonl"))

    before, fitted = guess.measure(ColourGuess(), cells), fit()
    after = guess.measure(fitted, cells)
    assert after["square"] < before["square"]
    assert all(
        torch.equal(a, b) for a, b in zip(fitted.parameters(), fit().parameters(), strict=True)
    )


def test_the_command_writes_shards_and_a_log(tmp_path, monkeypatch):
    folder, out = write_props(tmp_path / "props"), tmp_path / "out"
    monkeypatch.setattr(
        "sys.argv",
        ["guess", "--props", str(folder), "--out", str(out), "--count", "2", "--steps", "2"],
    )
    guess.main()
    ColourGuess().load_state_dict(load_shards(out, "guess"))
    rows = [json.loads(line) for line in (out / "guess_log.jsonl").read_text().splitlines()]
    assert [row.get("event") for row in rows] == ["before", None, None, "fitted"]
