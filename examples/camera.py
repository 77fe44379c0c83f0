# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the camera that shows an object from one side, filling a given share of the picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Camera:
    """A perspective camera with a square picture; Y up, at azimuth 0 it sits on +Z, at 90 on +X.

    Attributes:
        position: `[3]`.
        axes: `[3, 3]`, rows right, up and backwards (the camera looks along minus the last row).
        fov_deg: Full angle of view.
    """

    position: Array
    axes: Array
    fov_deg: float

    def project(self, points: Array) -> Array:
        """Points `[P, 3]` to the picture `[P, 2]`: x right, y up, inside it [-1, 1]."""
        local = (points - self.position) @ self.axes.T
        return local[:, :2] / (-local[:, 2:] * np.tan(np.radians(self.fov_deg) / 2))


def frame_object(
    points: Array,
    azimuth_deg: float = 30.0,
    elevation_deg: float = 20.0,
    fov_deg: float = 35.0,
    fill: float = 0.75,
) -> Camera:
    """Centre the object in the picture and let its longer side take the share `fill` of it.

    Args:
        points: `[P, 3]`, the object's vertices.
        azimuth_deg: Turn about Y, towards +X.
        elevation_deg: Height above the horizon.
        fov_deg: Full angle of view.
        fill: Share of the picture's side, in (0, 1).
    """
    azimuth, elevation = np.radians(azimuth_deg), np.radians(elevation_deg)
    flat = np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    back = flat * np.cos(elevation) + np.array([0.0, np.sin(elevation), 0.0])
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    axes = np.stack([right, np.cross(back, right), back])
    target, distance = points.mean(axis=0), 6.0
    for _ in range(30):  # each round halves the error at least, as the perspective is weak
        seen = Camera(target + back * distance, axes, fov_deg).project(points)
        low, high = seen.min(axis=0), seen.max(axis=0)
        reach = distance * np.tan(np.radians(fov_deg) / 2)
        target = target + (low + high) / 2 * reach @ axes[:2]
        distance *= (high - low).max() / (2 * fill)
    return Camera(target + back * distance, axes, fov_deg)
