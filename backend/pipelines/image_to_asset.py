# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns reference pictures of one object into its textured mesh: shape first, then texture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import JobConfig
from ..data import FloatArray, Mesh
from ..paint.sample import PaintNetworks
from ..progress import Progress
from .families import Networks
from .image_to_shape import generate_shape
from .mesh_to_texture import texture_mesh
from .pictures_to_texture import project_texture
from .texture_result import TextureResult
from .uv import Target

FRONT = 0
"""View label of the front."""


@dataclass(frozen=True, slots=True)
class Asset:
    """What a job made.

    Attributes:
        mesh: Y up, front +Z; with UVs if there is a picture.
        picture: Base colour `[H, W, 3]` or `[H, W, 4]` uint8, sRGB, row 0 at v = 1, or None.
        is_new_uv: Whether the UV map was made by the job.
        coverage: See `protocol.Result`.
        warnings: Sentences for the user.
        confidence: Of the shape, see `image_to_shape.ShapeResult`; None where it was given.
    """

    mesh: Mesh
    picture: NDArray[np.uint8] | None = None
    is_new_uv: bool = False
    coverage: dict[str, float] = field(default_factory=dict[str, float])
    warnings: tuple[str, ...] = ()
    confidence: float | None = None


def generate_asset(
    images: Sequence[FloatArray],
    view_labels: Sequence[int],
    config: JobConfig,
    load_shape_networks: Callable[[], Networks],
    load_paint_networks: Callable[[], PaintNetworks],
    progress: Progress,
    device: torch.device,
) -> Asset:
    """Make the object that the pictures show.

    Args:
        images: One `[H, W, 4]` float32 picture in [0, 1] per view, sRGB with straight alpha.
        view_labels: One per view: 0 front, 1 left, 2 back, 3 right.
        config: The settings.
        load_shape_networks: Gives the networks of `config.model`.
        load_paint_networks: Gives those of `config.paint.paint_model`; called again when they are
            needed, as they may have made room for the others.
        progress: Times the stages, takes reports, asks for a cancel.
        device: Where to compute.

    Raises:
        InputError: A picture shows nothing, or several views for a model that reads one.
        EmptyFieldError: The sampled shape has no surface.
        CancelledError: The user cancelled the job.
    """
    is_textured, is_painted = config.texture.texture != "none", config.texture.texture == "paint"
    with progress.stage("load"):
        if is_painted:
            load_paint_networks()  # now, so that missing weights do not cost the shape's time
        networks = load_shape_networks()
    shape_images, shape_labels, warnings = list(images), list(view_labels), ()
    if is_textured and not networks.conditioner.is_multiview:
        shape_images, shape_labels, warnings = _keep_front(images, view_labels)
    shape = generate_shape(shape_images, shape_labels, config, networks, progress)
    warnings = (*warnings, *shape.warnings)
    if not is_textured:
        return Asset(shape.mesh, warnings=warnings, confidence=shape.confidence)
    del networks
    upright = replace(config, paint=replace(config.paint, front_deg=0.0))
    textured = texture_target(
        Target(shape.mesh), images, view_labels, upright, load_paint_networks, progress, device
    )
    return Asset(
        textured.mesh,
        textured.picture,
        textured.is_new_uv,
        textured.coverage,
        tuple(dict.fromkeys((*warnings, *textured.warnings))),
        shape.confidence,
    )


def texture_target(
    target: Target,
    images: Sequence[FloatArray],
    view_labels: Sequence[int],
    config: JobConfig,
    load_paint_networks: Callable[[], PaintNetworks],
    progress: Progress,
    device: torch.device,
) -> TextureResult:
    """Texture a mesh as the settings say, with a painting network or without one.

    Args:
        target: The mesh, and what of it is painted over what.
        images: As for `generate_asset`.
        view_labels: As for `generate_asset`.
        config: The settings.
        load_paint_networks: Called only if the settings ask for painting.
        progress: Times the stages, takes reports, asks for a cancel.
        device: Where to compute.

    Raises:
        InputError: A picture shows nothing, the mesh has no surface, or its UVs cannot be kept.
        CancelledError: The user cancelled the job.
    """
    if config.texture.texture != "paint":
        return project_texture(target, images, view_labels, config, progress, device)
    with progress.stage("load"):
        painter = load_paint_networks()
    return texture_mesh(target, images, view_labels, config, painter, progress, device)


def _keep_front(
    images: Sequence[FloatArray], view_labels: Sequence[int]
) -> tuple[list[FloatArray], list[int], tuple[str, ...]]:
    """What a model that reads one picture gets, and what to tell the user."""
    if len(images) < 2 or FRONT not in view_labels:
        return list(images), list(view_labels), ()
    front = list(view_labels).index(FRONT)
    warning = (
        "The shape was made from the front picture alone, because this model reads one picture; "
        "the colours follow all of them."
    )
    return [images[front]], [FRONT], (warning,)
