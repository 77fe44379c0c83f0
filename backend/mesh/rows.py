# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns edges into their crossings with the rows of a grid."""

import numpy as np

from .charts import FloatRows, IndexArray


def cross_rows(edges: FloatRows) -> tuple[IndexArray, IndexArray, FloatRows]:
    """Where edges cross the middles of a grid's rows.

    Args:
        edges: `[E, 2, 2]` in cells; an edge gives the same crossings in both directions.

    Returns:
        Edge, row and x of each crossing.
    """
    is_down = (edges[:, 0, 1] > edges[:, 1, 1]) | (
        (edges[:, 0, 1] == edges[:, 1, 1]) & (edges[:, 0, 0] > edges[:, 1, 0])
    )
    low = np.where(is_down[:, None], edges[:, 1], edges[:, 0])
    high = np.where(is_down[:, None], edges[:, 0], edges[:, 1])
    first = np.ceil(low[:, 1] - 0.5).astype(np.int64)
    number = np.ceil(high[:, 1] - 0.5).astype(np.int64) - first
    edge = np.repeat(np.arange(len(edges)), number)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number) + first[edge]
    share = (row + 0.5 - low[edge, 1]) / (high[edge, 1] - low[edge, 1])
    return edge, row, low[edge, 0] + share * (high[edge, 0] - low[edge, 0])
