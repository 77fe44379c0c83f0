# SPDX-License-Identifier: GPL-3.0-or-later
"""Light-removal denoiser cases: one prediction, and three combined by guidance."""

import torch

from backend.models.stable_diffusion.config import UNetConfig
from backend.models.stable_diffusion.unet import Context, UNet
from backend.paint.guidance import guide_by_text_and_image
from tests.parity.cases import PAINT_TOLERANCE, Case

PREFIXES = ("delight_unet",)


@torch.inference_mode()
def check(case: Case) -> None:
    config, given = case.config, case.tensors
    network = UNet(UNetConfig.from_published(config["unet"]))
    network.load_state_dict(case.weights(), strict=True)
    timestep, image, text = torch.tensor(config["timestep"]), given["image_latents"], given["text"]
    nothing, no_text = torch.zeros_like(image), torch.zeros_like(text)
    rows = torch.cat([given["sample"], torch.cat([image, image, nothing])], dim=1)
    out = network(rows, timestep, Context(torch.cat([text, no_text, no_text])))
    scales = config["guidance_text"], config["guidance_image"]
    results = {
        "out": out,
        "out_single": network(rows[:1], timestep, Context(text)),
        "combined": guide_by_text_and_image(*out[:, None], *scales),
    }
    for name, actual in results.items():
        case.assert_close(name, actual, given[name], PAINT_TOLERANCE)
