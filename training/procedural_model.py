# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns coloured solids into one asset: palettes, paints, random choices and the final mesh."""

import colorsys
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from training.procedural_solids import Solid

_Option = TypeVar("_Option")

Paint = np.ndarray | Callable[[np.ndarray], np.ndarray]
"""One colour `[3]`, or a function of corners `[F, 3, 3]` that returns colours `[F, 1 or 3, 3]`."""

PALETTES = {
    "wood": "8b5a3c a9713f c89b63 6e4a2f b5835a 9c6b4a d2a679 7d4f50 a0522d 85603f",
    "darkwood": "4b3324 5c4033 3e2a1e 6b4a35 54382a",
    "metal": "8d99a6 a5adb5 7b8794 c0c7cd 6c7a89 9aa0a8 b8b8c0",
    "darkmetal": "3a3f47 4a4e57 2e3238 55595f 40444f 33363b",
    "gold": "e0b040 d4a437 f0c85a c9962e e8b923 b8862b",
    "stone": "8a8d91 9b9a97 757a80 a8a49c 6b6f76 b3aa9a 938b7e",
    "darkstone": "53575d 5d5a66 4a4f55 66605a",
    "cloth": "b23a48 3a6ea5 4f8a5b d9a441 7a4f9a e8e4d8 c96f4a 33475b 9a3b3b 50a0a0",
    "leaf": "4f9d45 3b7d3a 6fb04a 87b440 2f6b3c 5a8f3d a3b545 3f8f6a d08a35 c8602f",
    "bark": "6b4a33 7d5a40 5a3d2b 8b6a4f 4d3a2e",
    "paint": "d0312d 2f6db5 f2b705 2e8b57 e8792b 8e44ad f2f2ee 333a44 16a0a0 c0392b 95a5a6 e67fa0",
    "accent": "f4d03f e74c3c 3498db ecf0f1 2ecc71 e67e22 9b59b6 1abc9c ff8fab",
    "glass": "9fd4e8 7fb8d4 b8e4f0 5d8fae 8fc7d9 34495e",
    "roof": "a8432f 8c3b2a 3f5f7f 5a4a42 b5532e 4a6b4a 6a6f78 c46a3a 7a4a6a",
    "plaster": "e8dcc0 f0ece0 d9c7a0 c9b08a e0d0d0 cfd8d0 b98f6a d8b48a",
    "skin": "e8b58f c98f65 8d5a3a f0c8a8 6e4630 7fae5a",
    "hair": "3a2a20 6b4423 c9a050 2a2a30 8a3a20 d8d0c8",
    "fur": "8a6240 c9a070 5a4a40 e8e0d0 3f3a38 d08040 a8a098 e0a8a8",
    "rubber": "26282b 303236 1f2124 3a3a3c",
    "dirt": "7a5a3c 8f6b45 5f4a38 a0805a",
    "crystal": "6fd3e8 b06fe0 e86fb0 70e8a0 f0d060 5a7ff0 e85a5a",
    "water": "3f8fc8 5ab0d8 2f6fa8",
    "bread": "d49a55 e0b070 c08040 b8743a",
    "fruit": "d03030 e8a030 f0d040 6fb040 8a3a7a e87030 c8d850",
    "cream": "f8f0e0 f0c0d0 6b4030 f4e0a0 c0e0d0 ffffff",
    "meat": "8a4a30 a05a40 6b3a28 c06050",
    "ceramic": "e8e8e4 c0603a d0a070 4f7fa8 6f8f6a f0e0c0 8a5a4a 385070 b8c8c8",
    "snow": "f4f8fa e8f0f4",
    "cactus": "4f8f4a 5fa050 3f7a50 7aa84a",
}


class Model:
    """An asset in the making.

    Attributes:
        rng: Every random choice comes from it.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._solids: list[Solid] = []
        self._colors: list[np.ndarray] = []
        self._chosen: dict[str, np.ndarray] = {}

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def choose(self, options: Sequence[_Option]) -> _Option:
        return options[int(self.rng.integers(len(options)))]

    def color(self, name: str) -> np.ndarray:
        """The asset's colour `[3]` of this name: "wood" and "wood2" come from one palette."""
        if name not in self._chosen:
            self._chosen[name] = self.fresh(name.rstrip("0123456789"))
        return self._chosen[name]

    def fresh(self, palette: str) -> np.ndarray:
        """A new colour `[3]` of a palette."""
        code = self.choose(PALETTES[palette].split())
        red, green, blue = (int(code[k : k + 2], 16) / 255 for k in (0, 2, 4))
        hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
        hue = (hue + self.uniform(-0.02, 0.02)) % 1
        light = min(max(light * self.uniform(0.88, 1.12), 0.05), 0.97)
        saturation = min(saturation * self.uniform(0.75, 1.2), 1)
        return np.array(colorsys.hls_to_rgb(hue, light, saturation))

    def near(self, name: str, amount: float = 0.08) -> np.ndarray:
        """The asset's colour a little brighter or darker: one plank among others."""
        return np.clip(self.color(name) * self.uniform(1 - amount, 1 + amount), 0, 1)

    def add(self, solid: Solid, paint: Paint | str) -> None:
        """Add a part in one colour, in a colour of this name or by a function."""
        if isinstance(paint, str):
            paint = self.color(paint)
        shape = (len(solid.faces), 3, 3)
        values = paint(solid.vertices[solid.faces]) if callable(paint) else paint
        self._solids.append(solid)
        self._colors.append(np.broadcast_to(values, shape))

    def pair(self, solid: Solid, paint: Paint | str) -> None:
        """Add a part and its mirror image, left and right."""
        self.add(solid, paint)
        self.add(solid.mirror(), paint)

    def quad(self, solid: Solid, paint: Paint | str) -> None:
        """Add a part in front and, turned by 180 degrees, behind, each on both sides."""
        self.pair(solid, paint)
        self.pair(solid.turn("y", 180), paint)

    def bounds(self) -> np.ndarray:
        """Lowest and highest point so far, `[2, 3]`."""
        points = np.concatenate([s.vertices for s in self._solids])
        return np.stack([points.min(0), points.max(0)])

    def repeat(self, maps: Sequence[Callable[[Solid], Solid]]) -> None:
        """Replace all parts by one copy of them for each map."""
        solids, colors = self._solids, self._colors
        self._solids = [move(solid) for move in maps for solid in solids]
        self._colors = colors * len(maps)

    def finish(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Join the parts, centre the box and make its longest side 2.

        Returns:
            Vertices `[P, 3]` float32, faces `[F, 3]` int32, corner colours `[F, 3, 3]` uint8.
        """
        count = np.cumsum([0] + [len(s.vertices) for s in self._solids])
        vertices = np.concatenate([s.vertices for s in self._solids])
        faces = np.concatenate([s.faces + n for s, n in zip(self._solids, count, strict=False)])
        low, high = vertices.min(0), vertices.max(0)
        vertices = (vertices - (low + high) / 2) * (2 / (high - low).max())
        corners = vertices[faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(normals, axis=1, keepdims=True)
        kept = area[:, 0] > 1e-9
        normals /= np.maximum(area, 1e-12)
        colors = self._weather(np.concatenate(self._colors), corners, normals)
        return (
            vertices.clip(-1, 1).astype(np.float32),
            faces[kept].astype(np.int32),
            (colors[kept].clip(0, 1) * 255).round().astype(np.uint8),
        )

    def _weather(self, colors: np.ndarray, corners: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Leave colours flat, darken them towards the ground, vary or tint them."""
        kind = self.rng.random()
        if kind < 0.55:
            return colors
        if kind < 0.75:
            share = (corners[..., 1:2] + 1) / 2  # [F, 3, 1]
            return colors * (1 - self.uniform(0.1, 0.35) * (1 - share))
        if kind < 0.9:
            # A wave over directions gives triangles of one plane the same shade.
            wave = np.sin(normals @ self.rng.normal(size=3) * 4 + self.uniform(0, 6))  # [F]
            return colors * (1 + 0.1 * wave[:, None, None])
        tint = self.uniform(0.05, 0.2)
        return colors * (1 - tint) + tint * self.fresh("accent")


def gradient(low: np.ndarray, high: np.ndarray, axis: int = 1) -> Paint:
    """From one colour to another along an axis of the part."""

    def paint(corners: np.ndarray) -> np.ndarray:
        along = corners[..., axis, None]
        start, end = along.min(), along.max()
        share = (along - start) / max(end - start, 1e-9)
        return low + (high - low) * share  # [F, 3, 3]

    return paint


def stripes(first: np.ndarray, second: np.ndarray, count: float, axis: int = 1) -> Paint:
    """Faces of two colours by turns along an axis of the part."""

    def paint(corners: np.ndarray) -> np.ndarray:
        # The middle of the range is the same for both triangles of a quad, their mean is not.
        along = (corners[..., axis].max(1) + corners[..., axis].min(1)) / 2  # [F]
        share = (along - along.min()) / max(float(np.ptp(along)), 1e-9)
        is_second = np.floor(share * count * 0.999).astype(int) % 2
        return np.where(is_second[:, None, None] == 1, second, first)

    return paint


def sectors(first: np.ndarray, second: np.ndarray, count: int) -> Paint:
    """Faces of two colours by turns around y."""

    def paint(corners: np.ndarray) -> np.ndarray:
        middle = corners.mean(1)
        turn = np.arctan2(middle[:, 0], middle[:, 2]) / (2 * np.pi) + 0.5
        is_second = np.floor(turn * count + 0.5).astype(int) % 2
        return np.where(is_second[:, None, None] == 1, second, first)

    return paint


def by_slope(top: np.ndarray, side: np.ndarray, limit: float = 0.5) -> Paint:
    """Faces that look up in one colour, all others in another."""

    def paint(corners: np.ndarray) -> np.ndarray:
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        up = normal[:, 1] / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
        return np.where(up[:, None, None] > limit, top, side)

    return paint


def below(low: np.ndarray, high: np.ndarray, height: float) -> Paint:
    """Faces whose middle lies below a height in one colour, all others in another."""

    def paint(corners: np.ndarray) -> np.ndarray:
        middle = (corners[..., 1].max(1) + corners[..., 1].min(1)) / 2  # [F]
        return np.where(middle[:, None, None] < height, low, high)

    return paint
