# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into plants, rocks and crystals."""

import math

import numpy as np

from training.procedural_model import Model, below, by_slope, gradient, sectors
from training.procedural_solids import Solid, ball, curve, loft, prism, revolve, tube


def _trunk(m: Model, height: float, radius: float, lean: float = 0.1) -> np.ndarray:
    """A trunk with a foot; returns its upper end `[3]`."""
    bend = m.uniform(-lean, lean) * height
    line = curve([(0, 0, 0), (bend * 0.3, height * 0.5, 0), (bend, height, 0)], m.choose((3, 5)))
    size = np.linspace(radius, radius * m.uniform(0.5, 0.8), len(line))
    size[0] *= m.uniform(1, 1.6)
    m.add(tube(line, size, m.choose((5, 6, 8))), "bark")
    return line[-1]


def _ground(m: Model, radius: float) -> None:
    """Sometimes a mound, a tile or a few stones under the plant."""
    kind = m.choose(("none", "none", "none", "none", "mound", "tile", "stones"))
    if kind == "mound":
        m.add(
            revolve([(radius, -0.1), (radius * 0.8, 0.02), (0, 0.1)], 8),
            m.choose(("leaf2", "dirt", "snow")),
        )
    elif kind == "tile":
        tile = prism(radius * 1.2, 0.2, m.choose((4, 6))).move(y=-0.2)
        m.add(tile, by_slope(m.color("leaf2"), m.color("dirt")))
    elif kind == "stones":
        for _ in range(m.integer(2, 4)):
            a, size = m.uniform(0, 6.3), radius * m.uniform(0.15, 0.3)
            m.add(
                ball(size, 0, m.rng, 0.2).move(
                    math.sin(a) * radius * 0.7, 0, math.cos(a) * radius * 0.7
                ),
                "stone",
            )


def _round_tree(m: Model) -> None:
    height = m.uniform(0.8, 2.2)
    end = _trunk(m, height, m.uniform(0.12, 0.25))
    crown, rough = m.uniform(0.6, 1.1), m.uniform(0.03, 0.14)
    detail = m.choose((1, 1, 2))
    flat = m.uniform(0.7, 1.4)
    paint = m.color("leaf")
    if m.chance(0.4):
        paint = gradient(paint * 0.75, paint)
    top = ball(crown, detail, m.rng, rough).scale(1, flat, 1)
    m.add(top.move(end[0], height + crown * flat * 0.6, 0), paint)
    for _ in range(m.choose((0, 2, 3, 5))):
        a, size = m.uniform(0, 6.3), crown * m.uniform(0.45, 0.75)
        x, z = math.sin(a) * crown * 0.75, math.cos(a) * crown * 0.75
        blob = ball(size, 1, m.rng, rough).move(end[0] + x, height + crown * m.uniform(0, 0.9), z)
        m.add(blob, m.near("leaf", 0.15))
    for _ in range(m.choose((0, 0, 0, 7))):
        way = m.rng.normal(size=3)
        way = way / np.linalg.norm(way) * crown * 1.0
        m.add(
            ball(0.11, 0).move(
                end[0] + way[0], height + crown * flat * 0.6 + way[1] * flat, way[2]
            ),
            "fruit",
        )
    _ground(m, crown * 0.8)


def _pine(m: Model) -> None:
    stem, count = m.uniform(0.3, 0.9), m.integer(2, 5)
    m.add(prism(m.uniform(0.1, 0.22), stem + 0.5, 6), "bark")
    sides, radius, y = m.choose((5, 6, 8, 10)), m.uniform(0.6, 1), stem
    tall, snowy = m.uniform(0.6, 1.1), m.chance(0.25)
    for k in range(count):
        r = radius * (1 - 0.7 * k / count)
        h = tall * (1 - 0.4 * k / count)
        last = k == count - 1
        line = [(r * 0.6, 0.1), (r, 0), (r * 0.45, h * 0.55), (0 if last else r * 0.25, h)]
        tier = revolve(line, sides).turn("y", k * 180 / sides)
        leaf = m.near("leaf", 0.1)
        m.add(tier.move(y=y), below(leaf, m.color("snow"), y + h * 0.4) if snowy else leaf)
        y += h * m.uniform(0.5, 0.6)
    _ground(m, radius * 0.7)


def _palm(m: Model) -> None:
    height, lean = m.uniform(1.5, 3), m.uniform(-0.8, 0.8)
    line = curve([(0, 0, 0), (lean * 0.15, height * 0.5, 0), (lean, height, 0)], 6)
    size = [0.22, 0.15, 0.14, 0.13, 0.12, 0.12]
    m.add(tube(line, size, 6), "bark")
    for k in range(m.integer(5, 8)):
        out, drop = m.uniform(0.8, 1.2), m.uniform(0.2, 0.7)
        path = curve([(0, 0, 0), (out * 0.5, 0.3, 0), (out, -drop, 0)], 5)
        leaf = _leaf(path, m.uniform(0.18, 0.28)).turn("y", k * 137.5)
        m.add(leaf.move(lean, height, 0), m.near("leaf", 0.15))
    for k in range(m.choose((0, 3))):
        nut = ball(0.14, 1).move(
            lean + 0.16 * math.sin(k * 2.1), height - 0.12, 0.16 * math.cos(k * 2.1)
        )
        m.add(nut, "bark2")
    _ground(m, 0.7)


def _leaf(path: np.ndarray, width: float) -> Solid:
    """A folded blade along a path in the plane z = 0, thick enough to be a solid."""
    count = len(path)
    size = width * np.sin(np.linspace(0.35, math.pi, count))
    rings = []
    for point, s in zip(path, size, strict=True):
        around = [(0, 0.04, 0), (0, -s * 0.35, s), (0, -0.04, 0), (0, -s * 0.35, -s)]
        rings.append(point + np.array(around) * (1, 1 if s > 1e-6 else 0, 1))
    rings[-1] = np.repeat(path[-1:], 4, 0)
    return loft(rings)


def _cactus(m: Model) -> None:
    height, r, sides = m.uniform(1.2, 2.4), m.uniform(0.22, 0.4), m.choose((6, 8, 10))
    if m.chance(0.3):
        body = ball(0.8, 1).scale(1, m.uniform(0.7, 1.2), 1).move(y=0.6)
        m.add(
            body,
            m.choose((m.color("cactus"), sectors(m.color("cactus"), m.near("cactus", 0.3), 10))),
        )
        for k in range(12):
            spine = (
                prism(0.03, 0.2, 3, 0).move(y=0.8).turn("x", 20 + 12 * (k % 5)).turn("y", k * 137.5)
            )
            m.add(spine.move(y=0.6), "cream")
        m.add(ball(0.15, 0).move(y=m.bounds()[1, 1] - 0.1), "accent")
    else:
        line = [(r, 0), (r * 1.05, height * 0.8), (r * 0.7, height * 0.95), (0, height)]
        m.add(revolve(line, sides), "cactus")
        for side in m.choose(((1,), (1, -1), (1, -1), (-1,))):
            y, out, up = (
                height * m.uniform(0.3, 0.6),
                r * m.uniform(2, 3),
                height * m.uniform(0.2, 0.5),
            )
            path = [
                (0, y, 0),
                (out * 0.8, y, 0),
                (out, y + 0.15, 0),
                (out, y + up, 0),
                (out, y + up + r * 0.4, 0),
            ]
            arm = tube(path, [r * 0.65, r * 0.65, r * 0.65, r * 0.6, r * 0.2], sides)
            m.add(arm if side > 0 else arm.mirror(), "cactus")
        if m.chance(0.4):
            m.add(ball(r * 0.5, 0).move(y=height), "accent")
    _ground(m, 0.8)


def _bush(m: Model) -> None:
    count, rough = m.integer(1, 5), m.uniform(0.05, 0.2)
    for k in range(count):
        size = m.uniform(0.45, 0.9)
        x = (k - (count - 1) / 2) * 0.6
        blob = ball(size, m.choose((1, 1, 2)), m.rng, rough).cut((0, -1, 0), size * 0.45)
        m.add(blob.move(x, size * 0.45, m.uniform(-0.35, 0.35)), m.near("leaf", 0.15))
    for _ in range(m.choose((0, 0, 8, 12))):
        a = m.uniform(0, 6.3)
        x = math.sin(a) * (0.3 * count + 0.2)
        m.add(ball(0.09, 0).move(x, m.uniform(0.3, 0.9), math.cos(a) * 0.6), "fruit")


def _grass(m: Model) -> None:
    for k in range(m.integer(6, 14)):
        out, up = m.uniform(0.1, 0.7), m.uniform(0.6, 1.4)
        path = curve(
            [(0.05, 0, 0), (out * 0.4, up * 0.7, 0), (out, up * m.uniform(0.6, 1.1), 0)], 4
        )
        blade = _leaf(path, m.uniform(0.05, 0.14)).turn("y", k * 137.5 + m.uniform(-20, 20))
        m.add(blade.move(m.uniform(-0.2, 0.2), 0, m.uniform(-0.2, 0.2)), m.near("leaf", 0.2))
    _ground(m, 0.7)


def _mushroom(m: Model) -> None:
    for k in range(m.choose((1, 1, 2, 3))):
        size, height = m.uniform(0.5, 1) * (1 if k == 0 else 0.55), m.uniform(0.5, 1.4)
        sides, tall = m.choose((6, 8, 10, 12)), m.uniform(0.3, 0.8) * size
        x, z = (0, 0) if k == 0 else (m.choose((-0.6, 0.6)) * k, m.uniform(0, 0.6))
        height *= 1 if k == 0 else 0.5
        stem = [(size * 0.3, 0), (size * 0.18, height * 0.5), (size * 0.22, height + 0.1)]
        m.add(revolve(stem, sides).move(x, 0, z), "cream")
        cap = [
            (size * 0.3, 0.06),
            (size, 0),
            (size * 0.85, tall * 0.5),
            (size * 0.45, tall * 0.92),
            (0, tall),
        ]
        m.add(revolve(cap, sides).move(x, height, z), "fruit")
        for j in range(m.choose((0, 5, 8))):
            a, d = j * 2.4, size * (0.25 + 0.5 * (j % 3) / 3)
            y = height + tall * (1 - (d / size) ** 2 * 0.8)
            m.add(ball(size * 0.1, 0).move(x + math.sin(a) * d, y, z + math.cos(a) * d), "snow")
    _ground(m, 0.8)


def _flower(m: Model) -> None:
    for k in range(m.choose((1, 1, 2, 3))):
        height, x = m.uniform(0.8, 1.6), 0.0 if k == 0 else (-1) ** k * 0.45
        line = curve([(x * 0.3, 0, 0), (x * 0.8, height * 0.6, 0), (x, height, 0)], 4)
        m.add(tube(line, 0.05, 5), "leaf")
        head, count = m.uniform(0.25, 0.5), m.integer(5, 9)
        tilt, kind = m.uniform(10, 70), m.choose(("daisy", "tulip"))
        if kind == "tulip":
            cup = [
                (0.05, 0),
                (head * 0.6, head * 0.5),
                (head * 0.45, head * 1.2),
                (0.02, head * 0.6),
            ]
            m.add(revolve(cup, 6).move(x, height, 0), "accent")
        else:
            for j in range(count):
                petal = ball(head * 0.5, 0).scale(0.6, 0.15, 1).move(z=head * 0.75)
                petal = petal.turn("y", 360 * j / count).turn("x", tilt).move(x, height, 0.05)
                m.add(petal, "accent")
            heart = ball(head * 0.38, 1).scale(1, 0.5, 1).turn("x", tilt).move(x, height, 0.08)
            m.add(heart, "gold")
        path = curve([(0, 0, 0), (0.25, 0.2, 0), (0.5, 0.15, 0)], 4)
        m.pair(
            _leaf(path, 0.12).turn("y", m.uniform(-30, 30)).move(x * 0.5, height * 0.2, 0), "leaf"
        )
    _ground(m, 0.5)


def _bare_tree(m: Model) -> None:
    """A dead tree, a stump or a log."""
    kind = m.integer(0, 2)
    if kind == 0:
        height = m.uniform(1.4, 2.4)
        end = _trunk(m, height, 0.2)
        for k in range(m.integer(3, 6)):
            y, out = height * m.uniform(0.45, 0.95), m.uniform(0.4, 0.9)
            path = [(0, y, 0), (out * 0.5, y + 0.2, 0), (out, y + m.uniform(0.4, 0.9), 0)]
            branch = tube(path, [0.1, 0.07, 0.02], 5).turn("y", k * 137.5)
            m.add(branch.move(end[0] * y / height, 0, 0), "bark")
    elif kind == 1:
        r, h = m.uniform(0.5, 0.8), m.uniform(0.4, 0.9)
        m.add(revolve([(r * 1.3, 0), (r, h * 0.4), (r * 0.95, h)], m.choose((7, 9, 12))), "bark")
        m.add(prism(r * 0.82, 0.03, 9).move(y=h), "wood3")
        for k in range(m.integer(3, 5)):
            root = tube([(r * 0.8, 0.15, 0), (r * 1.7, 0, 0)], [0.2, 0.06], 5)
            m.add(root.turn("y", k * 77), "bark")
    else:
        r, long = m.uniform(0.25, 0.45), m.uniform(1.5, 2.5)
        count = m.choose((1, 1, 3))
        for x, y in ((0, r), (2 * r, r), (r, r * 2.7))[:count]:
            m.add(prism(r, long, 8).lay("x").move(0, y, x), "bark")
            m.add(prism(r * 0.8, long + 0.04, 8).lay("x").move(0, y, x), "wood3")


PLANTS = (
    _round_tree, _round_tree, _pine, _pine, _palm, _cactus, _bush, _grass, _mushroom, _flower,
    _bare_tree,
)  # fmt: skip
