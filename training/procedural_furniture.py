# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into furniture: seats, tables, beds, shelves, cabinets, lamps, chests."""

from training.procedural_model import Model, gradient
from training.procedural_solids import arc, ball, box, extrude, prism, revolve, ring_of, tube


def _legs(m: Model, width: float, height: float, depth: float, paint: str) -> None:
    """Four legs of one kind under a plate of this size, whose lower side is at `height`."""
    kind = m.choose(("square", "tapered", "round", "splayed", "turned", "runner"))
    size = min(width, depth) * m.uniform(0.06, 0.16)
    x, z = width / 2 - size * 0.6, depth / 2 - size * 0.6
    if kind == "runner":
        m.pair(box(size, height, depth * m.uniform(0.85, 1)).move(width / 2 - size), paint)
        if m.chance(0.5):
            m.add(box(width - size, size, size * 0.8).move(y=height * m.uniform(0.1, 0.6)), paint)
        return
    if kind == "splayed":
        lean = m.uniform(0.05, 0.16) * height
        leg = tube([(x + lean, 0, z + lean), (x, height, z)], [size * 0.35, size * 0.6], 6)
    elif kind == "turned":
        line = [(0.4, 0), (0.6, 0.12), (0.35, 0.2), (0.6, 0.55), (0.4, 0.8), (0.7, 0.88), (0.7, 1)]
        leg = revolve([(r * size, y * height) for r, y in line], 6).move(x, 0, z)
    elif kind == "round":
        leg = prism(size * 0.5, height, 8).move(x, 0, z)
    else:
        low = 0.55 if kind == "tapered" else 1.0
        leg = box(size * low, height, size * low, top=(1 / low, 1 / low)).move(x, 0, z)
    m.quad(leg, paint)
    if kind == "square" and m.chance(0.4):
        bar = box(size * 0.6, size * 0.6, 2 * z).move(x, height * m.uniform(0.15, 0.5))
        m.pair(bar, paint)


def _backrest(m: Model, width: float, height: float, floor: float, z: float) -> None:
    """A back above `floor` at the rear: plate, slats, rungs, hoop or cushion."""
    kind = m.choose(("plate", "slats", "rungs", "hoop", "cushion", "round"))
    thick = width * m.uniform(0.06, 0.14)
    post = box(thick, height, thick, top=(0.8, 0.8)).move(width / 2 - thick / 2, floor, z)
    if kind in ("slats", "rungs"):
        m.pair(post, "wood")
        m.add(box(width, height * 0.16, thick).move(y=floor + height * 0.84, z=z), "wood")
        count = m.integer(2, 4)
        for k in range(count):
            share = (k + 1) / (count + 1)
            if kind == "slats":
                bar = box(thick * 0.6, height * 0.9, thick * 0.5)
                m.add(bar.move((share - 0.5) * width, floor, z), "wood2")
            else:
                bar = box(width * 0.95, height * 0.12, thick * 0.6)
                m.add(bar.move(y=floor + share * height * 0.85, z=z), "wood2")
        return
    if kind in ("hoop", "round"):
        top = arc(width / 2 - thick / 2, 180, 0, 9) * (1, m.uniform(0.6, 1.1)) + (0, height * 0.5)
        line = [(-width / 2 + thick / 2, 0), *top.tolist(), (width / 2 - thick / 2, 0)]
        if kind == "round":
            m.add(extrude(line, thick).move(y=floor, z=z), "wood")
        else:
            m.add(tube([(x, floor + y, z) for x, y in line], thick * 0.5, 6), "wood")
            m.add(box(thick, height * 0.9, thick * 0.5).move(y=floor, z=z), "wood2")
        return
    plate = box(width, height, thick, thick * 0.3, (m.uniform(0.75, 1.05), 1))
    m.add(plate.turn("x", -m.uniform(0, 8)).move(y=floor, z=z), "wood")
    if kind == "cushion":
        pad = box(width * 0.8, height * 0.8, thick, thick * 0.4)
        m.add(pad.move(y=floor + height * 0.1, z=z + thick * 0.6), "cloth")


def _chair(m: Model) -> None:
    width, depth = m.uniform(0.8, 1.2), m.uniform(0.8, 1.1)
    height, thick = m.uniform(0.6, 1.1), m.uniform(0.06, 0.18)
    _legs(m, width, height, depth, m.choose(("wood", "darkwood", "metal")))
    if m.chance(0.2):
        m.add(prism(width / 2, thick, m.choose((8, 12))).move(y=height), "wood")
    else:
        m.add(box(width, thick, depth, m.choose((0, thick * 0.3))).move(y=height), "wood")
    if m.chance(0.35):
        pad = box(width * 0.9, thick * 0.8, depth * 0.9, thick * 0.3)
        m.add(pad.move(y=height + thick), "cloth")
    _backrest(m, width * 0.96, m.uniform(0.7, 1.5), height + thick * 0.5, -depth / 2 + 0.06)
    if m.chance(0.3):
        arm = box(0.12, 0.08, depth * 0.9).move(width / 2, height + 0.45)
        m.pair(arm, "wood")
        m.pair(box(0.08, 0.45, 0.08).move(width / 2, height, depth * 0.35), "wood")


def _stool(m: Model) -> None:
    height, radius = m.uniform(0.6, 1.4), m.uniform(0.4, 0.6)
    if m.chance(0.4):
        foot, neck = m.uniform(0.3, 0.55), m.uniform(0.06, 0.12)
        line = [(foot, 0), (foot, 0.06), (neck, 0.12), (neck, height)]
        m.add(revolve(line, m.choose((6, 8, 12))), "metal")
        if m.chance(0.4):
            m.add(ring_of(foot * 0.9, foot * 0.75, 0.05, 10).move(y=height * 0.35), "metal")
    else:
        _legs(m, radius * 1.5, height, radius * 1.5, "wood")
    seat = m.choose(("cloth", "wood2", "paint"))
    thick = m.uniform(0.08, 0.25)
    line = [(radius * 0.9, 0), (radius, thick * 0.3), (radius, thick * 0.7), (radius * 0.85, thick)]
    m.add(revolve(line, m.choose((6, 8, 12, 16))).move(y=height), seat)


def _table(m: Model) -> None:
    width, depth = m.uniform(1.0, 2.8), m.uniform(0.8, 1.4)
    height, thick = m.uniform(0.5, 1.2), m.uniform(0.06, 0.2)
    if m.chance(0.3):
        radius, neck = width * 0.4, m.uniform(0.06, 0.2)
        foot = radius * m.uniform(0.4, 0.75)
        line = [(foot, 0), (foot * 0.9, 0.1), (neck, 0.2), (neck * 0.8, height * 0.6)]
        m.add(revolve([*line, (neck * 1.8, height)], m.choose((4, 6, 8, 12))), "wood")
        m.add(prism(radius, thick, m.choose((6, 8, 12, 16))).move(y=height), "wood2")
        width = depth = radius * 1.2
    else:
        _legs(m, width * 0.92, height, depth * 0.92, "wood")
        if m.chance(0.5):
            m.add(box(width * 0.86, 0.14, depth * 0.8).move(y=height - 0.14), "wood")
        if m.chance(0.35):
            count = m.integer(3, 6)
            for k in range(count):
                plank = box(width / count * 0.96, thick, depth)
                m.add(plank.move(((k + 0.5) / count - 0.5) * width, height), m.near("wood2"))
        else:
            m.add(box(width, thick, depth, m.choose((0, thick * 0.3))).move(y=height), "wood2")
    top = height + thick
    if m.chance(0.2):
        m.add(box(width * 0.4, 0.02, depth * 1.02).move(y=top), "cloth")
    add_things(m, width * 0.8, top, depth * 0.7)


def add_things(m: Model, width: float, floor: float, depth: float) -> None:
    """Up to three books, cups, bottles or candles on a plate."""
    for _ in range(m.choose((0, 0, 1, 2, 3))):
        x, z = m.uniform(-0.5, 0.5) * width, m.uniform(-0.5, 0.5) * depth
        kind, size = m.integer(0, 3), m.uniform(0.1, 0.18)
        if kind == 0:
            thing = box(size * 1.6, size * 0.5, size * 2.2).turn("y", m.uniform(-40, 40))
        elif kind == 1:
            thing = revolve([(size * 0.6, 0), (size * 0.8, size * 1.4), (0, size * 1.2)], 8)
        elif kind == 2:
            line = [(size * 0.6, 0), (size * 0.6, size * 1.4), (size * 0.2, size * 2)]
            thing = revolve([*line, (size * 0.2, size * 2.6)], 8)
        else:
            thing = prism(size * 0.35, size * 1.5, 6)
        m.add(thing.move(x, floor, z), m.fresh(m.choose(("paint", "cloth", "ceramic"))))


def _bench(m: Model) -> None:
    width, depth, height = m.uniform(1.6, 2.8), m.uniform(0.5, 0.8), m.uniform(0.5, 0.7)
    frame = m.choose(("darkmetal", "wood", "stone"))
    leg = box(m.uniform(0.1, 0.3), height, depth * 0.9, top=(m.uniform(0.6, 1.2), 1))
    m.pair(leg.move(width * m.uniform(0.3, 0.45)), frame)
    count = m.integer(1, 4)
    for k in range(count):
        plank = box(width, 0.1, depth / count * 0.9)
        m.add(plank.move(y=height, z=((k + 0.5) / count - 0.5) * depth), m.near("wood2"))
    if m.chance(0.65):
        rows = m.integer(1, 3)
        lean = -m.uniform(0, 15)
        for k in range(rows):
            plank = box(width, 0.6 / rows * 0.8, 0.08).move(y=0.2 + 0.6 / rows * k)
            m.add(plank.turn("x", lean).move(y=height, z=-depth / 2), m.near("wood2"))
        post = box(0.1, 0.85, 0.1).turn("x", lean).move(width * 0.4, height, -depth / 2 - 0.06)
        m.pair(post, frame)


def _bed(m: Model) -> None:
    width, depth = m.choose((1.1, 1.6, 2.0)) * m.uniform(0.9, 1.1), m.uniform(1.9, 2.4)
    leg, frame, soft = m.uniform(0.1, 0.35), m.uniform(0.12, 0.3), m.uniform(0.12, 0.3)
    m.quad(box(0.12, leg, 0.12).move(width / 2 - 0.06, 0, depth / 2 - 0.06), "wood")
    m.add(box(width, frame, depth).move(y=leg), "wood")
    top = leg + frame
    m.add(box(width * 0.95, soft, depth * 0.95, soft * 0.25).move(y=top), "snow")
    share = m.uniform(0.5, 0.8)
    blanket = box(width * 1.0, soft + 0.06, depth * share, 0.05)
    m.add(blanket.move(y=top - 0.02, z=depth * (0.96 - share) / 2), "cloth")
    pillow = box(width * 0.38, 0.14, 0.36, 0.06)
    z = -depth / 2 + 0.3
    if width > 1.4:
        m.pair(pillow.move(width * 0.24, top + soft - 0.03, z), "snow2")
    else:
        m.add(pillow.scale(1.5, 1, 1).move(y=top + soft - 0.03, z=z), "snow2")
    _backrest(m, width, m.uniform(0.5, 1.1), leg, -depth / 2)
    if m.chance(0.5):
        m.add(box(width, m.uniform(0.3, 0.6), 0.1).move(y=leg, z=depth / 2), "wood")
    if m.chance(0.15):
        deck = m.uniform(1.1, 1.5)
        m.quad(box(0.12, deck + 0.6, 0.12).move(width / 2, 0, depth / 2), "wood")
        m.add(box(width, 0.15, depth).move(y=deck), "wood")
        m.add(box(width * 0.94, 0.18, depth * 0.94, 0.05).move(y=deck + 0.15), "cloth")


def _shelf(m: Model) -> None:
    width, height, depth = m.uniform(0.8, 2.0), m.uniform(1.0, 2.6), m.uniform(0.35, 0.6)
    wall, rows = m.uniform(0.05, 0.1), m.integer(2, 5)
    m.pair(box(wall, height, depth).move(width / 2 - wall / 2), "wood")
    if m.chance(0.8):
        m.add(box(width, height, wall * 0.6).move(z=-depth / 2 + wall * 0.3), "wood2")
    for k in range(rows + 1):
        y = (height - wall) * k / rows
        m.add(box(width - wall, wall, depth * 0.98).move(y=y), "wood")
        if k == rows or m.chance(0.3):
            continue
        room, x = (height - wall) / rows - wall, -width / 2 + wall * 1.3
        while x < width / 2 - wall * 2.5:
            size = m.uniform(0.06, 0.14)
            if m.chance(0.8):
                book = box(size * 0.95, room * m.uniform(0.55, 0.9), depth * 0.6)
                m.add(book.move(x + size / 2, y + wall), m.fresh(m.choose(("cloth", "paint"))))
            x += size
    if m.chance(0.4):
        m.add(box(width * 1.08, wall, depth * 1.08).move(y=height), "wood")


def _cabinet(m: Model) -> None:
    width, height, depth = m.uniform(0.8, 2.2), m.uniform(0.7, 2.4), m.uniform(0.5, 0.9)
    foot = m.choose((0.06, 0.15, 0.3))
    body = m.choose(("wood", "paint", "plaster", "darkwood"))
    if m.chance(0.5):
        m.quad(box(0.1, foot, 0.1).move(width / 2 - 0.08, 0, depth / 2 - 0.08), "darkwood")
    else:
        m.add(box(width * 0.94, foot, depth * 0.9), "darkwood")
    m.add(box(width, height, depth).move(y=foot), body)
    columns, rows = m.integer(1, 3), m.integer(1, 4)
    w, h = width / columns, height / rows
    knob = m.choose(("gold", "darkmetal", "metal"))
    is_bar = m.chance(0.4)
    for column in range(columns):
        for row in range(rows):
            x, y = (column + 0.5) * w - width / 2, foot + row * h
            front = box(w * 0.88, h * 0.86, 0.06, m.choose((0, 0.015)))
            m.add(front.move(x, y + h * 0.07, depth / 2), "wood2")
            size = (0.3 * w, 0.04) if is_bar else (0.07, 0.07)
            handle = box(size[0], size[1], 0.08).move(x, y + h * 0.5, depth / 2 + 0.06)
            m.add(handle, knob)
    m.add(box(width * 1.06, 0.08, depth * 1.08).move(y=foot + height), m.choose((body, "stone")))
    if m.chance(0.3):
        add_things(m, width * 0.7, foot + height + 0.08, depth * 0.5)


def _sofa(m: Model) -> None:
    seats, seat = m.integer(1, 3), m.uniform(0.7, 0.9)
    arm, depth = m.uniform(0.15, 0.35), m.uniform(0.8, 1.1)
    base, back = m.uniform(0.25, 0.45), m.uniform(0.5, 0.9)
    width = seats * seat
    foot, bevel = m.uniform(0.05, 0.18), m.choose((0.02, 0.05, 0.08))
    total = width + 2 * arm
    m.quad(box(0.1, foot, 0.1).move(total / 2 - 0.1, 0, depth / 2 - 0.1), "darkwood")
    m.add(box(total, base, depth, bevel).move(y=foot), "cloth")
    rest = box(total, base + back, 0.3, bevel, (m.uniform(0.85, 1), 0.7))
    m.add(rest.move(y=foot, z=-depth / 2 + 0.12), "cloth")
    high = base + m.uniform(0.2, 0.4)
    if m.chance(0.35):
        roll = prism(arm * 0.6, depth, 10).lay("z").move(width / 2 + arm / 2, foot + high, 0)
        m.pair(roll, "cloth")
    m.pair(box(arm, high, depth, bevel).move(width / 2 + arm / 2, foot), "cloth")
    pad = m.choose(("cloth", "cloth2"))
    for k in range(seats):
        x = (k + 0.5) * seat - width / 2
        m.add(box(seat * 0.96, 0.2, depth * 0.75, 0.05).move(x, foot + base, 0.1), pad)
        cushion = box(seat * 0.9, back * 0.8, 0.2, 0.06).turn("x", -8)
        m.add(cushion.move(x, foot + base + 0.15, -depth / 2 + 0.35), pad)


def _lamp(m: Model) -> None:
    height, sides = m.uniform(0.6, 2.6), m.choose((4, 6, 8, 12))
    foot = m.uniform(0.2, 0.4)
    metal = m.choose(("darkmetal", "metal", "gold", "wood"))
    if height < 1.1:
        line = [
            (foot, 0),
            (foot, 0.06),
            (foot * 0.4, 0.1),
            (foot * m.uniform(0.4, 1.2), height / 2),
        ]
        m.add(revolve([*line, (0.05, height * 0.9), (0.05, height)], sides), "ceramic")
    else:
        line = [(foot, 0), (foot, 0.05), (0.05, 0.12), (0.05, height)]
        m.add(revolve(line, sides), metal)
    low, top, tall = m.uniform(0.3, 0.55), m.uniform(0.12, 0.4), m.uniform(0.3, 0.6)
    glow = gradient(m.fresh("gold"), m.fresh("cream")) if m.chance(0.5) else m.color("cream")
    line = [(low, 0), (top, tall), (top * 0.9, tall), (low * 0.92, 0.02)]
    m.add(revolve(line, sides).move(y=height - tall * 0.6), glow)
    m.add(prism(top * 0.5, tall * 0.5, 6).move(y=height - tall * 0.4), "cream")


def _street_lamp(m: Model) -> None:
    height = m.uniform(2.5, 4)
    metal = m.choose(("darkmetal", "metal", "wood"))
    m.add(revolve([(0.22, 0), (0.22, 0.2), (0.1, 0.35), (0.06, height)], 8), metal)
    if m.chance(0.5):
        line = [(0, 0), (0.35, 0.25), (0.75, 0.2)]
        arm = tube([(x, height + y - 0.1, 0) for x, y in line], 0.05, 5)
        place = m.choose((m.pair, m.add))
        place(arm, metal)
        place(box(0.36, 0.1, 0.2).move(0.8, height + 0.02), metal)
        return
    size = m.uniform(0.2, 0.35)
    m.add(revolve([(size * 0.5, 0), (size, size * 1.6)], 4).move(y=height), "gold")
    m.add(revolve([(size * 1.2, 0), (0, size)], 4).move(y=height + size * 1.6), metal)


def _screen(m: Model) -> None:
    """A television, a picture, a mirror or a door: an upright plate in a frame."""
    width, height, depth = m.uniform(0.8, 1.8), m.uniform(0.7, 2), m.uniform(0.06, 0.2)
    frame = m.choose(("wood", "darkmetal", "gold", "paint"))
    m.add(box(width, height, depth, depth * 0.2), frame)
    inner = m.choose(("glass", "paint", "cloth", "darkmetal"))
    edge = min(width, height) * m.uniform(0.05, 0.16)
    pane = box(width - 2 * edge, height - 2 * edge, depth).move(y=edge, z=depth * 0.15)
    m.add(pane, inner)
    if m.chance(0.4):
        m.add(box(width - 2 * edge, edge * 0.6, depth * 1.3).move(y=height * 0.5, z=0.03), frame)
    if m.chance(0.5):
        m.add(box(width * 0.5, 0.06, depth * 4).move(y=-0.14), frame)
        m.add(box(0.12, 0.16, depth).move(y=-0.1), frame)
    else:
        m.add(prism(0.05, 0.08, 6).lay("z").move(width * 0.38, height * 0.5, depth * 0.7), "gold")


def _throne(m: Model) -> None:
    """A heavy seat with a high pointed back and solid arms."""
    width, depth, height = m.uniform(1, 1.4), m.uniform(0.9, 1.2), m.uniform(0.5, 0.8)
    main = m.choose(("stone", "darkwood", "gold", "wood"))
    m.add(box(width * 1.2, 0.12, depth * 1.2), m.choose(("stone", "darkstone")))
    m.add(box(width, height, depth, top=(0.9, 1)).move(y=0.1), main)
    m.add(box(width * 0.8, 0.12, depth * 0.85, 0.04).move(y=height + 0.1, z=0.05), "cloth")
    tall, side = m.uniform(1.2, 2), width / 2
    peak = m.uniform(0.0, 0.5)
    line = [(-side, 0), (side, 0), (side, tall), (side * 0.5, tall + peak * 0.5), (0, tall + peak)]
    line += [(-side * 0.5, tall + peak * 0.5), (-side, tall)]
    m.add(extrude(line, 0.2).move(y=height * 0.5, z=-depth / 2), main)
    small = [(x * 0.7, y * 0.8) for x, y in line]
    m.add(extrude(small, 0.1).move(y=height + 0.1, z=-depth / 2 + 0.1), "cloth")
    ring = [(x, height + 0.3, z) for x, z in ((side, depth / 2), (side, -depth / 2))]
    m.pair(tube(ring, 0.13, 4), main)
    m.pair(box(0.18, height + 0.2, 0.18).move(side, 0.1, depth / 2 - 0.05), main)
    m.add(ball(0.1, 0).move(y=height + tall * 0.7, z=-depth / 2 + 0.16), "crystal")


FURNITURE = (
    _chair, _chair, _stool, _table, _table, _bench, _bed, _shelf, _cabinet, _cabinet, _sofa, _lamp,
    _street_lamp, _screen, _throne,
)  # fmt: skip
