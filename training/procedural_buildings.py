# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into buildings and structures: houses, towers, bridges, fences, signs."""

import math

import numpy as np

from training.procedural_model import Model, by_slope, sectors, stripes
from training.procedural_solids import arc, ball, box, extrude, prism, revolve, ring_of, roof, tube


def _window(m: Model, x: float, y: float, z: float, size: float, frame: str) -> None:
    """A framed pane in a wall that faces +Z, and in the wall opposite."""
    tall = size * 1.3
    parts = [(box(size, tall, 0.12).move(x, y, z), frame)]
    parts.append((box(size * 0.76, tall * 0.76, 0.16).move(x, y + tall * 0.12, z), "glass"))
    if size > 0.35:
        parts.append((box(size * 0.1, tall * 0.8, 0.2).move(x, y + tall * 0.1, z), frame))
    for solid, paint in parts:
        m.add(solid, paint)
        m.add(solid.turn("y", 180), paint)


def _door(m: Model, x: float, y: float, z: float, height: float) -> None:
    wide = height * m.uniform(0.45, 0.65)
    m.add(box(wide * 1.25, height * 1.1, 0.14).move(x, y, z), "stone2")
    m.add(box(wide, height, 0.22).move(x, y, z), "wood")
    m.add(ball(0.05, 0).move(x + wide * 0.32, y + height * 0.5, z + 0.13), "gold")
    if m.chance(0.5):
        m.add(box(wide * 1.5, 0.12, 0.4).move(x, y, z + 0.15), "stone")


def _house(m: Model) -> None:
    width, depth = m.uniform(1.6, 3), m.uniform(1.4, 2.4)
    floors, storey = m.choose((1, 1, 2, 3)), m.uniform(0.9, 1.2)
    wall, trim = (
        m.choose(("plaster", "wood", "paint", "stone")),
        m.choose(("wood", "snow", "darkwood")),
    )
    y = m.choose((0.0, 0.15, 0.3))
    if y:
        m.add(box(width * 1.05, y, depth * 1.05), "stone")
    m.add(box(width, floors * storey, depth).move(y=y), wall)
    if m.chance(0.5):
        m.quad(box(0.14, floors * storey, 0.14).move(width / 2, y, depth / 2), trim)
        for k in range(1, floors + 1):
            m.add(box(width * 1.03, 0.1, depth * 1.03).move(y=y + k * storey - 0.1), trim)
    columns, size = m.integer(2, 4), storey * m.uniform(0.3, 0.45)
    door = m.integer(0, columns - 1)
    for floor in range(floors):
        for k in range(columns):
            x = ((k + 0.5) / columns - 0.5) * width
            if floor == 0 and k == door:
                _door(m, x, y, depth / 2, storey * 0.75)
            else:
                _window(m, x, y + (floor + 0.35) * storey, depth / 2, size, trim)
    top = y + floors * storey
    tall = _cover(m, width, depth, top)
    if m.chance(0.55):
        chimney = box(0.3, tall + 0.35, 0.3).move(width * m.uniform(0.2, 0.38), top, -depth * 0.2)
        m.add(chimney, m.choose(("stone", "roof2")))
        m.add(
            box(0.38, 0.1, 0.38).move(
                chimney.vertices[:, 0].mean(), top + tall + 0.3, -depth * 0.2
            ),
            "darkstone",
        )
    if m.chance(0.25):
        m.add(box(width * 0.5, 0.1, 0.9).move(y=y + storey * 0.85, z=depth / 2 + 0.4), "roof")
        m.pair(box(0.1, y + storey * 0.85, 0.1).move(width * 0.22, 0, depth / 2 + 0.75), trim)
    if m.chance(0.2):
        _annexe(m, width, depth, wall)


def _cover(m: Model, width: float, depth: float, top: float) -> float:
    """A roof on walls of this size; returns its height."""
    kind, tall = m.choose(("gable", "front", "hip", "pyramid", "flat")), m.uniform(0.5, 1.4)
    over = m.uniform(1.08, 1.3)
    if kind == "flat":
        m.add(box(width * 1.06, 0.14, depth * 1.06).move(y=top), "roof")
        m.pair(box(0.12, 0.3, depth * 1.06).move(width / 2, top), "roof")
        m.add(box(0.5, 0.3, 0.4).move(-width * 0.2, top + 0.1), "metal")
        return 0.2
    if kind == "front":
        solid = roof(depth * over, tall, width * over, 1.0, 0.1).turn("y", 90)
    else:
        ridge = {"gable": 1.0, "hip": m.uniform(0.3, 0.7), "pyramid": 0.0}[kind]
        solid = roof(width * over, tall, depth * over, ridge, m.choose((0.05, 0.12)))
    paint = m.color("roof")
    if m.chance(0.25) and kind in ("gable", "front"):
        paint = by_slope(paint, m.color("plaster2"), 0.2)
    m.add(solid.move(y=top), paint)
    return tall


def _annexe(m: Model, width: float, depth: float, wall: str) -> None:
    """A low wing on the right."""
    wide, tall = width * m.uniform(0.4, 0.6), m.uniform(0.7, 0.9)
    m.add(box(wide, tall, depth * 0.8).move(width / 2 + wide / 2), wall)
    m.add(roof(wide * 1.1, 0.4, depth * 0.95, 1, 0.06).move(width / 2 + wide / 2, tall), "roof")
    m.add(box(wide * 0.6, tall * 0.8, 0.1).move(width / 2 + wide / 2, 0, depth * 0.4), "wood")


def _tall_house(m: Model) -> None:
    """A block of flats or an office tower."""
    width, depth = m.uniform(1.2, 2), m.uniform(1, 1.8)
    floors, columns = m.integer(3, 7), m.integer(2, 4)
    wall, step = m.choose(("plaster", "stone", "roof", "glass")), m.uniform(0.5, 0.65)
    tall = floors * step + 0.3
    m.add(box(width, tall, depth), wall)
    is_banded = m.chance(0.4)
    for floor in range(floors):
        y = 0.4 + floor * step
        if is_banded:
            m.add(box(width * 1.02, step * 0.45, depth * 1.02).move(y=y), "glass2")
            continue
        for k in range(columns):
            x = ((k + 0.5) / columns - 0.5) * width
            pane = box(width / columns * 0.55, step * 0.55, 0.1).move(x, y, depth / 2)
            m.add(pane, "glass2")
            m.add(pane.turn("y", 180), "glass2")
    m.add(box(width * 1.06, 0.12, depth * 1.06).move(y=tall), "stone")
    m.add(box(width * 0.4, 0.42, 0.14).move(y=0, z=depth / 2), "darkwood")
    if m.chance(0.5):
        m.add(box(width * 0.8, 0.1, 0.4, top=(1, 0.7)).move(y=0.45, z=depth / 2 + 0.15), "accent")
    if m.chance(0.5):
        m.add(box(width * 0.5, 0.3, depth * 0.4).move(y=tall), "stone2")
    if m.chance(0.4):
        m.add(tube([(0.2, tall, 0), (0.2, tall + 0.9, 0)], 0.04, 5), "darkmetal")


def _battlement(m: Model, radius: float, y: float, sides: int, paint: str) -> None:
    """Merlons around a tower."""
    size = 2 * math.pi * radius / sides * 0.55
    for k in range(sides):
        merlon = box(size, 0.28, 0.16).move(z=radius - 0.08)
        m.add(merlon.turn("y", k * 360 / sides).move(y=y), paint)


def _tower(m: Model) -> None:
    sides, height, radius = m.choose((4, 6, 8, 10)), m.uniform(1.8, 3.4), m.uniform(0.55, 0.8)
    wall = m.choose(("stone", "plaster", "darkstone", "wood"))
    line = [
        (radius * 1.25, 0),
        (radius * 1.15, 0.2),
        (radius, 0.35),
        (radius * m.uniform(0.8, 1), height),
    ]
    m.add(revolve(line, sides), wall)
    top = line[-1][0] * m.uniform(1.15, 1.35)
    m.add(
        revolve([(line[-1][0], 0), (top, 0.2), (top, 0.45)], sides).move(y=height),
        m.choose((wall, "wood")),
    )
    y = height + 0.45
    if m.chance(0.5):
        flat = top * math.cos(math.pi / sides)
        _battlement(m, flat, y, max(sides, 8) if sides != 4 else 4, wall)
        if sides == 4:
            m.quad(box(0.25, 0.28, 0.25).move(flat - 0.12, y, flat - 0.12), wall)
    else:
        cone = [(top * 1.2, 0), (top * 0.5, m.uniform(0.5, 0.9)), (0, m.uniform(1.1, 2))]
        m.add(revolve(cone, sides).move(y=y), "roof")
        if m.chance(0.4):
            peak = m.bounds()[1, 1]
            m.add(prism(0.03, 0.6, 5).move(y=peak - 0.05), "wood")
            m.add(extrude([(0, 0), (0.45, 0.12), (0, 0.28)], 0.03).move(0, peak + 0.25, 0), "cloth")
    flat = radius * math.cos(math.pi / sides)
    _door(m, 0, 0, flat * 1.05 + 0.05, 0.7)
    for k in range(m.integer(1, 3)):
        slit = box(0.14, 0.4, 0.3).move(0, 0.9 + k * (height - 1.2) / 2.5, flat - 0.12)
        m.add(slit, "darkmetal")
        m.add(slit.turn("y", 180), "darkmetal")


def _castle(m: Model) -> None:
    """A keep or gate with a tower on either side."""
    width, height, depth = m.uniform(1.4, 2.4), m.uniform(0.9, 1.5), m.uniform(0.4, 1.4)
    wall, sides = m.choose(("stone", "darkstone", "plaster")), m.choose((4, 6, 8))
    m.add(box(width, height, depth), wall)
    count = m.integer(3, 6)
    for k in range(count):
        merlon = box(width / count * 0.55, 0.2, 0.15)
        merlon = merlon.move(((k + 0.5) / count - 0.5) * width, height, depth / 2 - 0.08)
        m.add(merlon, wall)
        m.add(merlon.turn("y", 180), wall)
    r, tall = m.uniform(0.3, 0.45), height * m.uniform(1.2, 1.7)
    m.pair(prism(r * 1.08, tall, sides, r).move(width / 2), wall)
    if m.chance(0.6):
        m.pair(prism(r * 1.3, m.uniform(0.5, 1), sides, 0).move(width / 2, tall), "roof")
    else:
        m.pair(prism(r * 1.05, 0.25, sides, r * 1.25).move(width / 2, tall), wall)
        m.pair(box(0.9 * r, 0.2, 2.2 * r).move(width / 2, tall + 0.2), wall)
    gate, top = m.uniform(0.4, 0.6), height * 0.45
    line = [(-gate / 2, 0), (gate / 2, 0), *arc(gate / 2, 0, 180, 7, top).tolist()]
    m.add(extrude(line, 0.2).move(z=depth / 2), m.choose(("darkwood", "darkmetal", "wood")))


def _hut(m: Model) -> None:
    """A round hut, an igloo, a tent or a tipi."""
    kind = m.choose(("round", "dome", "ridge", "tipi"))
    sides = m.choose((6, 8, 10, 12))
    if kind == "round":
        r, h = m.uniform(0.7, 1), m.uniform(0.6, 1)
        m.add(prism(r, h, sides), "plaster")
        m.add(
            revolve([(r * 1.35, 0), (r * 0.7, 0.45), (0, m.uniform(0.9, 1.4))], sides).move(
                y=h - 0.1
            ),
            m.choose(("roof", "gold", "leaf")),
        )
        _door(m, 0, 0, r * math.cos(math.pi / sides), h * 0.7)
    elif kind == "dome":
        line = [
            (math.cos(a), math.sin(a) * m.uniform(0.75, 0.8))
            for a in np.linspace(0, math.pi / 2, 5)
        ]
        m.add(revolve(line, sides), "snow")
        m.add(prism(0.4, 0.6, 8).lay("z").move(y=0.2, z=1.0).cut((0, -1, 0), 0), "snow2")
        m.add(prism(0.3, 0.62, 8).lay("z").move(y=0.2, z=1.0).cut((0, -1, 0), 0), "darkmetal")
    elif kind == "ridge":
        _ridge_tent(m)
    else:
        tall = m.uniform(1.4, 2)
        m.add(
            prism(0.9, tall, sides, 0.08),
            sectors(m.color("cloth"), m.color("cream"), sides) if m.chance(0.5) else "cloth",
        )
        m.add(
            extrude([(-0.25, 0), (0.25, 0), (0, 0.8)], 0.08).turn("x", -24).move(z=0.83), "darkwood"
        )
        for k in range(4):
            m.add(
                tube([(0.05, tall * 0.95, 0), (-0.22, tall * 1.2, 0)], 0.03, 4).turn(
                    "y", 45 + 90 * k
                ),
                "wood",
            )


def _ridge_tent(m: Model) -> None:
    """A tent of two slopes between crossed poles."""
    width, depth, tall = m.uniform(1.2, 1.8), m.uniform(1.4, 2.2), m.uniform(0.9, 1.4)
    m.add(roof(depth, tall, width, 1.0).turn("y", 90), "cloth")
    m.add(
        extrude([(-width * 0.22, 0), (width * 0.22, 0), (0, tall * 0.75)], 0.06).move(z=depth / 2),
        "darkwood",
    )
    for z in (depth / 2, -depth / 2):
        m.pair(tube([(-width * 0.55, 0, z), (width * 0.06, tall * 1.12, z)], 0.04, 5), "wood")


def _well(m: Model) -> None:
    sides, r, h = m.choose((4, 8, 10, 12)), m.uniform(0.6, 0.9), m.uniform(0.5, 0.8)
    m.add(ring_of(r, r * 0.75, h, sides), "stone")
    m.add(ring_of(r * 1.08, r * 0.7, 0.12, sides).move(y=h), "stone2")
    m.add(prism(r * 0.78, h * 0.7, sides), "water")
    kind = m.choose(("roof", "roof", "fountain", "none"))
    if kind == "roof":
        tall = m.uniform(1.2, 1.7)
        m.pair(box(0.13, tall, 0.13).move(r * 0.85), "wood")
        m.add(prism(0.08, r * 1.7, 6).lay("x").move(y=tall * 0.8), "wood2")
        m.add(roof(r * 2.5, 0.6, r * 1.7, m.choose((1, 0.6)), 0.05).move(y=tall), "roof")
        m.add(tube([(0, tall * 0.8, 0), (0, h + 0.3, 0)], 0.025, 4), "cream")
        m.add(prism(0.13, 0.22, 8, 0.17).move(y=h + 0.1), "wood2")
    elif kind == "fountain":
        m.add(
            revolve(
                [
                    (0.2, 0),
                    (0.12, h + 0.4),
                    (r * 0.55, h + 0.6),
                    (0.1, h + 0.65),
                    (0.08, h + 1),
                    (0, h + 1.1),
                ],
                sides,
            ),
            "stone",
        )


def _windmill(m: Model) -> None:
    """A mill or a lighthouse: a tapered tower with sails or a lantern."""
    sides, height, r = m.choose((6, 8, 12)), m.uniform(1.8, 2.6), m.uniform(0.6, 0.8)
    wall = m.color(m.choose(("plaster", "stone", "wood", "snow")))
    is_mill = m.chance(0.6)
    levels = [(r * (1 - 0.4 * k / 6), height * k / 6) for k in range(7)]
    m.add(revolve(levels, sides), wall if is_mill else stripes(wall, m.color("accent"), 6))
    _door(m, 0, 0, r * math.cos(math.pi / sides), 0.6)
    if is_mill:
        m.add(revolve([(r * 0.75, 0), (r * 0.6, 0.3), (0, 0.8)], sides).move(y=height), "roof")
        y, z, long = height + 0.1, r * 0.95, m.uniform(1, 1.5)
        m.add(prism(0.1, 0.7, 6).lay("z").move(y=y, z=z - 0.2), "darkwood")
        tilt = m.uniform(0, 45)
        for k in range(m.choose((4, 4, 6))):
            sail = box(0.08, long, 0.06).turn("z", tilt + 90 * k).move(0, y, z)
            m.add(sail, "wood")
            m.add(
                box(0.32, long * 0.75, 0.03)
                .move(0.14, long * 0.22)
                .turn("z", tilt + 90 * k)
                .move(0, y, z),
                "cream",
            )
    else:
        m.add(ring_of(r * 0.85, r * 0.4, 0.12, sides).move(y=height), "darkmetal")
        m.add(prism(r * 0.4, 0.5, sides).move(y=height), "gold")
        m.add(revolve([(r * 0.55, 0), (0, 0.4)], sides).move(y=height + 0.5), "roof")


BUILDINGS = (_house, _house, _house, _tall_house, _tower, _tower, _castle, _hut, _well, _windmill)
