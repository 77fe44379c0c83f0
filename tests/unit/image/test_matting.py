# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting an object out of its background, by colour and with a network."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from backend.image.matting import NOT_PLAIN, UNSURE, Cutout, has_alpha, remove_background

SIZE = 160


def shaded_ball() -> tuple[np.ndarray, np.ndarray]:
    """Colour `[H, W, 3]` and soft coverage `[H, W]` of a lit red-brown ball with a white spot."""
    y, x = np.mgrid[:SIZE, :SIZE]
    radius = np.hypot(y - 85, x - 75)
    coverage = np.clip(45.5 - radius, 0, 1)
    light = np.clip(1 - np.hypot(y - 65, x - 55) / 90, 0.25, 1)[..., None]
    colour = light * np.array([0.8, 0.35, 0.25])
    colour[np.hypot(y - 85, x - 75) < 10] = 1.0
    return colour, coverage


def backgrounds() -> dict[str, np.ndarray]:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    rng = np.random.default_rng(0)
    white = np.ones((SIZE, SIZE, 3))
    noise = rng.normal(0, 0.02, white.shape)
    shadow = ndimage.gaussian_filter((np.hypot(y - 0.6, x - 0.6) < 0.27) * 1.0, 8)
    return {
        "white": white,
        "black": white * 0.02,
        "noisy grey": 0.6 + noise,
        "strong gradient": white * (1 - 0.5 * y[..., None]),
        "vignette": white * (0.9 - 0.6 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))[..., None],
        "soft shadow": white * 0.95 * (1 - 0.35 * shadow[..., None]),
    }


def compose(background: np.ndarray) -> np.ndarray:
    colour, coverage = shaded_ball()
    mixed = colour * coverage[..., None] + background * (1 - coverage[..., None])
    return np.dstack([np.clip(mixed, 0, 1), np.ones((SIZE, SIZE))]).astype(np.float32)


@pytest.mark.parametrize("name", backgrounds())
def test_ball_is_cut_out_of_a_plain_background(name: str) -> None:
    coverage = shaded_ball()[1]
    cutout = remove_background(compose(backgrounds()[name]))
    alpha = cutout.pixels[..., 3]
    overlap = np.minimum(alpha, coverage).sum() / np.maximum(alpha, coverage).sum()
    assert cutout.warning == ""
    assert overlap > 0.97
    assert alpha[85, 75] == 1, "the white spot within the ball is not background"
    assert alpha[:5].max() == 0


def test_outline_is_soft_and_free_of_the_background_colour() -> None:
    colour, coverage = shaded_ball()
    green = np.tile(np.array([0.1, 0.9, 0.1]), (SIZE, SIZE, 1))
    pixels = remove_background(compose(green)).pixels
    is_mixed = (coverage > 0.1) & (coverage < 0.9)
    assert np.abs(pixels[..., 3] - coverage)[is_mixed].mean() < 0.12
    assert np.abs(pixels[..., :3] - colour)[is_mixed].mean() < 0.05


def test_object_may_touch_the_border() -> None:
    picture = compose(np.ones((SIZE, SIZE, 3)))
    cropped = picture[:100]
    alpha = remove_background(cropped).pixels[..., 3]
    assert alpha[-1, 75] == 1
    assert alpha[-1, 5] == 0


def test_cluttered_background_keeps_the_whole_picture_and_warns() -> None:
    rough = ndimage.zoom(np.random.default_rng(1).random((8, 8, 3)), (20, 20, 1), order=1)
    cutout = remove_background(compose(rough))
    assert cutout.warning == NOT_PLAIN
    assert (cutout.pixels[..., 3] == 1).all()


def test_empty_picture_keeps_everything_and_warns() -> None:
    cutout = remove_background(np.ones((64, 64, 4), np.float32))
    assert cutout.warning == NOT_PLAIN
    assert (cutout.pixels[..., 3] == 1).all()


def test_opaque_picture_has_no_alpha_and_cutout_has() -> None:
    opaque = np.ones((32, 32, 4), np.float32)
    assert not has_alpha(opaque)
    opaque[:8, :8, 3] = 0
    assert has_alpha(opaque)


def floor_and_wall() -> np.ndarray:
    """Two smooth colours with an edge between them, behind the ball."""
    y = np.mgrid[:SIZE, :SIZE][0][..., None] / SIZE
    return np.where(y < 0.45, np.array([0.75, 0.78, 0.8]), np.array([0.55, 0.45, 0.35]))


class Redness:
    """Tells red from grey and brown, however dark; holes in the red count as red."""

    size_px = 64

    def __init__(self, certainty: float) -> None:
        self.certainty = certainty

    def __call__(self, colour: torch.Tensor) -> torch.Tensor:
        red = (colour[:, :1] - colour[:, 2:]) / (colour[:, :1] + 0.02)
        padded = torch.nn.functional.pad(red, (16, 16, 16, 16))
        wide = torch.nn.functional.max_pool2d(padded, 17, 1)
        closed = -torch.nn.functional.max_pool2d(-wide, 17, 1)
        return self.certainty * (closed - 0.52)


def cut(background: np.ndarray, certainty: float = 60.0) -> Cutout:
    return remove_background(compose(background), Redness(certainty))


def shared_with_ball(cutout: Cutout) -> float:
    coverage, alpha = shaded_ball()[1], cutout.pixels[..., 3]
    return np.minimum(alpha, coverage).sum() / np.maximum(alpha, coverage).sum()


def test_network_cuts_what_colour_cannot() -> None:
    alone = remove_background(compose(floor_and_wall()))
    assert shared_with_ball(alone) < 0.6
    together = cut(floor_and_wall())
    assert together.warning == ""
    assert shared_with_ball(together) > 0.9


def test_fine_outline_of_the_cut_by_colour_stays_where_the_network_agrees() -> None:
    white = backgrounds()["white"]
    np.testing.assert_array_equal(
        cut(white).pixels, remove_background(compose(white)).pixels, strict=True
    )


def test_nobody_sure_is_told() -> None:
    assert cut(floor_and_wall(), certainty=1.0).warning in (UNSURE, NOT_PLAIN)
