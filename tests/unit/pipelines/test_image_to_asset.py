# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture to textured object: in which order models are fetched, and who reads which picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.config import JobConfig, overlay
from backend.errors import InputError, ModelMissingError
from backend.paint.sample import PaintNetworks
from backend.pipelines.families import Networks
from backend.pipelines.image_to_asset import Asset, generate_asset
from backend.progress import Progress
from tests.worker.tiny_worker import load_tiny, load_tiny_paint

CPU = torch.device("cpu")
CONFIG = overlay(
    JobConfig(),
    {
        "texture": "paint",
        "resolution": 64,
        "target_faces": 200,
        "further_views": 0,
        "project_reference": "never",
    },
)
FRONT, BACK = 0, 2


def make_picture(red: float) -> np.ndarray:
    pixels = np.zeros((48, 48, 4), np.float32)
    pixels[8:40, 12:36] = (red, 0.3, 0.2, 1.0)
    return pixels


class Store:
    """Counts what is fetched."""

    def __init__(self, is_paint_missing: bool = False) -> None:
        self.order: list[str] = []
        self.is_paint_missing = is_paint_missing

    def shape(self) -> Networks:
        self.order.append("shape")
        return load_tiny("maquette-mini", CPU, torch.float32)

    def paint(self) -> PaintNetworks:
        self.order.append("paint")
        if self.is_paint_missing:
            raise ModelMissingError("No paint.", "Download it.")
        return load_tiny_paint("maquette-mini", CPU, torch.float32)


def generate(store: Store, labels: tuple[int, ...] = (FRONT,), **values: object) -> Asset:
    images = [make_picture(0.2 + 0.3 * n) for n in range(len(labels))]
    config = overlay(CONFIG, values)
    config = replace(config, bake=replace(config.bake, texture_size=128))  # small, so fast
    return generate_asset(images, labels, config, store.shape, store.paint, Progress(), CPU)


def test_asset_has_a_picture_on_a_new_map_of_the_same_mesh():
    asset = generate(Store())
    assert asset.picture is not None and asset.picture.shape == (128, 128, 3)
    assert asset.is_new_uv and asset.mesh.uv is not None
    assert asset.mesh.uv.shape == (len(asset.mesh.faces), 3, 2)
    bare = generate(Store(), texture="none")
    assert bare.picture is None and bare.mesh.uv is None and bare.coverage == {}
    assert np.array_equal(bare.mesh.vertices, asset.mesh.vertices)


def test_missing_painting_model_is_found_before_the_shape_model_is_loaded():
    store = Store(is_paint_missing=True)
    with pytest.raises(ModelMissingError, match="No paint"):
        generate(store)
    assert store.order == ["paint"]
    bare = Store(is_paint_missing=True)
    assert generate(bare, texture="none").picture is None
    assert bare.order == ["shape"]


def test_model_of_one_picture_takes_the_front_one_and_says_so():
    both = generate(Store(), (BACK, FRONT))
    (warning,) = both.warnings
    assert "front picture alone" in warning
    alone = generate_asset(
        [make_picture(0.5)],
        (FRONT,),
        overlay(CONFIG, {"texture": "none"}),
        Store().shape,
        Store().paint,
        Progress(),
        CPU,
    )
    assert np.array_equal(both.mesh.vertices, alone.mesh.vertices)


def test_model_of_one_picture_refuses_several_where_nothing_else_reads_them():
    with pytest.raises(InputError, match="reads one picture"):
        generate(Store(), (FRONT, BACK), texture="none")


def test_front_of_a_made_shape_is_where_it_is():
    turned, upright = generate(Store(), front_deg=90.0), generate(Store())
    assert np.array_equal(turned.picture, upright.picture)  # pyright: ignore
