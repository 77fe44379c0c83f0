# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into tools and weapons: most stand upright and lie in the plane z = 0."""

import math

import numpy as np

from training.procedural_model import Model, gradient, stripes
from training.procedural_solids import (
    Solid,
    ball,
    box,
    curve,
    extrude,
    loft,
    prism,
    revolve,
    ring_of,
    tube,
)


def add_shaft(m: Model, length: float, radius: float, paint: str = "wood") -> None:
    """A handle from the origin up, with a grip or bands."""
    sides = m.choose((5, 6, 8))
    m.add(prism(radius, length, sides, radius * m.uniform(0.8, 1.1)), paint)
    kind = m.choose(("none", "grip", "knob", "rings"))
    if kind == "grip":
        share = m.uniform(0.15, 0.35)
        wrap = revolve([(radius * 1.2, k * length * share / 6) for k in range(7)], sides)
        m.add(wrap.move(y=length * 0.04), stripes(m.color("cloth"), m.color("darkwood"), 6))
    elif kind == "knob":
        m.add(ball(radius * 1.7, 1), m.choose(("metal", "gold", "wood2")))
    elif kind == "rings":
        for k in range(m.integer(1, 3)):
            m.add(
                prism(radius * 1.3, radius, sides).move(y=length * (0.1 + 0.25 * k)),
                m.choose(("gold", "darkmetal")),
            )


def make_blade(outline: list[tuple[float, float]], thick: float) -> Solid:
    """A blade with a ridge along its middle from half widths and heights `(x, y)`."""
    rings = []
    for x, y in outline:
        t = thick * min(1.0, 6 * x + 0.02)
        rings.append([(-x, y, 0), (0, y, t), (x, y, 0), (0, y, -t)])
    rings[-1] = [(0, outline[-1][1], 0)] * 4
    return loft(np.array(rings, float))


def _hammer(m: Model) -> None:
    long, size = m.uniform(1, 2), m.uniform(0.18, 0.36)
    add_shaft(m, long, 0.07)
    metal, wide = (
        m.choose(("metal", "darkmetal", "stone", "wood2", "gold")),
        size * m.uniform(1.8, 3.2),
    )
    kind = m.choose(("box", "round", "claw", "mace", "pick"))
    if kind == "mace":
        m.add(ball(size, 1).move(y=long), metal)
        for k in range(10):
            z = 1 - 2 * (k + 0.5) / 10
            spike = prism(size * 0.22, size * 0.6, 4, 0).move(y=size * 0.85)
            spike = spike.turn("x", math.degrees(math.acos(z))).turn("y", k * 137.5)
            m.add(spike.move(y=long), metal)
        return
    y = long - size * 0.6
    if kind == "pick":
        bow = curve([(-wide * 1.3, y - 0.25, 0), (0, y + 0.1, 0), (wide * 1.3, y - 0.25, 0)], 7)
        m.add(tube(bow, [0.01, 0.05, 0.07, 0.09, 0.07, 0.05, 0.01], 4), metal)
    elif kind == "round":
        m.add(prism(size * 0.6, wide, 8).lay("x").move(y=y), metal)
        m.pair(
            prism(size * 0.7, wide * 0.25, 8).lay("x").move(wide * 0.5, y),
            m.choose((metal, "gold")),
        )
    else:
        m.add(box(wide, size, size, size * 0.15).move(y=y - size / 2), metal)
        if kind == "claw":
            claw = extrude([(0, 0.5), (0.9, 0.2), (1.5, -0.5), (0.8, -0.1), (0, -0.3)], 0.5)
            m.add(claw.scale(size * 0.9).move(wide / 2 - 0.03, y), metal)
        else:
            m.pair(
                box(wide * 0.22, size * 1.2, size * 1.2, size * 0.2).move(
                    wide * 0.5, y - size * 0.6
                ),
                m.choose((metal, "gold")),
            )
    m.add(box(0.2, size * 1.15, 0.2).move(y=y - size * 0.55), m.choose(("darkwood", "gold", metal)))


def _spear(m: Model) -> None:
    """A spear, trident, staff, torch, broom, rake, spade or fork."""
    kind = m.choose(("spear", "trident", "staff", "torch", "broom", "rake", "spade", "fork"))
    long = m.uniform(1.6, 2.8) * (0.5 if kind == "torch" else 1)
    add_shaft(m, long, m.uniform(0.05, 0.08))
    metal = m.choose(("metal", "darkmetal", "gold"))
    if kind in ("staff", "torch"):
        _add_light(m, kind, long, metal)
    elif kind == "spear":
        m.add(
            make_blade([(0.05, 0), (0.16, 0.2), (0.11, 0.4), (0, 0.75)], 0.05).move(y=long - 0.05),
            metal,
        )
    elif kind in ("trident", "fork"):
        wide = m.uniform(0.2, 0.35)
        m.add(box(2 * wide, 0.09, 0.09).move(y=long), metal)
        for x in (-1, -0.33, 0.33, 1) if kind == "fork" else (-1, 0, 1):
            m.add(
                prism(0.045, m.uniform(0.45, 0.6), 4, 0.01).move(x * wide * 0.95, long + 0.05),
                metal,
            )
    elif kind == "broom":
        m.add(
            revolve([(0.07, 0.1), (0.16, -0.05), (0.3, -0.6), (0.1, -0.6)], 8).move(y=long + 0.55),
            "gold",
        )
        m.add(prism(0.13, 0.1, 8).move(y=long + 0.45), "cloth")
    elif kind == "rake":
        m.add(box(0.9, 0.08, 0.08).move(y=long), metal)
        for k in range(7):
            m.add(box(0.05, 0.05, 0.28).move((k - 3) * 0.14, long, 0.14), metal)
    else:
        line = [(-0.22, 0), (0.22, 0), (0.24, 0.4), (0, m.uniform(0.5, 0.7)), (-0.24, 0.4)]
        m.add(extrude(line, 0.06, 0.9).move(0, long - 0.05, 0), metal)
        m.add(box(0.36, 0.09, 0.09).move(y=-0.05), "wood2")


def _key(m: Model) -> None:
    long, r = m.uniform(0.9, 1.6), m.uniform(0.22, 0.4)
    metal = m.choose(("gold", "metal", "darkmetal", "crystal"))
    kind = m.choose(("ring", "square", "clover"))
    if kind == "clover":
        for k in range(3):
            ring = ring_of(r * 0.6, r * 0.35, 0.12, 10).turn("x", 90).move(0, r * 0.75, -0.06)
            m.add(ring.turn("z", 90 * (k - 1)), metal)
        m.add(prism(r * 0.4, 0.14, 8).lay("z"), metal)
    else:
        m.add(
            ring_of(
                r, r * m.uniform(0.45, 0.65), 0.14, 4 if kind == "square" else m.choose((6, 8, 12))
            )
            .turn("x", 90)
            .move(z=-0.07),
            metal,
        )
    m.add(
        prism(0.07, long + r * 0.5, 6)
        .turn("x", 180)
        .move(y=-r * 0.25 if kind == "clover" else -r * 0.75),
        metal,
    )
    low = -r * 0.75 - long
    for k in range(m.integer(2, 3)):
        m.add(box(m.uniform(0.18, 0.36), 0.12, 0.1).move(0.15, low + 0.04 + 0.22 * k), metal)
    m.add(prism(0.11, 0.1, 6).move(y=-r - 0.1), metal)
    if m.chance(0.5):
        m.repeat([lambda s: s.turn("z", 90)])


def _book(m: Model) -> None:
    """A book, closed, upright or open, a scroll or a small pile."""
    kind = m.choose(("closed", "open", "scroll", "pile"))
    width, height, thick = m.uniform(0.7, 0.9), m.uniform(0.9, 1.2), m.uniform(0.14, 0.35)
    if kind == "open":
        m.pair(box(width, 0.05, height).turn("z", 8).move(width / 2), "cloth")
        page = extrude(
            [(0, 0.05), (width * 0.3, 0.2), (width * 0.92, 0.14), (width * 0.95, 0.05)],
            height * 0.93,
        )
        m.pair(page, "snow")
        for k in range(4):
            m.pair(
                box(width * 0.6, 0.02, 0.04).move(width * 0.5, 0.185, -0.3 + 0.18 * k), "darkmetal"
            )
    elif kind == "scroll":
        m.add(box(width, 0.04, height).move(y=0.1), "snow")
        for z in (height / 2, -height / 2):
            m.add(prism(0.12, width * 1.02, 8).lay("x").move(y=0.12, z=z), "snow")
            m.add(prism(0.05, width * 1.35, 6).lay("x").move(y=0.12, z=z), "wood")
    else:
        for k in range(1 if kind == "closed" else m.integer(2, 4)):
            cover = m.fresh("cloth")
            for part, paint in (
                (box(width, 0.05, height), cover),
                (box(width * 0.95, thick, height * 0.94).move(0.02, 0.03), m.color("snow")),
                (box(width, 0.05, height).move(y=thick), cover),
                (box(0.06, thick + 0.05, height).move(-width / 2), cover),
            ):
                turned = part if kind == "pile" else part.turn("x", 90)
                m.add(
                    turned.turn("y", 12 * k if kind == "pile" else 0).move(y=k * (thick + 0.06)),
                    paint,
                )
        if kind == "closed":
            m.add(ball(0.16, 1).scale(1, 1, 0.4).move(z=0.03), "gold")


def _add_light(m: Model, kind: str, long: float, metal: str) -> None:
    """The head of a magic staff or of a torch on a shaft of this length."""
    if kind == "staff":
        shape = m.choose(
            (ball(0.2, 1), ball(0.22, 0), revolve([(0, -0.25), (0.18, 0), (0, 0.35)], 6))
        )
        m.add(shape.move(y=long + 0.25), "crystal")
        for k in range(m.choose((2, 3, 4))):
            horn = curve([(0.03, long - 0.1, 0), (0.25, long + 0.1, 0), (0.18, long + 0.45, 0)], 5)
            m.add(
                tube(horn, [0.05, 0.05, 0.04, 0.03, 0.01], 5).turn(
                    "y", 90 + (180 if k == 1 else 60 * k)
                ),
                "wood",
            )
    else:
        m.add(revolve([(0.08, -0.25), (0.18, 0.1), (0, 0.05)], 6).move(y=long), metal)
        flame = revolve([(0.12, 0), (0.2, 0.15), (0.1, 0.4), (0, 0.65)], 6).move(y=long + 0.05)
        m.add(flame, gradient(m.fresh("gold"), m.fresh("fruit")))


TOOLS = (_hammer, _hammer, _spear, _spear, _key, _book)
