# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns reference pictures of one object into its mesh: the list of the stages."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..config import JobConfig
from ..data import FloatArray, Latents, Mesh
from ..errors import InputError
from ..field.decode import decode_field
from ..image.io import load_image
from ..image.prepare import prepare_image
from ..latents.sample import sample_latents
from ..mesh.build import build_mesh
from ..progress import Progress
from ..tokens.encode import encode_image
from .candidates import choose_candidate
from .confidence import (
    LOW_CONFIDENCE,
    Evidence,
    find_confidence,
    measure_agreement,
    measure_sharpness,
)
from .families import Networks, load_object_guess

VIEW_NAMES = ("front", "left", "back", "right")
_LOW_CONFIDENCE = (
    "The shape is probably not what the picture shows. Try another seed, or a picture of the whole "
    "object from slightly above on a plain background."
)


@dataclass(frozen=True, slots=True)
class ShapeResult:
    """What the pipeline made.

    Attributes:
        mesh: The shape, Y up, front +Z, inside [-1, 1]^3.
        warnings: Sentences for the user, e.g. that no plain background was found.
        confidence: Share of the model's validation results for which less spoke, 0..1; None where
            the model is not calibrated.
        evidence: What the confidence follows from, or None with it.
    """

    mesh: Mesh
    warnings: tuple[str, ...] = ()
    confidence: float | None = None
    evidence: Evidence | None = None


def read_images(
    paths: Sequence[str], view_names: Sequence[str]
) -> tuple[list[FloatArray], tuple[int, ...]]:
    """Read the pictures of a job.

    Args:
        paths: One per view.
        view_names: "front", "left", "back" or "right", one per view.

    Returns:
        The pictures, each `[H, W, 4]` float32 in [0, 1], and their view labels.

    Raises:
        InputError: A picture cannot be read, or a view name is unknown.
    """
    if unknown := [name for name in view_names if name not in VIEW_NAMES]:
        raise InputError(f"There is no view '{unknown[0]}'.", f"Use: {', '.join(VIEW_NAMES)}.")
    labels = tuple(VIEW_NAMES.index(name) for name in view_names)
    return [load_image(path) for path in paths], labels


def generate_shape(
    images: Sequence[FloatArray],
    view_labels: Sequence[int],
    config: JobConfig,
    networks: Networks,
    progress: Progress,
) -> ShapeResult:
    """Make the shape that the pictures show.

    Args:
        images: One `[H, W, 4]` float32 picture in [0, 1] per view, sRGB with straight alpha.
        view_labels: One per view: 0 front, 1 left, 2 back, 3 right.
        config: The settings.
        networks: Of the model that `config.model` names.
        progress: Times the stages, takes reports, asks for a cancel.

    Raises:
        InputError: A picture shows nothing, or several views for a model that reads one.
        EmptyFieldError: The sampled shape has no surface.
        ModelMissingError: A file of the installation is missing.
        CancelledError: The user cancelled the job.
    """
    with progress.stage("prepare"):
        prepared = prepare_image(
            images,
            networks.image_size,
            config.image,
            progress,
            tuple(view_labels),
            load_object_guess(),
        )
    with progress.stage("encode"):
        tokens = encode_image(prepared, networks.conditioner, progress)
    with progress.stage("sample"):
        candidates = sample_latents(
            tokens,
            networks.denoiser,
            config.sample,
            networks.sampler,
            networks.latent_shape,
            progress,
        )
    device = tokens.condition.device
    # Sampled in float32.
    candidates = [Latents(candidate.values.to(networks.dtype)) for candidate in candidates]
    with progress.stage("compare"):
        latents = choose_candidate(candidates, prepared, networks, progress, device)
    with progress.stage("decode"):
        field = decode_field(latents, networks.decoder, config.field_, progress, box=networks.box)
    with progress.stage("mesh"):
        mesh = build_mesh(field, config.mesh, progress, default_smoothing=networks.smoothing)
    if networks.calibration is None:
        return ShapeResult(mesh, prepared.warnings)
    with progress.stage("align"):
        agreement = measure_agreement(mesh, prepared, progress, device)
    evidence = Evidence(agreement, measure_sharpness(field))
    confidence = find_confidence(evidence, networks.calibration)
    warnings = prepared.warnings
    if confidence < LOW_CONFIDENCE:
        warnings = (*warnings, _LOW_CONFIDENCE)
    return ShapeResult(mesh, warnings, confidence, evidence)
