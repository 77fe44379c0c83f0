# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns network states into half-precision shards small enough to carry, and back."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

SHARD_BYTES = 15 << 20


def save_shards(state: dict[str, torch.Tensor], folder: Path, stem: str) -> list[Path]:
    """Write `<stem>-0.safetensors`, ... in float16, none over SHARD_BYTES unless one tensor is."""
    folder.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, tensor in state.items():
        half = tensor.detach().to("cpu", torch.float16).contiguous()
        if size + half.nbytes > SHARD_BYTES and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][name] = half
        size += half.nbytes
    paths = []
    for number, shard in enumerate(shards):
        paths.append(folder / f"{stem}-{number}.safetensors")
        save_file(shard, paths[-1])
    return paths


def load_shards(folder: Path, stem: str) -> dict[str, torch.Tensor]:
    """Read what `save_shards` wrote, widened to float32.

    Raises:
        FileNotFoundError: There is no such shard.
    """
    paths = sorted(folder.glob(f"{stem}-*.safetensors"))
    if not paths:
        raise FileNotFoundError(folder / f"{stem}-0.safetensors")
    state: dict[str, torch.Tensor] = {}
    for path in paths:
        state.update({name: tensor.float() for name, tensor in load_file(path).items()})
    return state


class Log:
    """Appends one JSON object per line to a small file, and prints it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def write(self, **values: Any) -> None:
        """Write one line; floats are rounded to 5 digits."""
        row = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        line = json.dumps(row)
        print(line, flush=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


class Average:
    """Exponential moving average of a network's parameters (EMA).

    Args:
        module: The network that is trained.
        decay: Share of the old average kept at each update, after a warm-up.
    """

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self._live = list(module.parameters())
        self._mean = [p.detach().clone() for p in self._live]
        self._decay, self._count = decay, 0

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the present parameters."""
        self._count += 1
        decay = min(self._decay, (1 + self._count) / (10 + self._count))
        live = [p.detach() for p in self._live]
        # One kernel for all parameters.
        torch._foreach_lerp_(self._mean, live, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange average and live parameters; call again to change back."""
        for mean, live in zip(self._mean, self._live, strict=True):
            kept = live.detach().clone()
            live.copy_(mean)
            mean.copy_(kept)

    def state(self) -> dict[str, Any]:
        """What `restore` needs; `swap` must have been undone."""
        return {"mean": self._mean, "count": self._count}

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same parameters, on whatever device."""
        for mean, stored in zip(self._mean, state["mean"], strict=True):
            mean.copy_(stored)
        self._count = state["count"]
