# SPDX-License-Identifier: GPL-3.0-or-later
"""Both training runs and the export, on networks and shapes small enough for seconds."""

import argparse
import json
from dataclasses import asdict, replace
from functools import partial

import pytest
import torch

from backend.models.dinov2.config import Dinov2Config
from backend.models.hunyuan3d.config import DenoiserConfig, ShapeVAEConfig
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from backend.weights.load import read_shards, widen_state
from tests.unit.training.made_props import write_props
from training import export, flow, shape_vae, unpack
from training.checkpoints import Log, load_shards
from training.datasets import load_props, make_fields
from training.flow import FlowTraining, draw_times
from training.loop import Pace, fit_steps, learning_rate
from training.shape_vae import VaeTraining

VAE = ShapeVAEConfig(
    num_latents=8, embed_dim=4, width=32, heads=2, num_decoder_layers=1, num_encoder_layers=1,
    pc_size=48, pc_sharpedge_size=16, num_freqs=4, has_latent_anchors=True,
)  # fmt: skip
DENOISER = DenoiserConfig(
    in_channels=4, context_in_dim=16, hidden_size=32, mlp_ratio=2.0, num_heads=2, depth=1,
    depth_single_blocks=1, axes_dim=(16,), theta=10000, qkv_bias=True, num_latents=8,
)  # fmt: skip
ENCODER = Dinov2Config(
    hidden_size=16, num_hidden_layers=1, num_attention_heads=2, patch_size=8, image_size=32,
    num_channels=4,
)  # fmt: skip
VAE_RUN = VaeTraining(
    steps=6, batch=4, near=64, uniform=32, warmup=2, resolution=90, pool=256, learning_rate=3e-3
)
FLOW_RUN = FlowTraining(steps=3, batch=4, entries=2, warmup=1, field_queries=32)


@pytest.fixture(scope="module")
def props_folder(tmp_path_factory):
    return write_props(tmp_path_factory.mktemp("props"))


@pytest.fixture(scope="module", autouse=True)
def tiny_networks(props_folder):
    """Tiny sizes under the shipped variant's name; fields, the slow part, are made once."""
    props = load_props(props_folder, "train", torch.device("cpu"), limit=2)
    fields = make_fields(props, VAE_RUN.resolution)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(shape_vae.SHAPE_VAE_VARIANTS, "maquette-mini", VAE)
        patch.setitem(flow.DENOISER_VARIANTS, "maquette-mini", DENOISER)
        patch.setitem(flow.DINOV2, "maquette-mini", ENCODER)
        patch.setattr(shape_vae, "make_fields", lambda *_: fields)
        yield


def arguments(props, out, **changes):
    values = {
        "props": props, "out": out, "vae": None, "resume": None, "seconds": None, "device": "cpu",
        "limit": 2, "every": 1, "evaluate_every": 4, "cells": 8, "final_count": 1,
        "guidances": [2.0], "sampling_steps": [15], "stop_after": None, "resume_run": False,
    }  # fmt: skip
    return argparse.Namespace(**{**values, **changes})


def train_vae(props, out, config=VAE_RUN, **changes):
    run = shape_vae.Run(arguments(props, out, **changes), config)
    run.train()
    return run


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def trained_vae(props_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    train_vae(props_folder, folder)
    return folder


def test_autoencoder_run_writes_log_sizes_and_averaged_weights(props_folder, tmp_path):
    run = train_vae(props_folder, tmp_path)
    rows = rows_of(tmp_path / "vae_log.jsonl")
    assert [row["event"] for row in rows if "event" in row] == ["start", "end"]
    assert rows[0]["config"] == asdict(VAE_RUN)
    assert [row["step"] for row in rows if "loss" in row] == list(range(6))
    checked = [(row["step"], row["split"]) for row in rows if "fscore" in row]
    assert checked == [(step, name) for step in (4, 6) for name in ("validation", "train")]
    sizes = json.loads((tmp_path / "vae.json").read_text())
    assert sizes["scale_factor"] == pytest.approx(rows[-1]["scale"], abs=1e-5)
    assert ShapeVAEConfig(**sizes) == replace(VAE, scale_factor=sizes["scale_factor"])
    state = load_shards(tmp_path, "vae")
    # `finish` leaves the average in the network.
    for name, tensor in run.vae.state_dict().items():
        assert torch.equal(state[name], tensor.half().float())


def test_autoencoder_learns(props_folder, tmp_path):
    run = shape_vae.Run(arguments(props_folder, tmp_path), VAE_RUN)
    losses = [float(run.step(1.0)[0]) for _ in range(150)]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_same_seed_gives_the_same_autoencoder_and_another_seed_another(props_folder, tmp_path):
    changes = {"evaluate_every": 100}
    short = replace(VAE_RUN, steps=2)
    for name, config in (("a", short), ("b", short), ("c", replace(short, seed=1))):
        train_vae(props_folder, tmp_path / name, config, **changes)
    a, b, c = (load_shards(tmp_path / name, "vae") for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert any(not torch.equal(a[key], c[key]) for key in a)


def test_autoencoder_resumes_from_shards(props_folder, trained_vae, tmp_path):
    run = shape_vae.Run(arguments(props_folder, tmp_path / "more", resume=trained_vae), VAE_RUN)
    state = load_shards(trained_vae, "vae")
    assert all(torch.equal(tensor, state[key]) for key, tensor in run.vae.state_dict().items())


def test_frozen_encoder_keeps_latents_and_their_scale(props_folder, trained_vae, tmp_path):
    config = replace(VAE_RUN, is_encoder_frozen=True)
    run = train_vae(props_folder, tmp_path, config, resume=trained_vae)
    before, after = load_shards(trained_vae, "vae"), load_shards(tmp_path, "vae")
    kept = {key for key in before if torch.equal(before[key], after[key])}
    assert kept == {
        key for key in before if key.startswith(("encoder.", "pre_kl.", "latent_anchors"))
    }
    assert run.vae.config == replace(VAE, scale_factor=1.0)
    sizes = json.loads((tmp_path / "vae.json").read_text())
    assert sizes["scale_factor"] == VAE.scale_factor


def test_new_anchors_stand_on_the_surface_and_apart(props_folder, tmp_path):
    run = shape_vae.Run(arguments(props_folder, tmp_path), VAE_RUN)
    anchors = run.vae.latent_anchors.detach()
    surface = run.train_split.pool.surface[..., :3].float().reshape(-1, 3)
    assert torch.cdist(anchors, surface).amin(1).max() < 1e-3
    assert torch.pdist(anchors).min() > 0.5


def test_flow_run_logs_measures_and_resumes_from_its_shards(props_folder, trained_vae, tmp_path):
    args = arguments(props_folder, tmp_path / "flow", vae=trained_vae, evaluate_every=2)
    run = flow.Run(args, FLOW_RUN)
    run.train()
    rows = rows_of(tmp_path / "flow" / "flow_log.jsonl")
    assert [row["step"] for row in rows if "flow" in row] == [0, 1, 2]
    checks = [row for row in rows if "fscore" in row]
    assert [(row["step"], row["split"]) for row in checks] == [
        (2, "validation"), (2, "train"), (3, "validation"), (3, "train")
    ]  # fmt: skip
    assert [row["settings"] for row in checks] == [[10, 2.0]] * 2 + [[15, 2.0]] * 2
    assert all(len(row["errors"][key]) == 4 for row in checks for key in ("right", "none"))
    again = flow.build(arguments(None, None, vae=trained_vae, resume=args.out), run.device)
    for name in ("conditioner", "denoiser"):
        state = load_shards(args.out, name)
        found = getattr(again, name).state_dict()
        assert all(torch.equal(found[key], state[key]) for key in found)


def test_flow_learns_and_leaves_the_autoencoder_alone(props_folder, trained_vae, tmp_path):
    run = flow.Run(arguments(props_folder, tmp_path, vae=trained_vae), FLOW_RUN)
    frozen = {key: tensor.clone() for key, tensor in run.loss.vae.state_dict().items()}
    batch = next(run.batches())
    image, keep, clean, noise, t, points = batch
    assert image.shape == (4, 4, 32, 32) and image.abs().max() <= 1 + 1e-5
    assert clean.shape == noise.shape == (4, 8, 4) and points.shape == (4, 32, 3)
    assert set(keep.tolist()) <= {0.0, 1.0} and t.shape == (4,)
    losses = [float(run.step(5.0, batch)[0]) for _ in range(40)]
    assert losses[-1] < 0.8 * losses[0]
    assert all(
        torch.equal(tensor, frozen[key]) for key, tensor in run.loss.vae.state_dict().items()
    )


AUGMENTED = replace(
    FLOW_RUN, steps=6, refresh_every=2, refresh_count=2, bend_chance=0.5, compose_chance=0.5,
    recolour_chance=0.5, grade=1.0, blur_chance=0.5, cut_chance=0.5, erase_chance=0.5,
    depth_drop=0.3, token_drop=0.2,
)  # fmt: skip


def test_stopped_run_goes_on_as_if_it_had_never_stopped(props_folder, trained_vae, tmp_path):
    changes = {"vae": trained_vae, "evaluate_every": 100}
    whole = flow.Run(arguments(props_folder, tmp_path / "whole", **changes), AUGMENTED)
    whole.train()
    args = partial(arguments, props_folder, tmp_path / "parts", **changes, stop_after=0.0)
    for part in range(6):
        run = flow.Run(args(resume_run=part > 0), AUGMENTED)
        run.train()
        assert run.done == part + 1
    flow.Run(args(resume_run=True), AUGMENTED).train()  # nothing but the last checks is left
    for stem in ("conditioner", "denoiser"):
        expected, found = (load_shards(tmp_path / name, stem) for name in ("whole", "parts"))
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    rows = rows_of(tmp_path / "parts" / "flow_log.jsonl")
    events = [row["event"] for row in rows if "event" in row]
    assert events == ["start", "stop", *["go on", "stop"] * 5, "go on"]
    once = [row["flow"] for row in rows_of(tmp_path / "whole" / "flow_log.jsonl") if "flow" in row]
    assert [row["flow"] for row in rows if "flow" in row] == once
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)


def test_refreshed_entries_are_new_and_in_turn(props_folder, trained_vae, tmp_path):
    config = replace(FLOW_RUN, refresh_every=3, refresh_count=3)
    run = flow.Run(arguments(props_folder, tmp_path, vae=trained_vae), config)
    assert len(run.entries) == 4
    before, batches, changed = run.entries.points.clone(), run.batches(), []
    for _ in range(7):
        next(batches)
        is_new = (run.entries.points != before).flatten(1).any(1)
        changed.append(torch.nonzero(is_new)[:, 0].tolist())
        before = run.entries.points.clone()
    assert changed == [[0, 1, 2], [], [], [0, 1, 3], [], [], [0, 2, 3]]


def test_held_out_shapes_are_measured_and_not_trained_on(props_folder, trained_vae, tmp_path):
    args = arguments(props_folder, tmp_path, vae=trained_vae, limit=3)
    run = flow.Run(args, replace(FLOW_RUN, steps=1, held_out=1))
    assert run.props.num_shapes == 2 and len(run.entries) == 4
    run.train()
    rows = [row for row in rows_of(tmp_path / "flow_log.jsonl") if "fscore" in row]
    assert [row["split"] for row in rows] == ["validation", "held out", "train"]
    assert not set(run.splits["held out"][0].names) & set(run.props.names)


def test_times_are_shifted_towards_noise_with_a_share_exactly_there():
    config = replace(FLOW_RUN, shift=8.0, noise_share=0.2)
    times = draw_times(20_000, config, torch.Generator().manual_seed(0))
    assert times.min() == 0 and times.max() <= 1
    assert (times == 0).float().mean() == pytest.approx(0.2, abs=0.01)
    # The median of n is 1/2, so that of t is 1 - s / (1 + s).
    assert times[times > 0].median() == pytest.approx(1 / 9, abs=0.01)
    even = draw_times(
        20_000, replace(config, shift=1.0, noise_share=0.0), torch.Generator().manual_seed(0)
    )
    assert even.mean() == pytest.approx(0.5, abs=0.01)


def test_learning_rate_warms_up_and_ends_at_a_hundredth():
    rates = [learning_rate(step, 1000, 100) for step in range(1001)]
    assert rates[0] == 0.01 and rates[99] == rates[100] == 1
    assert rates[550] == pytest.approx(0.505) and rates[1000] == pytest.approx(0.01)
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_steps_fit_into_the_time(tmp_path, monkeypatch):
    clock = iter([50.0, 58.0])
    monkeypatch.setattr("training.loop.time.perf_counter", lambda: next(clock))
    calls = []
    steps = fit_steps(partial(_count, calls), 100.0, 10.0, Log(tmp_path / "log.jsonl"))
    assert len(calls) == 60 and steps == (100 - 48) / 0.2
    assert rows_of(tmp_path / "log.jsonl") == [
        {"event": "speed", "milliseconds": 200.0, "steps": 260}
    ]


def _count(calls):
    calls.append(1)
    return 0.0


@pytest.fixture
def trained_flow(trained_vae, tmp_path):
    loss = flow.build(arguments(None, None, vae=trained_vae), torch.device("cpu"))
    for name in ("conditioner", "denoiser"):
        flow.save_shards(getattr(loss, name).state_dict(), tmp_path / "flow", name)
    return tmp_path / "flow"


def test_export_joins_the_networks_under_their_prefixes(
    trained_vae, trained_flow, tmp_path, monkeypatch
):
    sizes = ShapeVAEConfig(**json.loads((trained_vae / "vae.json").read_text()))
    monkeypatch.setitem(export.SHAPE_VAE_VARIANTS, "maquette-mini", sizes)
    paths = export.export(trained_vae, trained_flow, tmp_path / "out")
    assert all(path.parent == tmp_path / "out" for path in paths)
    state = widen_state(read_shards(tmp_path / "out", export.STEM))
    vae = {key.removeprefix("vae."): t for key, t in state.items() if key.startswith("vae.")}
    trained = load_shards(trained_vae, "vae")
    assert vae.keys() == trained.keys() == ShapeVAE(sizes).state_dict().keys()
    for key, tensor in trained.items():
        assert (vae[key].float() - tensor).abs().max() <= tensor.abs().max() / 100
    assert {key.split(".")[0] for key in state} == {"model", "vae", "conditioner"}


def test_unpacked_weights_are_the_shipped_ones(trained_vae, trained_flow, tmp_path, monkeypatch):
    sizes = ShapeVAEConfig(**json.loads((trained_vae / "vae.json").read_text()))
    for module in (export, unpack):
        monkeypatch.setitem(module.SHAPE_VAE_VARIANTS, "maquette-mini", sizes)
    export.export(trained_vae, trained_flow, tmp_path / "shipped")
    unpack.unpack(tmp_path / "shipped", tmp_path / "again")
    loss = flow.build(
        arguments(None, None, vae=tmp_path / "again", resume=tmp_path / "again"),
        torch.device("cpu"),
    )
    assert loss.vae.config == sizes
    state = widen_state(read_shards(tmp_path / "shipped", export.STEM))
    for prefix, name in export.PARTS.items():
        for key, tensor in getattr(loss, name).state_dict().items():
            assert torch.allclose(tensor, state[f"{prefix}.{key}"].float(), rtol=1e-3, atol=1e-6)


def test_export_refuses_other_sizes(trained_vae, trained_flow, tmp_path):
    with pytest.raises(ValueError, match="scale_factor"):
        export.export(trained_vae, trained_flow, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pace_follows_a_speed_that_changes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("training.loop.time.perf_counter", lambda: now[0])
    pace, done, steps = Pace(100.0, 0.0, 0, every=10), 0, 1000
    while done < steps:
        now[0] += 0.1 if done < 500 else 1.0  # ten times slower half way
        done += 1
        steps = pace.fit(done, steps)
    assert done == pytest.approx(550, abs=2) and now[0] == pytest.approx(100, abs=2)


def test_pace_ends_a_run_that_is_late(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("training.loop.time.perf_counter", lambda: now[0])
    pace = Pace(5.0, 0.0, 0, every=10)
    assert pace.fit(9, 1000) == 1000
    now[0] = 20.0
    assert pace.fit(10, 1000) == 10
