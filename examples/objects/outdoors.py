# SPDX-License-Identifier: GPL-3.0-or-later
"""Things that stand outside: cottage, truck, garden lamp, potted tree."""

import numpy as np

from .shapes import Part, ball, box, lathe, prism, tube

WOOD, WOOD_DARK, STONE = "#9c5f36", "#6a4028", "#8d8f94"
IRON, GLASS = "#3c424c", "#9fd0e6"


def make_cottage() -> list[Part]:
    """A small house with a steep roof, its door in the gable."""
    gable = [(-0.50, 0.12), (0.50, 0.12), (0.50, 0.78), (0.0, 1.36), (-0.50, 0.78)]
    parts = [
        box((1.16, 0.14, 1.36), (0, 0.07, 0), STONE, 0.03),
        prism(gable, 1.20, "#ece0c6"),
        box((0.22, 0.62, 0.22), (0.27, 1.28, -0.28), STONE, 0.02),
        box((0.28, 0.09, 0.28), (0.27, 1.60, -0.28), "#74767b", 0.02),
    ]
    for x in (-0.47, 0.47):
        for z in (-0.57, 0.57):
            parts.append(box((0.12, 0.68, 0.12), (x, 0.46, z), WOOD_DARK, 0.01))
    parts.append(box((1.02, 0.09, 0.07), (0, 0.79, 0.61), WOOD_DARK, 0.01))
    parts += _cottage_roof() + _cottage_door()
    for z in (-0.27, 0.27):
        parts += [p.turn("y", 90).move(0.50, 0.50, z) for p in _window()]
        parts += [p.turn("y", -90).move(-0.50, 0.50, z) for p in _window()]
    parts += [p.scale(0.8, 0.8).move(0, 1.0, 0.60) for p in _window()]
    return parts


def _cottage_roof() -> list[Part]:
    """Three rows of boards on each side, and the ridge."""
    slope_deg = float(np.degrees(np.arctan2(0.58, 0.50)))
    parts = [box((0.14, 0.10, 1.50), (0, 1.43, 0), "#8c3327", 0.02)]
    for side in (-1, 1):
        for row, color in enumerate(("#b8483a", "#c4523f", "#b8483a")):
            board = box(
                (0.33, 0.07, 1.46 - 0.02 * row),
                (0.17 + 0.27 * row, 0.07 - 0.018 * row, 0),
                color,
                0.015,
            )
            board = board.turn("z", -slope_deg).move(0, 1.37)
            parts.append(board.scale(side))
    return parts


def _cottage_door() -> list[Part]:
    """Door with frame, knob and step."""
    return [
        box((0.36, 0.56, 0.06), (0, 0.40, 0.60), WOOD_DARK, 0.01),
        box((0.27, 0.50, 0.05), (0, 0.38, 0.62), "#4c7f5c", 0.01),
        ball(0.03, "#e0b34c").move(0.085, 0.38, 0.655),
        box((0.44, 0.09, 0.20), (0, 0.045, 0.74), "#74767b", 0.02),
    ]


def _window() -> list[Part]:
    """A window of four panes in the plane z = 0, looking along +z."""
    return [
        box((0.26, 0.30, 0.06), (0, 0, 0), WOOD_DARK, 0.01),
        box((0.20, 0.24, 0.07), (0, 0, 0), GLASS),
        box((0.025, 0.26, 0.08), (0, 0, 0), WOOD_DARK),
        box((0.22, 0.025, 0.08), (0, 0, 0), WOOD_DARK),
    ]


def make_truck() -> list[Part]:
    """A toy pickup truck."""
    paint, dark = "#d8463b", "#41464f"
    parts = [
        box((0.78, 0.14, 1.76), (0, 0.27, 0), dark, 0.02),
        box((0.84, 0.30, 0.52), (0, 0.45, 0.62), paint, 0.06, (0.94, 0.94)),
        box((0.86, 0.32, 0.56), (0, 0.46, 0.14), paint, 0.03),
        box((0.84, 0.38, 0.58), (0, 0.78, 0.12), paint, 0.05, (0.84, 0.72)),
        box((0.80, 0.06, 0.84), (0, 0.37, -0.50), dark),
    ]
    parts += _truck_windows() + _truck_bed(paint)
    for x in (-0.26, 0.26):
        parts.append(_disc(0.08, 0.05, "#fff0b8", 10).turn("x", 90).move(x, 0.48, 0.87))
        parts.append(box((0.10, 0.08, 0.04), (x * 1.25, 0.48, -0.95), "#b3241f", 0.01))
    parts.append(box((0.28, 0.12, 0.05), (0, 0.46, 0.88), dark, 0.01))
    for z in (-0.93, 0.93):
        parts.append(box((0.86, 0.12, 0.10), (0, 0.27, z), "#c3c8ce", 0.03))
    for x in (-0.37, 0.37):
        for z in (-0.52, 0.56):
            wheel = [_disc(0.22, 0.18, "#2c2f35", 14), _disc(0.11, 0.20, "#c3c8ce", 10)]
            parts += [p.turn("z", 90).move(x, 0.22, z) for p in wheel]
    return parts


def _disc(radius: float, width: float, color: str, sides: int) -> Part:
    """A disc around the y axis with chamfered rims."""
    rim = min(0.03, width / 4)
    half = width / 2
    profile = [
        (radius - rim, -half),
        (radius, rim - half),
        (radius, half - rim),
        (radius - rim, half),
    ]
    return lathe(profile, color, sides)


def _truck_windows() -> list[Part]:
    """Panes that stand a little out of the cab's sloping sides."""
    return [
        box((0.66, 0.24, 0.60), (0, 0.79, 0.12), GLASS, 0.02, (0.86, 0.80)),
        box((0.86, 0.24, 0.40), (0, 0.79, 0.12), GLASS, 0.02, (0.89, 0.80)),
    ]


def _truck_bed(paint: str) -> list[Part]:
    """The open cargo bed and two crates in it."""
    parts = [box((0.86, 0.26, 0.07), (0, 0.50, -0.89), paint, 0.02)]
    for x in (-0.395, 0.395):
        parts.append(box((0.07, 0.26, 0.80), (x, 0.50, -0.52), paint, 0.02))
    parts.append(box((0.34, 0.30, 0.34), (-0.15, 0.55, -0.40), WOOD, 0.02))
    parts.append(box((0.28, 0.24, 0.28), (0.18, 0.52, -0.64), "#b9793f", 0.02))
    return parts


def make_lamp() -> list[Part]:
    """A garden lamp on a post."""
    glow = "#ffe08a"
    parts = [
        box((0.46, 0.10, 0.46), (0, 0.05, 0), STONE, 0.02),
        lathe([(0.19, 0.08), (0.19, 0.16), (0.11, 0.22), (0.09, 0.34)], IRON, 8),
        lathe([(0.065, 0.30), (0.05, 1.16)], IRON, 8),
        lathe([(0.05, 0.68), (0.09, 0.70), (0.09, 0.75), (0.05, 0.77)], IRON, 8),
        lathe([(0.05, 1.12), (0.16, 1.22), (0.16, 1.26)], IRON, 8),
        box((0.26, 0.40, 0.26), (0, 1.45, 0), glow, 0, (1.35, 1.35)),
        box((0.52, 0.05, 0.52), (0, 1.67, 0), IRON, 0.01),
        box((0.48, 0.20, 0.48), (0, 1.79, 0), IRON, 0, (0.30, 0.30)),
        ball(0.06, IRON).move(0, 1.93, 0),
    ]
    for x in (-1, 1):
        for z in (-1, 1):
            foot, top = (x * 0.135, 1.25, z * 0.135), (x * 0.185, 1.66, z * 0.185)
            parts.append(tube([foot, top], 0.03, IRON, 4))
    for side in (-1, 1):
        arm = [(side * 0.03, 1.02, 0), (side * 0.16, 1.04, 0), (side * 0.22, 1.10, 0)]
        parts.append(tube(arm, 0.028, IRON, 6))
        parts.append(ball(0.045, IRON).move(side * 0.22, 1.11, 0))
    return parts


def make_tree() -> list[Part]:
    """A small round tree in a clay pot."""
    pot = [(0.26, 0.0), (0.34, 0.38), (0.39, 0.38), (0.40, 0.50), (0.33, 0.50), (0.31, 0.42)]
    parts = [
        lathe([*pot, (0.0, 0.42)], "#c4643c", 14),
        lathe([(0.315, 0.41), (0.315, 0.44), (0.0, 0.46)], "#4a3427", 14),
        tube([(0, 0.42, 0), (0.02, 0.70, 0.01), (-0.01, 1.0, 0)], [0.075, 0.055, 0.05], WOOD_DARK),
        tube([(0.01, 0.75, 0), (0.16, 0.95, 0.06)], [0.04, 0.03], WOOD_DARK, 6),
    ]
    crown = (
        (0.40, 0.0, 1.22, 0.0, "#4f9a46"),
        (0.29, 0.27, 1.05, 0.10, "#5fae4e"),
        (0.27, -0.28, 1.10, 0.08, "#448a3f"),
        (0.27, 0.03, 1.10, 0.27, "#5fae4e"),
        (0.27, -0.02, 1.10, -0.28, "#448a3f"),
        (0.28, 0.05, 1.50, 0.03, "#69b857"),
    )
    for seed, (radius, x, y, z, color) in enumerate(crown):
        parts.append(ball(radius, color, 0.07, seed).scale(1, 0.92, 1).move(x, y, z))
    return parts
