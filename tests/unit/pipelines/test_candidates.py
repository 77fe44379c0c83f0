# SPDX-License-Identifier: GPL-3.0-or-later
"""Of several shapes the one whose outline the picture shows is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.config import JobConfig, overlay
from backend.data import Latents
from backend.errors import CancelledError, EmptyFieldError
from backend.image.prepare import prepare_image
from backend.pipelines.candidates import choose_candidate
from backend.pipelines.image_to_shape import generate_shape
from backend.progress import Progress, Report
from tests.worker.tiny_worker import load_tiny

CPU = torch.device("cpu")
BOXES = ((0.2, 0.8, 0.2), (0.8, 0.3, 0.3), (0.0, 0.0, 0.0), (0.6, 0.6, 0.6))
"""Half edges; the third one has no surface."""


class BoxDecoder:
    """A box, its half edges the latents' first three numbers."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents[:, 0, :3]

    def query(self, points: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        inside = (decoded[:, None] - points.abs()).amin(-1)
        return torch.where(decoded.amin(-1, keepdim=True) > 0, inside, -torch.ones_like(inside))


def latents_of(box: tuple[float, ...]) -> Latents:
    values = torch.zeros(1, 8, 4)
    values[0, 0, :3] = torch.tensor(box)
    return Latents(values)


def picture(width: float, height: float) -> np.ndarray:
    """The front of a box."""
    pixels = np.zeros((64, 64, 4), np.float32)
    rows, columns = round(30 * height), round(30 * width)
    pixels[32 - rows : 32 + rows, 32 - columns : 32 + columns] = (0.5, 0.5, 0.5, 1)
    return pixels


def networks():
    return replace(load_tiny("maquette-mini", CPU, torch.float32), decoder=BoxDecoder())


def choose(width: float, height: float, boxes=BOXES, progress=None) -> tuple[float, ...]:
    pictures = prepare_image([picture(width, height)], 64, JobConfig().image, Progress(), (0,))
    candidates = [latents_of(box) for box in boxes]
    kept = choose_candidate(candidates, pictures, networks(), progress or Progress(), CPU)
    return next(box for box in boxes if torch.equal(kept.values, latents_of(box).values))


@pytest.mark.parametrize("number", [0, 1, 3])
def test_the_shape_of_the_pictures_outline_is_kept(number):
    width, height, _ = BOXES[number]
    assert choose(width, height) == BOXES[number]


def test_what_has_no_surface_is_never_kept_beside_what_has():
    assert choose(0.5, 0.5, (BOXES[2], BOXES[1])) == BOXES[1]


def test_without_any_surface_the_first_one_goes_on_to_its_error():
    assert choose(0.5, 0.5, (BOXES[2],) * 2) == BOXES[2]
    empty = replace(networks(), decoder=_Nothing())
    config = overlay(JobConfig(), {"resolution": 64, "candidates": 2})
    with pytest.raises(EmptyFieldError):
        generate_shape([picture(0.5, 0.5)], (0,), config, empty, Progress())


class _Nothing(BoxDecoder):
    def query(self, points: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        return -torch.ones_like(points[..., 0])


def test_one_candidate_is_not_even_decoded():
    class Broken(BoxDecoder):
        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            raise AssertionError

    pictures = prepare_image([picture(0.5, 0.5)], 64, JobConfig().image, Progress(), (0,))
    only = latents_of(BOXES[0])
    broken = replace(networks(), decoder=Broken())
    assert choose_candidate([only], pictures, broken, Progress(), CPU) is only


def test_progress_counts_candidates_and_a_cancel_is_seen_between_and_within():
    reports: list[Report] = []
    choose(0.5, 0.5, progress=Progress(reports.append))
    assert [(report.step, report.of) for report in reports] == [(k, 4) for k in (1, 2, 3, 4)]
    asked = [0]

    def is_cancelled() -> bool:
        asked[0] += 1
        return asked[0] > 3

    with pytest.raises(CancelledError):
        choose(0.5, 0.5, progress=Progress(is_cancelled=is_cancelled))
    assert asked[0] == 4
