# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a sampler into the field at every point of the grid: the reference for `hierarchical`."""

import numpy as np

from ..data import FloatArray
from .grid import Sampler, all_points


def sample_dense(sampler: Sampler, resolution: int) -> FloatArray:
    """Query every point of the grid.

    Args:
        sampler: The field.
        resolution: R, cells per edge.

    Returns:
        `[R+1, R+1, R+1]` float32 values, indexed x, y, z.

    Raises:
        CancelledError: The user cancelled the job.
    """
    num = resolution + 1
    values = np.empty((num, num, num), np.float32)
    sampler.fill(values, np.arange(num, dtype=np.int64), all_points(num))
    return values
