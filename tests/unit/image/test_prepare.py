# SPDX-License-Identifier: GPL-3.0-or-later
"""Framing: where the object lands, and that hidden colours never show."""

import numpy as np
import pytest

from backend.config import ImageConfig
from backend.errors import CancelledError, InputError
from backend.image.matting import NOT_PLAIN
from backend.image.prepare import frame_object, prepare_image
from backend.progress import Progress

CONFIG = ImageConfig()


def picture(top: int, left: int, height: int, width: int, size: int = 200) -> np.ndarray:
    """A red rectangle on transparent black."""
    pixels = np.zeros((size, size + 40, 4), np.float32)
    pixels[top : top + height, left : left + width] = (1, 0, 0, 1)
    return pixels


@pytest.mark.parametrize("box", [(10, 20, 50, 90), (100, 150, 90, 30), (0, 0, 200, 240)])
@pytest.mark.parametrize("border", [0.0, 0.15, 0.4])
def test_longer_side_fills_all_but_the_border_and_is_centred(
    box: tuple[int, int, int, int], border: float
) -> None:
    alpha = frame_object(picture(*box), 256, border)[..., 3]
    rows, columns = np.nonzero(alpha > 0.5)
    extent = np.array([np.ptp(rows) + 1, np.ptp(columns) + 1])
    centre = np.array([rows.min() + rows.max() + 1, columns.min() + columns.max() + 1]) / 2
    assert abs(extent.max() - 256 * (1 - border)) <= 3
    assert np.abs(centre - 128).max() <= 1.5
    aspect = np.array(box[2:]) / max(box[2:])
    assert np.abs(extent / extent.max() - aspect).max() < 0.04


def test_colours_under_transparent_pixels_do_not_matter() -> None:
    clean = picture(30, 40, 80, 60)
    clean[30:110, 40:44, 3] = 0.5
    dirty = clean.copy()
    hidden = dirty[..., 3] == 0
    dirty[hidden, :3] = np.random.default_rng(0).random((hidden.sum(), 3))
    assert np.array_equal(frame_object(clean, 96, 0.15), frame_object(dirty, 96, 0.15))


def test_outline_keeps_the_objects_colour() -> None:
    framed = frame_object(picture(30, 40, 81, 67), 100, 0.15)
    is_visible = framed[..., 3] > 0.01
    assert np.abs(framed[is_visible][:, :3] - (1, 0, 0)).max() < 1e-3
    assert (framed[framed[..., 3] == 0][:, :3] == 1).all()


def test_single_visible_pixel_is_framed() -> None:
    assert frame_object(picture(50, 50, 1, 1), 64, 0.15)[32, 32, 3] > 0.9


def test_invisible_object_is_refused() -> None:
    with pytest.raises(InputError, match="fully transparent"):
        frame_object(np.zeros((32, 32, 4), np.float32), 64, 0.15)


def test_views_keep_their_order_and_labels() -> None:
    wide, tall = picture(10, 10, 20, 80), picture(10, 10, 80, 20)
    prepared = prepare_image([wide, tall], 64, CONFIG, Progress(), (0, 3))
    assert prepared.pixels.shape == (2, 64, 64, 4)
    assert prepared.pixels.dtype == np.float32
    assert prepared.view_labels == (0, 3)
    assert prepared.warnings == ()
    alphas = prepared.pixels[..., 3]
    assert alphas[0, 32].sum() > 40
    assert alphas[1, :, 32].sum() > 40


@pytest.mark.parametrize("labels", [(), (0, 1), (0, 0), (4,)])
def test_labels_that_do_not_fit_are_refused(labels: tuple[int, ...]) -> None:
    images = [picture(10, 10, 20, 20)] * (2 if labels == (0, 0) else 1)
    with pytest.raises(InputError):
        prepare_image(images, 64, CONFIG, Progress(), labels)


def test_plain_background_is_removed_unless_told_not_to() -> None:
    opaque = picture(60, 60, 80, 80)
    opaque[opaque[..., 3] == 0] = 1
    cut = prepare_image([opaque], 64, CONFIG, Progress()).pixels
    kept = prepare_image([opaque], 64, ImageConfig(remove_background="never"), Progress()).pixels
    assert cut[0, 32, 32].tolist() == [1, 0, 0, 1]
    assert cut[0, 10:54, 10:54, 3].min() > 0.9
    assert kept[0, 16, 32].tolist() == pytest.approx([1, 1, 1, 1])


def test_warning_of_several_views_is_given_once() -> None:
    noise = np.random.default_rng(0).random((64, 64, 4)).astype(np.float32)
    noise[..., 3] = 1
    prepared = prepare_image([noise, noise], 32, CONFIG, Progress(), (0, 2))
    assert prepared.warnings == (NOT_PLAIN,)


def test_cancel_is_obeyed_between_views() -> None:
    with pytest.raises(CancelledError):
        prepare_image([picture(9, 9, 9, 9)], 32, CONFIG, Progress(is_cancelled=lambda: True))
