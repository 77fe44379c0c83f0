# SPDX-License-Identifier: GPL-3.0-or-later
"""The guess of the light: its pictures, its lights, and a run small enough for seconds."""

import argparse
import json

import pytest
import torch

from backend.weights.load import read_shards, widen_state
from tests.unit.training.made_props import write_props
from training import light, light_entries
from training.checkpoints import load_shards
from training.datasets import load_props
from training.pictures import Cameras
from training.shape_mix import ShapeMix

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def props_folder(tmp_path_factory):
    return write_props(tmp_path_factory.mktemp("props"))


@pytest.fixture(scope="module")
def entries(props_folder):
    mix = ShapeMix(load_props(props_folder, "train", CPU, 2), 0, 0.0, 0)
    generator = torch.Generator().manual_seed(0)
    return light_entries.make_light_entries(mix, torch.tensor([0, 1, 0]), None, generator)


def test_entries_show_the_object_framed_and_facing_the_camera(entries):
    assert entries.base.shape == (3, 128, 128, 4) and entries.normal.shape == (3, 128, 128, 3)
    for base, normal in zip(entries.base, entries.normal, strict=True):
        seen = base[..., 3] == 255
        extent = max(int(seen.any(axis).sum()) for axis in (0, 1))
        assert extent == pytest.approx(0.85 * 128, abs=3)
        lengths = normal[seen].float().norm(dim=-1) / 127
        assert lengths.quantile(0.5) == pytest.approx(1, abs=0.02)


def test_normals_turn_with_level_cameras():
    cameras = Cameras(torch.tensor([0.0, torch.pi / 2]), torch.zeros(2), torch.ones(2))
    world = torch.tensor([127, 0, 0], dtype=torch.int8).expand(2, 1, 1, 3)
    ahead, aside = light_entries.turn_normals(world, cameras)[:, 0, 0].tolist()
    assert ahead == [127, 0, 0] and aside == [0, 0, 127]


def test_lights_are_about_one_where_brightest_and_differ(entries):
    sphere = torch.nn.functional.normalize(
        torch.randn(400, 3, generator=torch.Generator().manual_seed(1)), dim=1
    )
    lights = light_entries.draw_light(
        sphere.expand(64, 1, -1, -1), torch.Generator().manual_seed(2)
    )[:, 0]  # [64, 400]
    brightest = lights.amax(1)
    assert brightest.log().mean().abs() < 0.15 and 0.5 < brightest.min() < brightest.max() < 1.8
    assert (lights > 0).all()
    assert lights.amin(1).median() < 0.6 * brightest.median()
    assert lights.std(0).min() > 0.05


def test_dividing_the_true_light_out_gives_the_surface(entries):
    lit = light.draw_lit(entries, torch.arange(3), torch.Generator().manual_seed(3), is_rough=False)
    inside = (
        (lit.alpha > 0.99)
        & (lit.colour.amax(1, keepdim=True) < 1)
        & (lit.colour.amin(1, keepdim=True) > 0.02)
    )
    found = light.unlit(lit.colour, lit.light)
    assert ((found - lit.truth).abs() * inside).max() < 2e-3
    square, apart = light.find_losses(lit.light, lit)
    assert apart == 0 and square < 1e-3


def test_rough_pictures_are_lit_by_the_true_normals_but_told_others(entries):
    rows = torch.zeros(16, dtype=torch.long)
    lit = light.draw_lit(entries, rows, torch.Generator().manual_seed(4), is_rough=True)
    exact = light.draw_lit(entries, rows, torch.Generator().manual_seed(4), is_rough=False)
    assert torch.equal(lit.colour, exact.colour) and torch.equal(lit.light, exact.light)
    apart = (lit.normal - exact.normal).abs().amax((1, 2, 3))
    assert 2 <= int((apart > 1e-4).sum()) <= 14


def test_run_learns_logs_and_exports(props_folder, tmp_path, monkeypatch):
    args = argparse.Namespace(
        props=props_folder, out=tmp_path, steps=30, seconds=None, batch=4, entries=2, procedural=0,
        procedural_share=0.0, device="cpu", limit=2, every=1, evaluate_every=20, seed=0,
    )  # fmt: skip
    light.Run(args).train()
    rows = [json.loads(line) for line in (tmp_path / "light_log.jsonl").read_text().splitlines()]
    losses = [row["light"] for row in rows if "light" in row]
    assert len(losses) == 30 and sum(losses[-8:]) < sum(losses[:8])
    checks = [row for row in rows if "unlit" in row]
    assert [row["step"] for row in checks] == [20, 30]
    assert all(row["best exposure"] >= row["unlit"] - 0.5 for row in checks)
    files = light.export_light(tmp_path, tmp_path / "shipped")
    assert [file.name for file in files] == ["maquette-light-1-of-1.safetensors"]
    state, trained = (
        widen_state(read_shards(tmp_path / "shipped", "maquette-light")),
        load_shards(tmp_path, "light"),
    )
    assert state.keys() == trained.keys()
    worst = max(
        float((state[k].float() - trained[k]).abs().max() / trained[k].abs().max().clamp(min=1e-6))
        for k in state
    )
    assert worst < 0.01
