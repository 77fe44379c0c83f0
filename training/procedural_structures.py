# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into structures: fences, stairs, bridges, pillars, arches, signs."""

import math

import numpy as np

from training.procedural_model import Model, stripes
from training.procedural_solids import Solid, arc, ball, box, extrude, prism, revolve, tube


def _fence(m: Model) -> None:
    width, height, count = m.uniform(1.6, 2.6), m.uniform(0.7, 1.3), m.integer(3, 9)
    kind = m.choose(("pickets", "rails", "iron", "wall", "planks"))
    main = {"iron": "darkmetal", "wall": "stone"}.get(kind, m.choose(("wood", "snow", "darkwood")))
    post = box(0.18, height * 1.1, 0.18, top=(0.8, 0.8)).move(width / 2)
    m.pair(post, m.choose((main, "stone")))
    if kind == "wall":
        m.add(box(width, height * 0.8, 0.22), main)
        m.add(box(width, 0.1, 0.3).move(y=height * 0.8), "stone2")
        for _ in range(m.integer(3, 8)):
            brick = box(0.25, 0.12, 0.26).move(
                m.uniform(-0.42, 0.42) * width, m.uniform(0.05, 0.6) * height
            )
            m.add(brick, m.near(main, 0.25))
        return
    for y in m.choose(((0.25, 0.75), (0.2, 0.5, 0.8))):
        m.add(box(width, 0.1, 0.07).move(y=height * y), main)
    if kind == "rails":
        return
    for k in range(count):
        x = ((k + 0.5) / count - 0.5) * width
        if kind == "iron":
            m.add(prism(0.03, height, 5).move(x), main)
            m.add(prism(0.06, 0.16, 4, 0).move(x, height), m.choose((main, "gold")))
        else:
            half = width / count * (0.48 if kind == "planks" else 0.3)
            tall = height * (m.uniform(0.85, 1.05) if kind == "planks" else 0.95)
            line = [(-half, 0), (half, 0), (half, tall), (0, tall + half), (-half, tall)]
            m.add(extrude(line, 0.06).move(x, 0.05, 0.05), m.near(main, 0.1))


def _stairs(m: Model) -> None:
    count, width = m.integer(3, 9), m.uniform(0.8, 1.8)
    rise, tread = m.uniform(0.14, 0.22), m.uniform(0.2, 0.3)
    main, is_solid = m.choose(("stone", "wood", "darkstone", "metal")), m.chance(0.5)
    for k in range(count):
        z = (count / 2 - k) * tread
        high = rise * (k + 1)
        step = box(width, high if is_solid else rise * 0.45, tread * (1 if is_solid else 1.05))
        m.add(step.move(y=0 if is_solid else high - rise * 0.45, z=z), m.near(main, 0.06))
    run = count * tread / 2
    line = [
        (-run, 0),
        (run + tread, 0),
        (run + tread, count * rise),
        (run, count * rise),
        (-run, 0.15),
    ]
    if not is_solid or m.chance(0.4):
        side = extrude(line, 0.12).turn("y", 90).move(width / 2)
        m.pair(side, "darkwood" if main == "wood" else "stone2")
    if m.chance(0.45):
        rail = [(width / 2, 0.75, run), (width / 2, 0.75 + count * rise, -run)]
        m.pair(tube(rail, 0.05, 5), "darkwood")
        for z, y in ((run, 0.0), (0.0, count * rise / 2), (-run, count * rise)):
            m.pair(box(0.08, 0.78, 0.08).move(width / 2, y, z), "darkwood")


def _bridge(m: Model) -> None:
    length, width, bow = m.uniform(2, 3.4), m.uniform(0.8, 1.3), m.uniform(0.0, 0.6)
    kind, count = m.choose(("planks", "stone")), m.integer(6, 10)
    main = "wood" if kind == "planks" else "stone"
    x = np.linspace(-length / 2, length / 2, count + 1)
    y = bow * (1 - (2 * x / length) ** 2) + 0.5
    if kind == "stone":
        r = length * m.uniform(0.2, 0.3)
        hole = arc(1, 180, 0, 7) * (r, min(r, 0.45 + bow * 0.8))
        line = [(-length / 2, 0), *hole.tolist(), (length / 2, 0)]
        line += list(zip(x[::-1], y[::-1], strict=True))
        m.add(extrude(line, width), main)
        side = extrude([*zip(x, y, strict=True), *zip(x[::-1], y[::-1] + 0.25, strict=True)], 0.14)
        m.add(side.move(z=width / 2), "stone2")
        m.add(side.move(z=-width / 2), "stone2")
    else:
        for k in range(count):
            slope = math.degrees(math.atan2(y[k + 1] - y[k], x[k + 1] - x[k]))
            plank = box(length / count * 0.92, 0.08, width).turn("z", slope)
            m.add(plank.move((x[k] + x[k + 1]) / 2, (y[k] + y[k + 1]) / 2), m.near(main, 0.12))
        for z in (width / 2, -width / 2):
            m.add(tube(np.stack([x, y + 0.5, np.full_like(x, z)], 1), 0.05, 5), "wood2")
            for k in range(0, count + 1, 2):
                m.add(
                    box(0.09, 0.6 + (y[k] if k in (0, count) else 0), 0.09).move(
                        x[k], y[k] + 0.5 - (0.6 + (y[k] if k in (0, count) else 0)) + 0.05, z
                    ),
                    "wood2",
                )
    if m.chance(0.5):
        m.repeat([lambda s: s.turn("y", 90)])


def _pillar(m: Model) -> None:
    sides, height, r = m.choose((4, 6, 8, 10, 12)), m.uniform(1.2, 2.8), m.uniform(0.22, 0.4)
    main = m.choose(("stone", "plaster", "darkstone", "gold", "wood"))
    m.add(box(r * 3.1, 0.16, r * 3.1, 0.03), main)
    line = [
        (r * 1.4, 0.16),
        (r * 1.4, 0.28),
        (r, 0.4),
        (r * m.uniform(0.75, 1), height),
        (r * 1.35, height + 0.18),
    ]
    is_broken = m.chance(0.2)
    shaft = revolve(line[:4] if is_broken else line, sides)
    if is_broken:
        low = height * 0.65 + 0.5 * shaft.vertices[:, 0]
        limits = np.stack([np.full_like(low, 9), low, np.full_like(low, 9)], 1)
        shaft = Solid(np.minimum(shaft.vertices, limits), shaft.faces)
    m.add(shaft, main)
    if not is_broken:
        m.add(box(r * 3, 0.16, r * 3).move(y=height + 0.18), m.choose((main, "stone2")))
        thing = m.choose(("none", "none", "ball", "fire", "gem", "bowl"))
        y = height + 0.34
        if thing == "ball":
            m.add(ball(r, 1).move(y=y + r * 0.9), m.choose((main, "gold")))
        elif thing == "gem":
            m.add(revolve([(0, 0), (r, 0.4), (0, 0.9)], 6).move(y=y + 0.1), "crystal")
        elif thing in ("fire", "bowl"):
            m.add(revolve([(r * 0.5, 0), (r * 1.5, 0.35), (0, 0.2)], sides).move(y=y), "darkmetal")
            if thing == "fire":
                m.add(revolve([(r, 0), (r * 0.9, 0.3), (0, 0.9)], 6).move(y=y + 0.15), "gold")


def _arch(m: Model) -> None:
    width, height, depth = m.uniform(1.4, 2.4), m.uniform(1.2, 2.2), m.uniform(0.3, 0.7)
    leg, main = m.uniform(0.2, 0.4), m.choose(("stone", "plaster", "darkstone", "wood"))
    inner = width / 2 - leg
    hole = (arc(inner, 180, 0, 9) * (1, m.choose((1, 0.6, 0.02))) + (0, height * 0.65)).tolist()
    kind = m.choose(("flat", "round", "gate"))
    if kind == "round":
        line = arc(width / 2, 0, 180, 9, height * 0.65)
        outer = [(width / 2, 0), *line.tolist(), (-width / 2, 0)]
    else:
        top = height * 0.7 + inner
        outer = [(width / 2, 0), (width / 2, top), (-width / 2, top), (-width / 2, 0)]
        m.add(box(width * 1.1, 0.18, depth * 1.2).move(y=top), m.choose((main, "roof")))
    m.add(extrude([*outer, (-inner, 0), *hole, (inner, 0)], depth), main)
    m.pair(box(leg * 1.3, 0.2, depth * 1.2).move(width / 2 - leg / 2), "stone2")
    if kind == "gate":
        m.pair(box(inner * 0.97, height * 0.8, 0.08).move(inner / 2), "wood")
        m.pair(ball(0.06, 0).move(0.12, height * 0.4, 0.06), "gold")
        for y in (0.15, 0.6):
            m.pair(box(inner * 0.9, 0.08, 0.14).move(inner / 2, height * y), "darkmetal")
    if m.chance(0.15):
        m.add(prism(inner, 0.06, 16).lay("z").move(y=height * 0.55), "crystal")


def _sign(m: Model) -> None:
    """A signpost, a flag, a banner, a gravestone or a target."""
    kind = m.choose(("board", "arrows", "flag", "banner", "grave", "target", "traffic"))
    height, post = m.uniform(1.2, 2), m.choose(("wood", "darkmetal", "metal"))
    if kind == "grave":
        _grave(m)
        return
    m.add(prism(0.07, height, m.choose((4, 6, 8))), post)
    if kind == "board":
        width, tall = m.uniform(0.8, 1.6), m.uniform(0.4, 0.8)
        m.add(box(width, tall, 0.1, 0.02).move(y=height * 0.6, z=0.08), "wood2")
        m.add(
            box(width * 0.86, tall * 0.75, 0.12).move(y=height * 0.6 + tall * 0.12, z=0.1),
            m.choose(("cream", "accent")),
        )
    elif kind == "arrows":
        for k in range(m.integer(1, 3)):
            line = [(-0.35, 0), (0.4, 0), (0.6, 0.12), (0.4, 0.24), (-0.35, 0.24)]
            plate = extrude(line, 0.08).move(0, height * 0.85 - 0.34 * k, 0.08)
            m.add(plate if m.chance(0.5) else plate.mirror(), m.near("wood2", 0.15))
    elif kind == "flag":
        _flag(m, height)
    elif kind == "banner":
        m.add(prism(0.05, 0.9, 6).lay("x").move(y=height, z=0.06), post)
        line = [(-0.36, 0), (0.36, 0), (0.36, -0.9), (0, -m.uniform(0.6, 1.1)), (-0.36, -0.9)]
        m.add(extrude(line, 0.04).move(0, height, 0.08), "cloth")
        m.add(
            extrude([(x * 0.45, y * 0.5 - 0.2) for x, y in line], 0.06).move(0, height, 0.09),
            "accent",
        )
    elif kind == "target":
        for k in range(3):
            ring = prism(0.6 - 0.2 * k, 0.12 + 0.04 * k, 12).lay("z").move(y=height, z=0.1)
            m.add(ring, "fruit" if k % 2 == 0 else "cream")
    else:
        m.add(box(0.4, 1, 0.3, 0.04).move(y=height), "darkmetal")
        for k, code in enumerate(("fruit", "gold", "leaf")):
            m.add(prism(0.13, 0.1, 8).lay("z").move(y=height + 0.82 - 0.3 * k, z=0.16), code)


def _flag(m: Model, height: float) -> None:
    """A striped flag at the top of its pole."""
    m.add(
        box(0.95, 0.55, 0.04).move(0.5, height - 0.56),
        stripes(m.color("cloth"), m.color("cloth2"), 1),
    )
    m.add(box(0.95, 0.18, 0.05).move(0.5, height - 0.37), "cream")
    m.add(ball(0.1, 1).move(y=height), "gold")
    m.add(prism(0.3, 0.1, 8), "stone")


def _grave(m: Model) -> None:
    """A gravestone with a cross."""
    width, tall = m.uniform(0.7, 1), m.uniform(0.5, 1)
    top = arc(width / 2, 0, 180, m.choose((3, 5, 7)), tall)
    m.add(extrude([(-width / 2, 0), (width / 2, 0), *top.tolist()], 0.22), "stone")
    m.add(box(width * 1.3, 0.14, 0.5), "darkstone")
    m.add(box(0.1, tall * 0.7, 0.3).move(y=tall * 0.4), "stone2")
    m.add(box(width * 0.5, 0.1, 0.3).move(y=tall * 0.8), "stone2")


def _ladder(m: Model) -> None:
    height, width, count = m.uniform(1.6, 2.8), m.uniform(0.5, 0.8), m.integer(4, 8)
    main = m.choose(("wood", "metal", "paint", "darkwood"))
    m.pair(box(0.1, height, 0.1).move(width / 2), main)
    for k in range(count):
        m.add(box(width, 0.07, 0.07).move(y=height * (k + 0.6) / (count + 0.2)), m.near(main, 0.1))
    lean = m.choose((0, 0, m.uniform(10, 20)))
    m.repeat([lambda s: s.turn("x", -lean)])
    if lean and m.chance(0.6):
        far = -math.tan(math.radians(lean)) * height
        m.pair(box(0.1, height, 0.08).turn("x", lean).move(width / 2, 0, 2 * far), main)


STRUCTURES = (_fence, _stairs, _bridge, _pillar, _arch, _sign, _sign, _ladder)
