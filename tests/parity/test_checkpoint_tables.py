# SPDX-License-Identifier: GPL-3.0-or-later
"""The published checkpoints' tables of names and shapes fit our networks: nothing more or less."""

import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from backend.models.hunyuan3d.config import DENOISER_VARIANTS, SHAPE_VAE_VARIANTS
from backend.models.hunyuan3d.denoiser import Denoiser
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from tests.parity.cases import OWN_FOLDER

FOLDERS = {
    "hunyuan3d-2": "hunyuan3d-dit-v2-0",
    "hunyuan3d-2-turbo": "hunyuan3d-dit-v2-0-turbo",
    "hunyuan3d-2-mini": "hunyuan3d-dit-v2-mini",
    "hunyuan3d-2-mv": "hunyuan3d-dit-v2-mv",
    "hunyuan3d-2.1": "hunyuan3d-dit-v2-1",
}


def read_table(variant: str) -> dict:
    path = OWN_FOLDER / f"checkpoint_{FOLDERS[variant]}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def shapes_of(network: nn.Module) -> dict[str, list[int]]:
    return {name: list(weight.shape) for name, weight in network.state_dict().items()}


def part_of(table: dict, prefix: str) -> dict[str, list[int]]:
    names = table["parameters"]
    return {n.removeprefix(prefix): names[n] for n in names if n.startswith(prefix)}


@pytest.mark.parametrize("variant", sorted(set(FOLDERS) & set(DENOISER_VARIANTS)))
def test_denoiser_has_exactly_the_published_names_and_shapes(variant: str) -> None:
    table, config = read_table(variant), DENOISER_VARIANTS[variant]
    with torch.device("meta"):
        denoiser = Denoiser(config)
    assert shapes_of(denoiser) == part_of(table, "model.")
    ours = {name: getattr(config, name) for name in table["model"]}
    assert ours == {**table["model"], "axes_dim": tuple(table["model"]["axes_dim"])}


@pytest.mark.parametrize("variant", sorted(FOLDERS))
def test_shape_vae_has_exactly_the_published_names_and_shapes(variant: str) -> None:
    table, config = read_table(variant), SHAPE_VAE_VARIANTS[variant]
    with torch.device("meta"):
        vae = ShapeVAE(config)
    assert shapes_of(vae) == part_of(table, "vae.")
    assert table["vae"].items() <= asdict(config).items()
