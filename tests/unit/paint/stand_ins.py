# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that paint what can be computed by hand."""

from typing import Any

import torch
from torch.nn import functional

from backend.paint.schedule import NoiseConfig, make_signal_table

NOISE = NoiseConfig(prediction_type="epsilon", timestep_spacing="trailing")
SIGNAL = make_signal_table(NOISE)


class HalvingCoder:
    """Latents are the picture at half its size."""

    def sample(self, image: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        return functional.avg_pool2d(image, 2)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(latents, scale_factor=2.0)


class MeanPainter:
    """Paints every view in the mean of the references' inner halves; without reference, black."""

    def __init__(self) -> None:
        self.text = torch.ones(1, 2, 4)
        self.calls: list[dict[str, torch.Tensor]] = []

    def encode_reference(self, latents: torch.Tensor) -> dict[str, torch.Tensor]:
        edge = latents.shape[-1] // 4
        inner = latents[..., edge : 3 * edge, edge : 3 * edge]
        return {"place": inner.mean(dim=(1, 3, 4))[:, None]}  # [B, 1, C]

    def __call__(
        self, sample, timestep, geometry, cameras, reference, text=None, reference_scale: Any = 1.0
    ):
        self.calls.append(
            {"sample": sample, "geometry": geometry, "cameras": cameras, "text": text}
        )
        mean = (reference["place"][:, 0] + 1) * reference_scale[:, None] - 1  # [rows, C]
        data = mean[:, None, :, None, None]
        share = SIGNAL[timestep.long()].item()
        return (sample - share**0.5 * data) / (1 - share) ** 0.5
