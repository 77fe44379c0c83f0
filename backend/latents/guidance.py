# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a denoiser's predictions with and without the picture into one guided velocity."""

from typing import Protocol

import torch

from ..data import Tokens


class Denoiser(Protocol):
    """Predicts a velocity `[B, N, C]` from latents, time, condition tokens and guidance scale."""

    def __call__(
        self,
        x: torch.Tensor,
        t: torch.Tensor,
        context: torch.Tensor,
        guidance: torch.Tensor | None = None,
        /,
    ) -> torch.Tensor:
        """Map `[B, N, C]`, `[B]`, `[B, L, D]` and `[B]` or None to `[B, N, C]`."""
        ...


def combine_guided(
    null: torch.Tensor, condition: torch.Tensor, scale: float | torch.Tensor
) -> torch.Tensor:
    """Classifier-free guidance: null + `scale` (condition - null).

    Source: Ho and Salimans 2022, "Classifier-Free Diffusion Guidance", equation 6, where the weight
    w is `scale` - 1.
    """
    return null + scale * (condition - null)


def predict_guided_velocity(
    denoiser: Denoiser, x: torch.Tensor, t: torch.Tensor, tokens: Tokens, scale: float
) -> torch.Tensor:
    """Velocity with classifier-free guidance; condition and null share one forward pass.

    Args:
        denoiser: Run once: on `[2 B, N, C]`, or on `[B, N, C]` at scale 1, which needs no null.
        x: Latents `[B, N, C]` float32.
        t: Flow time `[]`.
        tokens: Condition and null tokens, in the denoiser's dtype and on its device.
        scale: 0 ignores the picture, 1 follows it plainly, more exaggerates it.

    Returns:
        Velocity `[B, N, C]` float32.
    """
    context = tokens.condition
    if scale == 1:
        return denoiser(x.to(context.dtype), t.expand(len(x)), context).float()
    context = torch.cat([context, tokens.null])  # [2 B, L, D]
    doubled = torch.cat([x, x]).to(context.dtype)  # [2 B, N, C]
    velocity = denoiser(doubled, t.expand(len(doubled)), context).float()
    condition, null = velocity.chunk(2)  # each [B, N, C]
    return combine_guided(null, condition, scale)


def predict_distilled_velocity(
    denoiser: Denoiser, x: torch.Tensor, t: torch.Tensor, tokens: Tokens, scale: float
) -> torch.Tensor:
    """Velocity of a denoiser that takes the guidance scale as an input; see above for the rest.

    Source: Meng et al. 2023, "On Distillation of Guided Diffusion Models", section 3.1.
    """
    context, batch = tokens.condition, len(x)
    guidance = torch.full((batch,), scale, device=x.device)
    return denoiser(x.to(context.dtype), t.expand(batch), context, guidance).float()
