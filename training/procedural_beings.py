# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into people, snowmen and round monsters, all of which face +Z."""

import math

import numpy as np

from training.procedural_model import Model
from training.procedural_solids import ball, box, extrude, prism, revolve, tube


def add_eyes(m: Model, x: float, y: float, z: float, size: float) -> None:
    """Add a pair of eyes of a random kind, x off the middle."""
    kind = m.choose(("dots", "balls", "boxes"))
    if kind == "balls":
        m.pair(ball(size, 1).move(x, y, z - size * 0.3), "snow")
        m.pair(ball(size * 0.5, 0).move(x, y, z + size * 0.5), "rubber")
    elif kind == "dots":
        m.pair(ball(size * 0.7, 0).scale(1, 1.2, 0.5).move(x, y, z), "rubber")
    else:
        m.pair(box(size, size * 1.5, size * 0.5).move(x, y - size * 0.7, z), "rubber")


def _person(m: Model) -> None:
    blocky = m.chance(0.45)
    leg, torso, width = m.uniform(0.45, 1), m.uniform(0.6, 0.9), m.uniform(0.5, 0.8)
    depth, head = width * m.uniform(0.5, 0.65), m.uniform(0.45, 0.9)
    trousers, shirt = m.fresh("cloth"), m.fresh("cloth")
    _legs(m, blocky, trousers, leg, width, depth)
    top = (m.uniform(0.85, 1.25), 1)
    body = box(width, torso, depth, 0.0 if blocky else 0.08, top)
    if not blocky and m.chance(0.5):
        flare = m.uniform(0.6, 1)
        body = revolve(
            [(width * flare, -leg * 0.4), (width * 0.45, torso * 0.6), (width * 0.5, torso)], 8
        ).scale(1, 1, 0.7)
    m.add(body.move(y=leg), shirt)
    m.add(box(width * 1.04, 0.1, depth * 1.06).move(y=leg), "darkwood2")
    _arms(m, blocky, shirt, width * top[0], leg + torso - 0.12)
    y = leg + torso
    m.add(prism(head * 0.2, 0.12, 6).move(y=y - 0.03), "skin")
    skull = (
        box(head, head, head * 0.9, head * 0.08)
        if blocky
        else ball(head * 0.55, 1).scale(1, 1.05, 0.95).move(y=head * 0.5)
    )
    m.add(skull.move(y=y + 0.05), "skin")
    add_eyes(m, head * 0.2, y + head * 0.58, head * (0.46 if blocky else 0.5), head * 0.11)
    _headgear(m, y + 0.05, head, blocky)
    if m.chance(0.25):
        cape = extrude(
            [
                (-width * 0.5, 0),
                (width * 0.5, 0),
                (width * 0.7, -torso - leg * 0.6),
                (-width * 0.7, -torso - leg * 0.6),
            ],
            0.06,
        )
        m.add(cape.turn("x", 6).move(y=y, z=-depth * 0.6), "cloth2")


def _legs(
    m: Model, blocky: bool, trousers: np.ndarray, leg: float, width: float, depth: float
) -> None:
    """Legs and shoes."""
    for x in (1, -1):
        limb = (
            box(width * 0.42, leg, depth * 0.8, top=(1, 1))
            if blocky
            else prism(width * 0.2, leg, 6, width * 0.24)
        )
        m.add(limb.move(x * width * 0.25), trousers)
        m.add(
            box(width * 0.42, 0.16, depth * 1.2, 0.03).move(x * width * 0.25, 0, depth * 0.15),
            "darkwood",
        )


def _arms(m: Model, blocky: bool, shirt: np.ndarray, side: float, shoulder: float) -> None:
    """Arms with hands, hanging or spread, from shoulders this far apart; maybe a staff."""
    reach = m.uniform(0.5, 0.75)
    droop = m.choose((0.0, 0.3, 0.8, 1.0)) * m.uniform(0.9, 1)
    hand = (
        side * 0.5 + reach * math.cos(droop * 1.35),
        shoulder - reach * math.sin(droop * 1.35),
        0.05,
    )
    start = (side * 0.45, shoulder, 0)
    arm = tube([start, hand], 0.13 if blocky else 0.1, 4 if blocky else 6)
    m.pair(arm, shirt if m.chance(0.6) else m.color("skin"))
    m.pair(ball(0.13, 1).move(*hand), "skin")
    if m.chance(0.25):
        m.add(prism(0.04, 1.5, 5).move(hand[0], hand[1] - 0.6, hand[2] + 0.05), "wood")
        m.add(ball(0.13, 0).move(hand[0], hand[1] + 0.9, hand[2] + 0.05), "crystal")


def _headgear(m: Model, y: float, head: float, blocky: bool) -> None:
    """Hair, a hat or a helmet on a head whose chin is at y."""
    kind = m.choose(("hair", "hair", "long", "hat", "wizard", "helmet", "crown", "bun", "none"))
    top = y + head
    if kind in ("hair", "long", "bun"):
        cap = (
            ball(head * 0.6, 1).scale(1, 0.9, 1).cut((0, -math.cos(0.5), math.sin(0.5)), head * 0.1)
        )
        if blocky:
            m.add(box(head * 1.08, head * 0.3, head, 0.03).move(y=y + head * 0.76), "hair")
            m.add(
                box(head * 1.08, head * 0.8, head * 0.4).move(y=y + head * 0.2, z=-head * 0.3),
                "hair",
            )
        else:
            m.add(cap.move(y=y + head * 0.62, z=-0.02), "hair")
        if kind == "long":
            m.add(
                box(head * 1.05, head, head * 0.3, 0.05).move(y=y - head * 0.3, z=-head * 0.42),
                "hair",
            )
        elif kind == "bun":
            m.add(ball(head * 0.22, 1).move(y=top + head * 0.1, z=-head * 0.25), "hair")
    elif kind == "hat":
        brim = head * m.uniform(0.75, 1)
        m.add(
            revolve(
                [(brim, 0), (brim, 0.05), (head * 0.5, 0.08), (head * 0.42, head * 0.5)], 10
            ).move(y=top - head * 0.15),
            "cloth3",
        )
    elif kind == "wizard":
        m.add(
            revolve(
                [(head * 0.95, 0), (head * 0.5, 0.08), (head * 0.25, head * 0.6), (0, head * 1.2)],
                8,
            ).move(y=top - head * 0.2),
            "cloth3",
        )
    else:
        _metal_hat(m, kind, top, head)


def _metal_hat(m: Model, kind: str, top: float, head: float) -> None:
    """A helmet or a crown on a head whose highest point is at `top`."""
    if kind == "helmet":
        m.add(
            revolve(
                [
                    (head * 0.62, 0),
                    (head * 0.62, head * 0.3),
                    (head * 0.35, head * 0.6),
                    (0, head * 0.68),
                ],
                8,
            ).move(y=top - head * 0.45),
            "metal",
        )
        m.add(
            box(head * 0.1, head * 0.4, head * 0.12).move(y=top - head * 0.65, z=head * 0.55),
            "metal",
        )
        if m.chance(0.4):
            m.pair(
                tube([(head * 0.55, top, 0), (head * 0.9, top + head * 0.3, 0)], [0.09, 0.01], 5),
                "cream",
            )
    elif kind == "crown":
        m.add(prism(head * 0.5, head * 0.2, 8).move(y=top - head * 0.1), "gold")
        for k in range(6):
            m.add(
                prism(0.07, head * 0.25, 4, 0)
                .move(z=head * 0.42)
                .turn("y", 60 * k)
                .move(y=top + head * 0.08),
                "gold",
            )


def _snowman(m: Model) -> None:
    """A snowman, a ghost, a slime or another round monster."""
    kind = m.choose(("snowman", "ghost", "slime", "monster"))
    if kind == "snowman":
        _snow_balls(m)
        return
    main = (
        m.color("snow")
        if kind == "ghost"
        else m.color(m.choose(("leaf", "crystal", "accent", "paint")))
    )
    tall = {
        "ghost": m.uniform(1.4, 1.9),
        "slime": m.uniform(0.7, 0.9),
        "monster": m.uniform(1, 1.5),
    }[kind]
    line = [(0.7, 0), (0.75, tall * 0.2), (0.65, tall * 0.6), (0.4, tall * 0.92), (0, tall)]
    sides = m.choose((8, 10, 12))
    m.add(revolve(line, sides), main)
    add_eyes(m, 0.22, tall * 0.62, 0.66, 0.14)
    m.add(box(0.3, m.choose((0.06, 0.16)), 0.08).move(y=tall * 0.36, z=0.68), "rubber")
    if kind == "monster":
        m.pair(tube([(0.3, tall * 0.85, 0), (0.55, tall * 1.25, 0)], [0.13, 0.01], 5), "cream")
        m.pair(prism(0.16, 0.3, 6).move(0.32, -0.22), main * 0.8)
    if kind != "slime":
        lift = m.uniform(-0.3, 0.3)
        m.pair(tube([(0.6, tall * 0.5, 0), (1.0, tall * 0.5 + lift, 0.1)], [0.15, 0.11], 6), main)


def _snow_balls(m: Model) -> None:
    """Three balls of snow with a carrot, arms and a hat."""
    r, y = m.uniform(0.6, 0.8), 0.0
    for _ in range(3):
        m.add(ball(r, 2 if r > 0.7 else 1).move(y=y + r * 0.85), "snow")
        y, r = y + r * 1.45, r * 0.72
    r /= 0.72
    y -= r * 1.45
    m.add(prism(r * 0.18, r, 6, 0).turn("x", 90).move(y=y + r * 0.85, z=r * 0.8), "fruit")
    add_eyes(m, r * 0.35, y + r * 1.15, r * 0.88, r * 0.2)
    m.pair(tube([(0.4, y - 0.2, 0), (1.1, y + m.uniform(-0.1, 0.4), 0)], 0.04, 5), "bark")
    m.add(
        revolve([(r * 1.1, 0), (r * 1.1, 0.05), (r * 0.65, 0.06), (r * 0.6, 0.5)], 8).move(
            y=y + r * 1.6
        ),
        "darkmetal",
    )


BEINGS = (_person, _person, _snowman)
