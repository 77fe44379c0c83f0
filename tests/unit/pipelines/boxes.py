# SPDX-License-Identifier: GPL-3.0-or-later
"""Boxes with UV maps whose every side is one colour, and pictures of them."""

from pathlib import Path

import numpy as np
from PIL import Image

from backend.data import Mesh

SIDES = {
    "front": ((0, 0, 1), (220, 40, 40)),
    "left": ((1, 0, 0), (40, 200, 60)),
    "back": ((0, 0, -1), (50, 70, 220)),
    "right": ((-1, 0, 0), (220, 200, 50)),
    "top": ((0, 1, 0), (200, 60, 200)),
    "bottom": ((0, -1, 0), (60, 200, 200)),
}
"""Name -> outward normal, sRGB colour. The left side is the object's own left, at +X."""
CELLS = 3
MARGIN = 0.02


def make_box(size: tuple[float, float, float] = (1, 1, 1), uv: bool = True) -> Mesh:
    """A closed box about the origin; its six sides lie in a grid of the UV square."""
    half = np.array(size, np.float64) / 2
    vertices, faces, corners = [], [], []
    for index, (normal, _) in enumerate(SIDES.values()):
        n = np.array(normal, np.float64)
        up = np.array((0, 1, 0) if normal[1] == 0 else (0, 0, -normal[1]), np.float64)
        right = np.cross(up, n)
        quad = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        vertices += [(n + x * right + y * up) * half for x, y in quad]
        faces += [
            [4 * index, 4 * index + 1, 4 * index + 2],
            [4 * index, 4 * index + 2, 4 * index + 3],
        ]
        low = np.array([index % CELLS, index // CELLS]) / CELLS + MARGIN
        place = [low + (np.array(q) + 1) / 2 * (1 / CELLS - 2 * MARGIN) for q in quad]
        corners += [[place[0], place[1], place[2]], [place[0], place[2], place[3]]]
    merged, index = np.unique(np.round(vertices, 9), axis=0, return_inverse=True)
    flat = index.reshape(-1)[np.array(faces)]
    uv_map = np.array(corners, np.float32) if uv else None
    return Mesh(merged.astype(np.float32), flat.astype(np.int32), uv_map)


def side_of_face(name: str) -> np.ndarray:
    """Which faces of a box belong to a side, `[12]` bool."""
    return np.arange(12) // 2 == list(SIDES).index(name)


def texel_of(name: str, size: int) -> tuple[int, int]:
    """Row and column in the middle of a side's place in the texture."""
    index = list(SIDES).index(name)
    column, row = (index % CELLS + 0.5) / CELLS, 1 - (index // CELLS + 0.5) / CELLS
    return int(row * size), int(column * size)


def make_texture(size: int) -> np.ndarray:
    """A texture `[size, size, 3]` uint8 in which each side has its colour, grey between them."""
    texture = np.full((size, size, 3), 128, np.uint8)
    for index, (_, colour) in enumerate(SIDES.values()):
        rows = slice(
            size - (index // CELLS + 1) * size // CELLS, size - index // CELLS * size // CELLS
        )
        columns = slice(index % CELLS * size // CELLS, (index % CELLS + 1) * size // CELLS)
        texture[rows, columns] = colour
    return texture


def write_obj(mesh: Mesh, path: Path) -> None:
    """A Wavefront file with the mesh's UVs, if it has some."""
    lines = [f"v {x} {y} {z}" for x, y, z in mesh.vertices.tolist()]
    if mesh.uv is not None:
        lines += [f"vt {u} {v}" for u, v in mesh.uv.reshape(-1, 2).tolist()]
    for number, face in enumerate(mesh.faces.tolist()):
        words = [
            f"{v + 1}/{3 * number + k + 1}" if mesh.uv is not None else f"{v + 1}"
            for k, v in enumerate(face)
        ]
        lines.append(f"f {' '.join(words)}")
    path.write_text("\n".join(lines) + "\n")


def write_views(folder: Path, size: int = 64, distance: float = 2.0) -> None:
    """Painted views of a unit box, as `docs/views.md` asks: one colour each, white around it."""
    import json

    folder.mkdir()
    views = []
    for name, angles in (
        *[("front", (0, 0)), ("left", (90, 0)), ("back", (180, 0)), ("right", (270, 0))],
        *[("top", (0, 90)), ("bottom", (180, -90))],
    ):
        pixels = np.full((size, size, 3), 255, np.uint8)
        edge = round(size * (1.4 - 1) / 2 / 1.4)
        pixels[edge:-edge, edge:-edge] = SIDES[name][1]
        Image.fromarray(pixels).save(folder / f"{name}.png")
        views.append(
            {
                "file": f"{name}.png",
                "azimuth_deg": angles[0],
                "elevation_deg": angles[1],
                "distance": distance,
                "width": 1.4,
            }
        )
    (folder / "cameras.json").write_text(json.dumps({"views": views}))
