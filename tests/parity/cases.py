# SPDX-License-Identifier: GPL-3.0-or-later
"""One golden case: what it computes, on which sizes and tensors, and how close a result must be."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from tests.parity.seeded_weights import seeded_state_dict

TOLERANCE = 2e-4
"""Largest difference allowed, relative to the expected tensor's largest magnitude (float32)."""
PAINT_TOLERANCE = 5e-4
"""The same for the painting and light-removal cases, as their specification sets it."""


@dataclass(frozen=True)
class Case:
    """A golden case.

    Attributes:
        name: File name without its ending.
        note: What exactly is computed.
        config: Sizes and settings.
        parameters: Parameter name -> shape; empty if the case needs no weights.
        tensors: Inputs and expected outputs.
    """

    name: str
    note: str
    config: dict[str, Any]
    parameters: dict[str, list[int]]
    tensors: dict[str, torch.Tensor]

    def weights(self) -> dict[str, torch.Tensor]:
        """The weights that the reference had, regenerated from the parameters' names and shapes."""
        shapes = {name: tuple(shape) for name, shape in self.parameters.items()}
        return {name: torch.from_numpy(a) for name, a in seeded_state_dict(shapes).items()}

    def weights_of(self, part: str) -> dict[str, torch.Tensor]:
        """The weights of a network that another case of the folder describes."""
        path = golden_folder() / self.config["parameters_of"][part]
        parameters = json.loads(path.read_text(encoding="utf-8"))["parameters"]
        return replace(self, parameters=parameters).weights()

    def assert_close(
        self,
        name: str,
        actual: torch.Tensor | np.ndarray,
        expected: torch.Tensor | np.ndarray,
        tolerance: float = TOLERANCE,
    ) -> None:
        """Fail unless shapes agree and the largest difference is within tolerance of the scale."""
        got, want = torch.as_tensor(actual).double(), torch.as_tensor(expected).double()
        assert got.shape == want.shape, f"{self.name}: {name}: {got.shape} is not {want.shape}"
        assert got.isfinite().all(), f"{self.name}: {name} is not finite"
        difference, scale = (got - want).abs().max().item(), want.abs().max().item()
        assert difference <= tolerance * scale, (
            f"{self.name}: {name} differs by {difference:.3g}, its scale is {scale:.3g}"
        )


OWN_FOLDER = Path(__file__).parent / "golden"
"""The copies that are part of this project."""


def golden_folder() -> Path:
    """Where the cases are: `MAQUETTE_PARITY`, or this project's copies."""
    return Path(os.environ.get("MAQUETTE_PARITY") or OWN_FOLDER)


def find_cases(folder: Path) -> list[str]:
    """Names of all cases in a folder that have tensors, sorted."""
    paths = folder.glob("*.json")
    return sorted(path.stem for path in paths if path.with_suffix(".safetensors").is_file())


def load_case(name: str) -> Case:
    """Read one case from the golden folder."""
    path = golden_folder() / f"{name}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    return Case(
        name=name,
        note=content.get("note", ""),
        config=content.get("config", {}),
        parameters=content.get("parameters", {}),
        tensors=load_file(path.with_suffix(".safetensors")),
    )
