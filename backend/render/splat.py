# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns points of a surface and many poses into small pictures of what each pose sees."""

from dataclasses import dataclass, fields

import numpy as np
import torch

from ..data import Mesh
from .camera import camera_axes

_MOST_ITEMS = 1 << 20
"""Projected points at a time, which bounds the memory to some ten MiB."""


@dataclass(frozen=True, slots=True)
class SurfacePoints:
    """Points spread evenly over a mesh.

    Attributes:
        place: `[N, 3]`.
        normal: `[N, 3]`, of the faces.
    """

    place: torch.Tensor
    normal: torch.Tensor


@dataclass(frozen=True, slots=True)
class Poses:
    """How V cameras see an object whose middle is the origin, and where the picture puts it.

    The picture's place of a point is `shift + scale * (x, -y) / (1 - strength * z)`, with x right,
    y up, z towards the camera; in shares of the picture's edge, from its upper left corner.

    Attributes:
        azimuth: `[V]` radians.
        elevation: `[V]` radians.
        strength: `[V]`, of the perspective: 1 / distance of the camera; 0 is orthographic.
        scale: `[V]`.
        shift: `[V, 2]`, the place of the origin.
    """

    azimuth: torch.Tensor
    elevation: torch.Tensor
    strength: torch.Tensor
    scale: torch.Tensor
    shift: torch.Tensor

    def take(self, index: torch.Tensor) -> "Poses":
        """Some of the poses."""
        return Poses(*(getattr(self, item.name)[index] for item in fields(self)))

    def to_vectors(self) -> torch.Tensor:
        """`[V, 6]`: azimuth, elevation, strength, logarithm of the scale, shift."""
        angles = torch.stack([self.azimuth, self.elevation, self.strength, self.scale.log()], 1)
        return torch.cat([angles, self.shift], 1)  # [V, 6]

    @classmethod
    def from_vectors(cls, vectors: torch.Tensor) -> "Poses":
        """The inverse of `to_vectors`."""
        azimuth, elevation, strength, log_scale = vectors[:, :4].unbind(1)
        return cls(azimuth, elevation, strength, log_scale.exp(), vectors[:, 4:])


def spread_points(mesh: Mesh, count: int, device: torch.device, seed: int = 0) -> SurfacePoints:
    """Draw points that lie evenly on the surface.

    Args:
        mesh: With at least one face that has an area.
        count: Points N.
        device: Where the result goes; it is the same on every device.
        seed: Of the random numbers.
    """
    corner = mesh.vertices[mesh.faces].astype(np.float64)  # [F, 3, 3]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    double_area = np.linalg.norm(normal, axis=1)  # [F]
    total = np.cumsum(double_area)
    random = np.random.default_rng(seed)
    # One point in each of N equal shares of the area: fewer gaps than points drawn one by one.
    share = (np.arange(count) + random.random(count)) / count
    face = np.searchsorted(total, share * total[-1], side="right").clip(max=len(total) - 1)
    first, second = random.random((2, count))
    root = np.sqrt(first)
    weights = np.stack([1 - root, root * (1 - second), root * second], 1)  # [N, 3]
    place = (corner[face] * weights[..., None]).sum(1)  # [N, 3]
    unit = normal[face] / double_area[face, None].clip(min=1e-30)
    return SurfacePoints(
        torch.from_numpy(place.astype(np.float32)).to(device),
        torch.from_numpy(unit.astype(np.float32)).to(device),
    )


def project_points(points: torch.Tensor, poses: Poses) -> torch.Tensor:
    """Project points `[N, 3]` into V pictures.

    Returns:
        `[V, N, 3]`: place right and down, see `Poses`, and the nearness, larger for nearer points,
        not positive behind the camera.
    """
    axes = camera_axes(poses.azimuth, poses.elevation)  # [V, 3, 3]
    local = torch.einsum("nk,vck->vnc", points, axes)  # [V, N, 3]
    depth = 1 - poses.strength[:, None] * local[..., 2]  # [V, N]
    reach = poses.scale[:, None] / depth.clamp(min=1e-3)
    column = poses.shift[:, None, 0] + local[..., 0] * reach
    row = poses.shift[:, None, 1] - local[..., 1] * reach
    # Added depth keeps the order where the perspective is weak.
    return torch.stack([column, row, local[..., 2] + 8.0], -1)  # [V, N, 3]


def splat(points: torch.Tensor, poses: Poses, size_px: int) -> torch.Tensor:
    """Find the nearest point in every pixel.

    Args:
        points: `[N, 3]`, within a distance of 8 of the origin and in front of the cameras.
        poses: V of them.
        size_px: Pixels per side S.

    Returns:
        `[V, S, S]` int64, index of the point, -1 where there is none.
    """
    parts = [
        _splat(points, poses.take(chosen), size_px)
        for chosen in torch.arange(len(poses.scale), device=points.device).split(
            max(1, _MOST_ITEMS // max(len(points), 1))
        )
    ]
    return torch.cat(parts)


def _splat(points: torch.Tensor, poses: Poses, size: int) -> torch.Tensor:
    """`splat` for as many poses as fit in memory."""
    count = len(poses.scale)
    place = project_points(points, poses)  # [V, N, 3]
    pixel = torch.floor(place[..., :2] * size).long()  # [V, N, 2]
    is_inside = ((pixel >= 0) & (pixel < size)).all(-1)  # [V, N]
    view = torch.arange(count, device=points.device)[:, None]
    flat = (view * size + pixel[..., 1]) * size + pixel[..., 0]  # [V, N]
    flat = torch.where(is_inside, flat, count * size * size)  # the last entry takes the rest
    # A positive float's bits order like an integer, so one maximum keeps nearest and owner.
    key = place[..., 2].contiguous().view(torch.int32).long() << 32
    key |= torch.arange(len(points), device=points.device)
    buffer = torch.full((count * size * size + 1,), -1, dtype=torch.int64, device=points.device)
    buffer.scatter_reduce_(0, flat.flatten(), key.flatten(), "amax")
    seen = torch.where(buffer < 0, buffer, buffer & 0xFFFFFFFF)
    return seen[:-1].view(count, size, size)  # [V, S, S]
