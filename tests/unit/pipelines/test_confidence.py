# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shape shows of its making, on balls whose outlines and fields are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from backend.config import JobConfig, overlay
from backend.data import Field, Mesh, PreparedImage
from backend.pipelines.confidence import (
    LOW_CONFIDENCE,
    Calibration,
    Evidence,
    find_confidence,
    measure_agreement,
    measure_sharpness,
)
from backend.pipelines.image_to_shape import generate_shape
from backend.progress import Progress
from tests.worker.tiny_worker import load_tiny

CALIBRATION = Calibration(-1.0, 0.5, tuple(np.linspace(-1.0, 9.0, 11)))


def ball_field(steepness: float, cells: int = 32) -> Field:
    axis = np.linspace(-1, 1, cells + 1, dtype=np.float32)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    values = steepness * (0.6 - np.sqrt(x * x + y * y + z * z))
    return Field(values.astype(np.float32), (-1, -1, -1), (1, 1, 1))


def picture_of(height: float) -> PreparedImage:
    """An ellipse as wide as the picture's middle half."""
    axis = np.linspace(-1, 1, 96)
    inside = (axis[None] / 0.8) ** 2 + (axis[:, None] / (0.8 * height)) ** 2 < 1
    pixels = np.zeros((1, 96, 96, 4), np.float32)
    pixels[0, inside] = (0.5, 0.5, 0.5, 1.0)
    return PreparedImage(pixels, (0,))


@pytest.mark.parametrize("cells", [24, 48])
def test_sharpness_is_the_fields_slope_whatever_the_resolution(cells):
    flat, steep = (measure_sharpness(ball_field(s, cells)) for s in (10.0, 40.0))
    assert steep == pytest.approx(4 * flat, rel=1e-4)
    assert 4 < flat <= 10.001  # along the axes, of which none may be the slope's direction


def test_a_field_without_surface_has_no_sharpness():
    field = ball_field(10.0)
    assert measure_sharpness(replace(field, level=100.0)) == 0


def test_outlines_that_meet_agree_and_others_do_not():
    ball = trimesh.creation.icosphere(3)
    mesh = Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int32))
    device = torch.device("cpu")
    same = measure_agreement(mesh, picture_of(1.0), Progress(), device)
    other = measure_agreement(mesh, picture_of(0.3), Progress(), device)
    assert same > 0.97
    assert other < 0.75


def test_confidence_rises_with_both_and_stays_within_bounds():
    base = find_confidence(Evidence(0.9, 10.0), CALIBRATION)
    assert 0 < base < 1
    assert find_confidence(Evidence(0.97, 10.0), CALIBRATION) > base
    assert find_confidence(Evidence(0.9, 40.0), CALIBRATION) > base
    assert find_confidence(Evidence(0.0, 0.0), CALIBRATION) == 0
    assert find_confidence(Evidence(1.0, 1e9), CALIBRATION) == 1


@pytest.mark.parametrize(("lowest", "is_low"), [(-100.0, False), (100.0, True)])
def test_low_confidence_says_what_to_do(lowest, is_low):
    image = np.zeros((48, 48, 4), np.float32)
    image[8:40, 12:36] = (0.2, 0.5, 0.8, 1.0)
    networks = load_tiny("maquette-mini", torch.device("cpu"), torch.float32)
    calibration = Calibration(-1.0, 0.5, (lowest, lowest + 1))
    config = overlay(JobConfig(), {"resolution": 64, "target_faces": 2000})
    networks = replace(networks, calibration=calibration)
    result = generate_shape([image], (0,), config, networks, Progress())
    assert result.confidence is not None
    assert (result.confidence < LOW_CONFIDENCE) == is_low
    assert [("another seed" in text) for text in result.warnings] == [True] * is_low
    plain = generate_shape([image], (0,), config, replace(networks, calibration=None), Progress())
    assert plain.confidence is None and not plain.warnings
