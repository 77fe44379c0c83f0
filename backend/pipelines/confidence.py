# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what a shape shows of its making into how far it can be believed.

Two things are known without the truth: how well the mesh's outline meets the picture's, and how
sharply the network told inside from outside. Both are lower where it was given something that it
does not know.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..data import Field, Mesh, PreparedImage
from ..progress import Progress
from ..render.align import AlignConfig, find_camera
from ..render.camera import fit_mesh_for_painting

LOW_CONFIDENCE = 0.1
"""Results below this are the worst tenth of the validation pictures'."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a shape without the truth.

    Attributes:
        agreement: Shared part of the mesh's and the picture's outlines, 0..1.
        sharpness: Median change of the field's logits across the surface, per unit of length.
    """

    agreement: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a model's results follow the evidence, from `benchmarks/confidence.py`.

    Attributes:
        agreement: Weight of the logarithm of the outlines' disagreement.
        sharpness: Weight of the logarithm of the sharpness.
        scores: Weighted sums that the tenths of the validation results stay below, rising.
    """

    agreement: float
    sharpness: float
    scores: tuple[float, ...]

    def score(self, evidence: Evidence) -> float:
        """The weighted sum; more is better."""
        apart = max(1 - evidence.agreement, 1e-3)
        return self.agreement * math.log(apart) + self.sharpness * math.log(
            max(evidence.sharpness, 1e-3)
        )


def measure_sharpness(field: Field) -> float:
    """Median change of the field between neighbouring samples on both sides of the surface.

    Args:
        field: Of one shape.

    Returns:
        Per unit of length; 0 where there is no surface.
    """
    cell = (field.box_max[0] - field.box_min[0]) / (field.values.shape[0] - 1)
    inside = field.values > field.level
    changes = []
    for axis in range(3):
        first, second = [slice(None)] * 3, [slice(None)] * 3
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        crosses = inside[tuple(first)] != inside[tuple(second)]
        gap = field.values[tuple(second)][crosses] - field.values[tuple(first)][crosses]
        changes.append(np.abs(gap))
    joined = np.concatenate(changes)
    return float(np.median(joined)) / cell if len(joined) else 0.0


def measure_agreement(
    mesh: Mesh, pictures: PreparedImage, progress: Progress, device: torch.device
) -> float:
    """How much the outlines of the mesh and of the first picture have in common, 0..1.

    Raises:
        CancelledError: The user cancelled the job.
    """
    fitted = fit_mesh_for_painting(mesh)[0]
    label = pictures.view_labels[0]
    found = find_camera(fitted, pictures.pixels[0], label, AlignConfig(), progress, device)
    return found.agreement


def find_confidence(evidence: Evidence, calibration: Calibration) -> float:
    """The share of validation results whose evidence is weaker, 0..1."""
    count = len(calibration.scores)
    places = np.linspace(0, 1, count)
    return float(np.interp(calibration.score(evidence), calibration.scores, places))
