# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns latents of reference pictures and of geometry maps into latents of painted views."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from .guidance import guide
from .schedule import Sampler, denoise


class MultiviewNetwork(Protocol):
    """A network that denoises all views of an object together; V views, R reference pictures."""

    @property
    def text(self) -> Tensor:
        """Learned text embeddings `[1, L, C]`."""
        ...

    def encode_reference(self, latents: Tensor) -> dict[str, Tensor]:
        """Read reference latents `[B, R, C, h, w]`; each result has B rows."""
        ...

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor,
        geometry: Tensor,
        cameras: Tensor,
        reference: dict[str, Tensor],
        text: Tensor | None = None,
        reference_scale: Tensor | float = 1.0,
    ) -> Tensor:
        """Prediction `[B, V, C, h, w]` for noisy latents `[B, V, C, h, w]`."""
        ...


def paint_latents(
    network: MultiviewNetwork,
    reference: Tensor,
    geometry: Tensor,
    cameras: Tensor,
    sampler: Sampler,
    guidance_scale: float | None,
    noise: Tensor,
    draw_noise: Callable[[int], Tensor],
    on_step: Callable[[int, Tensor], None],
) -> Tensor:
    """Paint the views of one object.

    Args:
        network: Denoises all views together.
        reference: Scaled latents of the reference pictures, `[R, C, h, w]`.
        geometry: Scaled latents of the normal, then of the position map, `[V, 2 C, h, w]`.
        cameras: Labels of the views, `[V]` int64.
        sampler: The steps.
        guidance_scale: None: no guidance, and one row instead of two (distilled models).
        noise: Unit noise, `[V, C, h, w]`.
        draw_noise: Called with 1..S-1; returns unit noise of the same shape.
        on_step: Called after each step with the number of steps done and the latents.

    Returns:
        Scaled latents of the views, `[V, C, h, w]`.

    Source: Zhao et al. 2025, "Hunyuan3D 2.0", section 4; golden `paint_pipeline`.
    """
    rows = 1 if guidance_scale is None else 2
    # The unguided row weighs its reference by zero, so it may hold any tokens: no second pass.
    tokens = {
        place: value.expand(rows, -1, -1)
        for place, value in network.encode_reference(reference[None]).items()
    }
    weight = torch.ones(rows, dtype=noise.dtype, device=noise.device)
    weight[:-1] = 0.0
    text = weight.to(network.text.dtype)[:, None, None] * network.text  # [rows, L, C]
    maps, labels = geometry.expand(rows, -1, -1, -1, -1), cameras.expand(rows, -1)

    def predict(latents: Tensor, timestep: Tensor) -> Tensor:
        sample = latents.expand(rows, -1, -1, -1, -1)  # [rows, V, C, h, w]
        out = network(sample, timestep, maps, labels, tokens, text, weight)
        return out[-1] if guidance_scale is None else guide(out[0], out[1], guidance_scale)

    return denoise(sampler, noise, predict, draw_noise, on_step)
