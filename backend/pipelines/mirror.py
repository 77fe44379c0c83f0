# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what a picture shows of one side into a guess at the other, where the mesh is symmetric."""

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from ..data import Camera, Mesh, PaintedViews
from ..progress import Progress
from ..render.camera import pixel_centres, pixels_to_screen, project, unproject, view_depth
from ..render.views import RenderConfig, render_views
from .projection import join_views

MIRRORED_WEIGHT = 10.0
"""Trust in a mirrored picture: less than in a picture, more than in what a network paints."""
_SAME_DEPTH = 0.03
"""Difference of the two sides, in a mesh of diameter 1.15, up to which they count as alike."""
_OVERLAP = 1 / 128
"""How far a mirrored picture reaches into what the pictures show, so that both can be matched; a
share of its edge."""
_LEAST_SHARE = 0.6
"""Of the picture that must find its like, or the mesh is not symmetric."""


def mirror_camera(camera: Camera) -> Camera:
    """The camera that sees the mesh's mirror image, at x = 0, as this one's mirrored picture."""
    flip = np.array([-1.0, 1.0, 1.0], np.float32)
    matrix = flip[:, None] * camera.world_to_camera * np.append(flip, np.float32(1))
    return replace(camera, world_to_camera=np.ascontiguousarray(matrix))


def add_mirrored(
    mesh: Mesh, projected: PaintedViews, progress: Progress, device: torch.device
) -> PaintedViews:
    """Add the mirror images of projected pictures, as far as the mesh looks the same there.

    Args:
        mesh: In the painting frame.
        projected: Views with masks, V of them.
        progress: Told after each view.
        device: Where to compute.

    Returns:
        The views, and after them up to V mirrored ones with less weight.

    Raises:
        CancelledError: The user cancelled the job.
    """
    if projected.mask is None:
        return projected
    size = projected.colour.shape[1]
    mirrored = tuple(mirror_camera(camera) for camera in projected.cameras)
    config = RenderConfig(size)
    depths = [
        render_views(mesh, cameras, config, progress, device).depth
        for cameras in (projected.cameras, mirrored)
    ]
    is_alike = (depths[0] - depths[1].flip(2)).abs() < _SAME_DEPTH  # [V, S, S]
    mask = (projected.mask & is_alike).flip(2)
    share = mask.sum((1, 2)) / projected.mask.sum((1, 2)).clamp(min=1)  # [V]
    mask = mask & _unseen(projected, mirrored, depths)
    chosen = torch.nonzero(share >= _LEAST_SHARE).squeeze(1).tolist()
    if not chosen:
        return projected
    other = PaintedViews(
        tuple(mirrored[index] for index in chosen),
        projected.colour[chosen].flip(2),
        (MIRRORED_WEIGHT,) * len(chosen),
        mask[chosen],
    )
    return join_views(projected, other)


def _unseen(
    projected: PaintedViews, mirrored: tuple[Camera, ...], depths: list[torch.Tensor]
) -> torch.Tensor:
    """Where mirrored views show what no picture does, and a little beyond: `[V, S, S]` bool."""
    size = depths[0].shape[1]
    screen = pixels_to_screen(pixel_centres(size, depths[0].device), size)  # [S, S, 2]
    depth = torch.where(depths[1].isfinite(), depths[1], torch.ones_like(depths[1]))
    points = unproject(screen.expand(*depth.shape, 2), depth, mirrored)  # [V, S, S, 3]
    is_seen = torch.zeros_like(depth, dtype=torch.bool)
    for camera, near in zip(projected.cameras, depths[0], strict=True):
        place = project(points.flatten(0, -2), [camera])[0, :, :2]  # [V*S*S, 2]
        away = view_depth(points.flatten(0, -2), [camera])[0]
        grid = (place * place.new_tensor([1.0, -1.0]))[None, None]
        known = functional.grid_sample(near[None, None], grid, "nearest", align_corners=False)
        is_seen |= (away < known.flatten() + _SAME_DEPTH).view(is_seen.shape)
    hidden = (~is_seen).float()[:, None]
    reach = max(1, round(size * _OVERLAP))
    return functional.max_pool2d(hidden, 2 * reach + 1, 1, reach)[:, 0] > 0
