# SPDX-License-Identifier: GPL-3.0-or-later
import json
from itertools import pairwise

import pytest
import torch

from training import checkpoints
from training.checkpoints import Average, Log, load_shards, save_shards


def test_shards_round_trip_in_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARD_BYTES", 600)
    generator = torch.Generator().manual_seed(0)
    state = {f"layer.{k}": torch.randn(10, 10, generator=generator) for k in range(5)}
    state["large"] = torch.randn(30, 30, generator=generator)
    state["strided"] = torch.randn(4, 6, generator=generator).T
    paths = save_shards(state, tmp_path / "new" / "folder", "net")
    assert [path.name for path in paths] == [f"net-{k}.safetensors" for k in range(len(paths))]
    assert len(paths) == 4
    found = load_shards(tmp_path / "new" / "folder", "net")
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], tensor.half().float())


def test_missing_shards_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"net-0\.safetensors"):
        load_shards(tmp_path, "net")


def make_average(decay):
    module = torch.nn.Linear(2, 1)
    torch.nn.init.zeros_(module.weight), torch.nn.init.zeros_(module.bias)
    return module, Average(module, decay)


def test_average_converges_to_parameters_that_stand_still():
    module, average = make_average(0.5)
    with torch.no_grad():
        module.weight.fill_(3.0)
    apart = []
    for _ in range(40):
        average.update()
        average.swap()
        apart.append(float((module.weight.detach() - 3).abs().max()))
        average.swap()
    assert all(after <= before for before, after in pairwise(apart))
    assert apart[-1] < 1e-6 and apart[0] == pytest.approx(3 * 2 / 11)
    # Past the warm-up each update keeps `decay` of the difference.
    assert apart[9] / apart[8] == pytest.approx(0.5, rel=1e-2)


def test_swapping_twice_changes_nothing():
    module, average = make_average(0.5)
    with torch.no_grad():
        module.weight.fill_(1.0)
    average.swap()
    assert not module.weight.any()
    average.swap()
    assert (module.weight == 1).all()


def test_average_goes_on_from_its_state():
    found = []
    for is_stopped in (False, True):
        module, average = make_average(0.5)
        for value in (1.0, 2.0, 4.0):
            with torch.no_grad():
                module.weight.fill_(value)
            if is_stopped:
                state, average = average.state(), Average(module, 0.5)
                average.restore(state)
            average.update()
        average.swap()
        found.append(module.weight.detach().clone())
    assert torch.equal(*found)
    assert (found[0] < 4).all()


def test_log_appends_one_rounded_object_per_line(tmp_path, capsys):
    log = Log(tmp_path / "deep" / "log.jsonl")
    log.write(step=1, loss=0.123456789)
    log.write(event="end", table=[1, 2])
    lines = (tmp_path / "deep" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 1, "loss": 0.12346}, {"event": "end", "table": [1, 2]}
    ]  # fmt: skip
    assert capsys.readouterr().out.splitlines() == lines
