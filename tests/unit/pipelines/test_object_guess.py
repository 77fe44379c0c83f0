# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped network that tells objects from backgrounds, on the example pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from backend.image.matting import remove_background
from backend.pipelines.families import load_object_guess

EXAMPLES = Path(__file__).parents[3] / "examples"
SIZE = 480
WALL, FLOOR = np.array([0.78, 0.8, 0.84]), np.array([0.62, 0.52, 0.42])


@pytest.fixture(scope="module")
def guesser():
    return load_object_guess()


def photograph(name: str) -> tuple[np.ndarray, np.ndarray]:
    """An example on a floor before a wall, with the shadow that it throws, and where it is."""
    example = Image.open(EXAMPLES / f"{name}.png").convert("RGBA").resize((300, 300))
    canvas = Image.new("RGBA", (SIZE, SIZE))
    canvas.paste(example, (110, 90))
    pixels = np.asarray(canvas, np.float32) / 255
    alpha = pixels[..., 3:]
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    behind = np.where((y < 0.45 + 0.05 * x)[..., None], WALL, FLOOR) * (0.8 + 0.2 * x[..., None])
    foot = np.flatnonzero(alpha[..., 0].any(1))[-1]
    rows = np.clip(foot - (foot - np.arange(SIZE)) * 3.0, 0, SIZE - 1).astype(int)
    lying = ndimage.gaussian_filter(np.roll(alpha[rows, :, 0], 25, 1), 6)[..., None]
    rng = np.random.default_rng(0)
    mixed = pixels[..., :3] * alpha + behind * (1 - 0.45 * lying) * (1 - alpha)
    mixed = np.clip(mixed + rng.normal(0, 0.01, mixed.shape), 0, 1)
    return np.dstack([mixed, np.ones((SIZE, SIZE))]).astype(np.float32), alpha[..., 0] > 0.5


@pytest.mark.parametrize("name", ["armchair", "barrel", "chest"])
def test_object_is_cut_out_before_floor_and_wall(guesser, name):
    picture, true = photograph(name)
    cutout = remove_background(picture, guesser)
    mask = cutout.pixels[..., 3] > 0.5
    assert (mask & true).sum() / (mask | true).sum() > 0.9
    assert cutout.warning == ""


def test_the_same_picture_gives_the_same_cut(guesser):
    picture, _ = photograph("barrel")
    first, second = (remove_background(picture, guesser).pixels for _ in range(2))
    np.testing.assert_array_equal(first, second)
