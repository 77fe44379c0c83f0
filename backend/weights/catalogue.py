# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about each model's weights: place of publication, licence, digest."""

from dataclasses import dataclass
from pathlib import Path

from ..config import MODELS, PAINT_MODELS
from ..errors import ModelMissingError

EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
LIGHT_STEM = "maquette-light"
"""Of the files of the network that tells how strong the light on a picture is."""
OBJECT_STEM = "maquette-object"
"""Of the files of the network that tells a picture's object from its background."""

_LICENCE_20 = "Tencent Hunyuan 3D 2.0 Community License"
_LICENCE_21 = "Tencent Hunyuan 3D 2.1 Community License"
_TERMS = (
    "Not free software: the licence excludes the European Union, the United Kingdom and South "
    "Korea. Read the file LICENSE beside the weights before use."
)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model's weights.

    Attributes:
        name: As in `config.MODELS` or `config.PAINT_MODELS`.
        family: Which networks it needs: "maquette", "hunyuan3d-2", "hunyuan3d-2.1" or
            "hunyuan3d-paint".
        repository: Owner and name on the Hugging Face Hub; "" for the embedded model.
        file: Path inside the repository, the folder there of a model of several files, or the stem
            of the embedded shards.
        licence: Name of the weights' licence.
        terms: What the licence means for the user, one or two sentences.
        size_mb: Approximate download in MB; 0 where nothing is downloaded or it is unknown.
        sha256: Digest of the file, hex; None where it is unknown: then only the size and the
            digest announced by the hub are checked while fetching.
        patterns: Glob patterns of a model of several files, inside the repository.
    """

    name: str
    family: str
    repository: str
    file: str
    licence: str
    terms: str
    size_mb: int = 0
    sha256: str | None = None
    patterns: tuple[str, ...] = ()

    @property
    def is_embedded(self) -> bool:
        """Whether the weights ship with Maquette."""
        return not self.repository


def _hunyuan(name: str, repository: str, file: str, family: str = "hunyuan3d-2") -> ModelEntry:
    """An entry of the Hunyuan3D models; their files were never at hand, so no digest is known."""
    licence = _LICENCE_21 if family == "hunyuan3d-2.1" else _LICENCE_20
    return ModelEntry(name, family, f"tencent/{repository}", file, licence, _TERMS)


_ENTRIES = (
    ModelEntry(
        name="maquette-mini",
        family="maquette",
        repository="",
        file="maquette-mini",
        licence="CC0 1.0",
        terms="Free for every use. Ships with Maquette.",
    ),
    _hunyuan("hunyuan3d-2", "Hunyuan3D-2", "hunyuan3d-dit-v2-0/model.fp16.safetensors"),
    _hunyuan("hunyuan3d-2-turbo", "Hunyuan3D-2", "hunyuan3d-dit-v2-0-turbo/model.fp16.safetensors"),
    _hunyuan("hunyuan3d-2-mini", "Hunyuan3D-2mini", "hunyuan3d-dit-v2-mini/model.fp16.safetensors"),
    _hunyuan("hunyuan3d-2-mv", "Hunyuan3D-2mv", "hunyuan3d-dit-v2-mv/model.fp16.safetensors"),
    _hunyuan(
        "hunyuan3d-2.1", "Hunyuan3D-2.1", "hunyuan3d-dit-v2-1/model.fp16.ckpt", "hunyuan3d-2.1"
    ),
)
CATALOGUE: dict[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}

DELIGHT_FOLDER = "hunyuan3d-delight-v2-0"
"""Of the light remover, which all published painting models share."""
_NETWORK, _NOISE = "diffusion_pytorch_model.*", "scheduler/scheduler_config.json"
_PAINT_FILES = (
    f"unet/{_NETWORK}",
    "unet/config.json",
    f"vae/{_NETWORK}",
    "vae/config.json",
    _NOISE,
)
_DELIGHT_FILES = (
    *_PAINT_FILES,
    *("text_encoder/model.safetensors", "text_encoder/config.json"),
    *("tokenizer/vocab.json", "tokenizer/special_tokens_map.json"),
)


def _hunyuan_paint(name: str, folder: str) -> ModelEntry:
    """An entry of the Hunyuan3D painting models, with the light remover."""
    files = [f"{folder}/{file}" for file in _PAINT_FILES]
    files += [f"{DELIGHT_FOLDER}/{file}" for file in _DELIGHT_FILES]
    repository = "tencent/Hunyuan3D-2"
    return ModelEntry(
        *(name, "hunyuan3d-paint", repository, folder, _LICENCE_20, _TERMS), patterns=tuple(files)
    )


_PAINT_ENTRIES = (
    ModelEntry(
        name="maquette-mini",
        family="maquette",
        repository="",
        file="maquette-mini-paint",
        licence="CC0 1.0",
        terms="Free for every use. Ships with Maquette.",
    ),
    _hunyuan_paint("hunyuan3d-paint-2", "hunyuan3d-paint-v2-0"),
    _hunyuan_paint("hunyuan3d-paint-2-turbo", "hunyuan3d-paint-v2-0-turbo"),
)
PAINT_CATALOGUE: dict[str, ModelEntry] = {entry.name: entry for entry in _PAINT_ENTRIES}


def find_model(name: str) -> ModelEntry:
    """The catalogue's entry of a model that makes shapes.

    Raises:
        ModelMissingError: No model has this name.
    """
    if name not in CATALOGUE:
        raise _unknown_model(name, MODELS)
    return CATALOGUE[name]


def find_paint_model(name: str) -> ModelEntry:
    """The catalogue's entry of a model that paints.

    Raises:
        ModelMissingError: No model has this name.
    """
    if name not in PAINT_CATALOGUE:
        raise _unknown_model(name, PAINT_MODELS)
    return PAINT_CATALOGUE[name]


def _unknown_model(name: str, known: tuple[str, ...]) -> ModelMissingError:
    return ModelMissingError(
        f"There is no model called '{name}'.", f"Use one of: {', '.join(known)}."
    )
