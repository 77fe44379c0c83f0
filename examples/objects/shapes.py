# SPDX-License-Identifier: GPL-3.0-or-later
"""A small modelling kit: turns numbers into closed solids of one colour, the parts of the examples.

Frame as everywhere in the project: right-handed, Y up, front faces +Z. Faces run counter-clockwise
seen from outside. Units are free: `catalogue.py` scales the finished object to [-1, 1]^3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]
Polygons = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One closed solid.

    Attributes:
        vertices: `[P, 3]` float64.
        polygons: Convex polygons as vertex indices, counter-clockwise seen from outside.
        color: sRGB as "#rrggbb".
    """

    vertices: Points
    polygons: Polygons
    color: str

    def move(self, x: float = 0, y: float = 0, z: float = 0) -> Part:
        """Shifted copy."""
        return replace(self, vertices=self.vertices + np.array([x, y, z]))

    def scale(self, x: float = 1, y: float = 1, z: float = 1) -> Part:
        """Copy scaled about the origin; a mirroring factor also reverses the polygons."""
        flip = x * y * z < 0
        polygons = tuple(p[::-1] for p in self.polygons) if flip else self.polygons
        return replace(self, vertices=self.vertices * (x, y, z), polygons=polygons)

    def turn(self, axis: str, angle_deg: float) -> Part:
        """Copy turned about an axis through the origin, right-handed."""
        return replace(self, vertices=self.vertices @ rotation(axis, angle_deg).T)


def rotation(axis: str, angle_deg: float) -> Points:
    """Rotation matrix `[3, 3]` about "x", "y" or "z", right-handed."""
    first = "xyz".index(axis)
    i, j = (first + 1) % 3, (first + 2) % 3
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = cos
    matrix[i, j], matrix[j, i] = -sin, sin
    return matrix


def hull(points: ArrayLike, polygons: Iterable[Sequence[int]], color: str) -> Part:
    """A convex solid: each polygon is turned so that it faces away from the middle."""
    vertices = np.asarray(points, dtype=np.float64)
    middle = vertices.mean(axis=0)
    facing = []
    for polygon in polygons:
        corners = vertices[list(polygon)]
        normal = np.cross(corners, np.roll(corners, -1, axis=0)).sum(axis=0)
        outwards = normal @ (corners.mean(axis=0) - middle) > 0
        facing.append(tuple(polygon) if outwards else tuple(polygon)[::-1])
    return Part(vertices, tuple(facing), color)


def box(
    size: tuple[float, float, float],
    center: tuple[float, float, float],
    color: str,
    chamfer: float = 0.0,
    taper: tuple[float, float] = (1.0, 1.0),
) -> Part:
    """A box with chamfered edges.

    Args:
        size: Edge lengths along x, y, z.
        center: Its middle.
        color: sRGB as "#rrggbb".
        chamfer: Width cut off each edge; less than half of the shortest edge.
        taper: Scale of the top face along x and z.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    if chamfer:  # three points per corner: each lies on the face of one axis
        points = (signs[:, None] * (half - chamfer * (1 - np.eye(3)))).reshape(-1, 3)  # [24, 3]
        polygons = _chamfered_box_polygons(signs)
    else:
        points = signs * half
        polygons = [_around(signs, axis, s) for axis in range(3) for s in (-1, 1)]
    rise = (points[:, 1] + half[1]) / (2 * half[1])
    points[:, 0] *= 1 + (taper[0] - 1) * rise
    points[:, 2] *= 1 + (taper[1] - 1) * rise
    return hull(points + center, polygons, color)


def _around(signs: NDArray[np.int64], axis: int, side: int) -> list[int]:
    """The four corners of one box face, in order around it."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    corners = [k for k in range(8) if signs[k, axis] == side]
    return sorted(corners, key=lambda k: np.arctan2(signs[k, j], signs[k, i]))


def _chamfered_box_polygons(signs: NDArray[np.int64]) -> list[list[int]]:
    """Faces, edges and corners of a box whose corner k has the vertices 3 k + axis."""
    polygons = [[3 * k + a for k in _around(signs, a, s)] for a in range(3) for s in (-1, 1)]
    for along in range(3):
        a, b = (along + 1) % 3, (along + 2) % 3
        for k in range(8):
            if signs[k, along] < 0:
                other = k + (4, 2, 1)[along]
                polygons.append([3 * k + a, 3 * k + b, 3 * other + b, 3 * other + a])
    polygons.extend([[3 * k, 3 * k + 1, 3 * k + 2] for k in range(8)])
    return polygons


def lathe(
    profile: Sequence[tuple[float, float]], color: str, sides: int = 16, is_ring: bool = False
) -> Part:
    """A profile turned about the y axis.

    Args:
        profile: (radius, height) pairs, up along the outside. A radius of 0 at an end makes a tip,
            otherwise the end gets a flat cap.
        color: sRGB as "#rrggbb".
        sides: Corners around.
        is_ring: Join the last point to the first instead of capping (a ring around the axis).
    """
    angles = (np.arange(sides) + 0.5) * 2 * np.pi / sides
    circle = np.stack([np.sin(angles), np.zeros(sides), np.cos(angles)], axis=1)  # [S, 3]
    rows, points = [], []
    for radius, height in profile:
        ring = circle * radius if radius > 0 else np.zeros((1, 3))
        rows.append(range(len(points), len(points) + len(ring)))
        points.extend(ring + np.array([0.0, height, 0.0]))
    pairs = list(zip(rows, rows[1:] + rows[:1], strict=True))
    polygons = _bands(pairs if is_ring else pairs[:-1], sides)
    if not is_ring:
        polygons += [tuple(rows[0])[::-1]] if len(rows[0]) > 1 else []
        polygons += [tuple(rows[-1])] if len(rows[-1]) > 1 else []
    return Part(np.array(points), tuple(polygons), color)


def _bands(pairs: Iterable[tuple[range, range]], sides: int) -> list[tuple[int, ...]]:
    """Quads between neighbouring rings, triangles where one of them is a single point."""
    polygons: list[tuple[int, ...]] = []
    for low, high in pairs:
        for k in range(sides):
            n = (k + 1) % sides
            if len(low) == 1:
                polygons.append((low[0], high[n], high[k]))
            elif len(high) == 1:
                polygons.append((low[k], low[n], high[0]))
            else:
                polygons.append((low[k], low[n], high[n], high[k]))
    return polygons


def prism(outline: Sequence[tuple[float, float]], depth: float, color: str) -> Part:
    """A convex outline in the x-y plane, extruded along z from -depth / 2 to depth / 2."""
    n = len(outline)
    flat = np.asarray(outline, dtype=np.float64)
    ends = [np.column_stack([flat, np.full(n, z)]) for z in (-depth / 2, depth / 2)]
    walls = [(k, (k + 1) % n, n + (k + 1) % n, n + k) for k in range(n)]
    return hull(np.concatenate(ends), [range(n), range(n, 2 * n), *walls], color)


def tube(
    path: Sequence[tuple[float, float, float]],
    radii: float | Sequence[float],
    color: str,
    sides: int = 8,
) -> Part:
    """A round bar along a path.

    Args:
        path: Points of the centre line, at least two.
        radii: One radius, or one for each point.
        color: sRGB as "#rrggbb".
        sides: Corners around.
    """
    line = np.asarray(path, dtype=np.float64)
    radius = np.broadcast_to(np.asarray(radii, dtype=np.float64), len(line))
    tangents = np.gradient(line, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    side = np.cross(tangents[0], np.eye(3)[np.argmin(np.abs(tangents[0]))])
    angles = (np.arange(sides) + 0.5) * 2 * np.pi / sides
    points = []
    for center, tangent, r in zip(line, tangents, radius, strict=True):
        side = side - tangent * (side @ tangent)  # carried along the path without twist
        side /= np.linalg.norm(side)
        up = np.cross(tangent, side)
        points.append(center + r * (np.outer(np.cos(angles), side) + np.outer(np.sin(angles), up)))
    rows = [range(k * sides, (k + 1) * sides) for k in range(len(line))]
    polygons = _bands(pairwise(rows), sides)
    caps = [tuple(rows[0])[::-1], tuple(rows[-1])]
    return Part(np.concatenate(points), (*polygons, *caps), color)


def ball(radius: float, color: str, bumps: float = 0.0, seed: int = 0) -> Part:
    """A sphere of 80 triangles around the origin.

    Args:
        radius: Of its corners.
        color: sRGB as "#rrggbb".
        bumps: Largest share by which a corner moves in or out.
        seed: Of the bumps.
    """
    phi = (1 + 5**0.5) / 2
    corners = [np.roll((0, a, b), s) for s in range(3) for a in (-1, 1) for b in (-phi, phi)]
    points = list(np.array(corners) / np.linalg.norm((1, phi)))
    edge = 1.06  # edge length of the unit icosahedron, with a margin
    near = np.linalg.norm(np.subtract.outer(points, points)[:, range(3), :, range(3)], axis=0)
    triples = [
        (i, j, k)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if max(near[i, j], near[j, k], near[i, k]) < edge
    ]
    middles: dict[tuple[int, int], int] = {}
    polygons: list[tuple[int, ...]] = []
    for i, j, k in triples:
        for a, b in ((i, j), (j, k), (i, k)):
            if (a, b) not in middles:
                middles[a, b] = len(points)
                points.append((points[a] + points[b]) / np.linalg.norm(points[a] + points[b]))
        ij, jk, ik = middles[i, j], middles[j, k], middles[i, k]
        polygons += [(i, ij, ik), (j, jk, ij), (k, ik, jk), (ij, jk, ik)]
    solid = hull(points, polygons, color)
    lengths = 1 + bumps * np.random.default_rng(seed).uniform(-1, 1, (len(points), 1))
    return replace(solid, vertices=solid.vertices * lengths * radius)


def split_polygons(part: Part) -> NDArray[np.int32]:
    """The part's polygons as triangles `[F, 3]` int32 (fans: the polygons are convex)."""
    fans = [(p[0], p[k], p[k + 1]) for p in part.polygons for k in range(1, len(p) - 1)]
    return np.array(fans, dtype=np.int32)
