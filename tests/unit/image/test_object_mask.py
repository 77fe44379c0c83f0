# SPDX-License-Identifier: GPL-3.0-or-later
"""From a network's coarse guess to a mask as fine as the picture."""

import numpy as np
import pytest
import torch

from backend.image.object_mask import find_object

RED, GREY = np.array([0.8, 0.1, 0.1]), np.array([0.55, 0.55, 0.6])


class Redness:
    """Tells red from grey, surely or not; counts how often it is asked."""

    size_px = 64

    def __init__(self, certainty: float = 40.0) -> None:
        self.certainty, self.asked = certainty, 0

    def __call__(self, colour: torch.Tensor) -> torch.Tensor:
        assert colour.shape == (1, 3, self.size_px, self.size_px)
        self.asked += 1
        return self.certainty * (colour[:, :1] - colour[:, 1:2] - 0.3)


def disc(height: int, width: int, middle: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.hypot(y - middle[0], x - middle[1]) < radius


def paint(mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], RED, GREY).astype(np.float32)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize(
    ("height", "width", "middle", "radius"),
    [(400, 600, (200, 300), 150), (600, 400, (150, 90), 40), (300, 300, (290, 150), 120)],
    ids=["large", "small and aside", "beyond the border"],
)
def test_mask_is_as_fine_as_the_picture(height, width, middle, radius):
    true = disc(height, width, middle, radius)
    guesser = Redness()
    found = find_object(paint(true), guesser)
    assert guesser.asked == 2
    assert found.mask.shape == (height, width)
    assert overlap(found.mask, true) > 0.985
    assert found.stability > 0.9


def test_thin_parts_beside_the_outline_are_kept():
    true = disc(400, 400, (200, 150), 80)
    true[190:210, 150:330] = True  # a handle three of the network's pixels wide
    found = find_object(paint(true), Redness())
    assert overlap(found.mask, true) > 0.96
    assert found.mask[200, 325]


def test_specks_are_left_out():
    true = disc(400, 400, (200, 200), 90)
    with_speck = true | disc(400, 400, (30, 30), 12)
    assert overlap(find_object(paint(with_speck), Redness()).mask, true) > 0.985


def test_nothing_is_found_where_there_is_nothing():
    found = find_object(paint(np.zeros((200, 300), bool)), Redness())
    assert not found.mask.any() and found.stability == 0


def test_an_unsure_guess_is_not_stable():
    ramp = np.clip(1.6 - np.hypot(*np.mgrid[-1:1:300j, -1:1:300j]) * 1.6, 0, 1)[..., None]
    colour = (GREY + ramp * (RED - GREY)).astype(np.float32)
    assert find_object(colour, Redness(6.0)).stability < 0.6


def test_holes_through_which_the_background_shows_stay_open():
    ring = disc(400, 400, (200, 200), 150) & ~disc(400, 400, (200, 200), 70)
    assert overlap(find_object(paint(ring), Redness()).mask, ring) > 0.97


def test_holes_of_which_the_network_is_not_sure_are_closed():
    whole = disc(400, 400, (200, 200), 150)
    colour = paint(whole)
    window = disc(400, 400, (200, 200), 60)
    colour[window] = 0.55 * GREY + 0.45 * RED  # more like the background, but not surely
    found = find_object(colour, Redness(6.0))
    assert found.mask[200, 200]


def test_core_lies_within_the_object():
    true = disc(400, 400, (200, 200), 120)
    found = find_object(paint(true), Redness())
    assert found.core.sum() > 0.8 * true.sum()
    assert not (found.core & ~true).any()
