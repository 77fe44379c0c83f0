# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting models from the embedded shards, and from a tiny folder like a published one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.config import PAINT_MODELS
from backend.errors import ModelMissingError, WeightsError
from backend.models.hunyuan3d_paint.config import VARIANTS, MultiviewUNetConfig
from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from backend.models.maquette.colour_guess import ColourGuess
from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.config import (
    AUTOENCODER_VARIANTS,
    AutoencoderConfig,
    TextEncoderConfig,
    UNetConfig,
)
from backend.models.stable_diffusion.text_encoder import TextEncoder
from backend.models.stable_diffusion.unet import UNet
from backend.pipelines import families
from backend.pipelines.families import PAINT_DEFAULTS, load_paint_networks, nearest_camera_label
from tests.parity.cases import load_case

CPU = torch.device("cpu")
UNET = load_case("paint_pipeline").config["unet"]
VAE = load_case("paint_pipeline").config["vae"]
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 5,
    "vocab_size": 7,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
}
NOISE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}


def write(
    folder: Path, values: dict[str, Any], state: dict[str, torch.Tensor] | None = None
) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(values))
    if state is not None:
        save_file(state, folder / "diffusion_pytorch_model.safetensors")


def write_paint(root: Path) -> Path:
    """The painting network, pickled, with its autoencoder and its noise."""
    torch.manual_seed(0)
    write(root / "unet", UNET)
    unet = MultiviewUNet(MultiviewUNetConfig.from_published(UNET))
    torch.save(unet.state_dict(), root / "unet" / "diffusion_pytorch_model.bin")
    write(root / "vae", VAE, Autoencoder(AutoencoderConfig.from_published(VAE)).state_dict())
    (root / "scheduler").mkdir()
    (root / "scheduler" / "scheduler_config.json").write_text(json.dumps(NOISE))
    return root


def write_delight(root: Path) -> Path:
    torch.manual_seed(1)
    unet = {**UNET, "in_channels": 8}
    write(root / "unet", unet, UNet(UNetConfig.from_published(unet)).state_dict())
    write(root / "vae", VAE, Autoencoder(AutoencoderConfig.from_published(VAE)).state_dict())
    (root / "scheduler").mkdir()
    (root / "scheduler" / "scheduler_config.json").write_text(json.dumps(NOISE))
    write(root / "text_encoder", TEXT)
    encoder = TextEncoder(TextEncoderConfig.from_published(TEXT))
    save_file(encoder.state_dict(), root / "text_encoder" / "model.safetensors")
    (root / "tokenizer").mkdir()
    words = {"<start>": 5, "<end>": 6, "!": 0}
    (root / "tokenizer" / "vocab.json").write_text(json.dumps(words))
    special = {"bos_token": {"content": "<start>"}, "eos_token": "<end>", "pad_token": "!"}
    (root / "tokenizer" / "special_tokens_map.json").write_text(json.dumps(special))
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A models folder with a tiny published painting model, and no light remover."""
    write_paint(tmp_path / "Hunyuan3D-2" / "hunyuan3d-paint-v2-0")
    return tmp_path


def test_published_folder_loads_pickled_networks_and_its_own_noise(folder: Path) -> None:
    networks = load_paint_networks("hunyuan3d-paint-2", CPU, torch.float32, folder)
    assert networks.light_remover is None
    noise = networks.defaults.noise
    assert (noise.prediction_type, noise.steps_offset) == ("v_prediction", 1)
    assert noise.timestep_spacing == "trailing"  # set by the pipeline, not by the file
    defaults = networks.defaults
    assert (defaults.steps, defaults.guidance, defaults.sampler) == (30, 2.0, "euler_ancestral")
    latents = networks.autoencoder.sample(torch.zeros(1, 3, 64, 64))
    tokens = networks.unet.encode_reference(latents[None])
    geometry = torch.cat([latents, latents], dim=1)[None]
    labels = torch.tensor([[21]])
    out = networks.unet(latents[None], torch.tensor(500.0), geometry, labels, tokens)
    assert out.shape == latents[None].shape
    assert out.isfinite().all()
    assert not any(p.requires_grad for p in networks.unet.parameters())  # pyright: ignore


def test_light_remover_reads_the_empty_text_once(folder: Path) -> None:
    root = write_delight(folder / "Hunyuan3D-2" / "hunyuan3d-delight-v2-0")
    remover = load_paint_networks("hunyuan3d-paint-2", CPU, torch.float32, folder).light_remover
    assert remover is not None
    assert (remover.steps, remover.noise.timestep_spacing) == (50, "leading")
    torch.manual_seed(1)
    inputs = torch.randn(1, 8, 8, 8)
    out = remover.predict(inputs, torch.tensor(300.0))
    assert out.shape == (1, 4, 8, 8)
    text = families._read_empty_text(root, torch.float32)
    encoder = TextEncoder(TextEncoderConfig.from_published(TEXT)).eval()
    encoder.load_state_dict(load_file(root / "text_encoder" / "model.safetensors"))
    with torch.no_grad():
        assert torch.allclose(text, encoder(torch.tensor([[5, 6, 0, 0, 0]])), atol=1e-6)


@pytest.mark.parametrize("name", [name for name in PAINT_MODELS if name != "maquette-mini"])
def test_model_that_was_not_downloaded_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="not on this machine"):
        load_paint_networks(name, CPU, torch.float32, tmp_path)


def test_other_network_of_the_turbo_model_is_said_with_its_first_names(tmp_path: Path) -> None:
    root = write_paint(tmp_path / "Hunyuan3D-2" / "hunyuan3d-paint-v2-0-turbo")
    path = root / "unet" / "diffusion_pytorch_model.bin"
    state = torch.load(path, weights_only=True)
    state["unet.new_layer.weight"] = torch.ones(1)
    torch.save(state, path)
    with pytest.raises(WeightsError) as caught:
        load_paint_networks("hunyuan3d-paint-2-turbo", CPU, torch.float32, tmp_path)
    assert "'hunyuan3d-paint-2-turbo' holds another network" in caught.value.message
    assert "unet.new_layer.weight unexpected" in caught.value.message
    assert "hunyuan3d-paint-2" in caught.value.hint


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("unet/config.json", ModelMissingError),
        ("unet/diffusion_pytorch_model.bin", ModelMissingError),
        ("vae/diffusion_pytorch_model.safetensors", ModelMissingError),
        ("scheduler/scheduler_config.json", ModelMissingError),
    ],
)
def test_incomplete_download_is_a_missing_model(folder: Path, file: str, error: type) -> None:
    (folder / "Hunyuan3D-2" / "hunyuan3d-paint-v2-0" / file).unlink()
    with pytest.raises(error) as caught:
        load_paint_networks("hunyuan3d-paint-2", CPU, torch.float32, folder)
    assert "ownload" in caught.value.hint


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"act_fn": "gelu"}'])
def test_config_that_is_no_config_is_a_weights_error(folder: Path, text: str) -> None:
    (folder / "Hunyuan3D-2" / "hunyuan3d-paint-v2-0" / "unet" / "config.json").write_text(text)
    with pytest.raises(WeightsError):
        load_paint_networks("hunyuan3d-paint-2", CPU, torch.float32, folder)


def test_pickle_that_runs_code_is_refused(folder: Path) -> None:
    path = folder / "Hunyuan3D-2" / "hunyuan3d-paint-v2-0" / "unet" / "diffusion_pytorch_model.bin"
    torch.save({"unet.conv_in.weight": Path("x")}, path)
    with pytest.raises(WeightsError, match="damaged"):
        load_paint_networks("hunyuan3d-paint-2", CPU, torch.float32, folder)


def test_embedded_weights_go_to_all_networks(monkeypatch, tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = MultiviewUNet(VARIANTS["maquette-mini"]).state_dict()
    autoencoder = Autoencoder(AUTOENCODER_VARIANTS["maquette-mini"]).state_dict()
    state = {**unet, **{f"vae.{name}": tensor for name, tensor in autoencoder.items()}}
    guesser = ColourGuess().state_dict()
    state |= {f"guess.{name}": tensor for name, tensor in guesser.items()}
    monkeypatch.setattr(families, "load_state", lambda entry, folder: dict(state))
    networks = load_paint_networks("maquette-mini", CPU, torch.float32, tmp_path)
    loaded = networks.unet.state_dict()  # pyright: ignore
    assert loaded.keys() == unet.keys()
    assert torch.equal(loaded["unet.conv_in.weight"], unet["unet.conv_in.weight"])
    assert isinstance(networks.guesser, ColourGuess)
    assert torch.equal(networks.guesser.bias, guesser["bias"])
    size = networks.defaults.view_size
    assert networks.autoencoder.sample(torch.zeros(1, 3, size, size)).shape[1] == 4


def test_every_painting_model_has_defaults() -> None:
    assert tuple(PAINT_DEFAULTS) == PAINT_MODELS


@pytest.mark.parametrize(
    ("angles", "label"),
    [
        *[((0, 0), 21), ((90, 0), 12), ((180, 0), 15), ((270, 0), 18), ((0, 90), 43)],
        *[((180, -90), 37), ((-90, 0), 18), ((-180.0, -90.0), 37), ((359.9, 1.5), 21)],
        ((44, 12), nearest_camera_label(30, 20)),
    ],
)
def test_label_is_that_of_the_nearest_trained_direction(
    angles: tuple[float, float], label: int
) -> None:
    assert nearest_camera_label(*angles) == label


def test_the_weights_that_ship_load_and_paint_with_a_fitted_guess(tmp_path: Path) -> None:
    networks = load_paint_networks("maquette-mini", CPU, torch.float32, tmp_path)
    assert isinstance(networks.guesser, ColourGuess)
    assert not torch.equal(networks.guesser.gate, ColourGuess().gate)
    assert networks.defaults.is_told_known
