# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a model's name into its loaded networks and the facts that the stages need about them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..field.decode import BOX, FieldDecoder
from ..latents.guidance import Denoiser
from ..latents.sample import SamplerDefaults
from ..models.hunyuan3d.conditioner import ImageConditioner
from ..models.hunyuan3d.config import (
    CONDITIONER_VARIANTS,
    DENOISER21_VARIANTS,
    DENOISER_VARIANTS,
    SHAPE_VAE_VARIANTS,
)
from ..models.hunyuan3d.denoiser import Denoiser as Denoiser20
from ..models.hunyuan3d.denoiser21 import Denoiser21
from ..models.hunyuan3d.shape_vae import ShapeVAE
from ..tokens.encode import Conditioner
from ..weights.catalogue import find_model
from ..weights.load import Network, State, build_empty, fill_network, load_state, take_part

_PUBLISHED_SAMPLER = SamplerDefaults(steps=50, guidance=5.0)
SAMPLERS: dict[str, SamplerDefaults] = {
    "maquette-mini": SamplerDefaults(steps=15, guidance=4.0, shift=8.0),
    "hunyuan3d-2": _PUBLISHED_SAMPLER,
    "hunyuan3d-2-turbo": SamplerDefaults(
        steps=5, guidance=5.0, solver="consistency", is_guidance_embedded=True
    ),
    "hunyuan3d-2-mini": _PUBLISHED_SAMPLER,
    "hunyuan3d-2-mv": _PUBLISHED_SAMPLER,
    "hunyuan3d-2.1": _PUBLISHED_SAMPLER,
}
"""The published models' as published; the mini model's from its own training."""
_PUBLISHED_IMAGE_SIZE = 512
_MINI = "maquette-mini"
_MINI_BOX = 1.05
"""The box that its training fields filled; shapes are inflated a little beyond [-1, 1]."""
_MINI_SMOOTHING = 10


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of one model, on their device, and how to use them.

    Attributes:
        conditioner: Picture -> condition tokens.
        denoiser: Latents, time, tokens -> velocity.
        decoder: Latents and points -> field.
        sampler: How the model wants to be sampled.
        image_size: Edge of the prepared picture, pixels.
        latent_shape: Number of latents N and their channels C.
        box: Half the edge of the field's box.
        smoothing: Rounds of smoothing that suit the model's surfaces.
        dtype: Of weights and activations.
    """

    conditioner: Conditioner
    denoiser: Denoiser
    decoder: FieldDecoder
    sampler: SamplerDefaults
    image_size: int
    latent_shape: tuple[int, int]
    box: float = BOX
    smoothing: int = 0
    dtype: torch.dtype = torch.float32


def load_networks(name: str, device: torch.device, dtype: torch.dtype, folder: Path) -> Networks:
    """Read a model's weights and put its networks on a device.

    Args:
        name: As in `config.MODELS`.
        device: Where to.
        dtype: Of weights and activations.
        folder: The user's models folder; the embedded model does not need it.

    Raises:
        ModelMissingError: No such model, or its weights are not on this machine.
        WeightsError: A file is damaged or does not fit the networks.
    """
    state = load_state(find_model(name), folder)
    return Networks(
        conditioner=_fill(lambda: make_conditioner(name), state, "conditioner", device, dtype),
        denoiser=_fill(lambda: make_denoiser(name), state, "model", device, dtype),
        decoder=_fill(lambda: make_shape_vae(name), state, "vae", device, dtype),
        sampler=SAMPLERS[name],
        image_size=_image_size(name),
        latent_shape=_latent_shape(name),
        box=_MINI_BOX if name == _MINI else BOX,
        smoothing=_MINI_SMOOTHING if name == _MINI else 0,
        dtype=dtype,
    )


def make_conditioner(name: str) -> ImageConditioner:
    """The model's image encoder, not loaded."""
    return ImageConditioner(CONDITIONER_VARIANTS[name])


def make_denoiser(name: str) -> Denoiser20 | Denoiser21:
    """The model's denoiser, not loaded."""
    if name in DENOISER21_VARIANTS:
        return Denoiser21(DENOISER21_VARIANTS[name])
    return Denoiser20(DENOISER_VARIANTS[name])


def make_shape_vae(name: str) -> ShapeVAE:
    """The model's shape autoencoder, not loaded."""
    return ShapeVAE(SHAPE_VAE_VARIANTS[name])


def _fill(
    build: Callable[[], Network], state: State, part: str, device: torch.device, dtype: torch.dtype
) -> Network:
    """Build one network and give it its part of the weights, which leaves `state`."""
    network = fill_network(build_empty(build), take_part(state, part), dtype)
    return network.to(device)


def _latent_shape(name: str) -> tuple[int, int]:
    config = SHAPE_VAE_VARIANTS[name]
    return config.num_latents, config.embed_dim


def _image_size(name: str) -> int:
    """The edge of prepared pictures; the conditioner resizes the published models' again."""
    if name == _MINI:
        return CONDITIONER_VARIANTS[name].image_size
    return _PUBLISHED_IMAGE_SIZE
