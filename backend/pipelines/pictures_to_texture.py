# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh and reference pictures into the mesh's texture without a painting network.

What the pictures show is carried over; what they do not show is filled over the surface.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..config import JobConfig
from ..data import FloatArray, PaintedViews, PreparedImage
from ..image.prepare import prepare_image
from ..progress import Progress
from ..render.camera import STANDARD_VIEWS_DEG, painting_camera
from ..texture.bake import bake_texture
from .families import load_light_guess, load_object_guess
from .mirror import add_mirrored
from .painting_scene import to_painting_frame
from .projection import PICTURE_SIZE_PX, align_pictures, project_pictures
from .texture_result import TextureResult, finish_picture, texture_size_of
from .uv import Target, give_uv

_PLAIN_PX = 64
_PLAIN_WARNING = "The surface has the picture's mean colour."


def project_texture(
    target: Target,
    images: Sequence[FloatArray],
    view_labels: Sequence[int],
    config: JobConfig,
    progress: Progress,
    device: torch.device,
) -> TextureResult:
    """Carry pictures over to a mesh, their light taken off, and fill the rest.

    Args:
        target: The mesh, and what of it is painted over what.
        images: One `[H, W, 4]` float32 picture in [0, 1] per view, sRGB with straight alpha.
        view_labels: One per view: 0 front, 1 left, 2 back, 3 right.
        config: The settings.
        progress: Times the stages, takes reports, asks for a cancel.
        device: Where to compute.

    Returns:
        The texture; in the mean colour of the pictures if none of them fits the mesh.

    Raises:
        InputError: A picture shows nothing, the mesh has no surface, or its UVs cannot be kept.
        ModelMissingError: A file of the installation is missing.
        CancelledError: The user cancelled the job.
    """
    with progress.stage("unwrap"):
        mapped = give_uv(target, config, progress, device)
    mesh = to_painting_frame(mapped.target.mesh, config)
    with progress.stage("prepare"):
        labels = tuple(view_labels)
        pictures = prepare_image(
            images, PICTURE_SIZE_PX, config.image, progress, labels, load_object_guess()
        )
    with progress.stage("align"):
        projection = align_pictures(mesh, pictures, progress, device)
        warnings = (*mapped.warnings, *pictures.warnings, *projection.warnings)
        if projection.cameras:
            guesser = load_light_guess(device) if config.paint.delight == "auto" else None
            views = project_pictures(mesh, projection, PICTURE_SIZE_PX, progress, device, guesser)
            views = add_mirrored(mesh, views, progress, device)
        else:
            views, warnings = _plain_views(pictures, device), (*warnings, _PLAIN_WARNING)
    with progress.stage("bake"):
        size = texture_size_of(mapped.target, config)
        bake = replace(config.bake, texture_size=size)
        texture = bake_texture(mesh, views, bake, progress, device=device)
    picture, coverage = finish_picture(mesh, mapped.target, texture, len(views.cameras), device)
    return TextureResult(mapped.target.mesh, picture, mapped.is_new_uv, coverage, warnings)


def _plain_views(pictures: PreparedImage, device: torch.device) -> PaintedViews:
    """The standard views, all in the mean colour of what the pictures show."""
    alpha = pictures.pixels[..., 3:]
    mean = (pictures.pixels[..., :3] * alpha).sum((0, 1, 2)) / max(float(alpha.sum()), 1e-6)
    cameras = tuple(painting_camera(*angles) for angles in STANDARD_VIEWS_DEG)
    colour = torch.from_numpy(mean.astype(np.float32)).to(device)
    shape = (len(cameras), _PLAIN_PX, _PLAIN_PX, 3)
    return PaintedViews(cameras, colour.expand(shape).clone(), (1.0,) * len(cameras))
