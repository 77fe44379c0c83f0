# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the visible points of a mesh into pictures: normal map, position map, depth, facing."""

import torch
from torch.nn import functional

from .camera import PAINTING_DIAMETER


def face_normals(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Unit normals by the right-hand rule.

    Args:
        vertices: `[P, 3]`.
        faces: `[F, 3]` int64.

    Returns:
        `[F, 3]`, zero where a face has no area.
    """
    corner = vertices[faces].double()  # [F, 3, 3]
    normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return functional.normalize(normal, dim=1, eps=1e-30).to(vertices.dtype)


def vertex_normals(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Unit normals of vertices: the plain sum over the faces around them, whatever their size.

    Args:
        vertices: `[P, 3]`.
        faces: `[F, 3]` int64.

    Returns:
        `[P, 3]`, zero where there is no face.
    """
    normal = face_normals(vertices, faces).repeat_interleave(3, 0)  # [F * 3, 3]
    index = faces.reshape(-1, 1).expand(-1, 3)  # [F * 3, 3]
    # float64 hides the order in which a GPU adds, so that results repeat.
    total = torch.zeros(len(vertices), 3, device=vertices.device, dtype=torch.float64)
    total.scatter_add_(0, index, normal.double())
    return functional.normalize(total, dim=1, eps=1e-30).to(vertices.dtype)


def encode_normals(normals: torch.Tensor) -> torch.Tensor:
    """World-space normals `[..., 3]` as the painting network expects them, in 0..1."""
    x, y, z = normals.unbind(-1)
    return torch.stack([1 + x, 1 - z, 1 + y], -1) / 2


def decode_normals(colours: torch.Tensor) -> torch.Tensor:
    """The inverse of `encode_normals`."""
    red, green, blue = (colours * 2 - 1).unbind(-1)
    return torch.stack([red, blue, -green], -1)


def encode_positions(points: torch.Tensor) -> torch.Tensor:
    """Positions `[..., 3]` in the painting frame as the network expects them, in 0..1."""
    x, y, z = (points / PAINTING_DIAMETER).unbind(-1)
    return torch.stack([0.5 + x, 0.5 - z, 0.5 + y], -1)


def decode_positions(colours: torch.Tensor) -> torch.Tensor:
    """The inverse of `encode_positions`."""
    red, green, blue = ((colours - 0.5) * PAINTING_DIAMETER).unbind(-1)
    return torch.stack([red, blue, -green], -1)


def encode_depth(depth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Depth as a picture: 1 at the nearest visible point of a view, 0 at the farthest.

    Args:
        depth: `[V, H, W]`, infinite where there is nothing.

    Returns:
        `[V, H, W]` in 0..1, 0 where there is nothing; and `[V, 2]`, the lowest and highest height
        over the camera (minus the depth) of each view, both 0 in an empty one.
    """
    seen = torch.isfinite(depth)
    height = -depth
    low = torch.where(seen, height, torch.inf).amin((1, 2))  # [V]
    high = torch.where(seen, height, -torch.inf).amax((1, 2))
    borders = torch.stack([low, high], 1)  # [V, 2]
    borders = torch.where(torch.isfinite(borders), borders, torch.zeros_like(borders))
    span = (borders[:, 1] - borders[:, 0]).clamp(min=1e-12)[:, None, None]
    shown = (height - borders[:, 0, None, None]) / span
    return torch.where(seen, shown, torch.zeros_like(shown)), borders


def blend_corners(values: torch.Tensor, faces: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Interpolate vertex values.

    Args:
        values: `[P, C]`.
        faces: `[N, 3]` int64, the corners of each point's face.
        weights: `[N, 3]`.

    Returns:
        `[N, C]`.
    """
    total = values.index_select(0, faces[:, 0]) * weights[:, :1]  # [N, C]
    for corner in (1, 2):
        share = weights[:, corner : corner + 1]
        total = total.addcmul_(values.index_select(0, faces[:, corner]), share)
    return total
