# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns prepared pictures into condition tokens, and the null tokens for guidance."""

from collections.abc import Sequence
from typing import Protocol

import torch

from ..data import PreparedImage, Tokens
from ..errors import InputError
from ..progress import Progress


class Conditioner(Protocol):
    """The network that this stage needs."""

    @property
    def num_channels(self) -> int:
        """3: colour over white; 4: the alpha plane too."""
        ...

    @property
    def is_multiview(self) -> bool:
        """Whether it takes several views of one object."""
        ...

    def __call__(
        self, image: torch.Tensor, view_labels: Sequence[int] | None = None
    ) -> torch.Tensor:
        """Map `[B, V, C, H, W]` in -1..1 to condition tokens `[B, L, D]`."""
        ...

    def null(self, batch: int, num_views: int = 1) -> torch.Tensor:
        """Tokens `[B, L, D]` of a dropped picture."""
        ...


def encode_image(prepared: PreparedImage, conditioner: Conditioner, progress: Progress) -> Tokens:
    """Encode one object's views.

    Args:
        prepared: The framed views.
        conditioner: The image encoder, on its device.
        progress: Steps once.

    Returns:
        Condition and null tokens `[1, L, D]`, dtype and device of the conditioner.

    Raises:
        InputError: Several views for a model that reads one.
        CancelledError: The user cancelled the job.
    """
    views = len(prepared.pixels)
    if views > 1 and not conditioner.is_multiview:
        raise InputError(
            f"This model reads one picture, not {views}.",
            "Keep the front picture, or choose a model for several views.",
        )
    null = conditioner.null(1, views)
    pixels = torch.from_numpy(prepared.pixels).to(null.device)
    image = to_network_range(pixels)[None, :, : conditioner.num_channels]  # [1, V, C, H, W]
    with torch.inference_mode():
        condition = conditioner(image, prepared.view_labels)
    progress.step(1, 1)
    return Tokens(condition=condition.clone(), null=null)


def to_network_range(pixels: torch.Tensor) -> torch.Tensor:
    """Composite over white, and scale to -1..1.

    Args:
        pixels: `[V, H, W, 4]` in [0, 1], straight alpha.

    Returns:
        `[V, 4, H, W]` in -1..1: colour over white, then alpha.
    """
    alpha = pixels[..., 3:]
    colour = pixels[..., :3] * alpha + (1 - alpha)
    return torch.cat([colour, alpha], dim=-1).movedim(-1, -3) * 2 - 1  # [V, 4, H, W]
