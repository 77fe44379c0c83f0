# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns loaded pictures into what a network expects: the object alone, centred in a square."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ..config import ImageConfig
from ..data import FloatArray, PreparedImage
from ..errors import InputError
from ..progress import Progress
from .io import VISIBLE_ALPHA
from .matting import has_alpha, remove_background
from .object_mask import ObjectGuesser

NUM_LABELS = 4


def prepare_image(
    images: Sequence[FloatArray],
    size: int,
    config: ImageConfig,
    progress: Progress,
    view_labels: Sequence[int] = (0,),
    guesser: ObjectGuesser | None = None,
) -> PreparedImage:
    """Cut out, crop, centre and scale each view.

    Args:
        images: One `[H, W, 4]` float32 picture in [0, 1] per view, sRGB with straight alpha.
        size: Edge of the result in pixels, from the network's config.
        config: Border, and whether to cut objects out.
        progress: Steps once per view.
        view_labels: One per view: 0 front, 1 left, 2 back, 3 right; no label twice.
        guesser: Tells objects from backgrounds that are not plain; None: only plain ones are cut.

    Returns:
        Pixels `[V, size, size, 4]`; transparent pixels are white whatever they held before.

    Raises:
        InputError: No picture, labels that do not fit, or a fully transparent picture.
        CancelledError: The user cancelled the job.
    """
    _check_views(len(images), view_labels)
    warnings: list[str] = []
    views: list[FloatArray] = []
    for index, pixels in enumerate(images):
        if config.remove_background == "auto" and not has_alpha(pixels):
            cutout = remove_background(pixels, guesser)
            pixels = cutout.pixels
            if cutout.warning and cutout.warning not in warnings:
                warnings.append(cutout.warning)
        views.append(frame_object(pixels, size, config.border_ratio))
        progress.step(index + 1, len(images))
    return PreparedImage(np.stack(views), tuple(view_labels), tuple(warnings))


def _check_views(num_images: int, labels: Sequence[int]) -> None:
    if not num_images:
        raise InputError("There is no picture.", "Choose a picture of the object.")
    if num_images != len(labels) or len(set(labels)) != len(labels):
        raise InputError(
            f"{num_images} pictures do not fit {len(labels)} view names.",
            "Give each picture its own view: front, left, back or right.",
        )
    if not set(labels) <= set(range(NUM_LABELS)):
        raise InputError("A view name is unknown.", "Use front, left, back or right.")


def frame_object(pixels: FloatArray, size: int, border_ratio: float) -> FloatArray:
    """Crop to the visible object and place it centred in a square with a margin, in one resize.

    The place is computed in whole pixels of a square as wide as the picture's longer side, as the
    published preparation does, which also leaves out the last row and column of the object's box:
    networks were trained with pictures framed so.

    Args:
        pixels: `[H, W, 4]` float32 in [0, 1], straight alpha.
        size: Edge of the result in pixels.
        border_ratio: Share of the square's edge that stays empty along the object's longer side.

    Returns:
        `[size, size, 4]` float32, straight alpha, white where fully transparent.

    Raises:
        InputError: Nothing is visible.
    """
    rows, columns = np.nonzero(pixels[..., 3] >= VISIBLE_ALPHA)
    if not len(rows):
        raise InputError("The picture is fully transparent.", "Use a picture that shows an object.")
    top, left = int(rows.min()), int(columns.min())
    height, width = max(1, int(np.ptp(rows))), max(1, int(np.ptp(columns)))
    crop = pixels[top : top + height, left : left + width]
    canvas = max(pixels.shape[:2])
    scale = int(canvas * (1 - border_ratio)) / max(height, width)
    box_y = _source_span(height, max(1, int(height * scale)), canvas)
    box_x = _source_span(width, max(1, int(width * scale)), canvas)
    # Colours are weighted by alpha, so hidden colours cannot bleed into the outline.
    weighted = np.concatenate([crop[..., :3] * crop[..., 3:], crop[..., 3:]], axis=-1)
    framed = _resample(weighted, box_y, box_x, size)  # [size, size, 4]
    alpha = np.clip(framed[..., 3:], 0, 1)
    colour = np.where(alpha > 1e-4, framed[..., :3] / np.maximum(alpha, 1e-4), 1.0)
    return np.concatenate([np.clip(colour, 0, 1), alpha], axis=-1).astype(np.float32)


def _source_span(length: int, placed: int, canvas: int) -> tuple[float, float]:
    """Where the canvas begins and ends on one axis, in pixels of the crop."""
    before = (canvas - placed) // 2
    return -before * length / placed, (canvas - before) * length / placed


def _resample(
    crop: FloatArray, box_y: tuple[float, float], box_x: tuple[float, float], size: int
) -> FloatArray:
    """Area-aware linear resize of a box that may reach beyond the crop, where it is empty."""
    pad_y = _padding(box_y, crop.shape[0])
    pad_x = _padding(box_x, crop.shape[1])
    padded = np.pad(crop, (pad_y, pad_x, (0, 0)))
    box = (
        box_x[0] + pad_x[0],
        box_y[0] + pad_y[0],
        min(box_x[1] + pad_x[0], padded.shape[1]),
        min(box_y[1] + pad_y[0], padded.shape[0]),
    )
    planes = [
        Image.fromarray(np.ascontiguousarray(padded[..., channel], dtype=np.float32)).resize(
            (size, size), Image.Resampling.BILINEAR, box=box
        )
        for channel in range(4)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _padding(span: tuple[float, float], length: int) -> tuple[int, int]:
    """Whole pixels to add before and after a crop so that the span lies within."""
    return max(0, int(np.ceil(-span[0]))), max(0, int(np.ceil(span[1] - length)))
