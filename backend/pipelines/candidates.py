# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns several sampled shapes into the one that the picture shows best."""

from collections.abc import Sequence

import torch

from ..config import FieldConfig, MeshConfig
from ..data import Latents, PreparedImage
from ..errors import EmptyFieldError
from ..field.decode import decode_field
from ..mesh.build import build_mesh
from ..progress import Progress
from .confidence import measure_agreement
from .families import Networks

RESOLUTION = 48
"""Cells along each side of the box: enough for an outline."""
_TARGET_FACES = 8000


def choose_candidate(
    candidates: Sequence[Latents],
    pictures: PreparedImage,
    networks: Networks,
    progress: Progress,
    device: torch.device,
) -> Latents:
    """Decode every candidate coarsely and keep the one whose outline meets the picture's best.

    What differs between two samples is mostly what the picture leaves open, such as depth, and
    often which way a thing faces; the latter shows in the outline, seen by the best camera.

    Args:
        candidates: One or more, in the decoder's dtype, `[1, N, C]` each.
        pictures: What they were made from; the first one counts.
        networks: Whose decoder they belong to.
        progress: Told after each candidate.
        device: Where to compare.

    Returns:
        The best candidate, the first of equals; the first one if none has a surface.

    Raises:
        CancelledError: The user cancelled the job.
    """
    if len(candidates) == 1:
        return candidates[0]
    agreements: list[float] = []
    for latents in candidates:
        agreements.append(_measure(latents, pictures, networks, progress.silenced(), device))
        progress.step(len(agreements), len(candidates))
    return candidates[agreements.index(max(agreements))]


def _measure(
    latents: Latents,
    pictures: PreparedImage,
    networks: Networks,
    progress: Progress,
    device: torch.device,
) -> float:
    """Shared part of a candidate's and the picture's outlines, 0..1; -1 without a surface."""
    config = FieldConfig(RESOLUTION)
    field = decode_field(latents, networks.decoder, config, progress, box=networks.box)
    try:
        mesh = build_mesh(
            field, MeshConfig(_TARGET_FACES), progress, default_smoothing=networks.smoothing
        )
    except EmptyFieldError:
        return -1.0
    return measure_agreement(mesh, pictures, progress, device)
