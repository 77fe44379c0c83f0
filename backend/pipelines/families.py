# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a model's name into its loaded networks and the facts that the stages need about them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from ..errors import ModelMissingError, WeightsError
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
from ..models.hunyuan3d_paint.config import VARIANTS, MultiviewUNetConfig, camera_label
from ..models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from ..models.maquette.colour_guess import ColourGuess
from ..models.maquette.light_guess import LightGuess
from ..models.maquette.object_guess import ObjectGuess
from ..models.stable_diffusion.autoencoder import Autoencoder
from ..models.stable_diffusion.checkpoint import drop_position_ids, rename_autoencoder
from ..models.stable_diffusion.config import (
    AUTOENCODER_VARIANTS,
    AutoencoderConfig,
    TextEncoderConfig,
    UNetConfig,
)
from ..models.stable_diffusion.text_encoder import TextEncoder
from ..models.stable_diffusion.unet import Context, UNet
from ..paint.delight import LightRemover
from ..paint.sample import PaintDefaults, PaintNetworks
from ..paint.schedule import NoiseConfig
from ..tokens.encode import Conditioner
from ..weights.catalogue import (
    DELIGHT_FOLDER,
    EMBEDDED_FOLDER,
    LIGHT_STEM,
    OBJECT_STEM,
    find_model,
    find_paint_model,
)
from ..weights.hub import find_weights
from ..weights.load import (
    Network,
    State,
    build_empty,
    fill_network,
    load_state,
    read_shards,
    read_state,
    take_part,
    widen_state,
)
from .confidence import Calibration

_PUBLISHED_SAMPLER = SamplerDefaults(steps=50, guidance=5.0)
Config = TypeVar("Config")
SAMPLERS: dict[str, SamplerDefaults] = {
    "maquette-mini": SamplerDefaults(steps=10, guidance=4.0, shift=8.0, candidates=4),
    "hunyuan3d-2": _PUBLISHED_SAMPLER,
    "hunyuan3d-2-turbo": SamplerDefaults(
        steps=5, guidance=5.0, solver="consistency", is_guidance_embedded=True
    ),
    "hunyuan3d-2-mini": _PUBLISHED_SAMPLER,
    "hunyuan3d-2-mv": _PUBLISHED_SAMPLER,
    "hunyuan3d-2.1": _PUBLISHED_SAMPLER,
}
"""The published models' as published; the mini model's from its own training."""
_TRAILING = NoiseConfig(timestep_spacing="trailing")
PAINT_DEFAULTS: dict[str, PaintDefaults] = {
    "maquette-mini": PaintDefaults(
        steps=1,
        guidance=1.0,
        sampler="ddim",
        noise=replace(
            _TRAILING,
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            start_share=0.1,
        ),
        view_size=256,
        reference_size=256,
        supersample=2,
        is_corner_aligned=False,
        is_told_known=True,
        guess_weight=0.667,
    ),
    "hunyuan3d-paint-2": PaintDefaults(30, 2.0, "euler_ancestral", _TRAILING),
    "hunyuan3d-paint-2-turbo": PaintDefaults(10, None, "lcm", _TRAILING),
}
"""As published, but for the noise, which is read from the checkpoint; the mini model's is that of
its own training."""
_ELEVATIONS_DEG = (-90, -20, 0, 20, 90)
"""At which painting networks are trained."""
_PUBLISHED_IMAGE_SIZE = 512
_MINI = "maquette-mini"
_MINI_BOX = 1.05
"""The box that its training fields filled; shapes are inflated a little beyond [-1, 1]."""
_MINI_SMOOTHING = 10
CALIBRATIONS = {
    _MINI: Calibration(
        agreement=-0.2459,
        sharpness=1.4573,
        scores=(
            *(3.7823, 5.6254, 6.1372, 6.4184, 6.6863, 6.9158),
            *(7.2077, 7.5028, 7.7313, 8.0441, 9.0132),
        ),
    )
}
"""By `benchmarks/confidence.py`; they belong to the weights and are measured anew with these."""


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
        calibration: How its results follow what is known of them, or None where nobody measured.
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
    calibration: Calibration | None = None


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
        calibration=CALIBRATIONS.get(name),
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


def load_paint_networks(
    name: str, device: torch.device, dtype: torch.dtype, folder: Path
) -> PaintNetworks:
    """Read a painting model's weights and put its networks on a device.

    Args:
        name: As in `config.PAINT_MODELS`.
        device: Where to.
        dtype: Of weights and activations.
        folder: The user's models folder; the embedded model does not need it.

    Returns:
        The networks; without a light remover where the model has none or its files are missing.

    Raises:
        ModelMissingError: No such model, or its weights are not on this machine.
        WeightsError: A file is damaged or does not fit the networks.
    """
    entry = find_paint_model(name)
    if entry.is_embedded:
        state = load_state(entry, folder)
        autoencoder = _fill(
            lambda: Autoencoder(AUTOENCODER_VARIANTS[name]), state, "vae", device, dtype
        )
        # In float32: distances on the maps are finer than half precision.
        guesser = _fill(ColourGuess, state, "guess", device, torch.float32)
        unet = fill_network(build_empty(lambda: MultiviewUNet(VARIANTS[name])), state, dtype)
        painting = _join(autoencoder, unet.to(device), PAINT_DEFAULTS[name], None, dtype)
        return replace(painting, guesser=guesser)
    source = find_weights(entry, folder)
    defaults = replace(PAINT_DEFAULTS[name], noise=_read_noise(source, is_trailing=True))
    autoencoder = _load_autoencoder(source / "vae", device, dtype)
    config = _read_config(source / "unet", MultiviewUNetConfig.from_published)
    unet = _load_multiview(name, config, source / "unet", dtype).to(device)
    remover = _load_light_remover(source.parent / DELIGHT_FOLDER, device, dtype)
    return _join(autoencoder, unet, defaults, remover, dtype)


def load_light_guess(device: torch.device) -> LightGuess:
    """The network that tells how strong the light on a picture is; it ships with the extension.

    Raises:
        ModelMissingError: A file of the installation is missing.
        WeightsError: A file is damaged.
    """
    state = widen_state(read_shards(EMBEDDED_FOLDER, LIGHT_STEM))
    return fill_network(build_empty(LightGuess), state, torch.float32).to(device)


def load_object_guess() -> ObjectGuess:
    """The network that tells a picture's object from its background; it ships, too.

    It stays on the CPU, where it takes a tenth of a second: so every device cuts out alike.

    Raises:
        ModelMissingError: A file of the installation is missing.
        WeightsError: A file is damaged.
    """
    state = widen_state(read_shards(EMBEDDED_FOLDER, OBJECT_STEM))
    return fill_network(build_empty(ObjectGuess), state, torch.float32)


def nearest_camera_label(azimuth_deg: float, elevation_deg: float) -> int:
    """The label of the trained direction nearest to a camera's, see `camera_label`."""
    elevation = min(_ELEVATIONS_DEG, key=lambda trained: abs(trained - elevation_deg))
    return camera_label(round(azimuth_deg / 30) * 30, elevation)


def _join(
    autoencoder: Autoencoder,
    unet: MultiviewUNet,
    defaults: PaintDefaults,
    remover: LightRemover | None,
    dtype: torch.dtype,
) -> PaintNetworks:
    return PaintNetworks(autoencoder, unet, nearest_camera_label, defaults, remover, dtype=dtype)


def _load_multiview(
    name: str, config: MultiviewUNetConfig, folder: Path, dtype: torch.dtype
) -> MultiviewUNet:
    """The painting network of a published folder, on the CPU.

    Raises:
        WeightsError: It is another network than the known one; distilled releases may bring code
            of their own.
    """
    state = read_state(_find_network_file(folder))
    try:
        return fill_network(build_empty(lambda: MultiviewUNet(config)), state, dtype)
    except WeightsError as error:
        raise WeightsError(
            f"'{name}' holds another network than the one that is known. {error.message}",
            "Use 'hunyuan3d-paint-2', or another release of this model.",
        ) from error


def _load_autoencoder(folder: Path, device: torch.device, dtype: torch.dtype) -> Autoencoder:
    """The image autoencoder of a published folder."""
    config = _read_config(folder, AutoencoderConfig.from_published)
    state = rename_autoencoder(read_state(_find_network_file(folder)))
    return fill_network(build_empty(lambda: Autoencoder(config)), state, dtype).to(device)


def _load_light_remover(
    folder: Path, device: torch.device, dtype: torch.dtype
) -> LightRemover | None:
    """The light remover with its empty text already read; None where there is no such folder."""
    if not folder.is_dir():
        return None
    config = _read_config(folder / "unet", UNetConfig.from_published)
    state = read_state(_find_network_file(folder / "unet"))
    unet = fill_network(build_empty(lambda: UNet(config)), state, dtype).to(device)
    text = _read_empty_text(folder, dtype).to(device)  # [1, L, C]
    return LightRemover(
        autoencoder=_load_autoencoder(folder / "vae", device, dtype),
        predict=lambda latents, timestep: unet(latents, timestep, Context(text)),
        noise=_read_noise(folder),
        device=device,
        dtype=dtype,
    )


@torch.no_grad()
def _read_empty_text(folder: Path, dtype: torch.dtype) -> torch.Tensor:
    """Embeddings `[1, L, C]` of the empty prompt; the text encoder is not kept."""
    config = _read_config(folder / "text_encoder", TextEncoderConfig.from_published)
    state = drop_position_ids(read_state(folder / "text_encoder" / "model.safetensors"))
    # In float32: done once, and half precision is slow on the CPU.
    encoder = fill_network(build_empty(lambda: TextEncoder(config)), state, torch.float32)
    numbers = _read_json(folder / "tokenizer" / "vocab.json")
    special = _read_json(folder / "tokenizer" / "special_tokens_map.json")
    try:
        begin, end, pad = (
            numbers[_token_text(special[key])] for key in ("bos_token", "eos_token", "pad_token")
        )
    except (KeyError, TypeError) as error:
        raise WeightsError(
            f"The tokenizer in '{folder.name}' lacks a special token.", "Download the model again."
        ) from error
    ids = torch.full((1, config.max_position_embeddings), pad)  # [1, L]
    ids[0, :2] = torch.tensor([begin, end])
    return encoder(ids).to(dtype)


def _token_text(token: Any) -> str:
    """A special token is stored as its text, or as an object that holds it."""
    return token if isinstance(token, str) else token["content"]


def _find_network_file(folder: Path) -> Path:
    """The weights of a network's folder; the safer format first."""
    for suffix in (".safetensors", ".bin"):
        if (path := folder / f"diffusion_pytorch_model{suffix}").is_file():
            return path
    return folder / "diffusion_pytorch_model.safetensors"  # whose absence `read_state` explains


def _read_noise(folder: Path, is_trailing: bool = False) -> NoiseConfig:
    """The noise of a published folder; the painting pipelines set the spacing themselves."""
    config = _read_config(folder / "scheduler", NoiseConfig.from_published, "scheduler_config.json")
    return replace(config, timestep_spacing="trailing") if is_trailing else config


def _read_config(
    folder: Path, read: Callable[[Mapping[str, Any]], Config], name: str = "config.json"
) -> Config:
    """A published configuration.

    Raises:
        ModelMissingError: The file is not there.
        WeightsError: It is damaged, or describes another kind of network.
    """
    try:
        return read(_read_json(folder / name))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"'{folder.name}/{name}' does not describe a known network: {error}.",
            "Download the model again, or choose another.",
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a published folder.

    Raises:
        ModelMissingError: The file is not there.
        WeightsError: It is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except OSError as error:
        raise ModelMissingError(
            f"The file '{path.parent.name}/{path.name}' of the model is missing.",
            "Download the model.",
        ) from error
    except ValueError as error:
        raise WeightsError(
            f"The file '{path.parent.name}/{path.name}' of the model is damaged.",
            "Delete it and download the model again.",
        ) from error
    return content
