# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into rocks, mountains, crystals and gems."""

import math

import numpy as np

from training.procedural_model import Model, below, by_slope, gradient
from training.procedural_solids import Solid, ball, box, extrude, prism, revolve


def _rock(m: Model) -> None:
    count = m.choose((1, 1, 2, 3, 4))
    top = m.color("snow") if m.chance(0.15) else m.color("leaf") if m.chance(0.15) else None
    for k in range(count):
        size = m.uniform(0.6, 1) * (1 if k == 0 else 0.6)
        rock = ball(size, m.choose((1, 1, 2)), m.rng, m.uniform(0.08, 0.2))
        rock = rock.scale(m.uniform(0.7, 1.3), m.uniform(0.5, 1.5), m.uniform(0.7, 1.2))
        for _ in range(m.integer(3, 8)):
            way = m.rng.normal(size=3)
            rock = rock.cut(way / np.linalg.norm(way), size * m.uniform(0.55, 0.85))
        low = rock.vertices[:, 1].min()
        rock = rock.cut((0, -1, 0), -low * m.uniform(0.4, 0.8))
        rock = rock.move(
            0 if k == 0 else (-1) ** k * m.uniform(0.5, 0.9),
            -rock.vertices[:, 1].min(),
            0 if k == 0 else m.uniform(-0.3, 0.7),
        )
        stone = m.near("stone", 0.1)
        m.add(rock, stone if top is None else by_slope(top, stone, 0.6))


def _mountain(m: Model) -> None:
    """A peak or an island tile."""
    for k in range(m.integer(1, 3)):
        size, tall, sides = m.uniform(0.6, 1), m.uniform(0.9, 1.8), m.integer(5, 9)
        peak = revolve(
            [(size, 0), (size * 0.75, tall * 0.3), (size * 0.4, tall * 0.68), (0, tall)], sides
        )
        jitter = m.rng.normal(size=peak.vertices.shape) * 0.08 * (1, 0.6, 1)
        jitter[peak.vertices[:, 1] < 0.01] = 0
        peak = Solid(peak.vertices + jitter, peak.faces)
        x = 0 if k == 0 else (-1) ** k * 0.7
        peak = peak.scale(1 if k == 0 else 0.7).move(x, 0, 0.2 * k)
        snow = tall * (0.6 if k == 0 else 0.42)
        m.add(peak, below(m.near("stone", 0.08), m.color("snow"), snow if m.chance(0.7) else 9))
    if m.chance(0.5):
        m.add(prism(1.5, 0.25, 6).move(y=-0.25), by_slope(m.color("leaf"), m.color("dirt")))


def _crystal(m: Model) -> None:
    sides, count = m.choose((4, 5, 6, 8)), m.choose((1, 3, 5, 7))
    glow = gradient(m.color("crystal") * 0.75, m.color("crystal"))
    for k in range(count):
        size, tall = m.uniform(0.15, 0.3), m.uniform(0.8, 1.6) * (1 if k == 0 else 0.65)
        shard = revolve([(size * 0.7, 0), (size, tall * 0.7), (0, tall)], sides)
        lean = 0 if k == 0 else m.uniform(15, 45)
        m.add(shard.turn("z", -lean).turn("y", k * 137.5), glow)
    if m.chance(0.6):
        base = ball(0.55, 1, m.rng, 0.12).scale(1, 0.4, 1).cut((0, -1, 0), 0.1)
        m.add(base, "stone")


def _gem(m: Model) -> None:
    """A cut gem, a coin, a star, a heart or a ring."""
    kind, sides = m.integer(0, 4), m.choose((6, 8, 10))
    if kind == 0:
        tall, table = m.uniform(0.7, 1.1), m.uniform(0.4, 0.65)
        m.add(revolve([(0, 0), (1, tall), (table, tall + 0.35)], sides), "crystal")
    elif kind == 1:
        tall = m.uniform(1, 1.8)
        m.add(
            revolve(
                [(0, 0), (0.7, tall * 0.35), (0.7, tall * 0.65), (0, tall)], m.choose((4, 5, 6))
            ),
            "crystal",
        )
    elif kind == 2:
        thick, metal = m.uniform(0.15, 0.3), m.choose(("gold", "metal"))
        coin = prism(1, thick, m.choose((8, 12, 16))).lay("z").move(y=1)
        m.add(coin, metal)
        m.add(prism(0.75, thick * 1.25, 12).lay("z").move(y=1), m.near(metal, 0.25))
        m.add(box(0.25, 0.8, thick * 1.6).move(y=0.6), metal)
    elif kind == 3:
        points, inner = m.integer(4, 8), m.uniform(0.4, 0.65)
        a = np.arange(2 * points) * math.pi / points
        r = np.where(np.arange(2 * points) % 2, inner, 1.0)
        m.add(
            extrude(np.stack([r * np.sin(a), r * np.cos(a)], 1), m.uniform(0.2, 0.5), 0.7), "gold"
        )
    else:
        t = np.linspace(0, 2 * math.pi, 21)[:-1]
        x = np.sin(t) ** 3
        y = (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
        m.add(
            extrude(np.stack([x, y], 1), m.uniform(0.3, 0.6), 0.75), m.choose(("crystal", "fruit"))
        )
    if m.chance(0.3):
        low = m.bounds()[0, 1]
        m.add(revolve([(0.7, 0), (0.6, 0.2), (0.3, 0.3)], 8).move(y=low - 0.3), "stone")


ROCKS = (_rock, _rock, _mountain, _crystal, _gem, _gem)
