# SPDX-License-Identifier: GPL-3.0-or-later
"""Image encoder cases: picture in, condition tokens out."""

import torch

from backend.models.hunyuan3d.conditioner import ConditionerConfig, ImageConditioner
from tests.parity.cases import Case

PREFIXES: tuple[str, ...] = ("hunyuan2_dino",)


def check(case: Case) -> None:
    conditioner = ImageConditioner(ConditionerConfig.from_published(case.config))
    conditioner.load_state_dict(case.weights(), strict=True)
    with torch.no_grad():
        tokens = conditioner(case.tensors["image"], case.config.get("view_idxs"))
    case.assert_close("out", tokens, case.tensors["out"])
    null = conditioner.null(len(tokens), len(case.config.get("view_idxs", [0])))
    assert null.shape == tokens.shape
    assert not null.any()
