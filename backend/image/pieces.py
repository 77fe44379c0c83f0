# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns masks into their large pieces, and colours known in places into colours everywhere."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..data import FloatArray


def keep_large_pieces(
    mask: NDArray[np.bool_], share: float, least_px: float = 1.0
) -> NDArray[np.bool_]:
    """Drop connected pieces smaller than this share of the largest one, or than so many pixels."""
    labels = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=labels)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return (areas >= max(least_px, share * areas.max()))[labels]


def spread_colours(colour: FloatArray, is_known: NDArray[np.bool_]) -> FloatArray:
    """Each pixel takes the colour of the nearest known one: `[H, W, 3]`."""
    nearest = np.asarray(
        ndimage.distance_transform_edt(~is_known, return_distances=False, return_indices=True)
    )  # [2, H, W]
    return colour[nearest[0], nearest[1]]
