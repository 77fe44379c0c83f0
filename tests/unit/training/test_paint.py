# SPDX-License-Identifier: GPL-3.0-or-later
"""The painting run and its export, on networks and pictures small enough for seconds."""

import argparse
import json
from dataclasses import asdict, replace

import pytest
import torch

from backend.models.hunyuan3d_paint.config import MultiviewUNetConfig
from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from backend.models.maquette.colour_guess import ColourGuess
from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.config import AutoencoderConfig, UNetConfig
from backend.weights.load import read_shards, take_part, widen_state
from tests.unit.training.made_props import write_props
from training import export_paint, paint
from training.checkpoints import load_shards
from training.paint import PaintTraining
from training.paint_autoencoder import AutoencoderTraining
from training.paint_latents import KnownParts, draw_known, encode_entries, find_free

AUTOENCODER = AutoencoderConfig(
    block_out_channels=(8, 8, 16), layers_per_block=1, norm_num_groups=4
)
UNET = MultiviewUNetConfig(
    UNetConfig(
        in_channels=4, out_channels=4, block_out_channels=(8, 16), down_has_attention=(False, True),
        up_has_attention=(True, False), layers_per_block=1, num_heads=(1, 2),
        cross_attention_dim=8, norm_num_groups=4, norm_eps=1e-5, use_linear_projection=True,
    ),
    text_length=2,
)  # fmt: skip
TRAINING = PaintTraining(
    steps=2, batch=2, size=32, entries=1, variants=2, extra_views=1, warmup=1, learning_rate=3e-3,
    autoencoder=AutoencoderTraining(steps=2, batch=2, crop=16, warmup=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def props_folder(tmp_path_factory):
    return write_props(tmp_path_factory.mktemp("props"))


@pytest.fixture(scope="module", autouse=True)
def tiny_networks():
    """Tiny sizes under the shipped variant's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(paint.AUTOENCODER_VARIANTS, "maquette-mini", AUTOENCODER)
        patch.setitem(paint.VARIANTS, "maquette-mini", UNET)
        yield


def arguments(props, out, **changes):
    values = {
        "props": props, "out": out, "autoencoder": None, "autoencoder_seconds": None,
        "resume": None, "guess": None, "seconds": None, "device": "cpu", "limit": 2, "every": 1,
        "evaluate_every": 100, "check_count": 1, "graph": False,
    }  # fmt: skip
    return argparse.Namespace(**{**values, **changes})


@pytest.fixture(scope="module")
def finished(props_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    run = paint.Run(arguments(props_folder, out), TRAINING)
    start = {name: x.detach().clone() for name, x in run.masters.named_parameters()}
    run.train()
    return run, start, out


def test_a_run_changes_every_weight_that_the_painting_reads(finished):
    run, start, _ = finished
    same = [name for name, x in run.masters.named_parameters() if torch.equal(x, start[name])]
    # Of the reference network only what precedes its last stored tokens is ever read.
    assert all(name.startswith("unet_dual.") for name in same), same
    assert not any(".down_blocks." in name for name in same)


def test_a_run_writes_networks_that_load_and_a_log_with_measures(finished):
    _, _, out = finished
    MultiviewUNet(UNET).load_state_dict(load_shards(out, "paint"))
    values = json.loads((out / "autoencoder.json").read_text())
    values["block_out_channels"] = tuple(values["block_out_channels"])
    config = AutoencoderConfig(**values)
    Autoencoder(config).load_state_dict(load_shards(out, "autoencoder"))
    assert config.scaling_factor != 1
    rows = [json.loads(line) for line in (out / "paint_log.jsonl").read_text().splitlines()]
    measured = [row for row in rows if "psnr_back" in row]
    assert {tuple(row["settings"]) for row in measured} >= {
        (1, None, False),
        (1, 1.5, True),
        (0, None, True),
    }
    assert all(0 < row["psnr"] < 60 for row in measured)
    assert (out / "paint_sheet.png").stat().st_size > 1000


def test_the_scale_gives_the_latents_unit_variance(finished):
    run, _, _ = finished
    touched = run.held_latents.touched[0, :6, None].expand(-1, 4, -1, -1)
    latents = run.held_latents.clean[0, 0, :6][touched]
    assert 0.3 < float(latents.float().std()) < 2


def test_the_same_seed_gives_the_same_network(props_folder, finished, tmp_path):
    run, _, _ = finished
    again = paint.Run(arguments(props_folder, tmp_path), TRAINING)
    again.train()
    for a, b in zip(run.masters.parameters(), again.masters.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_given_autoencoder_is_used_as_it_is(props_folder, finished, tmp_path):
    run, _, out = finished
    other = paint.Run(arguments(props_folder, tmp_path, autoencoder=out), TRAINING)
    stored = load_shards(out, "autoencoder")
    assert all(torch.equal(x, stored[n]) for n, x in other.autoencoder.state_dict().items())
    assert other.autoencoder.config == run.autoencoder.config


def test_the_export_holds_both_networks_under_their_prefixes(finished, tmp_path, monkeypatch):
    run, _, out = finished
    monkeypatch.setitem(export_paint.AUTOENCODER_VARIANTS, "maquette-mini", run.autoencoder.config)
    export_paint.export_paint(out, tmp_path)
    state = widen_state(read_shards(tmp_path, export_paint.STEM))
    Autoencoder(run.autoencoder.config).load_state_dict(take_part(state, "vae"))
    ColourGuess().load_state_dict(take_part(state, "guess"))
    network = MultiviewUNet(UNET)
    network.load_state_dict(state)
    exact = load_shards(out, "paint")
    for name, value in network.state_dict().items():
        assert (value - exact[name]).abs().max() <= exact[name].abs().max() / 120 + 1e-3


def test_the_export_refuses_another_scale_than_the_variant_declares(
    finished, tmp_path, monkeypatch
):
    run, _, out = finished
    wrong = replace(run.autoencoder.config, scaling_factor=1.0)
    monkeypatch.setitem(export_paint.AUTOENCODER_VARIANTS, "maquette-mini", wrong)
    with pytest.raises(ValueError, match="scaling_factor"):
        export_paint.export_paint(out, tmp_path)


def test_what_is_not_known_of_the_object_is_painted_with_its_neighbours():
    touched, seen = torch.zeros(2, 1, 1, 8, 8, dtype=torch.bool)
    touched[..., 4, 2:6] = True
    seen[..., 4, 2:4] = True
    free = find_free(seen, touched)[0, 0]
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[3:6, 3:7] = True
    assert torch.equal(free, expected)


@pytest.mark.parametrize("variants", [0, 2])
def test_what_is_given_tells_nothing_of_the_colours_that_are_not_known(
    variants, props_folder, finished, tmp_path
):
    run, _, out = finished
    arguments_ = arguments(props_folder, tmp_path, autoencoder=out)
    config = replace(TRAINING.known, nothing_chance=0.3)

    def encode(change):
        generator = torch.Generator().manual_seed(3)
        entries = paint.make_entries(arguments_, "train", TRAINING, generator)
        entries.colour[..., :3] = change(entries)
        return encode_entries(run.autoencoder, ColourGuess(), entries, variants, config, generator)

    plain = encode(lambda entries: entries.colour[..., :3])
    factor = 32 // plain.known.shape[-1]
    # What no choice of known parts holds, since it varies with the variant.
    hidden = ~plain.known.any(1).repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    assert hidden.any() and plain.known.any()

    def invert(entries):
        colour = entries.colour[..., :3]
        return torch.where(hidden[..., None], 255 - colour, colour)

    changed = encode(invert)
    assert torch.equal(plain.known, changed.known)
    assert torch.equal(plain.given, changed.given)
    assert not torch.equal(plain.clean, changed.clean)


def test_objects_know_what_one_or_both_references_show_or_nothing():
    seen = torch.zeros(64, 2, 2, 16, 16, dtype=torch.bool)
    seen[:, :, 0, :8], seen[:, :, 1, 8:] = True, True
    generator = torch.Generator().manual_seed(0)
    known = draw_known(seen, KnownParts(hole_share=0.0), generator)
    upper, lower = known[:, 0, :8].all((1, 2)), known[:, 0, 8:].all((1, 2))
    assert torch.equal(known.any(3).any(2).any(1), upper)
    assert not (lower & ~upper).any()
    assert 0.6 < upper.float().mean() < 0.95
    assert 0.1 < lower.float().mean() < 0.5
    holes = draw_known(seen, KnownParts(nothing_chance=0.0), generator)
    assert 0.02 < 1 - holes[:, :, :8].float().mean() < 0.2


def test_settings_files_know_every_name(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(asdict(TRAINING)))
    assert paint.read_config(path) == TRAINING
    path.write_text('{"learning_rte": 1}')
    with pytest.raises(ValueError, match="learning_rte"):
        paint.read_config(path)
