# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns random choices into animals and dragons, all of which face +Z."""

import numpy as np

from training.procedural_beings import add_eyes
from training.procedural_model import Model, below, stripes
from training.procedural_solids import ball, box, curve, extrude, prism, revolve, tube


def _beast(m: Model) -> None:
    """A four-legged animal: cow, pig, dog, cat, horse, sheep, elephant or the like."""
    long, width, tall = m.uniform(1, 1.7), m.uniform(0.45, 0.8), m.uniform(0.4, 0.75)
    leg, thick = m.uniform(0.25, 0.9), m.uniform(0.08, 0.16)
    neck, head = m.uniform(0.0, 0.8), m.uniform(0.35, 0.55)
    main = m.color("fur")
    shape = m.choose(("box", "round", "wool"))
    _beast_body(m, shape, main, long, width, tall, leg)
    limb = box(thick * 2, leg + 0.12, thick * 2, top=(1.15, 1.15))
    for z in (long * 0.36, -long * 0.36):
        m.pair(limb.move(width * 0.32, 0, z), main)
        if leg > 0.45:
            m.pair(box(thick * 2.15, 0.1, thick * 2.2).move(width * 0.32, 0, z), "darkmetal")
    y, z = leg + tall * 0.75 + neck * 0.75, long * 0.5 + neck * 0.35
    m.add(
        tube([(0, leg + tall * 0.6, long * 0.36), (0, y, z)], [tall * 0.36, head * 0.38], 6), main
    )
    m.add(box(head, head, head * 1.05, head * 0.15).move(y=y - head * 0.35, z=z + head * 0.2), main)
    _muzzle(m, y, z + head * 0.7, head)
    add_eyes(m, head * 0.34, y + head * 0.25, z + head * 0.72, head * 0.1)
    _ears(m, y + head * 0.6, z + head * 0.1, head)
    kind = m.choose(("thin", "bushy", "stub"))
    length = 0.15 if kind == "stub" else m.uniform(0.4, 0.7)
    end = (0, leg + tall * m.uniform(0.3, 1.2), -long * 0.5 - length)
    m.add(
        tube(
            [(0, leg + tall * 0.8, -long * 0.47), end], [0.06, 0.16 if kind == "bushy" else 0.05], 5
        ),
        main,
    )


def _beast_body(
    m: Model, shape: str, main: np.ndarray, long: float, width: float, tall: float, leg: float
) -> None:
    """The body of a beast on legs of this length."""
    if shape == "box":
        body = box(width, tall, long, 0.1).move(y=leg)
    elif shape == "round":
        knots = [(0.3, -0.5), (0.5, -0.42), (0.5, 0), (0.52, 0.35), (0.3, 0.5)]
        body = (
            revolve([(r, z * long) for r, z in knots], 8)
            .turn("x", 90)
            .scale(width, tall, 1)
            .move(y=leg + tall * 0.5)
        )
    else:
        body = (
            ball(0.5, 1, m.rng, 0.08).scale(width * 1.2, tall * 1.2, long).move(y=leg + tall * 0.5)
        )
    belly = below(m.color("fur2"), main, leg + tall * 0.35)
    m.add(body, m.choose((main, main, belly, stripes(main, m.color("fur2"), 5, 2))))


def _muzzle(m: Model, y: float, z: float, head: float) -> None:
    kind = m.choose(("box", "long", "snout", "trunk", "none"))
    if kind == "box":
        m.add(
            box(head * 0.65, head * 0.45, head * 0.5, 0.04).move(
                y=y - head * 0.3, z=z + head * 0.1
            ),
            "fur3",
        )
        m.add(box(head * 0.25, head * 0.14, 0.06).move(y=y, z=z + head * 0.35), "rubber")
    elif kind == "long":
        m.add(
            box(head * 0.55, head * 0.5, head, 0.05, (0.8, 0.9)).move(
                y=y - head * 0.32, z=z + head * 0.3
            ),
            "fur",
        )
        m.add(box(head * 0.3, head * 0.15, 0.06).move(y=y, z=z + head * 0.78), "rubber")
    elif kind == "snout":
        m.add(
            prism(head * 0.26, head * 0.3, 8).lay("z").move(y=y - head * 0.05, z=z + head * 0.1),
            "skin",
        )
        m.pair(ball(0.03, 0).move(head * 0.1, y - head * 0.05, z + head * 0.26), "rubber")
    elif kind == "trunk":
        path = curve(
            [(0, y, z), (0, y - head * 0.6, z + head * 0.5), (0, y - head * 1.4, z + head * 0.4)], 5
        )
        m.add(
            tube(path, [head * 0.22, head * 0.2, head * 0.16, head * 0.13, head * 0.11], 6), "fur"
        )


def _ears(m: Model, y: float, z: float, head: float) -> None:
    """Ears and horns on a head whose top is at y."""
    kind = m.choose(("up", "long", "round", "side"))
    if kind == "up":
        m.pair(
            prism(head * 0.2, head * 0.45, 4, 0).scale(1, 1, 0.5).move(head * 0.32, y - 0.02, z),
            "fur",
        )
    elif kind == "long":
        m.pair(ball(head * 0.3, 0).scale(0.5, 2, 0.4).move(head * 0.25, y + head * 0.45, z), "fur")
    elif kind == "round":
        m.pair(ball(head * 0.26, 1).scale(1, 1, 0.5).move(head * 0.45, y, z), "fur2")
    else:
        m.pair(ball(head * 0.3, 0).scale(1.4, 0.5, 0.6).move(head * 0.7, y - head * 0.2, z), "fur")
    horns = m.choose(("none", "none", "horns", "antlers", "one"))
    if horns == "horns":
        path = curve(
            [(head * 0.2, y, z), (head * 0.7, y + head * 0.1, z), (head * 0.8, y + head * 0.6, z)],
            5,
        )
        m.pair(tube(path, [0.09, 0.08, 0.06, 0.04, 0.01], 5), "cream")
    elif horns == "antlers":
        path = [
            (head * 0.15, y, z),
            (head * 0.5, y + head * 0.7, z),
            (head * 0.45, y + head * 1.4, z),
        ]
        m.pair(tube(path, 0.05, 5), "wood")
        m.pair(tube([path[1], (head * 1.0, y + head * 1.1, z)], 0.04, 5), "wood")
    elif horns == "one":
        m.add(
            prism(head * 0.12, head * 0.8, 6, 0).turn("x", 25).move(y=y - 0.03, z=z + head * 0.3),
            "gold",
        )


def _bird(m: Model) -> None:
    """A duck, hen, penguin, owl or parrot."""
    upright, size = m.chance(0.4), m.uniform(0.5, 0.7)
    tall = m.uniform(1.2, 1.7) if upright else m.uniform(0.75, 0.95)
    long = 0.9 if upright else m.uniform(1.3, 1.7)
    main = m.color(m.choose(("fur", "paint", "snow", "accent")))
    body = ball(size, 1).scale(0.85, tall, long)
    leg = m.uniform(0.15, 0.5)
    y = leg + size * tall * 0.9
    m.add(body.move(y=y), below(m.color("snow"), main, y) if m.chance(0.3) else main)
    head = size * m.uniform(0.5, 0.7)
    hy, hz = (
        (y + size * tall * 0.95, size * 0.2)
        if upright
        else (y + size * m.uniform(0.7, 1.2), size * long * 0.8)
    )
    m.add(tube([(0, y, hz * 0.5), (0, hy, hz)], [size * 0.5, head * 0.7], 6), main)
    m.add(ball(head, 1).move(y=hy, z=hz), m.choose((main, m.color("accent2"))))
    m.add(
        prism(head * 0.35, head * m.uniform(0.6, 1.1), 4, 0)
        .turn("x", 90)
        .scale(1, 0.6, 1)
        .move(y=hy - head * 0.1, z=hz + head * 0.8),
        "gold",
    )
    add_eyes(m, head * 0.5, hy + head * 0.3, hz + head * 0.78, head * 0.18)
    _wings_and_tail(m, main, upright, (size, tall, long), y)
    _feet(m, size, leg)
    if m.chance(0.3):
        comb = extrude(
            [(-0.2, 0), (0.25, 0), (0.2, 0.2), (0.08, 0.1), (0, 0.24), (-0.1, 0.1), (-0.2, 0.18)],
            0.07,
        )
        m.add(comb.turn("y", -90).move(y=hy + head * 0.85, z=hz), "fruit")


def _wings_and_tail(
    m: Model, main: np.ndarray, upright: bool, sizes: tuple[float, float, float], y: float
) -> None:
    """Wings and tail on a body, y above the ground, of this size, height and length."""
    size, tall, long = sizes
    spread = m.choose((0, 0, 60))
    wing = ball(size * 0.7, 1).scale(0.2, 0.7 * tall, 0.9 * long).move(y=-size * 0.1)
    m.pair(
        wing.turn("z", spread).move(size * (0.85 if not spread else 1.3), y + 0.05, -0.05),
        main * 0.85,
    )
    tail = extrude([(-0.12, 0), (0.12, 0), (0.25, 0.6), (-0.25, 0.6)], 0.08).turn(
        "x", -60 if not upright else -110
    )
    m.add(tail.move(y=y, z=-size * long * 0.8), main * 0.85)


def _feet(m: Model, size: float, leg: float) -> None:
    """Legs of this length and their feet under a body of this size."""
    m.pair(prism(0.05, leg + 0.2, 5).move(size * 0.35), "gold")
    m.pair(box(0.22, 0.06, 0.34, top=(0.7, 0.8)).move(size * 0.35, 0, 0.08), "gold")


def _fish(m: Model) -> None:
    """A fish or a whale that swims to +Z."""
    long, tall, width = m.uniform(1.6, 2.4), m.uniform(0.5, 1), m.uniform(0.3, 0.5)
    knots = [(0.15, -0.5), (0.3, -0.35), (0.5, 0.0), (0.45, 0.25), (0.25, 0.42), (0.0, 0.5)]
    body = revolve([(r, z * long) for r, z in knots], 8).turn("x", 90).scale(width * 2, tall, 1)
    first, second = m.color("paint"), m.color(m.choose(("accent", "snow")))
    m.add(body, m.choose((first, below(second, first, -tall * 0.1), stripes(first, second, 5, 2))))
    tail = [(0, 0.1), (-0.5, tall * 0.7), (-0.35, 0), (-0.5, -tall * 0.6), (0, -0.1)]
    fin = extrude(tail, 0.07).turn("y", -90).move(z=-long * 0.45)
    m.add(fin.turn("z", 90) if m.chance(0.2) else fin, second)
    back = [(0.3, 0), (-0.1, tall * m.uniform(0.3, 0.6)), (-0.45, tall * 0.2), (-0.4, 0)]
    m.add(extrude(back, 0.06).turn("y", -90).move(y=tall * 0.42), second)
    side = extrude([(0, 0.1), (0.45, -0.1), (0.4, -0.3), (0, -0.15)], 0.05).turn("x", 60)
    m.pair(side.move(width * 0.8, -tall * 0.1, long * 0.15), second)
    add_eyes(m, width * 0.62, tall * 0.12, long * 0.33, 0.09)


def _bug(m: Model) -> None:
    """A spider, beetle, bee or crab."""
    kind = m.choose(("spider", "beetle", "bee", "crab"))
    first, second = m.color("paint"), m.color("rubber")
    y = m.uniform(0.35, 0.5)
    body = ball(0.5, 1).scale(1 if kind != "crab" else 1.4, 0.7, 1.3 if kind != "crab" else 0.9)
    paint = stripes(m.color("gold"), second, 5, 2) if kind == "bee" else first
    m.add(body.move(y=y, z=-0.3 if kind != "crab" else 0), paint)
    if kind != "crab":
        m.add(ball(0.3, 1).move(y=y, z=0.45), second if kind != "spider" else first)
    add_eyes(m, 0.16, y + 0.15, 0.7 if kind != "crab" else 0.45, 0.1)
    for k in range({"spider": 4, "crab": 3}.get(kind, 3)):
        z = 0.3 - 0.25 * k
        leg = [(0.3, y, z * 0.6), (0.75, y + 0.3, z * 1.6), (1.05, 0, z * 2.2)]
        m.pair(tube(leg, [0.07, 0.06, 0.03], 5), second if kind != "crab" else first)
    if kind == "bee":
        m.pair(ball(0.4, 0).scale(1.3, 0.12, 0.7).turn("z", 20).move(0.5, y + 0.5, -0.2), "glass")
    elif kind == "crab":
        m.pair(tube([(0.55, y, 0.3), (0.85, y + 0.1, 0.7)], 0.09, 5), first)
        m.pair(ball(0.24, 1).scale(0.8, 0.6, 1.2).move(0.85, y + 0.1, 0.9), first)
    elif kind == "beetle":
        horn = curve([(0, y + 0.1, 0.65), (0, y + 0.4, 0.9), (0, y + 0.6, 0.8)], 4)
        m.add(tube(horn, [0.08, 0.06, 0.05, 0.01], 5), second)


def _dragon(m: Model) -> None:
    """A snake-necked reptile: dinosaur, dragon, crocodile or turtle."""
    kind = m.choose(("upright", "long", "turtle"))
    main = m.color(m.choose(("leaf", "paint", "crystal", "cactus")))
    if kind == "turtle":
        _turtle(m, main)
        return
    y = m.uniform(0.8, 1.1) if kind == "upright" else m.uniform(0.3, 0.45)
    if kind == "upright":
        points = [
            (0, 0.15, -1.6),
            (0, y * 0.7, -0.8),
            (0, y, 0),
            (0, y + 0.6, 0.45),
            (0, y + 1, 0.6),
        ]
    else:
        lift = m.uniform(0, 0.9)
        points = [
            (0, 0.1, -1.7),
            (0, y, -0.8),
            (0, y + 0.1, 0),
            (0, y + 0.15, 0.6),
            (0, y + lift, 1.1),
        ]
    path = curve(points, 10)
    size = np.interp(np.linspace(0, 4, 10), range(5), [0.03, 0.25, m.uniform(0.38, 0.5), 0.28, 0.2])
    m.add(
        tube(path, size, 8),
        below(m.color("cream"), main, path[5, 1] - 0.25) if m.chance(0.4) else main,
    )
    _dress_dragon(m, kind, main, path, size, y)


def _dress_dragon(
    m: Model, kind: str, main: np.ndarray, path: np.ndarray, size: np.ndarray, y: float
) -> None:
    """Head, legs, spikes and wings on a body along a path, `y` above the ground."""
    hy, hz = path[-1, 1], path[-1, 2]
    m.add(box(0.42, 0.36, 0.45, 0.07).move(y=hy - 0.1, z=hz + 0.05), main)
    m.add(box(0.34, 0.22, 0.5, 0.05, (0.85, 0.9)).move(y=hy - 0.08, z=hz + 0.45), main)
    add_eyes(m, 0.16, hy + 0.24, hz + 0.2, 0.07)
    if kind == "upright":
        m.pair(box(0.25, y, 0.35, top=(1.2, 1.3)).move(0.3, 0, -0.05), main)
        m.pair(tube([(0.25, y + 0.35, 0.35), (0.35, y + 0.15, 0.7)], [0.09, 0.05], 5), main)
    else:
        for z in (0.45, -0.65):
            m.pair(box(0.2, y + 0.05, 0.25).move(0.38, 0, z), main)
    for k in range(m.choose((0, 5, 7))):
        at = path[min(2 + k, 9)]
        m.add(
            prism(0.13, 0.3, 4, 0)
            .scale(0.5, 1, 1)
            .move(at[0], at[1] + size[min(2 + k, 9)] - 0.06, at[2]),
            "accent",
        )
    if m.chance(0.3):
        wing = extrude([(0, 0), (0.5, 0.6), (1.3, 0.5), (1.0, 0.15), (0.6, 0.1), (0.4, -0.2)], 0.06)
        m.pair(wing.turn("y", 20).move(0.2, y + 0.3, -0.1), "accent")


def _turtle(m: Model, main: np.ndarray) -> None:
    """A turtle in this colour under a shell of another."""
    shell = revolve([(0.8, 0), (0.85, 0.15), (0.6, 0.5), (0, 0.65)], m.choose((6, 8, 10))).scale(
        0.9, 1, 1.1
    )
    m.add(shell.move(y=0.22), m.choose(("bark", "leaf2", "paint2")))
    m.add(prism(0.7, 0.12, 8).move(y=0.15), "cream")
    m.quad(box(0.28, 0.28, 0.35, 0.05).move(0.55, 0, 0.55), main)
    m.add(tube([(0, 0.3, 0.6), (0, 0.5, 1.05)], 0.17, 6), main)
    m.add(ball(0.25, 1).move(y=0.58, z=1.15), main)
    add_eyes(m, 0.13, 0.66, 1.35, 0.06)


ANIMALS = (_beast, _beast, _beast, _bird, _fish, _bug, _dragon)
