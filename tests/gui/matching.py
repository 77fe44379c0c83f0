# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds a small picture in a large one by normalised cross-correlation."""

import numpy as np
from scipy import fft

# Summed square difference from the mean below which a part of the picture is plain: in areas of
# one colour rounding alone would correlate with anything.
_PLAIN = 500.0


def find_likeness(picture: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How alike the wanted picture and each part of the large one are, whatever the contrast.

    Args:
        picture: `[H, W]` float32, 0 to 255.
        wanted: `[h, w]` float32, not of one value only.

    Returns:
        `[H-h+1, W-w+1]` float32, 0 to 1; 1 also where dark and bright are exchanged.
    """
    height, width = wanted.shape
    centred = wanted - wanted.mean()
    shape = [fft.next_fast_len(size, real=True) for size in picture.shape]
    centred_picture = picture - picture.mean()
    spectrum = fft.rfft2(centred_picture, shape) * fft.rfft2(centred, shape).conj()
    rows, columns = picture.shape[0] - height + 1, picture.shape[1] - width + 1
    common = fft.irfft2(spectrum, shape)[:rows, :columns]  # [H-h+1, W-w+1]
    mean = _sum_windows(centred_picture, height, width) / wanted.size
    spread = _sum_windows(centred_picture**2, height, width) - wanted.size * mean**2
    norm = np.sqrt(np.maximum(spread, _PLAIN) * (centred**2).sum())
    return np.abs(common / norm).astype(np.float32)


def _sum_windows(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Sum of each window, `[H-h+1, W-w+1]`."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    table[1:, 1:] = values.cumsum(0, np.float64).cumsum(1)
    return (
        table[height:, width:]
        - table[:-height, width:]
        - table[height:, :-width]
        + table[:-height, :-width]
    )
