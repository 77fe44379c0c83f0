# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into boats and aeroplanes, all of which face +Z."""

import numpy as np

from training.procedural_model import Model, below
from training.procedural_solids import (
    Solid,
    ball,
    box,
    extrude,
    loft,
    prism,
    revolve,
    tube,
)  # fmt: skip
from training.procedural_vehicles import side_plate


def _hull(m: Model, long: float, width: float, tall: float, deck: float) -> Solid:
    """A boat's hull with its bow at +Z and a floor at the share `deck` of its height."""
    spread = [(-0.5, 0.75), (-0.35, 0.95), (0.0, 1.0), (0.3, 0.75), (0.5, 0.06)]
    bow, keel = m.uniform(0.1, 0.4) * tall, m.uniform(0.3, 0.7)
    rings = []
    for share, wide in spread:
        z, w, rise = share * long, wide * width / 2, bow * (2 * abs(share)) ** 2
        f, inner = tall * deck, max(w - 0.07, 0.02)
        zi = z * 0.95
        low = [(-w * keel, 0, z * 0.85), (w * keel, 0, z * 0.85), (w, tall + rise, z)]
        well = [(inner, tall + rise, zi), (inner * 0.8, f, zi * 0.95)]
        well += [(-inner * 0.8, f, zi * 0.95), (-inner, tall + rise, zi)]
        rings.append([*low, *well, (-w, tall + rise, z)])
    return loft(np.array(rings, float))


def _boat(m: Model) -> None:
    long, width, tall = m.uniform(2, 3.6), m.uniform(0.8, 1.2), m.uniform(0.4, 0.8)
    kind = m.choose(("rowing", "sail", "sail", "motor", "galleon"))
    main = "wood" if kind != "motor" else m.choose(("paint", "snow"))
    hull = _hull(m, long, width, tall, 0.35 if kind == "rowing" else 0.8)
    m.add(
        hull,
        below(m.color("darkwood"), m.color(main), tall * 0.3) if m.chance(0.2) else m.color(main),
    )
    if kind == "rowing":
        for z in (-0.25, 0.05):
            m.add(box(width * 0.85, 0.06, 0.2).move(y=tall * 0.7, z=z * long), "wood2")
        oar = tube([(width * 0.3, tall * 1.1, 0), (width, tall * 0.5, 0.1)], 0.035, 5)
        if m.chance(0.6):
            m.pair(oar, "wood2")
            m.pair(box(0.12, 0.4, 0.04).turn("z", 60).move(width * 1.25, tall * 0.35, 0.1), "wood2")
    elif kind == "motor":
        _cabin(m, long, width, tall)
    else:
        count = 1 if kind == "sail" else m.integer(2, 3)
        if kind == "galleon":
            m.add(
                box(width * 0.8, tall * 0.9, long * 0.25).move(y=tall * 0.7, z=-long * 0.36), main
            )
        for k in range(count):
            z = (0.1 if count == 1 else 0.28 - 0.5 * k / (count - 1)) * long
            _mast(
                m,
                z,
                tall * 0.5,
                m.uniform(1.4, 2.2) * long / 2.6,
                width,
                is_square=kind == "galleon",
            )


def _cabin(m: Model, long: float, width: float, tall: float) -> None:
    """The cabin of a motor boat, with up to two funnels."""
    m.add(
        box(width * 0.65, 0.4, long * 0.3, 0.03, (0.9, 0.75)).move(y=tall * 0.8, z=-0.05 * long),
        "snow",
    )
    m.add(box(width * 0.68, 0.18, long * 0.27).move(y=tall * 0.8 + 0.15, z=-0.05 * long), "glass")
    for k in range(m.integer(0, 2)):
        m.add(prism(0.14, 0.5, 8).move(y=tall * 0.8 + 0.35, z=(-0.02 - 0.12 * k) * long), "fruit")


def _mast(m: Model, z: float, y: float, tall: float, width: float, is_square: bool) -> None:
    """A mast with its sails."""
    m.add(prism(0.06, tall, 6, 0.04).move(y=y, z=z), "wood2")
    if not is_square:
        line = [(0.05, 0.3), (0.05, tall * 0.95), (tall * 0.5, 0.35)]
        sail = extrude(line, 0.04).turn("y", 90).move(0, y, z)
        m.add(sail, "cream")
        if m.chance(0.6):
            jib = extrude([(-0.05, 0.35), (-0.05, tall * 0.8), (-tall * 0.35, 0.35)], 0.04)
            m.add(jib.turn("y", 90).move(0, y, z), "cream2")
        return
    for k in range(m.integer(1, 2)):
        low, high, wide = (
            tall * (0.3 + 0.35 * k),
            tall * (0.58 + 0.33 * k),
            width * (0.75 - 0.15 * k),
        )
        rows = [(low, 0.0), ((low + high) / 2, 0.14), (high, 0.0)]
        front = [
            [(-wide, h, b + 0.03), (wide, h, b + 0.03), (wide, h, b), (-wide, h, b)]
            for h, b in rows
        ]
        m.add(loft(np.array(front)).move(y=y, z=z), "cream")
        m.add(prism(0.04, wide * 2.1, 5).lay("x").move(y=y + high, z=z), "wood2")
    if m.chance(0.6):
        m.add(extrude([(0, 0), (0.3, 0.08), (0, 0.18)], 0.03).move(0, y + tall, z), "fruit")


def _plane(m: Model) -> None:
    long, r = m.uniform(2.2, 3.2), m.uniform(0.25, 0.4)
    kind, sides = m.choose(("propeller", "jet", "airliner")), m.choose((6, 8, 10))
    knots = [
        (r * 0.2, -0.5 * long),
        (r * 0.6, -0.3 * long),
        (r, 0),
        (r, 0.3 * long),
        (r * 0.55, 0.46 * long),
    ]
    nose = 0 if kind != "propeller" else r * 0.4
    body = revolve([*knots, (nose, 0.5 * long)], sides).turn("x", 90)
    m.add(body, m.choose(("snow", "paint", "metal")))
    span, chord = long * m.uniform(0.42, 0.6), long * m.uniform(0.14, 0.24)
    sweep = {"propeller": 0.0, "jet": chord * 1.6, "airliner": chord * 1.2}[kind]
    wing = [
        (0, chord / 2),
        (span, chord * 0.25 - sweep),
        (span, -chord * 0.25 - sweep),
        (0, -chord / 2),
    ]
    plate = (
        extrude(wing, 0.07).turn("x", 90).move(y=m.choose((-r * 0.4, 0, r * 0.5)), z=long * 0.08)
    )
    plate = plate.turn("z", m.uniform(0, 6))
    m.pair(plate, m.choose(("paint2", "snow", "metal")))
    if kind == "propeller" and m.chance(0.35):
        m.pair(plate.move(y=r * 2.2), "paint2")
        m.pair(box(0.05, r * 2.2, 0.05).move(span * 0.6, 0.05, long * 0.08), "wood")
    tail = [(x * 0.4, z * 0.6) for x, z in wing]
    m.pair(extrude(tail, 0.05).turn("x", 90).move(z=-long * 0.42), "paint2")
    _fin(m, r, long)
    m.add(ball(r * 0.7, 1).scale(0.8, 0.8, 1.5).move(y=r * 0.7, z=long * 0.2), "glass")
    _engines(m, kind, r, long, span)


def _fin(m: Model, r: float, long: float) -> None:
    """The upright fin of the tail."""
    fin = [
        (-long * 0.5, r * 2),
        (-long * 0.42, r * 2),
        (-long * 0.28, r * 0.4),
        (-long * 0.48, r * 0.1),
    ]
    m.add(side_plate(fin, 0.06), "paint2")


def _engines(m: Model, kind: str, r: float, long: float, span: float) -> None:
    """A propeller and wheels, or jets, for a body of this radius."""
    if kind == "propeller":
        m.add(prism(r * 0.25, 0.2, 6, 0).turn("x", 90).move(z=long * 0.5), "darkmetal")
        m.add(
            box(0.1, r * 3, 0.05).move(y=-r * 1.5, z=long * 0.52).turn("z", m.uniform(0, 90)),
            "wood",
        )
        m.pair(prism(0.16, 0.1, 8).lay("x").move(r * 0.8, -r * 1.4, long * 0.2), "rubber")
        m.pair(
            tube([(r * 0.4, -r * 0.5, long * 0.2), (r * 0.8, -r * 1.4, long * 0.2)], 0.04, 4),
            "metal",
        )
    else:
        x = span * m.uniform(0.3, 0.5) if kind == "airliner" else r * 0.9
        engine = revolve([(r * 0.3, 0), (r * 0.42, 0.3), (r * 0.36, 0.7)], 8).lay("z")
        m.pair(
            engine.move(x, -r * 0.45, long * 0.05 if kind == "airliner" else -long * 0.35),
            "darkmetal",
        )


CRAFT = (_boat, _boat, _plane)
