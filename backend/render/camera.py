# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns camera angles into points on the screen: azimuth 0 sits on +Z, a quarter turn on +X."""

import math

import torch


def camera_axes(azimuth_rad: torch.Tensor, elevation_rad: torch.Tensor) -> torch.Tensor:
    """Right, up and backward axis of cameras that look at the origin.

    Args:
        azimuth_rad: `[V]`, 0 on +Z, a quarter turn on +X.
        elevation_rad: `[V]`, grows upwards.

    Returns:
        `[V, 3, 3]`, rows right, up, backward (towards the camera), in world axes.
    """
    sin_a, cos_a = torch.sin(azimuth_rad), torch.cos(azimuth_rad)
    sin_e, cos_e = torch.sin(elevation_rad), torch.cos(elevation_rad)
    zero = torch.zeros_like(sin_a)
    right = torch.stack([cos_a, zero, -sin_a], -1)  # [V, 3]
    up = torch.stack([-sin_e * sin_a, cos_e, -sin_e * cos_a], -1)
    backward = torch.stack([cos_e * sin_a, sin_e, cos_e * cos_a], -1)
    return torch.stack([right, up, backward], 1)  # [V, 3, 3]


def project_perspective(
    points: torch.Tensor, axes: torch.Tensor, fov_rad: torch.Tensor, radius: float = math.sqrt(3.0)
) -> torch.Tensor:
    """Project points with a camera far enough away that a sphere of `radius` just fits.

    Args:
        points: `[V, P, 3]` world positions.
        axes: `[V, 3, 3]` from `camera_axes`.
        fov_rad: `[V]` full field of view.
        radius: Radius of the sphere around the origin that must fit.

    Returns:
        `[V, P, 3]`: x right and y up, each in -1..1 inside the picture, and the inverse depth.
    """
    distance = radius / torch.sin(fov_rad / 2)  # [V]
    local = torch.einsum("vpk,vck->vpc", points, axes)  # [V, P, 3]
    inverse = 1 / (distance[:, None] - local[..., 2])  # [V, P]
    scale = inverse / torch.tan(fov_rad / 2)[:, None]
    return torch.stack([local[..., 0] * scale, local[..., 1] * scale, inverse], -1)  # [V, P, 3]


def fit_sphere(points: torch.Tensor, diameter: float) -> tuple[torch.Tensor, float]:
    """The shift and scale that centre a mesh's bounds and give it a certain size.

    Args:
        points: `[P, 3]` world positions, at least two different ones.
        diameter: Twice the largest distance from the origin afterwards.

    Returns:
        Centre `[3]` and scale, for `(points - centre) * scale`.
    """
    low, high = points.aminmax(dim=0)  # [3] each
    centre = (low + high) / 2
    radius = (points - centre).norm(dim=-1).max().item()
    return centre, diameter / (2 * radius)


def project_orthographic(
    points: torch.Tensor, axes: torch.Tensor, width: float, distance: float, near: float, far: float
) -> torch.Tensor:
    """Project points with parallel rays.

    Args:
        points: `[P, 3]` world positions.
        axes: `[V, 3, 3]` from `camera_axes`.
        width: Edge of the square that the picture shows.
        distance: From the camera to the origin.
        near: Distance from the camera at which depth is -1.
        far: Distance from the camera at which depth is 1.

    Returns:
        `[V, P, 3]`: x right and y up, each in -1..1 inside the picture, and the depth, growing away
        from the camera.
    """
    local = torch.einsum("pk,vck->vpc", points, axes)  # [V, P, 3]
    depth = (2 * (distance - local[..., 2]) - far - near) / (far - near)  # [V, P]
    return torch.cat([local[..., :2] * (2 / width), depth[..., None]], -1)  # [V, P, 3]
