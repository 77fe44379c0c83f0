# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into machines: aircraft with rotors, rockets, robots, gears, cannons."""

import math

import numpy as np

from training.procedural_model import Model, below, stripes
from training.procedural_solids import (
    ball,
    box,
    curve,
    extrude,
    loft,
    prism,
    revolve,
    ring_of,
    tube,
)  # fmt: skip
from training.procedural_vehicles import add_wheels, side_plate


def _helicopter(m: Model) -> None:
    r = m.uniform(0.45, 0.6)
    m.add(ball(r, 1).scale(0.9, 1, 1.4), "paint")
    m.add(ball(r * 0.8, 1).scale(0.85, 0.9, 1.2).move(y=r * 0.12, z=r * 0.65), "glass")
    tail = m.uniform(1.2, 1.8)
    m.add(tube([(0, r * 0.2, -r), (0, r * 0.4, -r - tail)], [r * 0.4, 0.08], 6), "paint")
    m.add(
        extrude([(-0.1, 0), (0.15, 0), (0.3, 0.5), (0.1, 0.5)], 0.06)
        .turn("y", 90)
        .move(y=r * 0.4, z=-r - tail),
        "paint2",
    )
    m.add(prism(0.07, 0.35, 6).move(y=r * 0.85), "darkmetal")
    blade, turn = m.uniform(1.2, 1.7), m.uniform(0, 90)
    count = m.choose((2, 3, 4))
    for k in range(count):
        rotor = box(0.16, 0.04, blade).move(z=blade / 2).turn("y", turn + 360 * k / count)
        m.add(rotor.move(y=r * 0.85 + 0.3), "darkmetal")
    m.pair(
        tube(
            [
                (r * 0.75, -r * 1.25, -r * 1.2),
                (r * 0.75, -r * 1.25, r * 1.3),
                (r * 0.75, -r * 1.1, r * 1.6),
            ],
            0.05,
            5,
        ),
        "metal",
    )
    for z in (-0.5, 0.6):
        m.pair(tube([(r * 0.4, -r * 0.6, z * r), (r * 0.75, -r * 1.25, z * r)], 0.04, 4), "metal")


def _rocket(m: Model) -> None:
    """A rocket, a saucer or a space fighter."""
    kind, sides = m.choose(("rocket", "rocket", "saucer", "fighter")), m.choose((6, 8, 10, 12))
    if kind == "rocket":
        r, tall = m.uniform(0.35, 0.5), m.uniform(1.6, 2.6)
        line = curve([(r * 0.6, 0), (r, tall * 0.35), (r * 0.8, tall * 0.7), (0.01, tall)], 8)
        colours = (m.color("paint"), m.color("snow"))
        m.add(
            revolve(line, sides),
            m.choose(
                (m.color("snow"), stripes(*colours, 4), below(colours[1], colours[0], tall * 0.68))
            ),
        )
        fin = [(r * 0.6, tall * 0.35), (r * 1.9, 0), (r * 1.7, -0.35), (r * 0.5, 0.1)]
        count = m.choose((3, 4))
        for k in range(count):
            m.add(extrude(fin, 0.1).turn("y", 360 * k / count + 45), "paint")
        m.add(prism(r * 0.6, 0.2, sides, r * 0.4).move(y=-0.18), "darkmetal")
        m.add(prism(r * 0.45, 0.12, 8).lay("z").move(y=tall * 0.55, z=r * 0.9), "metal")
        m.add(prism(r * 0.34, 0.16, 8).lay("z").move(y=tall * 0.55, z=r * 0.9), "glass")
    elif kind == "saucer":
        flat = m.uniform(0.2, 0.4)
        m.add(revolve([(0.4, -flat), (1.2, 0), (1.2, 0.06), (0.5, flat)], 12), "metal")
        m.add(ball(0.55, 1).scale(1, 0.8, 1).move(y=flat), "glass")
        for k in range(8):
            m.add(ball(0.09, 0).move(z=1.1).turn("y", 45 * k).move(y=0.08), "accent")
        for k in range(m.choose((0, 3))):
            m.add(
                tube([(0.4, -flat, 0), (0.8, -0.9, 0)], 0.06, 5).turn("y", 120 * k + 90),
                "darkmetal",
            )
    else:
        long, wide = m.uniform(1.8, 2.8), m.uniform(0.5, 0.8)
        m.add(revolve([(0.3, -long / 2), (0.34, 0), (0.05, long / 2)], 6).turn("x", 90), "paint")
        m.add(ball(0.25, 1).scale(0.8, 0.9, 1.8).move(y=0.22), "glass")
        wing = [(0, 0.3), (wide, -0.1), (wide * 1.8, -0.8), (wide * 1.7, -1.0), (0, -0.7)]
        m.pair(extrude(wing, 0.08).turn("x", 90).turn("z", m.uniform(-15, 15)), "paint2")
        m.pair(prism(0.18, 0.9, 8).lay("z").move(0.4, 0, -long * 0.35), "metal")
        m.pair(prism(0.13, 0.95, 8).lay("z").move(0.4, 0, -long * 0.36), "accent")
        m.pair(prism(0.05, 0.7, 6).lay("z").move(wide * 1.6, 0, -0.6), "darkmetal")


def _robot(m: Model) -> None:
    main, joint = m.choose(("metal", "paint", "snow")), "darkmetal"
    width, tall = m.uniform(0.7, 1.1), m.uniform(0.7, 1.1)
    leg = m.uniform(0.4, 0.8)
    m.add(
        box(width, tall, width * 0.7, m.choose((0.03, 0.1)), (m.uniform(0.8, 1.2), 1)).move(y=leg),
        main,
    )
    m.add(
        box(width * 0.5, tall * 0.35, 0.06).move(y=leg + tall * 0.4, z=width * 0.36),
        m.choose(("accent", "glass")),
    )
    if m.chance(0.6):
        m.pair(prism(0.1, leg, 6).move(width * 0.28), joint)
        m.pair(box(0.3, 0.18, 0.45, 0.03).move(width * 0.28, 0, 0.06), main)
    else:
        m.pair(prism(leg * 0.5, 0.25, 10).lay("x").move(width * 0.42, leg * 0.5, 0), "rubber")
        m.add(box(width * 0.5, leg * 0.6, 0.3).move(y=leg * 0.5), joint)
    y = leg + tall
    _robot_head(m, main, joint, y)
    bend = m.uniform(-0.1, 0.5)
    path = [(width * 0.5, y - 0.15, 0), (width * 0.8, y - 0.4, 0), (width * 0.8, y - 0.75, bend)]
    m.pair(tube(path, 0.09, 6), joint)
    m.pair(ball(0.16, 1).move(*path[-1]), main)
    m.pair(ball(0.18, 1).move(*path[0]), main)


def _robot_head(m: Model, main: str, joint: str, y: float) -> None:
    """Neck, head, eyes and an aerial, from y up."""
    head = m.uniform(0.4, 0.7)
    m.add(prism(0.12, 0.16, 8).move(y=y), joint)
    shape = m.choose(
        (
            box(head * 1.2, head, head, 0.05),
            prism(head * 0.6, head, 8),
            ball(head * 0.6, 1).move(y=head * 0.5),
        )
    )
    m.add(shape.move(y=y + 0.12), main)
    if m.chance(0.5):
        m.pair(
            prism(head * 0.14, 0.1, 8)
            .lay("z")
            .move(head * 0.26, y + 0.12 + head * 0.6, head * 0.52),
            "accent",
        )
    else:
        m.add(
            box(head * 0.9, head * 0.22, 0.1).move(y=y + 0.1 + head * 0.5, z=head * 0.5), "accent"
        )
    m.add(prism(0.025, 0.25, 4).move(y=y + head + 0.1), joint)
    m.add(ball(0.07, 0).move(y=y + head + 0.36), "accent")


def _gear(m: Model) -> None:
    """A toothed wheel, alone or two together."""
    teeth, hole, thick = m.integer(6, 12), m.uniform(0.2, 0.5), m.uniform(0.2, 0.4)
    inner = m.uniform(0.72, 0.85)
    angle = (np.arange(4 * teeth) + 0.5) * (2 * math.pi / (4 * teeth))
    size = np.where(np.arange(4 * teeth) // 2 % 2, inner, 1.0)
    unit = np.stack([np.sin(angle), np.cos(angle)], 1)
    half, round_hole = thick / 2, np.full(len(unit), hole)
    levels = ((size, half), (size, -half), (round_hole, -half), (round_hole, half))
    rings = [np.column_stack([unit * r[:, None], np.full(len(unit), z)]) for r, z in levels]
    metal = m.choose(("metal", "gold", "darkmetal", "paint"))
    m.add(loft(np.array(rings), closed=True), metal)
    m.add(
        ring_of(hole * 1.35, hole * 0.8, thick * 1.3, 12).lay("z"), m.choose((metal, "darkmetal"))
    )
    if m.chance(0.3):
        m.add(prism(hole * 0.9, thick * 3, 8).lay("z"), "metal2")


def _cannon(m: Model) -> None:
    long, r = m.uniform(1.4, 2.2), m.uniform(0.2, 0.32)
    line = [(0, -0.12), (r * 0.6, -0.1), (r * 1.15, 0), (r * 1.1, long * 0.3), (r, long * 0.32)]
    line += [
        (r * 0.8, long * 0.92),
        (r * 1.05, long * 0.95),
        (r * 1.05, long),
        (r * 0.6, long),
        (r * 0.55, long * 0.8),
    ]
    y, tilt = m.uniform(0.55, 0.75), m.uniform(5, 25)
    barrel = revolve([*line, (0, long * 0.8)], 10).move(y=-long * 0.35).turn("x", 90 - tilt)
    m.add(barrel.move(y=y), m.choose(("darkmetal", "metal", "gold")))
    side = [
        (-0.9, 0.1),
        (-0.9, 0.25),
        (-0.2, y + 0.1),
        (0.35, y + 0.1),
        (0.35, y - 0.3),
        (0, y - 0.35),
    ]
    m.pair(side_plate(side, 0.14).move(r * 1.2), "wood")
    m.add(box(r * 2.6, 0.12, 0.5).move(y=y - 0.35), "wood")
    big = m.uniform(0.35, 0.5)
    add_wheels(m, r * 1.2 + 0.18, [0.12], big, m.choose(("spokes", "tyre")))
    for k in range(m.choose((0, 3))):
        m.add(ball(0.16, 1).move(r * 2 + 0.35 + 0.3 * (k % 2), 0.16, -0.3 + 0.3 * k), "darkmetal")


MACHINES = (_rocket, _rocket, _robot, _robot, _gear, _cannon, _helicopter)
