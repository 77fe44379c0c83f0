# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a field into the triangles of its surface."""

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from ..data import Field, FloatArray, Mesh
from ..errors import EmptyFieldError, WeightsError

IndexArray = NDArray[np.int64]

_CLEARANCE = np.float32(1e-3)  # voxels that a vertex keeps from the sample next to it
_BORDER_GAP = 0.02  # voxels; more than nothing, so that faces meeting at the box's edges keep apart


def extract_surface(field: Field) -> Mesh:
    """Find the surface where the field equals its level.

    A surface that leaves the box is closed at the border, so the mesh is always closed. Samples
    on the level are moved off it, so no triangle has zero area.

    Args:
        field: `[R+1, R+1, R+1]` samples, positive inside.

    Returns:
        A closed mesh in the box's coordinates, triangles counter-clockwise seen from outside.

    Raises:
        EmptyFieldError: The field never crosses its level.
        WeightsError: The field holds values that are not finite.

    Source: Lewiner et al., "Efficient Implementation of Marching Cubes' Cases with Topological
    Guarantees", 2003, in scikit-image.
    """
    low, high = float(field.values.min()), float(field.values.max())
    if not np.isfinite([low, high]).all():
        raise WeightsError(
            "The model returned values that are not numbers.",
            "Download the model again, or choose another device in the preferences.",
        )
    if high <= field.level:
        raise EmptyFieldError(
            "The model found no object in the picture.",
            "Use a picture with one clear object, or try another seed.",
        )
    values, start = _closed_values(field)
    _keep_clear(values)
    vertices, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="ascent")
    low_corner, high_corner = np.array(field.box_min), np.array(field.box_max)
    cell = (high_corner - low_corner) / (np.array(field.values.shape) - 1)
    placed = low_corner + (vertices + start) * cell
    return Mesh(placed.astype(np.float32), np.ascontiguousarray(faces, dtype=np.int32))


def _closed_values(field: Field) -> tuple[FloatArray, IndexArray]:
    """The samples around the inside, less the level, with a layer of outside samples at the border.

    Returns the samples and the grid index `[3]` of the first one, -1 where it is in the layer.
    """
    ranges = []
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        inside = np.flatnonzero(field.values.max(axis=others) > field.level)
        ranges.append((inside[0] - 1, inside[-1] + 2))
    start, end = np.array(ranges).T
    first, last = np.maximum(start, 0), np.minimum(end, field.values.shape)
    values = np.zeros(end - start, np.float32)
    target = tuple(slice(a, b) for a, b in zip(first - start, last - start, strict=True))
    source = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    np.subtract(field.values[source], np.float32(field.level), out=values[target])
    for axis in range(3):
        planes = np.moveaxis(values, axis, 0)
        if start[axis] < first[axis]:
            planes[0] = _outside(planes[1])
        if end[axis] > last[axis]:
            planes[-1] = _outside(planes[-2])
    return values, start


def _outside(border: FloatArray) -> FloatArray:
    """Samples one cell beyond the border that put the surface `_BORDER_GAP` voxels beyond it."""
    return np.where(border > 0, border * np.float32(1 - 1 / _BORDER_GAP), border)


def _keep_clear(values: FloatArray) -> None:
    """Move samples that nearly touch the level 0 off it, in place, keeping their side."""
    limit = _CLEARANCE * max(values.max(), -values.min())
    index = np.concatenate(
        [np.flatnonzero(np.abs(plane) <= limit) + x * plane.size for x, plane in enumerate(values)]
    )
    corner = np.stack(np.unravel_index(index, values.shape), -1)
    own = values.reshape(-1)[index]
    scale = np.zeros_like(own)
    for axis, step in ((axis, step) for axis in range(3) for step in (-1, 1)):
        other = corner.copy()
        other[:, axis] = np.clip(other[:, axis] + step, 0, values.shape[axis] - 1)
        beside = values[tuple(other.T)]
        scale = np.where((beside > 0) != (own > 0), np.maximum(scale, np.abs(beside)), scale)
    floor = np.maximum(_CLEARANCE * scale, np.finfo(np.float32).tiny)
    values.reshape(-1)[index] = np.where(own > 0, np.maximum(own, floor), np.minimum(own, -floor))
