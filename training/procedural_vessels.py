# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into vessels and food: bottles, pots, cups, barrels, burgers, fruit."""

import math

import numpy as np

from training.procedural_model import Model, gradient, sectors, stripes
from training.procedural_solids import (
    Solid,
    ball,
    box,
    curve,
    prism,
    revolve,
    ring_of,
    tube,
)


def _hollow(outer: np.ndarray, wall: float, floor: float, sides: int) -> Solid:
    """An open vessel: this outer profile and, inside it, one thinner by the wall."""
    inner = outer[outer[:, 1] > floor][::-1] * (1, 1)
    inner = np.stack([np.maximum(inner[:, 0] - wall, 0.02), inner[:, 1]], 1)
    return revolve([*outer.tolist(), *inner.tolist(), (0.0, floor)], sides)


def _handle(m: Model, x: float, y: float, reach: float, height: float) -> Solid:
    """An ear on the right side at (x, y), y its middle."""
    half, thick = height / 2, height * m.uniform(0.08, 0.16)
    kind = m.integer(0, 2)
    if kind == 0:
        line = [
            (0, half),
            (reach * 0.8, half * 0.9),
            (reach, 0),
            (reach * 0.8, -half * 0.9),
            (0, -half),
        ]
    elif kind == 1:
        line = [(0, half), (reach, half), (reach, -half), (0, -half)]
    else:
        line = [(0, half * 0.8), (reach * 0.9, half), (reach, half * 0.3), (reach * 0.3, -half)]
    path = line if kind == 1 else curve(line, 7).tolist()
    return tube([(x - thick * 0.4 + px, y + py, 0) for px, py in path], thick, m.choose((4, 6)))


def _bottle(m: Model) -> None:
    sides = m.choose((6, 8, 10, 12, 16))
    belly, height, neck = m.uniform(0.25, 0.8), m.uniform(0.6, 1.6), m.uniform(0.1, 0.2)
    kind = m.integer(0, 3)
    if kind == 0:
        line = [(belly, 0), (belly, height * 0.6), (neck, height * 0.8), (neck, height * 1.1)]
    elif kind == 1:
        knots = [
            (belly * 0.6, 0),
            (belly, height * 0.35),
            (neck * 1.2, height * 0.75),
            (neck, height),
        ]
        line = curve(knots, m.integer(7, 10)).tolist()
    elif kind == 2:
        line = [(belly, 0), (neck, height * 0.7), (neck, height)]
    else:
        round_part = [
            (belly * math.sin(a), belly * (1 - math.cos(a))) for a in np.linspace(0.35, 2.8, 7)
        ]
        line = [*round_part, (neck, belly * 2 + 0.3)]
    top = line[-1][1]
    glass = m.choose(("glass", "leaf", "crystal", "ceramic", "water"))
    paint = m.color(glass)
    if m.chance(0.4):
        paint = gradient(m.color("crystal"), m.color("glass"))
    m.add(revolve(line, sides), paint)
    m.add(
        ring_of(neck * 1.35, neck * 0.9, 0.08, sides).move(y=top - 0.06), m.choose((glass, "gold"))
    )
    m.add(prism(neck * 0.95, m.uniform(0.12, 0.3), sides, neck * 1.1).move(y=top - 0.02), "wood")
    if m.chance(0.4):
        r, y = line[0][0], top * m.uniform(0.15, 0.3)
        if kind == 0:
            m.add(ring_of(r * 1.03, r * 0.9, height * 0.25, sides).move(y=y), "cream")
        else:
            m.add(ball(0.12, 0).move(y=top + 0.3), "accent")


def _pot(m: Model) -> None:
    """A vase, jar, amphora or urn, open or with a lid."""
    sides, height = m.choose((6, 8, 10, 12, 16)), m.uniform(0.8, 1.8)
    radii = [m.uniform(0.25, 0.6), m.uniform(0.4, 0.9), m.uniform(0.3, 0.8), m.uniform(0.2, 0.5)]
    knots = [(r, height * k / 3) for k, r in enumerate(radii)]
    line = curve(knots, m.integer(5, 9))
    rim = line[-1, 0] * m.uniform(1.05, 1.4)
    if m.chance(0.6):
        line = np.concatenate([line, [(rim, height * 1.06), (rim, height * 1.12)]])
    base = m.color("ceramic")
    choices = (
        base,
        base,
        stripes(base, m.color("ceramic2"), m.integer(3, 7)),
        gradient(m.color("ceramic2"), base),
    )
    paint = m.choose(choices)
    if m.chance(0.6):
        m.add(_hollow(line, line[-1, 0] * 0.18, height * m.uniform(0.1, 0.8), sides), paint)
        _filling(m, line[-1, 0] * 0.8, height)
    else:
        m.add(revolve(line, sides), paint)
        lid, top = line[-1, 0] * 1.08, line[-1, 1]
        cover = [
            (lid, 0),
            (lid, 0.06),
            (lid * 0.5, lid * 0.35),
            (0.08, lid * 0.4),
            (0.12, lid * 0.4 + 0.1),
        ]
        m.add(revolve([*cover, (0, lid * 0.4 + 0.16)], sides).move(y=top - 0.02), "ceramic3")
    ears = m.integer(0, 2)
    if ears:
        handle = _handle(m, line[len(line) // 2 + 1, 0], height * 0.72, 0.3, height * 0.4)
        (m.pair if ears == 2 else m.add)(handle, "ceramic3")


def _filling(m: Model, radius: float, height: float) -> None:
    """What stands in an open pot: nothing, earth and a plant, water or stalks."""
    kind = m.choose(("none", "none", "plant", "leaves", "cactus"))
    if kind == "none":
        return
    m.add(prism(radius * 0.95, 0.08, 8).move(y=height * 0.9), "dirt")
    if kind == "plant":
        stem = m.uniform(0.3, 0.9)
        m.add(tube([(0, height * 0.9, 0), (0, height + stem, 0)], 0.06, 5), "bark")
        m.add(ball(m.uniform(0.35, 0.7), 1, m.rng, 0.12).move(y=height + stem + 0.2), "leaf")
    elif kind == "cactus":
        body = [(0.22, 0), (0.32, 0.25), (0.3, 0.6), (0.15, 0.8), (0, 0.85)]
        m.add(revolve(body, 8).move(y=height * 0.9), "cactus")
    else:
        for k in range(m.integer(5, 9)):
            out, up = m.uniform(0.3, 0.8), m.uniform(0.5, 1.1)
            line = [(0, 0, 0), (out * 0.35, up, 0), (out, up * m.uniform(0.6, 1.2), 0)]
            leaf = tube(curve(line, 5), [0.03, 0.1, 0.12, 0.08, 0.01], 4).scale(1, 1, 1.5)
            turned = leaf.turn("y", k * 137.5).move(y=height * 0.9)
            m.add(turned, m.near("leaf", 0.2))


def _cup(m: Model) -> None:
    sides, height = m.choose((6, 8, 10, 12, 16)), m.uniform(0.6, 1.2)
    low, top = m.uniform(0.3, 0.5), m.uniform(0.4, 0.65)
    line = curve(
        [(low, 0), ((low + top) / 2 * m.uniform(0.9, 1.2), height / 2), (top, height)],
        m.choose((2, 4, 6)),
    )
    main = m.choose(("ceramic", "wood", "metal", "paint"))
    paint = m.color(main)
    if m.chance(0.3):
        paint = stripes(paint, m.color("accent"), 3)
    m.add(_hollow(line, top * 0.14, height * 0.1, sides), paint)
    m.add(
        prism(top * 0.84, 0.03, sides).move(y=height * m.uniform(0.7, 0.88)),
        m.choose(("bark", "water", "cream", "fruit")),
    )
    if m.chance(0.75):
        m.add(
            _handle(m, (low + top) / 2, height * 0.52, top * 0.6, height * 0.6),
            m.choose((main, "accent")),
        )
    if m.chance(0.35):
        m.add(
            revolve([(0.5, 0), (top * 1.7, 0.1), (top * 1.7, 0.14), (0, 0.06)], sides).move(
                y=-0.06
            ),
            main,
        )


def _goblet(m: Model) -> None:
    sides, bowl = m.choose((6, 8, 10, 12)), m.uniform(0.3, 0.6)
    stem, tall, foot = m.uniform(0.3, 0.8), m.uniform(0.4, 0.9), m.uniform(0.25, 0.45)
    knots = [(0.08, stem), (bowl, stem + tall * 0.4), (bowl * m.uniform(0.7, 1.1), stem + tall)]
    line = [(foot, 0), (foot * 0.9, 0.06), (0.07, 0.14), (0.07, stem * 0.5), (0.13, stem * 0.6)]
    line += [(0.07, stem * 0.7), *curve(knots, 5).tolist()]
    metal = m.choose(("gold", "metal", "glass", "ceramic"))
    m.add(_hollow(np.array(line), bowl * 0.12, stem + tall * 0.25, sides), metal)
    if m.chance(0.4):
        m.add(
            prism(bowl * 0.85, 0.03, sides).move(y=stem + tall * 0.6), m.choose(("fruit", "water"))
        )
    if m.chance(0.35):
        m.pair(_handle(m, bowl * 0.9, stem + tall * 0.55, bowl * 0.5, tall * 0.7), metal)


def _barrel(m: Model) -> None:
    sides, height = m.choose((8, 10, 12, 16)), m.uniform(1, 1.7)
    radius, bulge = m.uniform(0.45, 0.6), m.uniform(1, 1.35)
    main, band = m.choose(
        (("wood", "darkmetal"), ("wood", "metal"), ("paint", "paint2"), ("metal", "darkmetal"))
    )
    knots = [(radius, 0), (radius * bulge, height / 2), (radius, height)]
    line = curve(knots, m.choose((3, 5, 7)))
    body = _hollow(line, 0.06, height * 0.93, sides) if m.chance(0.7) else revolve(line, sides)
    paint = sectors(m.color(main), m.near(main, 0.2), sides) if m.chance(0.5) else m.color(main)
    parts = [(body, paint)]
    for share in m.choose(((0.15, 0.85), (0.05, 0.35, 0.65, 0.95), (0.5,), (0.03, 0.5, 0.97))):
        r = float(np.interp(share * height, line[:, 1], line[:, 0])) + 0.03
        parts.append(
            (
                ring_of(r, r * 0.85, height * 0.09, sides).move(y=height * (share - 0.045)),
                m.color(band),
            )
        )
    is_lying = m.chance(0.2)
    for solid, colour in parts:
        m.add(solid.lay("z").move(y=radius) if is_lying else solid, colour)
    if is_lying:
        low = m.bounds()[0, 1]
        m.pair(box(radius * 0.5, 0.25, height * 0.7).move(radius * 0.6, low - 0.02), "wood2")
        m.add(prism(0.08, 0.2, 6).lay("z").move(y=low + radius * 0.5, z=height / 2), "darkmetal")
    elif m.chance(0.15):
        m.repeat(
            [
                lambda s: s.move(-radius * bulge),
                lambda s: s.move(radius * bulge * 1.02),
                lambda s: s.turn("y", 30).move(y=height),
            ]
        )


def _bucket(m: Model) -> None:
    sides, height = m.choose((8, 10, 12)), m.uniform(0.8, 1.1)
    low, top = m.uniform(0.35, 0.5), m.uniform(0.5, 0.65)
    main = m.choose(("metal", "wood", "paint"))
    line = np.array([(low, 0), ((low + top) / 2, height / 2), (top, height)])
    m.add(_hollow(line, 0.05, 0.08, sides), main)
    for share in (0.2, 0.85):
        r = low + (top - low) * share + 0.02
        m.add(ring_of(r + 0.01, r * 0.9, 0.08, sides).move(y=height * share), "darkmetal")
    if m.chance(0.5):
        m.add(
            prism(top * 0.88, 0.05, sides).move(y=height * 0.75),
            m.choose(("water", "dirt", "snow", "fruit")),
        )
    lean = m.choose((0, 0, 60))
    bow = [(top * math.cos(a), top * 1.1 * math.sin(a), 0) for a in np.linspace(0, math.pi, 9)]
    m.add(tube(bow, 0.03, 5).turn("x", lean).move(y=height * 0.95), "darkmetal")


def _bowl(m: Model) -> None:
    sides, radius, height = m.choose((8, 10, 12, 16)), m.uniform(0.6, 1), m.uniform(0.15, 0.7)
    knots = [(radius * m.uniform(0.3, 0.6), 0), (radius * 0.85, height * 0.45), (radius, height)]
    main = m.choose(("ceramic", "wood", "metal"))
    m.add(_hollow(curve(knots, 5), radius * 0.08, height * 0.15, sides), main)
    kind = m.choose(("none", "soup", "fruit", "cauldron"))
    if kind == "soup":
        m.add(
            prism(radius * 0.85, 0.04, sides).move(y=height * 0.7),
            m.choose(("fruit", "cream", "leaf")),
        )
    elif kind == "fruit":
        for k in range(m.integer(3, 7)):
            size, a = radius * m.uniform(0.2, 0.3), k * 2.4
            spot = ball(size, 1).move(
                math.sin(a) * radius * 0.45, height * 0.7 + size * 0.4, math.cos(a) * radius * 0.45
            )
            m.add(spot, m.fresh("fruit"))
    elif kind == "cauldron":
        for k in range(3):
            foot = prism(0.08, 0.3, 5, 0.12).move(0, -0.22, radius * 0.5)
            m.add(foot.turn("y", 60 + 120 * k), main)
        m.pair(_handle(m, radius * 0.95, height * 0.7, 0.2, height * 0.5), main)


def _teapot(m: Model) -> None:
    sides, r = m.choose((8, 10, 12, 16)), m.uniform(0.5, 0.75)
    tall = r * m.uniform(1.1, 1.9)
    knots = [(r * 0.6, 0), (r, tall * 0.4), (r * m.uniform(0.5, 0.9), tall * 0.85), (r * 0.4, tall)]
    main = m.choose(("ceramic", "metal", "paint"))
    m.add(revolve(curve(knots, 8), sides), main)
    m.add(revolve([(r * 0.45, 0), (r * 0.3, 0.12), (0, 0.16)], sides).move(y=tall - 0.02), "accent")
    m.add(ball(0.09, 1).move(y=tall + 0.18), "accent")
    spout = [(-r * 0.8, tall * 0.35, 0), (-r * 1.3, tall * 0.5, 0), (-r * 1.6, tall * 0.95, 0)]
    m.add(tube(curve(spout, 5), [0.2, 0.17, 0.13, 0.1, 0.08], 8), main)
    m.add(_handle(m, r * 0.85, tall * 0.55, r * 0.7, tall * 0.65), m.choose((main, "wood")))


VESSELS = (_bottle, _bottle, _pot, _pot, _cup, _goblet, _barrel, _barrel, _bucket, _bowl, _teapot)
