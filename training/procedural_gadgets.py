# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into level props: traps, space gadgets, candles, fires, clouds."""

import math

import numpy as np

from training.procedural_kit import decorate
from training.procedural_model import Model, stripes
from training.procedural_solids import (
    Solid,
    ball,
    box,
    curve,
    extrude,
    prism,
    revolve,
    tube,
)


def _trap(m: Model) -> None:
    """Spikes, a saw, a button, a lever or a spring on a plate."""
    kind, base = (
        m.choose(("spikes", "saw", "button", "lever", "spring")),
        m.choose(("darkmetal", "stone", "wood")),
    )
    width, depth = m.uniform(0.9, 1.6), m.uniform(0.7, 1.2)
    m.add(box(width, 0.15, depth, m.choose((0, 0.04))), base)
    if kind == "spikes":
        nx, nz, tall = m.integer(2, 5), m.integer(2, 4), m.uniform(0.3, 0.8)
        for i in range(nx):
            for k in range(nz):
                spike = prism(0.09, tall, 4, 0)
                m.add(
                    spike.move(
                        ((i + 0.5) / nx - 0.5) * width, 0.14, ((k + 0.5) / nz - 0.5) * depth
                    ),
                    "metal",
                )
    elif kind == "saw":
        a = np.arange(24) * math.pi / 12
        r = np.where(np.arange(24) % 2, 0.62, 0.78)
        m.add(extrude(np.stack([r * np.sin(a), r * np.cos(a)], 1), 0.08).move(y=0.4), "metal")
        m.add(prism(0.16, 0.2, 8).lay("z").move(y=0.4), "darkmetal2")
    elif kind == "button":
        m.add(revolve([(0.4, 0), (0.4, 0.1), (0.3, 0.18), (0, 0.18)], 10).move(y=0.14), "fruit")
    elif kind == "lever":
        lean = m.uniform(-35, 35)
        m.add(prism(0.2, 0.3, 8).lay("x").move(y=0.15), "darkmetal2")
        m.add(prism(0.05, 0.8, 6).turn("z", lean).move(y=0.2), "metal")
        end = (-math.sin(math.radians(lean)) * 0.85, 0.2 + math.cos(math.radians(lean)) * 0.85)
        m.add(ball(0.13, 1).move(*end), "fruit")
    else:
        t = np.linspace(0, 6 * math.pi, 25)
        coil = np.stack([0.28 * np.sin(t), 0.15 + t / (6 * math.pi) * 0.6, 0.28 * np.cos(t)], 1)
        m.add(tube(coil, 0.05, 5), "metal")
        m.add(prism(0.42, 0.12, 10).move(y=0.75), "accent")


def _panel(m: Model) -> None:
    """A machine of a base in space: generator, antenna, solar panel, terminal or dome."""
    kind, main = (
        m.choose(("solar", "antenna", "terminal", "dome", "crate")),
        m.choose(("metal", "snow", "darkmetal")),
    )
    if kind == "solar":
        m.add(prism(0.1, 0.6, 6), "darkmetal")
        tilt, count = m.uniform(15, 50), m.integer(1, 3)
        for k in range(count):
            for part, paint in ((box(0.72, 0.07, 1.1), main), (box(0.64, 0.09, 1.02), "water")):
                m.add(part.move((k - (count - 1) / 2) * 0.76).turn("x", tilt).move(y=0.6), paint)
        m.add(box(0.76 * count, 0.1, 0.12).move(y=0.52), "darkmetal")
        m.add(prism(0.4, 0.12, 8), main)
    elif kind == "antenna":
        m.add(revolve([(0.35, 0), (0.12, 0.3), (0.08, m.uniform(0.8, 1.6))], 8), main)
        top = m.bounds()[1, 1]
        dish = revolve([(0, 0), (0.5, 0.12), (0.75, 0.4), (0.7, 0.42), (0.45, 0.18), (0, 0.06)], 10)
        m.add(dish.turn("x", m.uniform(30, 80)).move(y=top), "snow2")
        m.add(prism(0.03, 0.5, 4).turn("x", 55).move(y=top), "darkmetal")
    elif kind == "terminal":
        m.add(box(0.8, 0.9, 0.5, 0.04, (0.9, 0.8)), main)
        screen = box(0.8, 0.55, 0.08, 0.02).turn("x", -20).move(y=0.9, z=0.02)
        m.add(screen, "darkmetal")
        m.add(
            box(0.7, 0.42, 0.06).turn("x", -20).move(y=0.96, z=0.06), m.choose(("crystal", "glass"))
        )
        for k in range(4):
            m.add(box(0.1, 0.06, 0.1).move((k - 1.5) * 0.17, 0.7, 0.22), m.fresh("accent"))
    elif kind == "dome":
        sides = m.choose((6, 8, 12))
        m.add(prism(1, m.uniform(0.2, 0.6), sides), main)
        y = m.bounds()[1, 1]
        line = [(0.92 * math.cos(a), 0.92 * math.sin(a)) for a in np.linspace(0, math.pi / 2, 5)]
        m.add(revolve(line, sides).move(y=y - 0.03), m.choose(("glass", "glass", "snow2")))
        m.add(box(0.5, 0.6, 0.5, 0.05).move(z=0.9), "paint")
        m.add(box(0.36, 0.48, 0.54).move(z=0.92), "darkmetal")
    else:
        size = m.uniform(0.5, 0.9)
        m.add(box(1.2, size, 0.8, 0.1), main)
        m.add(box(1.22, size * 0.25, 0.82, 0.04).move(y=size * 0.4), "accent")
        m.quad(box(0.16, size * 1.04, 0.16, 0.03).move(0.54, -0.02, 0.34), "darkmetal")
        m.add(box(0.3, 0.2, 0.06).move(y=size * 0.4, z=0.4), "darkmetal")


def _candle(m: Model) -> None:
    """Candles, a lantern, a camp fire or a brazier."""
    kind = m.choose(("candles", "lantern", "fire"))
    flame = [(0.0, 0.0), (0.1, 0.1), (0.06, 0.25), (0.0, 0.4)]
    if kind == "candles":
        m.add(revolve([(0.55, 0), (0.6, 0.08), (0.3, 0.06)], 10), "gold")
        for k in range(m.integer(1, 4)):
            tall, x, z = (
                m.uniform(0.3, 1),
                0.3 * math.sin(2.1 * k) * min(k, 1),
                0.3 * math.cos(2.1 * k) * min(k, 1),
            )
            m.add(prism(0.14, tall, 8, 0.12).move(x, 0.04, z), "snow")
            m.add(revolve(flame, 5).scale(0.8).move(x, tall + 0.03, z), "gold2")
    elif kind == "lantern":
        sides = m.choose((4, 6, 8))
        m.add(revolve([(0.42, 0), (0.42, 0.1), (0.3, 0.16)], sides), "darkmetal")
        m.add(prism(0.28, 0.6, sides).move(y=0.14), m.choose(("gold", "cream", "crystal")))
        m.add(revolve([(0.45, 0), (0.2, 0.25), (0.1, 0.3)], sides).move(y=0.72), "darkmetal")
        for k in range(sides):
            bar = box(0.05, 0.6, 0.05).move(z=0.3).turn("y", 360 * (k + 0.5) / sides)
            m.add(bar.move(y=0.14), "darkmetal")
        hoop = [
            (0.18 * math.sin(a), 1.12 + 0.18 * math.cos(a), 0) for a in np.arange(8) * math.pi / 4
        ]
        m.add(tube(hoop, 0.03, 4, closed=True), "darkmetal")
    else:
        for k in range(m.integer(4, 6)):
            log = prism(0.1, 0.9, 6, 0.08).turn("x", 55).move(z=-0.5).turn("y", k * 72)
            m.add(log, m.near("bark", 0.15))
        for k in range(8):
            m.add(ball(0.16, 0, m.rng, 0.15).move(z=0.75).turn("y", 45 * k), m.near("stone", 0.15))
        m.add(revolve(flame, 6).scale(2.6), "fruit")
        m.add(revolve(flame, 6).scale(1.7).move(0.02, 0.05, 0.1), "gold2")


def _cloud(m: Model) -> None:
    """A cloud, a balloon or a floating island."""
    kind = m.choose(("cloud", "cloud", "balloon", "island"))
    if kind == "cloud":
        count = m.integer(3, 6)
        for k in range(count):
            share = 1 - abs(k - (count - 1) / 2) / count
            blob = ball(0.6 * share * m.uniform(0.8, 1.2), 1, m.rng, 0.04)
            m.add(
                blob.move((k - (count - 1) / 2) * 0.5, m.uniform(-0.1, 0.1), m.uniform(-0.2, 0.2)),
                "snow",
            )
    elif kind == "balloon":
        knots = [(0.15, 0), (0.75, 0.8), (0.8, 1.2), (0.01, 1.8)]
        m.add(
            revolve(curve(knots, 8), 12),
            stripes(m.color("paint"), m.color("paint2"), m.integer(2, 5)),
        )
        m.add(box(0.4, 0.32, 0.4, top=(1.1, 1.1)).move(y=-0.7), "wood")
        m.quad(tube([(0.18, -0.4, 0.18), (0.25, 0.3, 0.25)], 0.02, 4), "bark")
    else:
        rock = revolve([(0, -1.2), (0.45, -0.7), (0.9, -0.2), (1.1, 0)], m.integer(6, 9))
        shake = m.rng.normal(size=rock.vertices.shape) * 0.06 * (1, 0.5, 1)
        m.add(Solid(rock.vertices + shake, rock.faces), m.choose(("stone", "dirt")))
        m.add(revolve([(1.12, -0.08), (1.15, 0.05), (0.9, 0.15), (0, 0.18)], 8), "leaf")
        for _ in range(m.integer(1, 3)):
            decorate(m, m.uniform(-0.5, 0.5), m.uniform(-0.5, 0.5))


GADGETS = (_trap, _panel, _candle, _cloud)
