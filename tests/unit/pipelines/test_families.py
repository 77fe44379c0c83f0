# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch
from torch.fx.experimental import _config

from backend.config import MODELS
from backend.data import PreparedImage
from backend.errors import InputError, ModelMissingError
from backend.pipelines import families
from backend.pipelines.families import (
    SAMPLERS,
    load_networks,
    make_conditioner,
    make_denoiser,
    make_shape_vae,
)
from backend.pipelines.image_to_shape import read_images
from backend.progress import Progress
from backend.tokens.encode import encode_image
from backend.weights.load import State


def random_state(name: str) -> State:
    """Weights of the model's shapes, as its file would hold them."""
    torch.manual_seed(0)
    parts = {"conditioner": make_conditioner, "model": make_denoiser, "vae": make_shape_vae}
    return {
        f"{part}.{key}": tensor
        for part, make in parts.items()
        for key, tensor in make(name).state_dict().items()
    }


@pytest.mark.parametrize("name", MODELS)
def test_networks_of_every_model_fit_together(name):
    # Without values, each expert of the 2.1 denoiser is taken to get every token.
    with _config.patch(meta_nonzero_assume_all_nonzero=True), torch.device("meta"):
        conditioner, denoiser, vae = (
            make(name) for make in (make_conditioner, make_denoiser, make_shape_vae)
        )
        views = 2 if conditioner.is_multiview else 1
        tokens = conditioner.null(1, views)
        count, channels = families._latent_shape(name)
        latents = torch.empty(1, count, channels)
        scale = [torch.ones(1)] if SAMPLERS[name].is_guidance_embedded else []
        velocity = denoiser(latents, torch.zeros(1), tokens, *scale)
        assert velocity.shape == latents.shape
        logits = vae.query(torch.empty(1, 10, 3), vae.decode(latents))
        assert logits.shape == (1, 10)


def test_mini_loads_from_its_file_and_takes_prepared_pictures(monkeypatch, tmp_path):
    state = random_state("maquette-mini")
    monkeypatch.setattr(families, "load_state", lambda entry, folder: dict(state))
    networks = load_networks("maquette-mini", torch.device("cpu"), torch.float32, tmp_path)
    size = networks.image_size
    prepared = PreparedImage(torch.rand(1, size, size, 4).numpy())
    tokens = encode_image(prepared, networks.conditioner, Progress())
    assert tokens.condition.shape == tokens.null.shape
    assert tokens.condition.isfinite().all()
    assert not any(p.requires_grad for p in networks.denoiser.parameters())  # pyright: ignore
    assert torch.equal(
        networks.denoiser.state_dict()["latent_in.weight"],  # pyright: ignore
        state["model.latent_in.weight"],
    )


@pytest.mark.parametrize("name", [name for name in MODELS if name != "maquette-mini"])
def test_model_that_was_not_downloaded_is_said(name, tmp_path):
    with pytest.raises(ModelMissingError) as caught:
        load_networks(name, torch.device("cpu"), torch.float32, tmp_path)
    assert caught.value.hint


def test_unknown_view_is_an_input_error():
    with pytest.raises(InputError, match="no view 'top'"):
        read_images([], ["top"])
