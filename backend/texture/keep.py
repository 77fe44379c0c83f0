# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a new and an old texture into one that is new only where the artist asked for it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..data import FloatArray, Mesh
from .atlas import find_texels, load_surface
from .pad import pad_texture

_PAD_TEXELS = 16
"""How far beyond painted charts the space between charts is painted too."""


@dataclass(frozen=True, slots=True)
class PaintArea:
    """Which texels are painted.

    Attributes:
        is_free: `[T, T]` bool, texels inside charts that are painted.
        is_changed: `[T, T]` bool, these and the empty ones around them.
    """

    is_free: Tensor
    is_changed: Tensor


def find_paint_area(
    mesh: Mesh,
    size: int,
    face_mask: NDArray[np.bool_] | None,
    texel_mask: NDArray[np.bool_] | None,
    device: torch.device,
) -> PaintArea:
    """Find the texels that two masks leave to paint.

    Args:
        mesh: With UVs, F faces.
        size: Edge T of the texture.
        face_mask: `[F]`, faces to paint, or None for all.
        texel_mask: `[T', T']`, where to paint, row 0 at v = 1, or None for everywhere.
        device: Where to compute.
    """
    texels = find_texels(load_surface(mesh, device), size)
    free = torch.zeros(size * size, dtype=torch.bool, device=device)
    covered = free.clone()
    covered[texels.index] = True
    allowed = torch.ones(len(mesh.faces), dtype=torch.bool, device=device)
    if face_mask is not None:
        allowed = torch.from_numpy(face_mask).to(device)
    free[texels.index] = allowed[texels.face]
    free, covered = free.view(size, size), covered.view(size, size)
    if texel_mask is not None:
        free &= resize_nearest(torch.from_numpy(texel_mask).to(device), (size, size))
    return PaintArea(free, _grow_into_gaps(free, covered))


def resize_nearest(mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """A mask `[H, W]` at another size."""
    if mask.shape == shape:
        return mask
    return functional.interpolate(mask[None, None].float(), shape, mode="nearest")[0, 0] > 0.5


def keep_outside(
    painted: NDArray[np.uint8], base: NDArray[np.uint8], area: PaintArea
) -> NDArray[np.uint8]:
    """Put the painted texels onto the texture that is there.

    Args:
        painted: `[T, T, 3]`.
        base: `[H, W, C]`, C = 3 or 4; row 0 at v = 1.
        area: Which texels are painted, of the size of `painted`.

    Returns:
        `[H, W, C]`: outside of the area equal to `base`, inside opaque.
    """
    shape = base.shape[:2]
    planes = torch.from_numpy(painted).permute(2, 0, 1)[None].float()  # [1, 3, T, T]
    if planes.shape[2:] != shape:
        planes = functional.interpolate(planes, shape, mode="bilinear", antialias=True)
    colour = planes[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()  # [H, W, 3]
    is_changed = resize_nearest(area.is_changed, (shape[0], shape[1])).cpu().numpy()
    result = base.copy()
    result[is_changed, :3] = colour[is_changed]
    result[is_changed, 3:] = 255
    return result


def _grow_into_gaps(free: Tensor, covered: Tensor) -> Tensor:
    """The free texels, and empty ones that are nearer to them than to kept charts."""
    own, other = free[None, None].float(), (covered & ~free)[None, None].float()  # [1, 1, T, T]
    for _ in range(_PAD_TEXELS):
        is_empty = (own + other) == 0
        wide = [functional.max_pool2d(x, 3, stride=1, padding=1) for x in (own, other)]
        other = torch.where(is_empty, wide[1], other)
        own = torch.where(is_empty & (wide[1] == 0), wide[0], own)
    return own[0, 0] > 0


def carry_over(
    picture: NDArray[np.uint8], old_uv: FloatArray, mesh: Mesh, size: int, device: torch.device
) -> NDArray[np.uint8]:
    """Bring a texture from one UV map of a mesh to another.

    Args:
        picture: `[H, W, C]` on the old map, row 0 at v = 1.
        old_uv: `[F, 3, 2]`; repeats outside of 0..1.
        mesh: With the new map.
        size: Edge T of the result.
        device: Where to compute.

    Returns:
        `[T, T, C]`, bilinear, continued beyond the charts.
    """
    surface = load_surface(mesh, device)
    texels = find_texels(surface, size)
    weights = _barycentric(surface.corners[texels.face], texels.point)  # [N, 3]
    corners = torch.from_numpy(old_uv).to(device)[texels.face]  # [N, 3, 2]
    place = (weights[..., None] * corners).sum(dim=1) % 1.0  # [N, 2]
    flip = torch.tensor([2.0, -2.0], device=device)
    grid = place * flip + torch.tensor([-1.0, 1.0], device=device)
    planes = torch.from_numpy(picture).to(device, torch.float32).permute(2, 0, 1)[None]
    found = functional.grid_sample(
        planes, grid[None, :, None], mode="bilinear", padding_mode="border", align_corners=False
    )  # [1, C, N, 1]
    channels = picture.shape[2]
    image = torch.zeros(size * size, channels, device=device)
    covered = torch.zeros(size * size, dtype=torch.bool, device=device)
    image[texels.index], covered[texels.index] = found[0, :, :, 0].T, True
    padded = pad_texture(image.view(size, size, channels), covered.view(size, size))
    return padded.round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def _barycentric(corners: Tensor, point: Tensor) -> Tensor:
    """Weights `[N, 3]` of the corners `[N, 3, 3]` at points `[N, 3]` of their planes."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    offset = point - corners[:, 0]
    normal = torch.linalg.cross(first, second)
    area = normal.square().sum(dim=1).clamp(min=1e-30)  # [N]
    b = (torch.linalg.cross(offset, second) * normal).sum(dim=1) / area
    c = (torch.linalg.cross(first, offset) * normal).sum(dim=1) / area
    return torch.stack([1 - b - c, b, c], dim=1).clamp(0, 1)  # [N, 3]
