# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns weights files into tensors by name, and puts these into networks; also the 8-bit form."""

import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save
from torch import Tensor, nn

from ..errors import ModelMissingError, WeightsError
from .catalogue import EMBEDDED_FOLDER, ModelEntry
from .hub import find_weights

State = dict[str, Tensor]
Network = TypeVar("Network", bound=nn.Module)

PARTS = ("model", "vae", "conditioner")
"""First part of the published names: denoiser, shape autoencoder, image encoder."""
ROW_SCALE = ".row_scale"
MAX_SHARD_BYTES = 16 * 2**20
NUM_NAMES_SHOWN = 5
_ENTRY_BYTES = 160
"""Room kept in a shard for each tensor's line in the table of names, besides the name itself."""
_PICKLE_ERRORS = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError)


def load_state(entry: ModelEntry, folder: Path) -> State:
    """All tensors of a model on the CPU, embedded or fetched before.

    Args:
        entry: Which model.
        folder: The user's models folder; the embedded model does not need it.

    Returns:
        Published name, with its first part, -> tensor.

    Raises:
        ModelMissingError: The weights are not on this machine.
        WeightsError: A file is damaged.
    """
    if entry.is_embedded:
        return widen_state(read_shards(EMBEDDED_FOLDER, entry.file))
    return read_state(find_weights(entry, folder))


def read_state(path: Path) -> State:
    """Tensors of a safetensors file, or of a pickle that holds nothing but tensors.

    A nested pickle, `{"model": {...}, "vae": {...}}`, comes back with joined names.

    Raises:
        ModelMissingError: There is no such file.
        WeightsError: It is damaged, or holds more than tensors.
    """
    if not path.is_file():
        raise ModelMissingError(
            f"The weights file '{path.name}' is not there.", "Download the model."
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        is_mapped = zipfile.is_zipfile(path)  # pickles of old cannot be
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_mapped)
    except (SafetensorError, OSError, *_PICKLE_ERRORS) as error:
        raise _damaged(path) from error
    state: State = {}
    _join_names(content, "", state, path)
    return state


def _join_names(content: object, prefix: str, state: State, path: Path) -> None:
    """Flatten nested dictionaries of tensors into `state`."""
    if not isinstance(content, Mapping):
        raise _damaged(path)
    for key, value in content.items():
        if isinstance(value, Tensor):
            state[f"{prefix}{key}"] = value
        else:
            _join_names(value, f"{prefix}{key}.", state, path)


def _damaged(path: Path) -> WeightsError:
    return WeightsError(
        f"The weights file '{path.name}' is damaged or not a weights file.",
        "Delete it and download it again.",
    )


def take_part(state: State, part: str) -> State:
    """Remove one part from a state, and return it without its prefix.

    Args:
        state: Loses the tensors, so that they are freed as soon as the network has them.
        part: One of `PARTS`.
    """
    prefix = f"{part}."
    names = [name for name in state if name.startswith(prefix)]
    return {name.removeprefix(prefix): state.pop(name) for name in names}


def build_empty(build: Callable[[], Network]) -> Network:
    """Build a network without memory for its parameters, ready for `fill_network`."""
    with torch.device("meta"):
        return build()


def fill_network(network: Network, state: State, dtype: torch.dtype | None = None) -> Network:
    """Give a network its weights, each of which must be there with its shape, and nothing more.

    The tensors become the parameters, so memory is not doubled.

    Args:
        network: From `build_empty`, or any other.
        state: Name -> tensor, names without the part's prefix.
        dtype: Type of all parameters; None keeps the file's.

    Returns:
        The network in evaluation mode, gradients off.

    Raises:
        WeightsError: Names or shapes do not fit.
    """
    check_names(network, state)
    if dtype is not None:
        for name in list(state):  # one by one: the state's own copy is freed at once
            state[name] = state[name].to(dtype)
    network.load_state_dict(state, strict=True, assign=True)
    return network.requires_grad_(False).eval()


def check_names(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare a state with a network's names and shapes.

    Raises:
        WeightsError: Says what is missing, unexpected or of another shape, first names only.
    """
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    problems = {
        "missing": wanted.keys() - state.keys(),
        "unexpected": state.keys() - wanted.keys(),
        "of another shape": {
            name for name in wanted.keys() & state.keys() if wanted[name] != state[name].shape
        },
    }
    found = [f"{_shown(names)} {problem}" for problem, names in problems.items() if names]
    if found:
        raise WeightsError(
            f"These weights do not fit the {type(network).__name__}: {'; '.join(found)}.",
            "Download the model again, or choose the model that belongs to this file.",
        )


def _shown(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    ordered = sorted(names)
    more = len(ordered) - NUM_NAMES_SHOWN
    tail = f" and {more} more" if more > 0 else ""
    return f"{', '.join(ordered[:NUM_NAMES_SHOWN])}{tail}"


def quantise_state(state: Mapping[str, Tensor]) -> State:
    """The form in which the embedded model ships.

    Matrices and kernels (parameters called `weight` with two axes or more) become int8 with one
    float16 scale per output row, `<name>.row_scale`; the rest becomes float16.

    Args:
        state: Name -> floating tensor, all finite.

    Returns:
        Name -> int8 or float16 tensor. An int8 value is off by half a scale at most (plus the
        rounding of the scale itself), a float16 one by 2^-11 of its magnitude.

    Raises:
        WeightsError: A value is not finite, or too large for float16.
    """
    compact: State = {}
    for name, tensor in state.items():
        if name.rpartition(".")[2] == "weight" and tensor.ndim >= 2:
            rows = tensor.detach().float().flatten(1)  # [rows, values]
            scale = (rows.abs().amax(dim=1) / 127).half()  # [rows]
            # Divides by the rounded scale, so that its rounding does not add up.
            steps = rows / scale.float().clamp(min=2**-24)[:, None]
            compact[name] = steps.round().clamp(-127, 127).to(torch.int8).view(tensor.shape)
            name += ROW_SCALE
            tensor = scale
        compact[name] = tensor.detach().half().contiguous()
        if not compact[name].isfinite().all():
            raise WeightsError(f"'{name}' does not fit into half precision.", "Train it again.")
    return compact


def widen_state(tensors: Mapping[str, Tensor]) -> State:
    """Undo `quantise_state`: every tensor in float32 under its own name.

    Raises:
        WeightsError: An int8 tensor lacks its scales, or they do not fit.
    """
    state: State = {}
    for name, tensor in tensors.items():
        if name.endswith(ROW_SCALE) and name.removesuffix(ROW_SCALE) in tensors:
            continue
        wide = tensor.float()
        if tensor.dtype == torch.int8:
            scale = tensors.get(name + ROW_SCALE)
            if scale is None or scale.shape != tensor.shape[:1]:
                raise WeightsError(
                    f"The scales of '{name}' are missing.", "Install Maquette again."
                )
            wide = wide * scale.float().view(-1, *[1] * (tensor.ndim - 1))
        state[name] = wide
    return state


def write_shards(
    state: Mapping[str, Tensor], folder: Path, stem: str, max_bytes: int = MAX_SHARD_BYTES
) -> list[Path]:
    """Write tensors as safetensors files of limited size, and an index with their digests.

    Args:
        state: Name -> tensor on any device.
        folder: Made if missing; shards of an earlier, longer set are removed.
        stem: Files are `<stem>-1-of-2.safetensors` and so on, and `<stem>.json`.
        max_bytes: Largest file.

    Returns:
        Paths of the shards, in order.

    Raises:
        ValueError: One tensor alone is larger than a file may be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups = _group(state, max_bytes - _ENTRY_BYTES)
    for old in folder.glob(f"{stem}-[0-9]*-of-*.safetensors"):
        old.unlink()
    digests: dict[str, str] = {}
    for number, names in enumerate(groups, start=1):
        content = save({name: state[name].detach().cpu().contiguous() for name in names})
        path = folder / f"{stem}-{number}-of-{len(groups)}.safetensors"
        path.write_bytes(content)
        digests[path.name] = hashlib.sha256(content).hexdigest()
    index = json.dumps({"sha256": digests}, indent=1) + "\n"
    (folder / f"{stem}.json").write_text(index, encoding="utf-8")
    return [folder / name for name in digests]


def _group(state: Mapping[str, Tensor], max_bytes: int) -> list[list[str]]:
    """Names, sorted, cut into runs that fit into a file each."""
    groups: list[list[str]] = [[]]
    filled = 0
    for name in sorted(state):
        size = state[name].nbytes + len(name) + _ENTRY_BYTES
        if size > max_bytes:
            raise ValueError(f"'{name}' has {size} bytes, more than a shard may have")
        if filled + size > max_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += size
    return groups


def read_shards(folder: Path, stem: str) -> State:
    """Read back what `write_shards` wrote, each file checked against its digest.

    Raises:
        ModelMissingError: The index or a shard is not there.
        WeightsError: A file is damaged.
    """
    index = folder / f"{stem}.json"
    try:
        digests = json.loads(index.read_text(encoding="utf-8"))["sha256"]
        contents = {name: (folder / name).read_bytes() for name in digests}
    except FileNotFoundError as error:
        raise ModelMissingError(
            f"A weights file of '{stem}' is missing.", "Install Maquette again."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken_install(index.name) from error
    state: State = {}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != digests[name]:
            raise _broken_install(name)
        try:
            state.update(load(content))
        except SafetensorError as error:
            raise _broken_install(name) from error
    return state


def _broken_install(name: str) -> WeightsError:
    return WeightsError(f"The weights file '{name}' is damaged.", "Install Maquette again.")
