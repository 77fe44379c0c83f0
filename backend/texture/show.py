# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a texture into what cameras see of it on the mesh."""

import torch
from torch import Tensor
from torch.nn import functional

from ..data import FloatArray, Views


def show_texture(views: Views, uv: FloatArray, texture: Tensor) -> Tensor:
    """Look up the texture at every pixel that sees the mesh.

    Args:
        views: V of them, of a mesh with F faces.
        uv: `[F, 3, 2]`, origin bottom left; repeats outside of 0..1.
        texture: `[T, T', C]` float32, row 0 at v = 1.

    Returns:
        `[V, H, W, C]` on the views' device, bilinear; zero where there is no mesh.
    """
    device, mask = views.triangle.device, views.mask
    place = find_uv(views, uv)[mask] % 1.0  # [N, 2]
    grid = torch.stack([place[:, 0] * 2 - 1, 1 - place[:, 1] * 2], dim=-1)  # [N, 2]
    planes = texture.to(device).permute(2, 0, 1)[None]  # [1, C, T, T']
    found = functional.grid_sample(
        planes, grid[None, :, None], mode="bilinear", padding_mode="border", align_corners=False
    )  # [1, C, N, 1]
    shown = torch.zeros(*mask.shape, texture.shape[-1], device=device)
    shown[mask] = found[0, :, :, 0].T  # [N, C]
    return shown


def find_uv(views: Views, uv: FloatArray) -> Tensor:
    """The UV under every pixel, `[V, H, W, 2]`; zero where there is no mesh."""
    corners = torch.from_numpy(uv).to(views.triangle.device)  # [F, 3, 2]
    mask = views.mask
    place = torch.zeros(*mask.shape, 2, device=mask.device)
    seen = corners[views.triangle[mask]]  # [N, 3, 2]
    place[mask] = (views.barycentric[mask][..., None] * seen).sum(dim=-2)
    return place
