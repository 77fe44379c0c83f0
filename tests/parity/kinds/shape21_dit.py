# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the 2.1 denoiser: velocity, and the experts that each token chose."""

import torch

from backend.models.hunyuan3d.denoiser21 import Denoiser21, Denoiser21Config, Experts
from tests.parity.cases import Case

PREFIXES: tuple[str, ...] = ("shape21_dit",)


def check(case: Case) -> None:
    denoiser = Denoiser21(Denoiser21Config.from_published(case.config))
    denoiser.load_state_dict(case.weights(), strict=True)
    chosen: list[torch.Tensor] = []
    for module in denoiser.modules():
        if isinstance(module, Experts):
            module.register_forward_pre_hook(
                lambda experts, inputs: chosen.append(experts.choose(inputs[0])[1])
            )
    tensors = case.tensors
    with torch.no_grad():
        velocity = denoiser(tensors["x"], tensors["t"], tensors["context"])
    case.assert_close("out", velocity, tensors["out"])
    if "experts" in tensors:
        assert torch.equal(torch.stack(chosen).int(), tensors["experts"]), "other experts chosen"
