# SPDX-License-Identifier: GPL-3.0-or-later
"""Things that stand in a room: stool, armchair, barrel, chest, teapot."""

import numpy as np

from .shapes import Part, ball, box, lathe, prism, tube

WOOD, WOOD_LIGHT, WOOD_DARK = "#a8683a", "#c58a52", "#6e4226"
IRON, BRASS = "#5d6570", "#d9a441"


def make_stool() -> list[Part]:
    """A round wooden stool with four splayed legs and rungs."""
    seat = lathe([(0.50, 0.86), (0.55, 0.90), (0.55, 0.97), (0.51, 1.01)], WOOD_LIGHT, 18)
    apron = lathe([(0.40, 0.78), (0.40, 0.88)], WOOD, 18)
    parts = [seat, apron]
    for x in (-1, 1):
        for z in (-1, 1):
            foot, top = (x * 0.44, 0.0, z * 0.44), (x * 0.27, 0.90, z * 0.27)
            parts.append(tube([foot, top], [0.062, 0.085], WOOD))
    low, high = 0.400, 0.355  # how far out the legs are at the rungs' heights
    for side in (-1, 1):
        parts.append(tube([(-low, 0.24, side * low), (low, 0.24, side * low)], 0.042, WOOD_DARK))
        parts.append(
            tube([(side * high, 0.45, -high), (side * high, 0.45, high)], 0.042, WOOD_DARK)
        )
    return parts


def make_armchair() -> list[Part]:
    """An upholstered armchair."""
    cloth, cushion, leg = "#3f7f8c", "#5fa3ac", WOOD
    parts = [
        box((1.06, 0.26, 1.0), (0, 0.31, 0), cloth, 0.04),
        box((0.74, 0.20, 0.80), (0, 0.52, 0.11), cushion, 0.06),
        box((1.0, 0.90, 0.24), (0, 0.80, -0.42), cloth, 0.07, (0.94, 0.9)).turn("x", -6),
        box((0.70, 0.52, 0.16), (0, 0.84, -0.26), cushion, 0.06).turn("x", -8),
    ]
    for x in (-1, 1):
        parts.append(box((0.22, 0.60, 1.02), (x * 0.49, 0.48, 0.02), cloth, 0.06))
        for z in (-0.38, 0.40):
            parts.append(box((0.11, 0.20, 0.11), (x * 0.44, 0.10, z), leg))
    return parts


def make_barrel() -> list[Part]:
    """A barrel of single staves with iron hoops."""
    heights = np.linspace(0, 1.3, 7)
    outer = 0.50 - 0.12 * (heights / 0.65 - 1) ** 2
    parts = [_stave(k, 14, heights, outer) for k in range(14)]
    core = [(float(r) - 0.05, float(y)) for r, y in zip(outer[1:-1], heights[1:-1], strict=True)]
    parts.append(lathe([(0.33, 0.04), *core, (0.36, 1.24)], WOOD_LIGHT, 14))
    for y, r in ((0.13, 0.435), (0.42, 0.497), (0.88, 0.497), (1.17, 0.435)):
        slope = 0.012 if y > 0.65 else -0.012
        ring = [
            (r - 0.05, y - 0.045),
            (r + 0.018 + slope, y - 0.045),
            (r + 0.018 - slope, y + 0.045),
            (r - 0.05, y + 0.045),
        ]
        parts.append(lathe(ring, IRON, 28, is_ring=True))
    return parts


def _stave(index: int, count: int, heights: np.ndarray, outer: np.ndarray) -> Part:
    """One board of the barrel, in one of three browns."""
    color = (WOOD, WOOD_LIGHT, "#b6763f")[index * 2 % 3]
    half = np.pi / count - 0.012
    middle = 2 * np.pi * index / count
    points, n = [], len(heights)
    for radius in (outer, outer - 0.07):
        for angle in (middle - half, middle + half):
            ring = radius / np.cos(half)
            points.append(np.stack([ring * np.sin(angle), heights, ring * np.cos(angle)], axis=1))
    a, b, c, d = (range(k * n, (k + 1) * n) for k in range(4))
    polygons: list[tuple[int, ...]] = []
    for k in range(n - 1):
        for left, right in ((a, b), (b, d), (d, c), (c, a)):
            polygons.append((left[k], right[k], right[k + 1], left[k + 1]))
    polygons += [(a[0], c[0], d[0], b[0]), (a[-1], b[-1], d[-1], c[-1])]
    return Part(np.concatenate(points), tuple(polygons), color)


def make_chest() -> list[Part]:
    """A treasure chest with a rounded lid, iron bands and a lock."""
    parts = [box((1.36, 0.08, 0.84), (0, 0.04, 0), WOOD_DARK, 0.02)]
    for k, color in enumerate((WOOD, "#b6763f", WOOD)):
        parts.append(box((1.26, 0.165, 0.76), (0, 0.165 + k * 0.17, 0), color, 0.015))
    parts.append(_lid(1.26, 0.38, "#b6763f"))
    parts.append(box((1.32, 0.07, 0.82), (0, 0.60, 0), WOOD_DARK, 0.015))
    for x in (-0.47, 0.47):
        parts.append(_lid(0.14, 0.415, IRON).move(x))
        parts.append(box((0.15, 0.63, 0.87), (x, 0.325, 0), IRON, 0.015))
    parts.append(box((0.26, 0.28, 0.06), (0, 0.56, 0.43), BRASS, 0.02))
    parts.append(box((0.05, 0.11, 0.03), (0, 0.53, 0.46), "#33291f"))
    for x in (-1, 1):
        grip = [(x * 0.63, 0.40, -0.15), (x * 0.70, 0.36, -0.13)]
        grip += [(x * 0.70, 0.36, 0.13), (x * 0.63, 0.40, 0.15)]
        parts.append(tube(grip, 0.03, BRASS, 6))
    return parts


def _lid(width: float, radius: float, color: str) -> Part:
    """Half of a ten-sided bar, lying along x, its flat side at the chest's rim."""
    angles = np.radians(np.linspace(0, 180, 7))
    outline = [(float(radius * np.cos(a)), float(radius * 0.92 * np.sin(a))) for a in angles]
    return prism(outline, width, color).turn("y", 90).move(0, 0.62, 0)


def make_teapot() -> list[Part]:
    """A round teapot, its spout to the right."""
    glaze, trim, knob = "#4f86b8", "#f0e6d2", "#d9a441"
    body = [(0.32, 0.04), (0.40, 0.07), (0.51, 0.18), (0.58, 0.34), (0.56, 0.52), (0.44, 0.68)]
    parts = [
        lathe([(0.36, 0.0), (0.36, 0.06), (0.30, 0.08)], trim, 18),
        lathe([*body, (0.30, 0.75)], glaze, 18),
        lathe([(0.55, 0.30), (0.595, 0.33), (0.59, 0.44), (0.54, 0.47)], trim, 18, is_ring=True),
        lathe([(0.33, 0.73), (0.33, 0.78), (0.24, 0.86), (0.08, 0.91)], trim, 18),
        ball(0.085, knob).move(0, 0.96, 0),
    ]
    spout = [(0.40, 0.26, 0), (0.58, 0.30, 0), (0.71, 0.40, 0), (0.78, 0.54, 0), (0.86, 0.68, 0)]
    spout.append((0.96, 0.76, 0))
    parts.append(tube(spout, [0.16, 0.14, 0.11, 0.085, 0.07, 0.08], glaze, 10))
    angles = np.radians(np.linspace(62, 298, 9))
    loop = [
        (-0.56 + 0.27 * float(np.cos(a)) - 0.02, 0.42 + 0.25 * float(np.sin(a)), 0.0)
        for a in angles
    ]
    parts.append(tube(loop, 0.055, trim, 8))
    return parts
