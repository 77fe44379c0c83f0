# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into pieces of building kits: walls, floors, tiles, platforms, pipes."""

import numpy as np

from training.procedural_model import Model, by_slope
from training.procedural_solids import Solid, arc, ball, box, extrude, prism, revolve, ring_of, tube


def _bricks(m: Model, width: float, height: float, thick: float, paint: str) -> None:
    """A few bricks that stand out of both sides of a wall."""
    for _ in range(m.choose((0, 4, 7, 10))):
        wide, tall = m.uniform(0.16, 0.36), m.uniform(0.1, 0.2)
        x = m.uniform(-0.5, 0.5) * (width - wide - 0.1)
        y = m.uniform(0.05, 0.95) * (height - tall)
        brick = box(wide, tall, thick + m.uniform(0.03, 0.08)).move(x, y)
        m.add(brick, m.near(paint, 0.2))


def _wall(m: Model) -> None:
    """A straight piece of wall, whole, or with a doorway, an arch, a window or a broken edge."""
    width, height, thick = (
        m.choose((1.0, 2.0, 2.0, 3.0)),
        m.uniform(1.2, 2.4),
        m.uniform(0.12, 0.45),
    )
    main = m.choose(("stone", "plaster", "darkstone", "wood", "metal", "paint"))
    half = width / 2
    kind = m.choose(("whole", "doorway", "arch", "window", "broken", "half"))
    if kind in ("doorway", "arch"):
        gap, tall = half * m.uniform(0.4, 0.65), height * m.uniform(0.55, 0.8)
        top = [(-gap, tall), (gap, tall)]
        if kind == "arch":
            rise = min(gap, height * 0.95 - tall + 0.15)
            top = (arc(gap, 180, 0, 7) * (1, rise / gap)).tolist()
            top = [(x, y + tall - 0.15) for x, y in top]
        line = [(half, 0), (half, height), (-half, height), (-half, 0), (-gap, 0), *top, (gap, 0)]
        m.add(extrude(line, thick), main)
        if m.chance(0.5):
            m.pair(box(0.14, tall - 0.1, thick + 0.1).move(gap), "wood")
        if m.chance(0.4):
            m.add(box(2 * gap, tall - 0.12, thick * 0.4), "darkwood")
    elif kind == "window":
        _wall_with_window(m, width, height, thick, main)
    elif kind == "broken":
        x = np.linspace(half, -half, m.integer(4, 7))
        y = [height * m.uniform(0.35, 1) for _ in x]
        m.add(extrude([(-half, 0), (half, 0), *zip(x, y, strict=True)], thick), main)
    else:
        height *= 0.5 if kind == "half" else 1
        m.add(box(width, height, thick), main)
        _bricks(m, width, height, thick, main)
    if m.chance(0.6):
        m.add(box(width, 0.16, thick + 0.14, 0.02), m.choose(("stone2", "darkwood", main)))
    if m.chance(0.6) and kind != "broken":
        cap = box(width, m.uniform(0.1, 0.25), thick + 0.16, m.choose((0, 0.03)))
        m.add(cap.move(y=height - 0.05), m.choose(("stone2", "darkwood", main)))
    if m.chance(0.3) and kind != "broken":
        m.pair(box(0.2, height * 1.03, thick + 0.2).move(half - 0.1), m.choose(("stone2", "wood")))


def _wall_with_window(m: Model, width: float, height: float, thick: float, main: str) -> None:
    """Four blocks around a framed opening, sometimes with a pane or bars."""
    gap, low, high = (
        width * m.uniform(0.2, 0.3),
        height * m.uniform(0.25, 0.4),
        height * m.uniform(0.65, 0.8),
    )
    m.add(box(width, low, thick), main)
    m.add(box(width, height - high, thick).move(y=high), main)
    side = width / 2 - gap
    m.pair(box(side, high - low, thick).move(gap + side / 2, low), main)
    frame = m.choose(("wood", "stone2", "darkmetal"))
    m.pair(box(0.1, high - low, thick + 0.1).move(gap, low), frame)
    for y in (low - 0.05, high - 0.05):
        m.add(box(2 * gap + 0.1, 0.1, thick + 0.12).move(y=y), frame)
    kind = m.choose(("open", "pane", "bars"))
    if kind == "pane":
        m.add(box(2 * gap, high - low, thick * 0.4).move(y=low), "glass")
        m.add(box(0.06, high - low, thick * 0.6).move(y=low), frame)
    elif kind == "bars":
        for k in range(3):
            m.add(prism(0.03, high - low, 5).move((k - 1) * gap * 0.6, low), "darkmetal")


def _corner(m: Model) -> None:
    """Two walls that meet, or a block with a slope."""
    size, height, thick = m.uniform(1, 2), m.uniform(0.6, 2), m.uniform(0.15, 0.4)
    main = m.choose(("stone", "plaster", "wood", "metal", "paint"))
    if m.chance(0.55):
        m.add(box(size, height, thick).move(z=-size / 2), main)
        m.add(box(thick, height, size).move(-size / 2 + thick / 2, 0, thick / 2), main)
        post = box(thick * 1.5, height * 1.08, thick * 1.5).move(
            -size / 2 + thick / 2, 0, -size / 2
        )
        m.add(post, m.choose((main, "stone2", "darkwood")))
        if m.chance(0.5):
            m.add(box(size, 0.1, size).move(y=-0.1), "stone2")
        return
    line = [(-size / 2, 0), (size / 2, 0), (-size / 2, height)]
    if m.chance(0.4):
        line[1:2] = [(size / 2, 0), (size / 2, height * 0.3)]
    slope = extrude(line, m.uniform(0.8, 1.6)).turn("y", -90)
    m.add(slope, by_slope(m.color("leaf"), m.color("dirt"), 0.3) if m.chance(0.5) else main)


def _tile(m: Model) -> None:
    """A floor or ground tile with a pattern, a road, water or a few small things on it."""
    sides, thick = m.choose((4, 4, 6)), m.uniform(0.08, 0.5)
    ground = by_slope(
        m.color(m.choose(("leaf", "dirt", "stone", "snow", "gold"))), m.color("dirt2")
    )
    base = prism(1.2, thick, sides, m.choose((1.2, 1.2, 1.1))).move(y=-thick)
    m.add(base, ground)
    kind = m.choose(("slabs", "road", "water", "things", "things", "things", "planks"))
    _pave(m, kind, sides)
    if kind == "things" or m.chance(0.3):
        for _ in range(m.integer(1, 5)):
            decorate(m, m.uniform(-0.6, 0.6), m.uniform(-0.6, 0.6))


def _pave(m: Model, kind: str, sides: int) -> None:
    """Slabs, planks, a road or a pond on a tile of so many sides."""
    if kind == "slabs" and sides == 4:
        for x in (-0.56, 0, 0.56):
            for z in (-0.56, 0, 0.56):
                if m.chance(0.85):
                    m.add(box(0.52, 0.06, 0.52, 0.015).move(x, 0, z), m.near("stone", 0.15))
    elif kind == "planks" and sides == 4:
        count = m.integer(4, 7)
        for k in range(count):
            m.add(
                box(1.65 / count, 0.08, 1.7).move((k - (count - 1) / 2) * 1.7 / count),
                m.near("wood", 0.12),
            )
    elif kind == "road":
        m.add(box(0.8, 0.04, 1.7 if sides == 4 else 2.05), "darkstone")
        for z in (-0.55, 0, 0.55):
            m.add(box(0.07, 0.06, 0.25).move(0, 0, z), "snow")
    elif kind == "water":
        m.add(revolve([(0.95, 0.0), (0.9, 0.03), (0, 0.03)], m.choose((6, 8))), "water")


def decorate(m: Model, x: float, z: float) -> None:
    """One small thing on the ground: a tree, a stone, a tuft, a crate or a hut."""
    kind, size = m.choose(("pine", "tree", "stone", "tuft", "crate", "hut")), m.uniform(0.7, 1.3)
    parts: list[tuple[Solid, str]] = []
    if kind == "pine":
        parts = [(prism(0.06, 0.2, 5), "bark")]
        parts += [
            (prism(0.26 - 0.06 * k, 0.32, 6, 0).move(y=0.14 + 0.17 * k), "leaf2") for k in range(3)
        ]
    elif kind == "tree":
        parts = [(prism(0.06, 0.4, 5), "bark"), (ball(0.26, 1, m.rng, 0.08).move(y=0.5), "leaf2")]
    elif kind == "stone":
        parts = [(ball(0.2, 0, m.rng, 0.15).scale(1.2, 0.8, 1), "stone3")]
    elif kind == "tuft":
        for k in range(4):
            parts.append((prism(0.05, 0.3, 3, 0).turn("z", -20).turn("y", 90 * k), "leaf3"))
    elif kind == "crate":
        parts = [(box(0.26, 0.26, 0.26, 0.02), "wood2")]
    else:
        parts = [(box(0.4, 0.3, 0.4), "plaster"), (prism(0.36, 0.3, 4, 0).move(y=0.3), "roof")]
        parts.append((box(0.1, 0.18, 0.42), "darkwood"))
    turn = m.uniform(-30, 30)
    for solid, paint in parts:
        m.add(solid.turn("y", turn).scale(size).move(x, 0, z), paint)


def _platform(m: Model) -> None:
    """A block with a lip of grass, snow or metal on top, as in platform games."""
    width, height, depth = m.uniform(0.8, 2.4), m.uniform(0.4, 1.6), m.uniform(0.8, 1.6)
    top, body = m.choose(
        (
            ("leaf", "dirt"),
            ("snow", "stone"),
            ("metal", "darkmetal"),
            ("paint", "snow"),
            ("wood", "wood2"),
        )
    )
    lip, bevel = m.uniform(0.15, 0.35), m.choose((0, 0.05, 0.12))
    if m.chance(0.35):
        sides = m.choose((6, 8, 12))
        m.add(prism(width / 2 * m.uniform(0.4, 1), height, sides, width / 2), body)
        m.add(
            revolve(
                [(width * 0.52, 0), (width * 0.54, lip * 0.5), (width * 0.48, lip)], sides
            ).move(y=height - lip * 0.4),
            top,
        )
    else:
        m.add(box(width * 0.96, height, depth * 0.96, bevel, (1, 1)), body)
        m.add(box(width, lip, depth, bevel).move(y=height - lip * 0.5), top)
        if m.chance(0.4):
            for k in range(m.integer(2, 5)):
                drop = box(width * 0.12, lip, 0.08).move(
                    (k / 4 - 0.5) * width * 0.8, height - lip * 1.1, depth / 2
                )
                m.add(drop, top)
    if m.chance(0.4):
        for _ in range(m.integer(1, 3)):
            tuft = prism(0.07, 0.35, 4, 0).move(
                m.uniform(-0.35, 0.35) * width, height + lip * 0.4, m.uniform(-0.3, 0.3) * depth
            )
            m.add(tuft, m.choose(("leaf2", "accent")))
    elif m.chance(0.3):
        m.add(prism(0.2, 0.3, 8).move(y=height + lip * 0.4), "accent")


def _pipe(m: Model) -> None:
    """A pipe: straight, bent, with flanges or a valve, or a warp pipe."""
    r, sides, main = (
        m.uniform(0.2, 0.45),
        m.choose((6, 8, 10, 12)),
        m.choose(("metal", "paint", "darkmetal", "leaf")),
    )
    kind = m.choose(("straight", "bend", "upright"))
    if kind == "upright":
        tall = m.uniform(0.8, 2)
        m.add(ring_of(r, r * 0.8, tall, sides), main)
        m.add(ring_of(r * 1.25, r * 0.8, m.uniform(0.25, 0.4), sides).move(y=tall - 0.1), main)
        m.add(prism(r * 0.82, 0.05, sides).move(y=tall * 0.9), "rubber")
        return
    if kind == "bend":
        path = [
            (-1, 0, 0),
            (-0.3, 0, 0),
            *[(x - 0.3, y + 0.6, 0) for x, y in arc(0.6, -90, 0, 5)],
            (0.3, 1.3, 0),
        ]
        m.add(tube(path, r, sides), main)
        m.add(prism(r * 1.25, 0.14, sides).lay("x").move(-1), "darkmetal")
        m.add(prism(r * 1.25, 0.14, sides).move(0.3, 1.25), "darkmetal")
        return
    long = m.uniform(1.4, 2.6)
    m.add(prism(r, long, sides).lay("x"), main)
    for x in np.linspace(-long / 2, long / 2, m.integer(2, 4)):
        m.add(prism(r * 1.22, 0.14, sides).lay("x").move(float(x)), "darkmetal")
    if m.chance(0.5):
        m.add(prism(0.08, r + 0.3, 6), "darkmetal")
        m.add(ring_of(0.3, 0.22, 0.07, 10).move(y=r + 0.25), "fruit")
        m.add(box(0.5, 0.05, 0.06).move(y=r + 0.26), "fruit")
    m.pair(box(0.14, 0.4, 2 * r).move(long * 0.35, -r - 0.3), "darkmetal")


KIT = (_wall, _wall, _wall, _corner, _tile, _tile, _tile, _platform, _platform, _pipe)
