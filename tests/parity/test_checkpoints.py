# SPDX-License-Identifier: GPL-3.0-or-later
"""The published checkpoints load by their exact names and shapes (nothing is allocated)."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from backend.errors import WeightsError
from backend.models.hunyuan3d.conditioner import ImageConditioner
from backend.models.hunyuan3d.config import (
    CONDITIONER_VARIANTS,
    DENOISER21_VARIANTS,
    DENOISER_VARIANTS,
    SHAPE_VAE_VARIANTS,
    ConditionerConfig,
    Denoiser21Config,
    DenoiserConfig,
    ShapeVAEConfig,
)
from backend.models.hunyuan3d.denoiser import Denoiser
from backend.models.hunyuan3d.denoiser21 import Denoiser21
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from backend.models.hunyuan3d_paint.config import VARIANTS as PAINT_VARIANTS
from backend.models.hunyuan3d_paint.config import MultiviewUNetConfig
from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.checkpoint import drop_position_ids, rename_autoencoder
from backend.models.stable_diffusion.config import (
    AUTOENCODER_VARIANTS,
    TEXT_ENCODER_VARIANTS,
    UNET_VARIANTS,
    AutoencoderConfig,
    TextEncoderConfig,
    UNetConfig,
)
from backend.models.stable_diffusion.text_encoder import TextEncoder
from backend.models.stable_diffusion.unet import UNet
from backend.weights.catalogue import CATALOGUE
from backend.weights.load import PARTS, build_empty, check_names, fill_network, take_part
from tests.parity.cases import golden_folder

TABLES = sorted(path.stem for path in golden_folder().glob("checkpoint_hunyuan3d-dit*.json"))
PAINT_NETWORKS: dict[str, tuple[type[nn.Module], Any, dict[str, Any]]] = {
    "hunyuan3d-paint-v2-0/unet": (MultiviewUNet, MultiviewUNetConfig, PAINT_VARIANTS),
    "hunyuan3d-paint-v2-0/vae": (Autoencoder, AutoencoderConfig, AUTOENCODER_VARIANTS),
    "hunyuan3d-delight-v2-0/unet": (UNet, UNetConfig, UNET_VARIANTS),
    "hunyuan3d-delight-v2-0/text_encoder": (TextEncoder, TextEncoderConfig, TEXT_ENCODER_VARIANTS),
}
"""Folder of a published file -> network, its config class, and its variants."""
PAINT_TABLES = sorted(
    path.stem
    for family in ("paint", "delight")
    for path in golden_folder().glob(f"checkpoint_hunyuan3d-{family}*.json")
)
MODEL_OF_FOLDER = {
    Path(entry.file).parts[0]: entry.name for entry in CATALOGUE.values() if not entry.is_embedded
}


def read_table(name: str) -> dict[str, Any]:
    return json.loads((golden_folder() / f"{name}.json").read_text(encoding="utf-8"))


def empty_state(table: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Tensors with the table's names and shapes, without memory."""
    return {
        name: torch.empty(shape, dtype=torch.float16, device="meta")
        for name, shape in table["parameters"].items()
    }


def read_config(cls: type, values: dict[str, Any]) -> Any:
    known = {item.name for item in fields(cls)}
    return cls(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known}
    )


def read_configs(table: dict[str, Any]) -> tuple[Any, ShapeVAEConfig, ConditionerConfig]:
    """The three networks' configs, from the table alone."""
    is_21 = "num_moe_layers" in table["model"]
    model = (
        Denoiser21Config.from_published(table["model"])
        if is_21
        else read_config(DenoiserConfig, table["model"])
    )
    vae = read_config(ShapeVAEConfig, table["vae"])
    return model, vae, ConditionerConfig.from_published(table["conditioner"])


def build_networks(table: dict[str, Any]) -> dict[str, nn.Module]:
    model, vae, conditioner = read_configs(table)
    denoiser = Denoiser21 if isinstance(model, Denoiser21Config) else Denoiser
    return {
        "model": build_empty(lambda: denoiser(model)),
        "vae": build_empty(lambda: ShapeVAE(vae)),
        "conditioner": build_empty(lambda: ImageConditioner(conditioner)),
    }


@pytest.mark.parametrize("name", TABLES)
def test_published_names_and_shapes_fit_exactly(name: str) -> None:
    table = read_table(name)
    state = empty_state(table)
    for part, network in build_networks(table).items():
        fill_network(network, take_part(state, part))
        assert next(network.parameters()).dtype == torch.float16
    assert not state, f"no network wants {sorted(state)[:5]}"


@pytest.mark.parametrize("name", TABLES)
def test_our_variant_is_the_published_configuration(name: str) -> None:
    table = read_table(name)
    model_name = MODEL_OF_FOLDER.get(Path(table["file"]).parts[0])
    if model_name is None:
        pytest.skip("a checkpoint that is not in the catalogue")
    assert CATALOGUE[model_name].file == table["file"]
    model, vae, conditioner = read_configs(table)
    assert {**DENOISER_VARIANTS, **DENOISER21_VARIANTS}[model_name] == model
    assert SHAPE_VAE_VARIANTS[model_name] == vae
    assert CONDITIONER_VARIANTS[model_name] == conditioner


def test_all_five_published_models_have_a_table() -> None:
    folders = {Path(read_table(name)["file"]).parts[0] for name in TABLES}
    assert folders >= set(MODEL_OF_FOLDER)


@pytest.mark.parametrize("part", PARTS)
def test_one_wrong_name_is_reported_by_name(part: str) -> None:
    table = read_table(TABLES[0])
    state = take_part(empty_state(table), part)
    removed = sorted(state)[0]
    del state[removed]
    state["extra.weight"] = torch.empty(1, device="meta")
    with pytest.raises(WeightsError) as caught:
        check_names(build_networks(table)[part], state)
    assert f"{removed} missing" in caught.value.message
    assert "extra.weight unexpected" in caught.value.message


def paint_folder(table: dict[str, Any]) -> str:
    return str(Path(table["file"].partition(",")[0]).parent)


def build_paint_network(table: dict[str, Any]) -> nn.Module:
    network, config, _ = PAINT_NETWORKS[paint_folder(table)]
    return build_empty(lambda: network(config.from_published(table["config"])))


def test_all_four_paint_and_light_removal_networks_have_a_table() -> None:
    assert {paint_folder(read_table(name)) for name in PAINT_TABLES} >= set(PAINT_NETWORKS)


@pytest.mark.parametrize("name", PAINT_TABLES)
def test_published_paint_names_and_shapes_fit_exactly(name: str) -> None:
    table = read_table(name)
    network = fill_network(build_paint_network(table), empty_state(table))
    assert next(network.parameters()).dtype == torch.float16


@pytest.mark.parametrize("name", PAINT_TABLES)
def test_our_paint_variant_is_the_published_configuration(name: str) -> None:
    table = read_table(name)
    _, config, variants = PAINT_NETWORKS[paint_folder(table)]
    variant = paint_folder(table).partition("-v")[0] + "-2"
    assert variants[variant] == config.from_published(table["config"])


@pytest.mark.parametrize("kernel", [(), (1, 1)], ids=["matrices", "kernels"])
def test_autoencoder_files_with_old_attention_names_fit(kernel: tuple[int, ...]) -> None:
    table = read_table("checkpoint_hunyuan3d-paint-v2-0_vae")
    current = empty_state(table)
    old = dict(current)
    for old_name, name in table["old_names"].items():
        tensor = old.pop(name)
        old[old_name] = tensor.reshape(*tensor.shape, *kernel) if tensor.ndim == 2 else tensor
    assert rename_autoencoder(current).keys() == current.keys()
    assert old.keys() != current.keys()
    fill_network(build_paint_network(table), rename_autoencoder(old))


def test_old_text_encoder_files_fit_without_their_constant() -> None:
    table = read_table("checkpoint_hunyuan3d-delight-v2-0_text_encoder")
    state = empty_state(table)
    state["text_model.embeddings.position_ids"] = torch.empty(1, 77, device="meta")
    with pytest.raises(WeightsError, match="position_ids"):
        check_names(build_paint_network(table), state)
    fill_network(build_paint_network(table), drop_position_ids(state))
