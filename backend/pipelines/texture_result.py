# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a baked texture into what the user gets: the picture, and how much of it was painted."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import JobConfig
from ..data import Mesh, Texture
from ..texture.keep import PaintArea, find_paint_area, keep_outside
from ..texture.picture import to_bytes
from .uv import Target


@dataclass(frozen=True, slots=True)
class TextureResult:
    """What the pipeline made.

    Attributes:
        mesh: The given mesh, vertices and faces unchanged, with the UV map of the texture.
        picture: `[H, W, 3]` or `[H, W, 4]` uint8, sRGB, row 0 at v = 1.
        is_new_uv: Whether the UV map was made here.
        coverage: See `protocol.Result`.
        warnings: Sentences for the user.
    """

    mesh: Mesh
    picture: NDArray[np.uint8]
    is_new_uv: bool
    coverage: dict[str, float] = field(default_factory=dict[str, float])
    warnings: tuple[str, ...] = ()


def texture_size_of(target: Target, config: JobConfig) -> int:
    """Edge of the baked texture: that of a texture that is partly kept, or the user's choice."""
    if target.is_masked and target.base_texture is not None:
        return max(target.base_texture.shape[:2])
    return config.bake.texture_size


def measure_coverage(texture: Texture, area: PaintArea | None, num_views: int) -> dict[str, float]:
    """Shares of the texels that were to be painted, see `protocol.Result`."""
    inside = texture.coverage if area is None else area.is_free.cpu().numpy()
    seen = float((texture.seen & inside).sum() / max(inside.sum(), 1))
    return {"seen": round(seen, 5), "filled": round(1 - seen, 5), "views": float(num_views)}


def finish_picture(
    mesh: Mesh, target: Target, texture: Texture, num_views: int, device: torch.device
) -> tuple[NDArray[np.uint8], dict[str, float]]:
    """The picture, with what is kept put back, and how much of it was painted.

    Args:
        mesh: That of the target, in the painting frame.
        target: What lies on the mesh, and what of it is painted.
        texture: The baked one.
        num_views: How many views were baked.
        device: Where to compute.

    Returns:
        `[T, T, 3]` or `[T, T, 4]` uint8, and the figures of `measure_coverage`.
    """
    picture = to_bytes(texture.base_colour)
    if not target.is_masked:
        return picture, measure_coverage(texture, None, num_views)
    area = find_paint_area(mesh, len(picture), target.face_mask, target.texel_mask, device)
    if target.base_texture is not None:
        picture = keep_outside(picture, target.base_texture, area)
    return picture, measure_coverage(texture, area, num_views)
