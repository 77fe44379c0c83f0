# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a few numbers into the solids that procedural assets are put together from.

Y is up and +Z is front. Unless said otherwise a solid stands on y = 0, centred in x and z. Faces
run counter-clockwise seen from outside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Points = Sequence[Sequence[float]] | np.ndarray

_GOLDEN = (1 + 5**0.5) / 2
_ICO_VERTICES = np.array(
    [
        *((-1, _GOLDEN, 0), (1, _GOLDEN, 0), (-1, -_GOLDEN, 0), (1, -_GOLDEN, 0)),
        *((0, -1, _GOLDEN), (0, 1, _GOLDEN), (0, -1, -_GOLDEN), (0, 1, -_GOLDEN)),
        *((_GOLDEN, 0, -1), (_GOLDEN, 0, 1), (-_GOLDEN, 0, -1), (-_GOLDEN, 0, 1)),
    ]
) / math.hypot(1, _GOLDEN)
_ICO_FACES = np.array(
    [
        *((0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4)),
        *((11, 10, 2), (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8)),
        *((3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)),
    ]
)


@dataclass(frozen=True, slots=True)
class Solid:
    """Triangles of one part.

    Attributes:
        vertices: `[P, 3]` float64, welded.
        faces: `[F, 3]` int64.
    """

    vertices: np.ndarray
    faces: np.ndarray

    def move(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Solid":
        return Solid(self.vertices + np.array((x, y, z)), self.faces)

    def scale(self, x: float, y: float | None = None, z: float | None = None) -> "Solid":
        """Scale about the origin by positive factors; y and z default to x."""
        factors = (x, x if y is None else y, x if z is None else z)
        return Solid(self.vertices * factors, self.faces)

    def mirror(self) -> "Solid":
        """Exchange left and right."""
        return Solid(self.vertices * (-1, 1, 1), self.faces[:, ::-1])

    def turn(self, axis: str, degrees: float) -> "Solid":
        """Turn about "x", "y" or "z", right-handed."""
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        vertices = self.vertices.copy()
        vertices[:, first] = cos * self.vertices[:, first] - sin * self.vertices[:, second]
        vertices[:, second] = sin * self.vertices[:, first] + cos * self.vertices[:, second]
        return Solid(vertices, self.faces)

    def lay(self, axis: str) -> "Solid":
        """Lay what stands along y along "x" or "z", centred on the origin."""
        middle = self.move(y=-(self.vertices[:, 1].max() + self.vertices[:, 1].min()) / 2)
        return middle.turn("z", -90) if axis == "x" else middle.turn("x", 90)

    def cut(self, normal: Sequence[float], offset: float) -> "Solid":
        """Push vertices beyond the plane normal . p = offset back onto it; the normal is unit."""
        over = np.maximum(self.vertices @ np.asarray(normal) - offset, 0)  # [P]
        return Solid(self.vertices - over[:, None] * np.asarray(normal), self.faces)


def loft(rings: Points | list[np.ndarray], closed: bool = False, caps: bool = True) -> Solid:
    """Join rings of points one after the other.

    Args:
        rings: `[R, K, 3]`; a ring whose points all coincide becomes a tip.
        closed: The last ring joins the first.
        caps: Close the ends by fans.
    """
    points = np.asarray(rings, float)
    count, size = points.shape[:2]
    index = np.arange(count * size).reshape(count, size)
    tips = np.ptp(points, axis=1).max(1) < 1e-9  # [R]
    index[tips] = index[tips][:, :1]
    low, high = (index, np.roll(index, -1, 0)) if closed else (index[:-1], index[1:])
    low_next, high_next = np.roll(low, -1, 1), np.roll(high, -1, 1)
    faces = [np.stack([low, low_next, high_next], -1).reshape(-1, 3)]
    faces.append(np.stack([low, high_next, high], -1).reshape(-1, 3))
    if caps and not closed:
        fan = np.stack([np.zeros(size - 2, int), np.arange(1, size - 1), np.arange(2, size)], 1)
        faces += [index[0][fan[:, ::-1]], index[-1][fan]]
    joined = np.concatenate(faces)
    solid = _tidy(points.reshape(-1, 3), joined)
    return _outward(solid) if closed or caps else solid


def _tidy(vertices: np.ndarray, faces: np.ndarray) -> Solid:
    """Drop triangles that name a vertex twice, and vertices without triangles."""
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    return Solid(vertices[used], (np.cumsum(used) - 1)[faces])


def _outward(solid: Solid) -> Solid:
    """Wind all triangles the other way if the volume is negative."""
    a, b, c = np.moveaxis(solid.vertices[solid.faces], 1, 0)
    if np.einsum("fi,fi->", a, np.cross(b, c)) < 0:
        return Solid(solid.vertices, solid.faces[:, ::-1])
    return solid


def box(
    width: float, height: float, depth: float, bevel: float = 0.0, top: tuple[float, float] = (1, 1)
) -> Solid:
    """A box; `top` scales the upper side in x and z, `bevel` cuts all its edges."""
    x, z = width / 2, depth / 2
    bevel = min(bevel, 0.45 * min(width, height, depth))
    if bevel <= 0:
        ring = np.array([(-x, z), (x, z), (x, -z), (-x, -z)])
        levels = ((0.0, 0.0), (height, 0.0))
    else:
        b = bevel
        front = [(b - x, z), (x - b, z), (x, z - b), (x, b - z)]
        ring = np.array([*front, (x - b, -z), (b - x, -z), (-x, b - z), (-x, z - b)])
        levels = ((0.0, b), (b, 0.0), (height - b, 0.0), (height, b))
    rings = []
    for y, inset in levels:
        share = y / height
        size = (1 + (top[0] - 1) * share - inset / x, 1 + (top[1] - 1) * share - inset / z)
        flat = ring * size  # [K, 2]
        rings.append(np.stack([flat[:, 0], np.full(len(flat), y), flat[:, 1]], 1))
    return loft(rings)


def revolve(profile: Points, sides: int) -> Solid:
    """Turn a profile of (radius, height) pairs about y; a flat side faces +Z.

    The profile runs so that the outside lies on its right: up along an outer wall and, where the
    vessel is open, down again along the inner one. Ends that are off the axis are closed.
    """
    line = np.asarray(profile, float)  # [R, 2]
    angle = (np.arange(sides) + 0.5) * (2 * math.pi / sides)
    unit = np.stack([np.sin(angle), np.zeros(sides), np.cos(angle)], 1)  # [K, 3]
    rings = line[:, :1, None] * unit + line[:, 1, None, None] * np.array([0.0, 1.0, 0.0])
    return loft(rings)  # [R, K, 3]


def prism(radius: float, height: float, sides: int = 8, top: float | None = None) -> Solid:
    """An upright cylinder of n sides, a frustum, or a cone where the radius at the top is 0."""
    return revolve([(radius, 0.0), (radius if top is None else top, height)], sides)


def ring_of(radius: float, inner: float, height: float, sides: int = 12) -> Solid:
    """An upright pipe with a wall."""
    line = [(radius, 0.0), (radius, height), (inner, height), (inner, 0.0)]
    angle = (np.arange(sides) + 0.5) * (2 * math.pi / sides)
    unit = np.stack([np.sin(angle), np.zeros(sides), np.cos(angle)], 1)
    return loft([r * unit + np.array([0.0, y, 0.0]) for r, y in line], closed=True)


def tube(
    path: Points, radius: float | Sequence[float], sides: int = 6, closed: bool = False
) -> Solid:
    """A round bar along points `[K, 3]`, of one radius or one for each point."""
    line = np.asarray(path, float)
    size = np.broadcast_to(np.asarray(radius, float), (len(line),))
    around = np.roll(line, -1, 0) - np.roll(line, 1, 0)
    tangent = around if closed else np.gradient(line, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    side = np.eye(3)[int(np.argmin(np.abs(tangent).max(0)))]
    angle = (np.arange(sides) + 0.5) * (2 * math.pi / sides)
    rings = []
    for k in range(len(line)):
        # The last ring's side vector, made perpendicular again, keeps the bar from twisting.
        side = side - (side @ tangent[k]) * tangent[k]
        side /= max(float(np.linalg.norm(side)), 1e-9)
        other = np.cross(tangent[k], side)
        circle = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other
        rings.append(line[k] + size[k] * circle)
    return loft(rings, closed=closed)


def ball(
    radius: float,
    detail: int = 1,
    rng: np.random.Generator | None = None,
    roughness: float = 0.0,
) -> Solid:
    """A ball about the origin of 20 * 4^detail triangles, dented at random where rough."""
    vertices, faces = _ICO_VERTICES, _ICO_FACES
    for _ in range(detail):
        vertices, faces = _subdivide(vertices, faces)
    if rng is None or roughness <= 0:
        return Solid(vertices * radius, faces)
    wave = rng.normal(size=(5, 3)) * 2.0
    phase = rng.uniform(0, 2 * math.pi, 5)
    lumps = np.sin(vertices @ wave.T + phase).sum(1) / 5**0.5  # [P]
    lumps += rng.normal(size=len(vertices)) * 0.35
    return Solid(vertices * (radius * np.clip(1 + roughness * lumps, 0.4, 1.6))[:, None], faces)


def _subdivide(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Part each triangle of a unit ball in four."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    key, inverse = np.unique(ends[:, 0] * len(vertices) + ends[:, 1], return_inverse=True)
    middle = vertices[key // len(vertices)] + vertices[key % len(vertices)]
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    ab, bc, ca = (inverse.ravel() + len(vertices)).reshape(3, -1)
    a, b, c = faces.T
    corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([vertices, middle]), np.concatenate([np.stack(x, 1) for x in corners])


def extrude(outline: Points, depth: float, bevel: float = 1.0) -> Solid:
    """A plate in the plane z = 0 from a simple outline `[K, 2]`, half its depth on either side.

    Args:
        outline: Points (x, y) in either sense.
        depth: Thickness along z.
        bevel: Scale of front and back about the outline's centre; 1 leaves the edges sharp.
    """
    line = np.asarray(outline, float)
    x, y = line.T
    if np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) < 0:
        line = line[::-1]
    centre = (line.max(0) + line.min(0)) / 2
    small = centre + (line - centre) * bevel
    half = depth / 2
    levels = [(small, -half), (small, half)]
    if bevel < 1:
        levels[1:1] = [(line, -half * bevel), (line, half * bevel)]
    rings = [np.column_stack([flat, np.full(len(flat), z)]) for flat, z in levels]
    side = loft(rings, caps=False)
    front = np.array(_clip_ears(line.tolist()))
    last = len(side.vertices) - len(line)
    return Solid(side.vertices, np.concatenate([side.faces, front[:, ::-1], front + last]))


def _clip_ears(line: list[list[float]]) -> list[tuple[int, int, int]]:
    """Triangles of a simple polygon that runs counter-clockwise."""

    def area(a: int, b: int, c: int) -> float:
        (ax, ay), (bx, by), (cx, cy) = line[a], line[b], line[c]
        return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)

    def is_ear(k: int) -> bool:
        a, b, c = left[k - 1], left[k], left[(k + 1) % len(left)]
        if area(a, b, c) <= 1e-12:
            return False
        inner = (p for p in left if p not in (a, b, c))
        return not any(area(a, b, p) > 0 and area(b, c, p) > 0 and area(c, a, p) > 0 for p in inner)

    left = list(range(len(line)))
    triangles = []
    while len(left) > 3:
        k = next((k for k in range(len(left)) if is_ear(k)), 0)
        triangles.append((left[k - 1], left[k], left[(k + 1) % len(left)]))
        del left[k]
    return [*triangles, (left[0], left[1], left[2])]


def roof(
    width: float, height: float, depth: float, ridge: float = 1.0, overhang: float = 0.0
) -> Solid:
    """A roof whose ridge runs along x; `ridge` is its share of the width: 1 gable, 0 pyramid."""
    x, z = width / 2, depth / 2
    lip = overhang
    base = [(-x, 0.0, z), (x, 0.0, z), (x, 0.0, -z), (-x, 0.0, -z)]
    eaves = [(px, lip, pz) for px, _, pz in base]
    r = x * ridge
    vertices = np.array([*base, *eaves, (-r, height, 0.0), (r, height, 0.0)])
    quads = [(3, 2, 1, 0), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    quads += [(4, 5, 9, 8), (6, 7, 8, 9)]
    faces = [(a, b, c) for a, b, c, _ in quads] + [(a, c, d) for a, _, c, d in quads]
    faces += [(5, 6, 9), (7, 4, 8)]
    index = np.arange(10)
    if lip <= 0:
        index[4:8] = index[:4]
    if ridge <= 0:
        index[9] = 8
    return _tidy(vertices, index[np.array(faces)])


def curve(points: Points, count: int) -> np.ndarray:
    """A smooth line of `count` points through these, by Catmull and Rom's spline.

    Args:
        points: `[K, C]`.
        count: Number of points returned, spread evenly over the pieces.

    Returns:
        `[count, C]`.
    """
    line = np.asarray(points, float)
    padded = np.concatenate([2 * line[:1] - line[1:2], line, 2 * line[-1:] - line[-2:-1]])
    where = np.linspace(0, len(line) - 1, count)
    piece = np.minimum(where.astype(int), len(line) - 2)
    t = (where - piece)[:, None]
    a, b, c, d = (padded[piece + k] for k in range(4))
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3
    )


def arc(radius: float, start: float, end: float, count: int, rise: float = 0.0) -> np.ndarray:
    """Points (x, y) `[count, 2]` on a circle about (0, rise); degrees, 0 at +x, 90 at +y."""
    angle = np.radians(np.linspace(start, end, count))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle) + rise], 1)
