# SPDX-License-Identifier: GPL-3.0-or-later
"""Image autoencoder cases: the distribution of a picture's latents, and a decoded picture."""

import torch

from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.config import AutoencoderConfig
from tests.parity.cases import PAINT_TOLERANCE, Case

PREFIXES = ("paint_vae",)


@torch.inference_mode()
def check(case: Case) -> None:
    autoencoder = Autoencoder(AutoencoderConfig.from_published(case.config))
    autoencoder.load_state_dict(case.weights(), strict=True)
    given = case.tensors
    mean, logvar = autoencoder.encode(given["image"])
    noise = torch.ones_like(mean)
    mode, noisy = autoencoder.sample(given["image"]), autoencoder.sample(given["image"], noise)
    results = {
        "mean": mean,
        "logvar": logvar,
        "std": (noisy - mode) / autoencoder.config.scaling_factor,
        "scaled_mode": mode,
        "decoded": autoencoder.decode(given["scaled_latents"]),
    }
    for name, actual in results.items():
        case.assert_close(name, actual, given[name], PAINT_TOLERANCE)
