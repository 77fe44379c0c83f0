# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up backgrounds, and a run of the object guess small enough for seconds."""

import argparse
import json

import pytest
import torch

from backend.models.maquette.object_guess import ObjectGuess
from backend.weights.load import read_shards, widen_state
from tests.unit.training.made_props import write_props
from training import cutout
from training.backdrops import draw_background, draw_scene
from training.checkpoints import load_shards

SIZE = 64


def make_disc(count: int) -> torch.Tensor:
    """Orange discs `[count, 4, SIZE, SIZE]` in the middle of pictures."""
    y, x = torch.meshgrid(*2 * [torch.linspace(-1, 1, SIZE)], indexing="ij")
    alpha = (y.square() + x.square() < 0.6).float()[None]
    colour = torch.tensor([1.0, 0.5, 0.1])[:, None, None].expand(3, SIZE, SIZE)
    return torch.cat([colour, alpha]).expand(count, -1, -1, -1).clone()


def make_generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_scenes_are_pictures_with_the_objects_coverage():
    scene = draw_scene(make_disc(32), make_generator(0))
    assert scene.colour.shape == (32, 3, SIZE, SIZE)
    assert scene.coverage.shape == (32, 1, SIZE, SIZE)
    for planes in (scene.colour, scene.coverage):
        assert planes.min() >= 0 and planes.max() <= 1
    area = (scene.coverage > 0.5).float().mean((1, 2, 3))
    assert (area > 0.005).all() and area.std() > 0.05, "objects of many sizes"


def test_objects_keep_their_colour_and_differ_from_what_is_behind():
    scene = draw_scene(make_disc(64), make_generator(1))
    inside = scene.coverage > 0.99
    outside = scene.coverage < 0.01
    redness = scene.colour[:, :1] - scene.colour[:, 2:]
    own = (redness * inside).sum((1, 2, 3)) / inside.sum((1, 2, 3)).clamp(min=1)
    behind = (redness * outside).sum((1, 2, 3)) / outside.sum((1, 2, 3)).clamp(min=1)
    assert own.median() > 0.6
    assert (own > behind).float().mean() > 0.8


def test_same_numbers_give_the_same_scenes():
    first, second, other = (draw_scene(make_disc(4), make_generator(k)) for k in (5, 5, 6))
    assert torch.equal(first.colour, second.colour)
    assert torch.equal(first.coverage, second.coverage)
    assert not torch.equal(first.colour, other.colour)


def test_backgrounds_have_edges_in_some_pictures_and_none_in_others():
    placed = make_disc(64)
    placed[:, :3] *= placed[:, 3:]
    behind = draw_background(placed, make_generator(2)).mean(1)  # [B, H, W]
    steps = (behind[:, 1:] - behind[:, :-1]).abs().mean(2).amax(1)  # of each picture's rows
    assert (steps > 0.1).any() and (steps < 0.02).any()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of three steps."""
    folder = tmp_path_factory.mktemp("run")
    args = argparse.Namespace(
        props=write_props(tmp_path_factory.mktemp("props")), out=folder, steps=3, seconds=None,
        batch=4, entries=1, procedural=0, procedural_share=0.0, device="cpu", limit=2, every=1,
        evaluate_every=2, seed=0,
    )  # fmt: skip
    cutout.Run(args).train()
    return folder


def test_run_learns_and_logs(finished):
    lines = [json.loads(line) for line in (finished / "cutout_log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "entropy" in line]
    assert [line["step"] for line in steps] == [0, 1, 2]
    checks = [line for line in lines if line.get("split") == "validation"]
    assert len(checks) == 2 and all(0 <= c["worst tenth"] <= c["overlap"] <= 1 for c in checks)


def test_export_gives_weights_that_load(finished, tmp_path):
    files = cutout.export_object(finished, tmp_path)
    assert [file.name for file in files] == ["maquette-object-1-of-1.safetensors"]
    shipped, trained = ObjectGuess(), ObjectGuess()
    shipped.load_state_dict(widen_state(read_shards(tmp_path, "maquette-object")))
    trained.load_state_dict(load_shards(finished, "object"))
    picture = torch.rand(1, 3, 128, 128, generator=make_generator(3))
    with torch.no_grad():
        apart = (shipped(picture) - trained(picture)).abs().mean()
        assert apart < 0.1 * trained(picture).std() + 1e-3


def test_losses_are_least_for_the_truth():
    coverage = make_disc(2)[:, 3:]
    right, wrong = ((2 * c - 1) * 12 for c in (coverage, 1 - coverage))
    for good, bad in zip(
        cutout.find_losses(right, coverage), cutout.find_losses(wrong, coverage), strict=True
    ):
        assert good < 1e-3 and bad > 0.5
