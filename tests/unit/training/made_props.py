# SPDX-License-Identifier: GPL-3.0-or-later
"""Triangle solids with known truth, and a props folder made of them."""

from pathlib import Path

import numpy as np

READER = """
import json
import numpy as np
from types import SimpleNamespace

def load(path):
    arrays = np.load(path.replace(".npz.xz", ".npz"))
    return [
        SimpleNamespace(
            pack="made", name=name, group=name, vertices=arrays[name + "_vertices"],
            faces=arrays[name + "_faces"], corner_colors=arrays[name + "_colors"],
        )
        for name in arrays["names"].tolist()
    ]
"""
QUADS = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)


def make_box(half, centre=(0.0, 0.0, 0.0)):
    """A box of 12 triangles facing outwards: vertices `[8, 3]`, faces `[12, 3]`."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    vertices = (signs * np.asarray(half) + np.asarray(centre)).astype(np.float32)
    faces = np.concatenate([QUADS[:, [0, 1, 2]], QUADS[:, [0, 2, 3]]])
    return vertices, faces.astype(np.int32)


def make_ball(radius, subdivisions=4):
    """An icosphere; its flat triangles lie at most 0.2 % inside the sphere."""
    golden = (1 + 5**0.5) / 2
    vertices = [[s, t * golden, 0] for s in (-1, 1) for t in (-1, 1)]
    vertices = np.array([np.roll(v, k) for k in range(3) for v in vertices])
    length = np.linalg.norm(vertices[:, None] - vertices[None], axis=2)
    near = np.isclose(length, 2)
    faces = [
        (a, b, c) for a in range(12) for b in range(a) for c in range(b)
        if near[a, b] and near[b, c] and near[c, a]
    ]  # fmt: skip
    corners = vertices[np.array(faces)]
    inward = np.einsum("fi,fi->f", np.cross(corners[:, 1], corners[:, 2]), corners[:, 0]) < 0
    corners[inward] = corners[inward][:, ::-1]
    for _ in range(subdivisions):
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = a + b, b + c, c + a
        parts = [(a, ab / 2, ca / 2), (ab / 2, b, bc / 2), (ca / 2, bc / 2, c)]
        parts.append((ab / 2, bc / 2, ca / 2))
        corners = np.concatenate([np.stack(part, 1) for part in parts])
        corners /= np.linalg.norm(corners, axis=2, keepdims=True)
    flat = (corners * radius).reshape(-1, 3)
    welded, index = np.unique(flat.round(6), axis=0, return_inverse=True)
    return welded.astype(np.float32), index.reshape(-1, 3).astype(np.int32)


def make_sheet():
    """One open square in the plane y = 0, of edge 1.2."""
    vertices = np.array([[-0.6, 0, -0.6], [-0.6, 0, 0.6], [0.6, 0, 0.6], [0.6, 0, -0.6]])
    return vertices.astype(np.float32), np.array([[0, 1, 2], [0, 2, 3]], np.int32)


SHAPES = {
    "cube": make_box((1, 1, 1)),
    "slab": make_box((1, 0.25, 0.6)),
    "ball": make_ball(1.0, 2),
}


def write_props(folder: Path) -> Path:
    """Write a props folder whose two splits hold SHAPES, each corner coloured by its position."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "props.py").write_text(READER, encoding="utf-8")
    arrays: dict[str, np.ndarray] = {"names": np.array(list(SHAPES))}
    for name, (vertices, faces) in SHAPES.items():
        arrays[f"{name}_vertices"], arrays[f"{name}_faces"] = vertices, faces
        arrays[f"{name}_colors"] = ((vertices[faces] + 1) * 127.5).astype(np.uint8)
    for split in ("train", "validation"):
        np.savez(folder / f"props_{split}.npz", **arrays)
    return folder
