# SPDX-License-Identifier: GPL-3.0-or-later
"""The published shape checkpoints load by their exact names and shapes (nothing is allocated)."""

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
from backend.weights.catalogue import CATALOGUE
from backend.weights.load import PARTS, build_empty, check_names, fill_network, take_part
from tests.parity.cases import golden_folder

TABLES = sorted(path.stem for path in golden_folder().glob("checkpoint_hunyuan3d-dit*.json"))
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
