# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into vehicles on the ground, all of which face +Z."""

import math

import numpy as np

from training.procedural_model import Model
from training.procedural_solids import (
    Solid,
    arc,
    ball,
    box,
    extrude,
    prism,
    revolve,
    ring_of,
    roof,
    tube,
)  # fmt: skip


def wheel_parts(m: Model, radius: float, width: float, kind: str) -> list[tuple[Solid, str]]:
    """Parts of a wheel about the x axis."""
    sides = 10 if radius < 0.35 else 12
    if kind == "spokes":
        parts = [(ring_of(radius, radius * 0.8, width, sides).lay("x"), "wood2")]
        parts.append((prism(radius * 0.22, width * 1.5, 6).lay("x"), "darkmetal"))
        for k in range(m.choose((2, 3, 4))):
            spoke = box(width * 0.5, radius * 1.7, radius * 0.14).move(y=-radius * 0.85)
            parts.append((spoke.turn("x", 45 * k), "wood2"))
        return parts
    rim = m.choose(("metal", "snow"))
    bevelled = [
        (radius * 0.88, 0),
        (radius, width * 0.2),
        (radius, width * 0.8),
        (radius * 0.88, width),
    ]
    return [
        (revolve(bevelled, sides).lay("x"), "rubber"),
        (prism(radius * 0.55, width * 1.06, 8).lay("x"), rim),
    ]


def add_wheels(m: Model, x: float, rows: list[float], radius: float, kind: str = "tyre") -> None:
    """Add a pair of wheels, x off the middle, at each z of `rows`; `kind` is "tyre" or "spokes"."""
    parts = wheel_parts(m, radius, radius * m.uniform(0.5, 0.75), kind)
    for z in rows:
        for solid, paint in parts:
            m.pair(solid.move(x, radius, z), paint)


def side_plate(outline: list[tuple[float, float]], width: float) -> Solid:
    """A body from its outline (z, y) seen from the left, of this width."""
    return extrude([(-z, y) for z, y in outline], width).turn("y", 90)


def _car(m: Model) -> None:
    long, width, r = m.uniform(2.4, 3.4), m.uniform(1.2, 1.5), m.uniform(0.26, 0.4)
    floor, waist, tall = r * m.uniform(0.6, 0.9), m.uniform(0.35, 0.55), m.uniform(0.35, 0.55)
    half, bonnet, boot = long / 2, m.uniform(0.4, 0.9), m.choose((0.05, 0.35, 0.7))
    kind = m.choose(("body", "wagon", "pickup", "sport"))
    if kind == "sport":
        tall, floor = tall * 0.7, floor * 0.8
    y = floor + waist
    body = [(-half, floor), (half, floor), (half, y - 0.12), (half - 0.1, y - 0.05)]
    body += [(half - bonnet, y), (-half + 0.1, y + m.uniform(0, 0.08)), (-half, y - 0.1)]
    m.add(side_plate(body, width), "paint")
    front, rear = half - bonnet, -half + (1.2 if kind == "pickup" else boot)
    slope = m.uniform(0.2, 0.5)
    cabin = [
        (front, y - 0.02),
        (front - slope, y + tall),
        (rear + 0.25, y + tall),
        (rear, y - 0.02),
    ]
    m.add(side_plate(cabin, width * 0.88), "glass")
    top = [(front - slope + 0.02, y + tall * 0.88), (front - slope - 0.05, y + tall + 0.04)]
    top += [(rear + 0.25, y + tall + 0.04), (rear + 0.2, y + tall * 0.88)]
    m.add(side_plate(top, width * 0.9), m.choose(("paint", "paint", "paint2")))
    middle = (front - slope + rear) / 2
    pillar = [
        (middle + 0.06, y),
        (middle + 0.06, y + tall),
        (middle - 0.06, y + tall),
        (middle - 0.06, y),
    ]
    m.add(side_plate(pillar, width * 0.9), "paint")
    if kind == "pickup":
        m.add(box(width * 0.8, 0.03, 0.95).move(y=y + 0.06, z=-half + 0.6), "darkmetal")
    rows = [half - long * 0.2, -half + long * 0.2]
    add_wheels(m, width / 2 - 0.06, rows, r)
    _car_details(m, width, floor, y, half)
    if m.chance(0.2):
        m.add(box(0.5, 0.14, 0.2).move(y=y + tall + 0.03, z=middle), "accent")
    if kind == "sport" and m.chance(0.6):
        m.add(box(width * 0.9, 0.05, 0.22).move(y=y + 0.25, z=-half + 0.15), "paint")
        m.pair(box(0.06, 0.25, 0.1).move(width * 0.35, y, -half + 0.15), "darkmetal")


def _car_details(m: Model, width: float, floor: float, top: float, half: float) -> None:
    """Lamps, bumpers and number plates of a body from `floor` to `top`."""
    y = floor + (top - floor) * 0.55
    m.pair(box(0.24, 0.14, 0.06).move(width * 0.36, y, half), "cream")
    m.pair(box(0.22, 0.12, 0.06).move(width * 0.37, y, -half), "fruit")
    if m.chance(0.7):
        bumper = box(width * 1.02, 0.14, 0.14).move(y=floor)
        paint = m.choose(("darkmetal", "metal"))
        m.add(bumper.move(z=half), paint)
        m.add(bumper.move(z=-half), paint)
    if m.chance(0.5):
        m.add(box(width * 0.35, 0.12, 0.05).move(y=y, z=half), "darkmetal")


def _truck(m: Model) -> None:
    """A lorry, van or bus."""
    long, width, r = m.uniform(2.8, 4), m.uniform(1.2, 1.5), m.uniform(0.3, 0.42)
    kind, floor = m.choose(("box", "bus", "flat", "tank", "dump")), r * 0.9
    half, cab, tall = long / 2, m.uniform(0.8, 1.1), m.uniform(0.9, 1.2)
    if kind == "bus":
        m.add(box(width, tall * 1.2, long, 0.06).move(y=floor), "paint")
        m.add(box(width * 1.02, tall * 0.4, long * 0.9).move(y=floor + tall * 0.6), "glass")
        m.add(box(width * 0.85, tall * 0.55, 0.1).move(y=floor + tall * 0.5, z=half), "glass")
        for k in range(5):
            m.add(
                box(width * 1.04, tall * 0.42, 0.08).move(
                    y=floor + tall * 0.6, z=(k / 4 - 0.5) * long * 0.86
                ),
                "paint",
            )
    else:
        m.add(box(width * 0.8, 0.16, long).move(y=floor), "darkmetal")
        y, nose = floor + 0.1, m.choose((0.0, 0.45))
        body = [
            (half, y),
            (half, y + tall * 0.5),
            (half - nose, y + tall * 0.55),
            (half - nose - 0.18, y + tall),
        ]
        body += [(half - cab - nose, y + tall), (half - cab - nose, y)]
        m.add(side_plate(body, width), "paint")
        pane = box(width * 0.84, tall * 0.38, 0.06).turn(
            "x", -math.degrees(math.atan2(0.18, tall * 0.45))
        )
        m.add(pane.move(y=y + tall * 0.58, z=half - nose - 0.04), "glass")
        m.add(
            box(width * 1.02, tall * 0.3, cab * 0.5).move(
                y=y + tall * 0.6, z=half - nose - cab * 0.55
            ),
            "glass",
        )
        room = long - cab - nose - 0.08
        _load(m, kind, width, y + 0.08, room, -half + room / 2, tall)
    rows = [half - 0.5, -half + 0.5] + ([-half + 0.5 + 2.2 * r] if m.chance(0.4) else [])
    add_wheels(m, width / 2 - 0.06, rows, r)
    _car_details(m, width, floor, floor + tall * 0.5, half)


def _load(m: Model, kind: str, width: float, y: float, room: float, z: float, tall: float) -> None:
    """What a lorry carries, on a bed of length `room` about z."""
    if kind == "box":
        m.add(box(width * 1.05, tall * m.uniform(1, 1.4), room, 0.03).move(y=y, z=z), "paint2")
        if m.chance(0.5):
            m.add(box(width * 1.07, 0.25, room * 0.9).move(y=y + tall * 0.4, z=z), "accent")
    elif kind == "tank":
        m.add(prism(width * 0.45, room, 10).lay("z").move(y=y + width * 0.45, z=z), "metal")
        for k in (-0.3, 0.3):
            m.add(
                ring_of(width * 0.47, width * 0.4, 0.1, 10)
                .lay("z")
                .move(y=y + width * 0.45, z=z + k * room),
                "paint",
            )
    else:
        m.add(box(width, 0.1, room).move(y=y, z=z), "wood")
        m.pair(box(0.08, 0.4, room).move(width / 2, y, z), m.choose(("paint2", "wood")))
        m.add(box(width, 0.4, 0.08).move(y=y, z=z - room / 2), m.choose(("paint2", "wood")))
        if kind == "dump":
            heap = ball(width * 0.5, 1, m.rng, 0.1).scale(0.9, 0.6, room / width * 0.85)
            m.add(heap.move(y=y + 0.15, z=z), m.choose(("dirt", "stone")))
        else:
            for k in range(m.integer(0, 3)):
                crate = box(0.5, 0.5, 0.5, 0.03).move(
                    m.uniform(-0.25, 0.25), y + 0.1, z + (k - 1) * 0.55
                )
                m.add(crate, m.near("wood2", 0.2))


def _cart(m: Model) -> None:
    width, long, r = m.uniform(0.9, 1.3), m.uniform(1.2, 2.2), m.uniform(0.35, 0.55)
    four, tall = m.chance(0.5), m.uniform(0.25, 0.5)
    m.add(box(width, 0.1, long).move(y=r * 1.1), "wood")
    m.pair(box(0.08, tall, long).turn("z", -8).move(width / 2, r * 1.1), "wood")
    m.add(box(width, tall, 0.08).move(y=r * 1.1, z=-long / 2), "wood")
    if m.chance(0.6):
        m.add(box(width, tall, 0.08).move(y=r * 1.1, z=long / 2), "wood")
    rows = [long * 0.3, -long * 0.3] if four else [0.0]
    add_wheels(m, width / 2 + 0.12, rows, r, "spokes")
    for z in rows:
        m.add(prism(0.06, width, 6).lay("x").move(y=r, z=z), "darkwood")
    m.pair(
        tube([(width * 0.3, r * 1.1, long / 2), (width * 0.3, r * 0.9, long * 0.95)], 0.05, 5),
        "wood2",
    )
    y = r * 1.1 + 0.1
    kind = m.choose(("none", "hay", "cover", "barrels", "ore"))
    if kind == "cover":
        hoop = (arc(width / 2 * 1.05, 0, 180, 7) * (1, 1.3)).tolist()
        m.add(extrude(hoop, long).move(y=y + tall * 0.8), "cream")
    elif kind == "barrels":
        for z in (-0.25, 0.25):
            m.add(revolve([(0.22, 0), (0.28, 0.3), (0.22, 0.6)], 8).move(0, y, z * long), "wood2")
    elif kind != "none":
        heap = ball(width * 0.5, 1, m.rng, 0.12).scale(0.9, 0.7, long / width * 0.85)
        m.add(
            heap.move(y=y), "gold" if kind == "hay" else m.choose(("stone", "crystal", "darkstone"))
        )


def _train(m: Model) -> None:
    """A steam engine or a wagon."""
    long, width, r = m.uniform(2.4, 3.2), m.uniform(0.9, 1.1), m.uniform(0.25, 0.35)
    half, y = long / 2, r * 1.4
    m.add(box(width, 0.2, long).move(y=y - 0.1), "darkmetal")
    boiler, cab = width * m.uniform(0.38, 0.46), m.uniform(0.7, 1)
    rows = np.linspace(-half + r * 1.3, half - r * 1.3, m.integer(2, 4)).tolist()
    parts = wheel_parts(m, r, 0.15, m.choose(("tyre", "spokes")))
    for z in rows:
        for solid, paint in parts:
            m.pair(solid.move(width / 2, r, z), "paint2" if paint == "wood2" else paint)
    if m.chance(0.7):
        m.add(prism(boiler, long - cab, 10).lay("z").move(y=y + boiler + 0.08, z=cab / 2), "paint")
        for z in (0.1, 0.35):
            m.add(
                ring_of(boiler * 1.04, boiler * 0.9, 0.08, 10)
                .lay("z")
                .move(y=y + boiler + 0.08, z=z * long),
                "gold",
            )
        m.add(prism(boiler * 0.85, 0.1, 10).lay("z").move(y=y + boiler + 0.08, z=half), "darkmetal")
        chimney = [(0.13, 0), (0.13, 0.4), (m.uniform(0.15, 0.3), 0.65), (0.12, 0.7)]
        m.add(revolve(chimney, 8).move(y=y + 2 * boiler, z=half - 0.35), "darkmetal")
        m.add(ball(0.17, 1).move(y=y + 2 * boiler + 0.06, z=half - 0.9), "gold")
        m.add(box(width, 1.1, cab * 0.95).move(y=y, z=-half + cab / 2), "paint2")
        m.add(box(width * 1.03, 0.4, cab * 0.5).move(y=y + 0.6, z=-half + cab / 2), "glass")
        m.add(
            box(width * 1.2, 0.1, cab * 1.15, 0.03).move(y=y + 1.1, z=-half + cab / 2), "darkmetal"
        )
        m.add(box(width * 0.9, 0.3, 0.5, top=(1, 0.1)).move(y=0.08, z=half + 0.05), "fruit")
    else:
        m.add(box(width * 1.05, m.uniform(0.5, 1.1), long * 0.95, 0.04).move(y=y), "paint")
        m.add(box(width * 1.08, 0.3, long * 0.6).move(y=y + 0.35), m.choose(("glass", "wood")))
        if m.chance(0.5):
            m.add(
                roof(long, 0.3, width * 1.2, 1, 0.05).turn("y", 90).move(y=m.bounds()[1, 1]), "roof"
            )


def _tank(m: Model) -> None:
    width, long, r = m.uniform(1.2, 1.6), m.uniform(1.8, 2.6), m.uniform(0.2, 0.28)
    main = m.choose(("leaf", "dirt", "metal", "paint"))
    half = long / 2
    track = [
        (-half, r),
        (-half + r, 0),
        (half - r, 0),
        (half, r),
        (half - 0.1, 2.1 * r),
        (-half + 0.1, 2.1 * r),
    ]
    m.pair(side_plate(track, 0.34).move(width / 2), "darkmetal")
    for k in range(m.integer(3, 5)):
        z = (k / 4 - 0.5) * (long - 2.4 * r)
        m.pair(prism(r * 0.8, 0.4, 8).lay("x").move(width / 2, r, z), "metal")
    hull = [
        (-half * 0.95, r),
        (half * 0.9, r),
        (half, r * 2),
        (half * 0.6, r * 3),
        (-half * 0.9, r * 3),
    ]
    m.add(side_plate(hull, width * 0.9), main)
    y, sides = r * 3, m.choose((4, 6, 8, 12))
    turret = m.uniform(0.4, 0.55)
    m.add(
        prism(turret, 0.38, sides, turret * m.uniform(0.65, 0.95))
        .scale(1, 1, 1.2)
        .move(y=y, z=-0.1),
        main,
    )
    m.add(prism(0.16, 0.1, 8).move(0.12, y + 0.36, -0.15), "darkmetal")
    barrel = m.uniform(0.9, 1.5)
    m.add(
        tube([(0, y + 0.2, 0.2), (0, y + 0.26, 0.2 + barrel)], m.uniform(0.06, 0.1), 8),
        m.choose((main, "darkmetal")),
    )
    m.add(prism(0.12, 0.22, 8).lay("z").move(y=y + 0.26, z=0.2 + barrel), "darkmetal")


VEHICLES = (_car, _car, _car, _truck, _truck, _cart, _train, _tank)
