# SPDX-License-Identifier: GPL-3.0-or-later
"""Text encoder cases: token numbers in, embeddings out."""

import torch

from backend.models.stable_diffusion.config import TextEncoderConfig
from backend.models.stable_diffusion.text_encoder import TextEncoder
from tests.parity.cases import PAINT_TOLERANCE, Case

PREFIXES = ("paint_text",)


@torch.inference_mode()
def check(case: Case) -> None:
    encoder = TextEncoder(TextEncoderConfig.from_published(case.config))
    encoder.load_state_dict(case.weights(), strict=True)
    embeddings = encoder(case.tensors["input_ids"])
    case.assert_close(
        "last_hidden_state", embeddings, case.tensors["last_hidden_state"], PAINT_TOLERANCE
    )
