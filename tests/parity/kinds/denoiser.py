# SPDX-License-Identifier: GPL-3.0-or-later
"""Velocity of the 2.0 denoiser, with and without embedded guidance."""

from dataclasses import fields

import torch

from backend.models.hunyuan3d.config import DenoiserConfig
from backend.models.hunyuan3d.denoiser import Denoiser
from tests.parity.cases import Case

PREFIXES = ("hunyuan2_dit",)


@torch.inference_mode()
def check(case: Case) -> None:
    known = {item.name for item in fields(DenoiserConfig)}
    values = {name: value for name, value in case.config.items() if name in known}
    denoiser = Denoiser(DenoiserConfig(**{**values, "axes_dim": tuple(values["axes_dim"])}))
    denoiser.load_state_dict(case.weights())
    given = case.tensors
    velocity = denoiser(given["x"], given["t"], given["context"], given.get("guidance"))
    case.assert_close("out", velocity, given["out"])
