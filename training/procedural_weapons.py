# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into weapons: most stand upright and lie in the plane z = 0."""

import math

import numpy as np

from training.procedural_model import Model, stripes
from training.procedural_solids import (
    ball,
    box,
    curve,
    extrude,
    prism,
    revolve,
    ring_of,
    tube,
)
from training.procedural_tools import add_shaft, make_blade


def _sword(m: Model) -> None:
    grip, long, wide = m.uniform(0.3, 0.6), m.uniform(0.9, 2.2), m.uniform(0.07, 0.2)
    metal = m.choose(("metal", "metal", "gold", "crystal", "wood2", "darkmetal"))
    m.add(
        prism(wide * 0.4 + 0.02, grip, m.choose((4, 6, 8))), m.choose(("wood", "darkwood", "cloth"))
    )
    pommel = m.choose((ball(0.09, 1), ball(0.1, 0), prism(0.1, 0.1, 6).lay("z")))
    m.add(pommel.move(y=-0.04), m.choose(("gold", "metal", "crystal")))
    guard, y = wide * m.uniform(1.6, 3.4), grip
    kind = m.choose(("bar", "bow", "disc", "wings"))
    _guard(m, kind, guard, wide, y)
    y += 0.07
    shape = m.choose(("straight", "leaf", "tapered", "curved", "notched", "broad"))
    if shape == "curved":
        spine = curve([(0, 0), (wide * 0.6, long * 0.5), (-wide * 1.5, long)], 6)
        edge = spine + np.array([(wide * s, 0) for s in np.linspace(1.2, 0.1, 6)])
        m.add(extrude([*spine.tolist(), *edge[::-1].tolist()], 0.05).move(0, y, 0), metal)
        return
    outlines = {
        "straight": [(1, 0), (1, 0.85), (0, 1)],
        "leaf": [(0.7, 0), (0.6, 0.3), (1.2, 0.65), (0, 1)],
        "tapered": [(1.3, 0), (0.7, 0.7), (0, 1)],
        "notched": [(1, 0), (1, 0.12), (0.6, 0.16), (0.9, 0.2), (0.9, 0.85), (0, 1)],
        "broad": [(1.2, 0), (1.6, 0.8), (1.5, 0.88), (0, 1)],
    }
    m.add(
        make_blade([(x * wide, h * long + y) for x, h in outlines[shape]], m.uniform(0.03, 0.06)),
        metal,
    )
    if m.chance(0.3):
        m.add(
            box(wide * 0.4, long * 0.6, 0.1).move(y=y), m.choose(("darkmetal", "crystal", "gold"))
        )


def _guard(m: Model, kind: str, guard: float, wide: float, y: float) -> None:
    """The cross guard between grip and blade."""
    if kind == "bar":
        m.add(box(guard * 2, 0.09, 0.12, 0.02).move(y=y), "gold")
    elif kind == "bow":
        lift = m.uniform(-0.15, 0.2)
        m.add(
            tube(curve([(-guard, y + lift, 0), (0, y, 0), (guard, y + lift, 0)], 7), 0.05, 6),
            "gold",
        )
    elif kind == "disc":
        m.add(prism(wide * 1.6, 0.06, 8).move(y=y), "gold")
    else:
        m.pair(
            extrude([(0, 0), (guard, 0.12), (guard * 0.7, 0.2), (0, 0.14)], 0.1).move(0, y, 0),
            "gold",
        )


def _axe(m: Model) -> None:
    long, size = m.uniform(1.1, 2.1), m.uniform(0.3, 0.6)
    add_shaft(m, long, 0.06)
    y, metal = long * 0.82, m.choose(("metal", "darkmetal", "gold", "stone"))
    high, beard = m.uniform(0.5, 0.9) * size, m.uniform(0.5, 1.1) * size
    edge = curve([(size, high), (size * 1.2, 0), (size, -beard)], 5).tolist()
    line = [(0.02, size * 0.25), *edge, (0.02, -size * 0.25)]
    head = extrude(line, 0.12, 0.93).move(0, y, 0)
    m.add(head, metal)
    rim = [(x * 1.0, h) for x, h in edge] + [(x * 0.85, h * 0.85) for x, h in edge[::-1]]
    m.add(extrude(rim, 0.14).move(0.01, y, 0), m.near(metal, 0.25))
    kind = m.choose(("single", "double", "spike", "single"))
    if kind == "double":
        m.add(head.mirror(), metal)
        m.add(extrude(rim, 0.14).mirror().move(-0.01, y, 0), m.near(metal, 0.25))
    elif kind == "spike":
        m.add(prism(0.08, size * 0.7, 4, 0).turn("z", 90).move(0, y, 0), metal)
    m.add(
        box(0.2, size * 0.55, 0.2, 0.02).move(y=y - size * 0.27),
        m.choose((metal, "gold", "darkwood")),
    )


def _shield(m: Model) -> None:
    kind, size = m.choose(("round", "heater", "kite", "tower", "oval")), m.uniform(0.8, 1)
    rim, face = (
        m.choose(("metal", "gold", "darkmetal", "wood")),
        m.choose(("cloth", "wood", "paint", "metal")),
    )
    sides = m.choose((8, 10, 12, 16))
    if kind in ("round", "oval"):
        tall = 1 if kind == "round" else m.uniform(1.2, 1.6)
        paint = stripes(m.color(face), m.color("cloth2"), 2, 0) if m.chance(0.4) else m.color(face)
        dome = revolve([(size, 0), (size, 0.06), (size * 0.6, 0.18), (0, 0.24)], sides)
        m.add(dome.turn("x", 90).scale(1, tall, 1), paint)
        m.add(ring_of(size * 1.06, size * 0.88, 0.14, sides).turn("x", 90).scale(1, tall, 1), rim)
    else:
        lines = {
            "heater": [
                (-0.8, 0.9),
                (0, 1),
                (0.8, 0.9),
                (0.8, 0.1),
                (0.5, -0.6),
                (0, -1.1),
                (-0.5, -0.6),
                (-0.8, 0.1),
            ],
            "kite": [
                (-0.55, 0.6),
                (-0.3, 0.9),
                (0.3, 0.9),
                (0.55, 0.6),
                (0.35, -0.4),
                (0, -1.3),
                (-0.35, -0.4),
            ],
            "tower": [(-0.6, 1), (0, 1.1), (0.6, 1), (0.6, -1), (0, -1.1), (-0.6, -1)],
        }
        line = np.array(lines[kind]) * size
        m.add(extrude(line, 0.14, 0.95), rim)
        m.add(extrude(line * 0.84, 0.22, 0.95), face)
        if m.chance(0.5):
            m.add(box(size * 0.2, size * 1.5, 0.26).move(y=-size * 0.75), "cloth2")
            m.add(box(size * 1.1, size * 0.2, 0.26).move(y=size * 0.15), "cloth2")
    _boss(m, size, rim)


def _boss(m: Model, size: float, rim: str) -> None:
    """What stands out in the middle of a shield."""
    boss = m.choose(("none", "ball", "cone", "star"))
    if boss == "ball":
        m.add(ball(size * 0.25, 1).scale(1, 1, 0.6).move(z=0.2), rim)
    elif boss == "cone":
        m.add(prism(size * 0.25, 0.3, 6, 0).turn("x", 90).move(z=0.12), rim)
    elif boss == "star":
        a = np.arange(10) * math.pi / 5
        r = np.where(np.arange(10) % 2, 0.16, 0.36) * size
        m.add(extrude(np.stack([r * np.sin(a), r * np.cos(a)], 1), 0.3).move(z=0.12), "gold")


def _bow(m: Model) -> None:
    """A bow with its string, or a crossbow."""
    tall, out = m.uniform(0.8, 1.1), m.uniform(0.3, 0.55)
    path = curve(
        [
            (0, -tall, 0),
            (out * 0.9, -tall * 0.55, 0),
            (out, 0, 0),
            (out * 0.9, tall * 0.55, 0),
            (0, tall, 0),
        ],
        11,
    )
    size = [0.02, 0.04, 0.05, 0.055, 0.06, 0.065, 0.06, 0.055, 0.05, 0.04, 0.02]
    bow = tube(path, size, 5)
    string = tube([(0, -tall, 0), (0, tall, 0)], 0.012, 3)
    if m.chance(0.65):
        m.add(bow, "wood")
        m.add(string, "cream")
        m.add(prism(0.09, 0.3, 6).move(out, -0.15), m.choose(("cloth", "darkwood")))
        if m.chance(0.4):
            m.add(prism(0.025, 1.3, 4).turn("z", -90).move(-0.1), "wood2")
            m.add(prism(0.07, 0.16, 4, 0).turn("z", -90).move(1.2), "metal")
        return
    for part, paint in ((bow, "darkmetal"), (string, "cream")):
        m.add(part.turn("x", 90).turn("y", -90).move(0, 0, 0.1), paint)
    m.add(box(0.16, 0.18, 1.5, 0.02).move(y=-0.15, z=-0.2), "wood")
    m.add(box(0.12, 0.4, 0.16).turn("x", 20).move(y=-0.5, z=-0.55), "wood2")
    m.add(box(0.05, 0.05, 1.1).move(y=0.03, z=0.1), "metal")


def _gun(m: Model) -> None:
    """A toy gun that points to +X, as most guns of the packs lie across."""
    long, body = m.uniform(0.8, 1.8), m.choose(("darkmetal", "metal", "paint", "snow"))
    tall = m.uniform(0.18, 0.3)
    m.add(box(long * 0.55, tall, 0.18, 0.03), body)
    m.add(
        prism(tall * 0.28, long * 0.6, m.choose((6, 8))).lay("x").move(long * 0.5, tall * 0.6),
        "darkmetal",
    )
    m.add(
        box(0.2, 0.45, 0.15, 0.02).turn("z", -15).move(-long * 0.2, -0.42),
        m.choose(("wood", "darkmetal", body)),
    )
    m.add(ring_of(0.1, 0.07, 0.05, 8).lay("z").move(-long * 0.02, -0.06), "darkmetal")
    kind = m.choose(("pistol", "rifle", "ray"))
    if kind == "rifle":
        stock = extrude([(0, 0.1), (-0.6, 0.02), (-0.62, -0.3), (0, -0.05)], 0.14)
        m.add(stock.move(-long * 0.26, tall * 0.6), "wood")
        m.add(box(0.14, 0.4, 0.12).turn("z", 10).move(long * 0.12, -0.36), "darkmetal")
        m.add(prism(0.07, 0.5, 8).lay("x").move(0, tall + 0.1), "darkmetal")
    elif kind == "ray":
        m.add(ball(tall * 0.75, 1).move(-long * 0.25, tall * 0.5), m.choose(("crystal", body)))
        for k in range(m.integer(2, 4)):
            m.add(
                prism(tall * (0.62 - 0.1 * k), 0.06, 8)
                .lay("x")
                .move(long * (0.35 + 0.13 * k), tall * 0.6),
                "accent",
            )
        m.add(ball(tall * 0.35, 0).move(long * 0.82, tall * 0.6), "crystal")
    else:
        m.add(box(long * 0.5, tall * 0.35, 0.13).move(0, tall), "darkmetal")


WEAPONS = (_sword, _sword, _sword, _axe, _axe, _shield, _shield, _bow, _gun)
