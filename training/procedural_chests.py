# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into chests and crates."""

import numpy as np

from training.procedural_furniture import add_things
from training.procedural_model import Model
from training.procedural_solids import arc, box, extrude


def _chest(m: Model) -> None:
    width, depth, height = m.uniform(1.2, 2), m.uniform(0.8, 1.1), m.uniform(0.5, 0.9)
    metal = m.choose(("darkmetal", "metal", "gold"))
    rows = m.integer(1, 3)
    for k in range(rows):
        m.add(box(width, height / rows * 0.97, depth).move(y=height * k / rows), m.near("wood"))
    steps = m.choose((3, 5, 8))
    bow = m.uniform(0.3, 1) * depth / 2
    line = [(z, y * bow / (depth / 2)) for z, y in arc(depth / 2, 180, 0, steps + 1)]
    open_degrees = m.choose((0, 0, m.uniform(30, 100)))

    def lid(size: float, wide: float) -> None:
        plate = extrude([(x * size, y * size) for x, y in line], wide).turn("y", 90)
        parts.append(plate)

    parts: list = []
    lid(1, width)
    bands = m.choose((0, 2, 3))
    for _ in range(bands):
        lid(1.06, width * 0.1)
    for k, part in enumerate(parts):
        x = 0 if k == 0 else ((k - 1) / max(bands - 1, 1) - 0.5) * width * 0.8
        turned = part.move(x, 0, depth / 2).turn("x", -open_degrees)
        m.add(turned.move(y=height, z=-depth / 2), metal if k else "wood2")
        if k:
            m.add(box(width * 0.1, height, depth * 1.06).move(x), metal)
    if open_degrees:
        m.add(
            box(width * 0.9, 0.06, depth * 0.85).move(y=height - 0.03),
            m.choose(("gold", "darkwood")),
        )
    m.add(
        box(0.2, 0.26, 0.08, 0.02).move(y=height - 0.15, z=depth / 2 + 0.03),
        m.choose(("gold", metal)),
    )


def _crate(m: Model) -> None:
    width, height, depth = 1.0, m.uniform(0.5, 1.2), m.uniform(0.7, 1.2)
    edge = m.uniform(0.08, 0.16)
    main = m.choose(("wood", "metal", "paint", "darkmetal"))
    frame = m.choose(("wood2", "darkwood", "darkmetal"))
    count = m.integer(1, 5)
    for k in range(count):
        body = box(width - edge * 0.6, (height - edge * 0.6) / count * 0.97, depth - edge * 0.6)
        m.add(body.move(y=edge * 0.3 + (height - edge * 0.6) * k / count), m.near(main))
    for y in (0, height - edge):
        m.pair(box(edge, edge, depth).move(width / 2 - edge / 2, y), frame)
        bar = box(width, edge, edge).move(0, y, depth / 2 - edge / 2)
        m.add(bar, frame)
        m.add(bar.turn("y", 180), frame)
    m.quad(box(edge, height, edge).move(width / 2 - edge / 2, 0, depth / 2 - edge / 2), frame)
    cross = m.choose(("none", "diagonal", "plate", "cross"))
    if cross in ("diagonal", "cross"):
        angle = float(np.degrees(np.arctan2(height - edge, width - edge)))
        bar = box(float(np.hypot(width, height)) - 1.2 * edge, edge, edge * 0.5).move(y=-edge / 2)
        for turn in (angle, -angle)[: 2 if cross == "cross" else 1]:
            face = bar.turn("z", turn).move(0, height / 2, depth / 2 - edge * 0.25)
            m.add(face, frame)
            m.add(face.turn("y", 180), frame)
    elif cross == "plate":
        m.add(box(width * 0.4, height * 0.3, 0.04).move(y=height * 0.35, z=depth / 2), "accent")
    if m.chance(0.2):
        add_things(m, 0.5, height, 0.5)


CHESTS = (_chest, _crate)
