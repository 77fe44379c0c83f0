# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into food: burgers, cakes, fruit, ice cream, bread."""

import math

import numpy as np

from training.procedural_model import Model, by_slope, gradient, sectors, stripes
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


def _burger(m: Model) -> None:
    sides, r = m.choose((8, 10, 12)), 1.0
    y = 0.0
    m.add(revolve([(r * 0.85, 0), (r, 0.12), (r * 0.97, 0.3)], sides), "bread")
    y = 0.3
    for _ in range(m.integer(2, 5)):
        kind, thick = m.choose(("meat", "leaf", "gold", "fruit")), m.uniform(0.1, 0.25)
        size = r * m.uniform(0.9, 1.12)
        if kind in ("leaf", "gold"):
            thick *= 0.5
            layer = prism(size * 1.05, thick, 4 if kind == "gold" else m.integer(7, 11))
        else:
            layer = revolve([(size * 0.92, 0), (size, thick / 2), (size * 0.92, thick)], sides)
        m.add(layer.move(y=y - 0.01), kind)
        y += thick
    tall = m.uniform(0.4, 0.75)
    dome = [
        (r * 0.95, 0),
        (r, tall * 0.25),
        (r * 0.85, tall * 0.65),
        (r * 0.5, tall * 0.93),
        (0, tall),
    ]
    m.add(revolve(dome, sides).move(y=y), "bread")
    for k in range(m.choose((0, 6, 10))):
        a, d = k * 2.4, 0.15 + 0.06 * k
        m.add(
            box(0.07, 0.05, 0.1).move(
                math.sin(a) * d, y + tall * (1 - 0.55 * d**2), math.cos(a) * d
            ),
            "cream",
        )


def _cake(m: Model) -> None:
    sides, y, r = m.choose((8, 12, 16)), 0.0, 1.0
    m.add(prism(1.25, 0.06, sides).move(y=-0.06), "ceramic")
    for _ in range(m.integer(1, 3)):
        tall = m.uniform(0.3, 0.6)
        m.add(prism(r, tall, sides), "bread") if y == 0 else m.add(
            prism(r, tall, sides).move(y=y), "bread"
        )
        icing = [(r * 1.03, 0), (r * 1.05, tall * 0.3), (r * 0.95, tall * 0.38)]
        m.add(revolve(icing, sides).move(y=y + tall * 0.7), "cream")
        if m.chance(0.5):
            m.add(ring_of(r * 1.03, r * 0.9, tall * 0.12, sides).move(y=y + tall * 0.3), "accent")
        y += tall * 1.07
        r *= m.uniform(0.6, 0.8)
    count = m.integer(3, 8)
    for k in range(count):
        a, d = 2 * math.pi * k / count, r * 1.0
        x, z = math.sin(a) * d, math.cos(a) * d
        if m.chance(0.5):
            m.add(ball(0.1, 0).move(x, y + 0.07, z), "fruit")
        else:
            m.add(prism(0.04, 0.3, 5).move(x, y - 0.02, z), "accent")


def _fruit(m: Model) -> None:
    kind, sides = m.choose(("apple", "pear", "lemon", "pumpkin", "melon")), m.choose((8, 10, 12))
    colour = m.color("fruit")
    if kind == "apple":
        knots = [(0, 0.15), (0.45, 0), (0.95, 0.55), (0.9, 1.15), (0.5, 1.4), (0, 1.2)]
    elif kind == "pear":
        knots = [(0, 0), (0.7, 0.15), (0.8, 0.6), (0.45, 1.2), (0.3, 1.6), (0, 1.75)]
    elif kind == "lemon":
        knots = [(0, 0), (0.15, 0.1), (0.65, 0.5), (0.65, 1), (0.15, 1.4), (0, 1.5)]
    else:
        knots = [(0, 0.1), (0.7, 0), (1.1, 0.5), (0.9, 0.95), (0, 0.95 if kind == "melon" else 0.8)]
    body = revolve(curve(knots, m.integer(8, 11)).clip(0, None), sides)
    body = body.scale(m.uniform(0.85, 1.1), m.uniform(0.8, 1.2), m.uniform(0.85, 1.1))
    striped = kind in ("pumpkin", "melon")
    m.add(
        body,
        sectors(colour, colour * 0.75, sides)
        if striped
        else m.choose((colour, gradient(colour * 0.8, colour))),
    )
    top = m.bounds()[1, 1]
    m.add(
        tube([(0, top - 0.25, 0), (0.03, top, 0), (0.12, top + 0.22, 0)], [0.05, 0.05, 0.07], 5),
        "bark",
    )
    if m.chance(0.6):
        leaf = extrude([(0, 0), (0.2, 0.12), (0.5, 0.05), (0.25, -0.1)], 0.03).turn("x", -60)
        m.add(leaf.move(0.02, top + 0.02, 0), "leaf")
    if m.chance(0.15) and kind in ("apple", "pear"):
        m.add(ring_of(1, 0.9, 0.06, 12).move(y=-0.06), "ceramic")


def _cone_food(m: Model) -> None:
    """An ice cream, a sundae, a lollipop or a skewer."""
    kind = m.integer(0, 2)
    if kind == 0:
        m.add(revolve([(0, 0), (0.5, 1.2)], m.choose((6, 8, 10))), "bread")
        m.add(ring_of(0.55, 0.4, 0.15, 10).move(y=1.1), "bread2")
        for k in range(m.integer(1, 3)):
            size = 0.55 - 0.08 * k
            m.add(ball(size, 1, m.rng, 0.05).move(y=1.45 + 0.5 * k), m.fresh("cream"))
        if m.chance(0.6):
            m.add(ball(0.13, 1).move(y=m.bounds()[1, 1] + 0.05), "fruit")
    elif kind == 1:
        m.add(prism(0.06, 1.4, 6), "cream")
        disc = prism(m.uniform(0.4, 0.7), 0.22, m.choose((8, 12, 16))).lay("z").move(y=1.6)
        m.add(disc, m.choose((m.color("accent"), stripes(m.color("accent"), m.color("snow"), 5))))
    else:
        m.add(prism(0.05, 2.4, 5), "wood")
        for k in range(m.integer(3, 5)):
            piece = m.choose(
                (ball(0.28, 1), box(0.45, 0.4, 0.45, 0.08).move(y=-0.2), prism(0.3, 0.3, 8))
            )
            m.add(piece.move(y=0.6 + 0.42 * k), m.fresh(m.choose(("meat", "fruit", "leaf"))))


def _loaf(m: Model) -> None:
    """A loaf, hot dog, sushi, cheese, slice of pizza or a doughnut."""
    kind = m.integer(0, 4)
    if kind == 0:
        body = box(1.8, 0.6, 0.8, 0.2, (0.9, 0.8))
        m.add(body, by_slope(m.color("bread2"), m.color("bread")))
        for k in range(m.integer(0, 4)):
            m.add(box(0.06, 0.05, 0.5).turn("y", 25).move(-0.6 + 0.4 * k, 0.58), "cream")
    elif kind == 1:
        m.pair(revolve([(0, -1), (0.28, -0.9), (0.3, 0.9), (0, 1)], 8).lay("z").move(0.2), "bread")
        m.add(
            revolve([(0, -1.15), (0.2, -1.0), (0.2, 1.0), (0, 1.15)], 8).lay("z").move(y=0.16),
            "meat",
        )
        wave = [(0.1 * (-1) ** k, 0.37, -0.8 + 0.23 * k) for k in range(8)]
        m.add(tube(wave, 0.05, 4), m.choose(("gold", "fruit")))
        m.repeat([lambda s: s.turn("y", 90)])
    elif kind == 2:
        angle = m.uniform(25, 60)
        line = [(0.0, 0.0)]
        spread = np.radians(np.linspace(-angle / 2, angle / 2, 4))
        line += [(1.5 * math.sin(t), 1.5 * math.cos(t)) for t in spread]
        plate = extrude(line, m.uniform(0.1, 0.6)).turn("x", -90)
        m.add(plate, m.choose(("gold", "bread", "cream")))
        top = m.bounds()[1, 1]
        for k in range(m.integer(2, 4)):
            m.add(
                prism(0.13, 0.04, 8).move((k % 2 - 0.5) * 0.25, top - 0.01, -0.7 - 0.2 * k), "fruit"
            )
    elif kind == 3:
        circle = [(math.sin(a), 0, math.cos(a)) for a in np.linspace(0, 2 * math.pi, 13)[:-1]]
        fat = m.uniform(0.3, 0.5)
        m.add(tube(circle, fat, 8, closed=True), by_slope(m.color("cream"), m.color("bread"), 0.1))
        for k in range(m.choose((0, 10))):
            a = k * 2.4
            bit = box(0.05, 0.05, 0.16).turn("y", k * 50).move(math.sin(a), fat * 0.92, math.cos(a))
            m.add(bit, m.fresh("accent"))
    else:
        m.add(prism(0.5, 0.5, 10), "darkmetal")
        m.add(prism(0.44, 0.52, 10), "snow")
        m.add(prism(0.2, 0.55, 6), "fruit")


FOOD = (_burger, _cake, _fruit, _cone_food, _loaf)
