# SPDX-License-Identifier: GPL-3.0-or-later
"""Flat charts: what flattening hands to packing, and what both ask of it."""

from dataclasses import dataclass

import numpy as np

from .charts import FloatRows, IndexArray


@dataclass(frozen=True, slots=True)
class Layout:
    """Flat charts.

    Attributes:
        uv: `[Q, 2]` float64 places of the charts' vertices, at the surface's scale; each chart
            has its own frame.
        corners: `[F, 3]` indices into `uv`.
        chart: `[Q]` chart of each of them, ascending.
        vertex: `[Q]` vertex of the surface.
    """

    uv: FloatRows
    corners: IndexArray
    chart: IndexArray
    vertex: IndexArray


def number_corners(
    corners: IndexArray, label: IndexArray
) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Give each chart that meets at a vertex a vertex of its own.

    Args:
        corners: `[F, 3]` vertices.
        label: `[F]` charts.

    Returns:
        The new corners `[F, 3]`, and the chart and the old vertex of each new one `[Q]`.
    """
    span = int(corners.max(initial=0)) + 1
    key = label[:, None] * span + corners
    unique, inverse = np.unique(key.reshape(-1), return_inverse=True)
    chart, old = np.divmod(unique, span)
    return inverse.reshape(-1, 3), chart, old


def find_border(corners: IndexArray) -> tuple[IndexArray, IndexArray]:
    """Find the outlines of all charts.

    Returns:
        Edges `[E, 2]` of chart vertices along which no face of the chart runs back, and the face
        `[E]` of each.
    """
    edges = np.stack([corners, np.roll(corners, -1, axis=1)], -1).reshape(-1, 2)  # [3F, 2]
    span = int(corners.max(initial=0)) + 1
    key, back = edges @ (span, 1), edges @ (1, span)
    ordered = np.sort(key)
    found = np.minimum(np.searchsorted(ordered, back), len(ordered) - 1)
    index = np.flatnonzero((ordered[found] != back) & (edges[:, 0] != edges[:, 1]))
    return edges[index], index // 3


def signed_areas(corners: FloatRows) -> FloatRows:
    """Areas `[F]` of flat triangles `[F, 3, 2]`, negative if they run clockwise."""
    ahead, behind = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (ahead[:, 0] * behind[:, 1] - ahead[:, 1] * behind[:, 0]) / 2
