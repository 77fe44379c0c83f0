# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh and views that something else has painted into the mesh's texture."""

from dataclasses import replace

import numpy as np
import torch

from ..config import JobConfig
from ..data import Camera, PaintedViews
from ..progress import Progress
from ..render.camera import fit_mesh_for_painting
from ..texture.bake import bake_texture
from ..texture.picture import to_bytes
from .image_to_asset import Asset
from .texture_result import measure_coverage
from .uv import Target, give_uv


def bake_views(
    target: Target,
    painted: PaintedViews,
    config: JobConfig,
    progress: Progress,
    device: torch.device,
) -> Asset:
    """Bake painted views as they are.

    Args:
        target: The mesh, in the frame of the views' cameras.
        painted: The views.
        config: The settings.
        progress: Times the stages, takes reports, asks for a cancel.
        device: Where to compute.

    Raises:
        InputError: The mesh has no surface, or its UVs cannot be kept.
        CancelledError: The user cancelled the job.
    """
    with progress.stage("unwrap"):
        mapped = give_uv(target, config, progress, device)
    # The bake's tolerances are for meshes of this size.
    mesh, centre, scale = fit_mesh_for_painting(mapped.target.mesh)
    cameras = tuple(_follow(camera, centre.numpy(), scale) for camera in painted.cameras)
    views = replace(painted, cameras=cameras)
    with progress.stage("bake"):
        texture = bake_texture(mesh, views, config.bake, progress, device=device)
    coverage = measure_coverage(texture, None, len(cameras))
    picture = to_bytes(texture.base_colour)
    return Asset(mapped.target.mesh, picture, mapped.is_new_uv, coverage, mapped.warnings)


def _follow(camera: Camera, centre: np.ndarray, scale: float) -> Camera:
    """The camera that sees a mesh, moved by -centre and then scaled, as it was seen before."""
    matrix = camera.world_to_camera.astype(np.float64)
    matrix[:, 3] = scale * (matrix[:, :3] @ centre.astype(np.float64) + matrix[:, 3])
    width = camera.width * scale if camera.is_orthographic else camera.width
    return Camera(matrix.astype(np.float32), camera.is_orthographic, width)
