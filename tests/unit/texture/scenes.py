# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes with one chart per triangle, painted by a function of place, for the bake's tests."""

from collections.abc import Callable

import numpy as np
import torch

from backend.config import BakeConfig
from backend.data import Camera, Mesh, PaintedViews, Texture
from backend.progress import Progress
from backend.render.camera import orbit_camera
from backend.render.views import RenderConfig, render_views
from backend.texture.atlas import find_texels, load_surface
from backend.texture.bake import bake_texture

Colour = Callable[[torch.Tensor], torch.Tensor]
CPU = torch.device("cpu")
AROUND = ((0, 0), (90, 0), (180, 0), (270, 0), (0, 90), (180, -90))


def with_charts(vertices: np.ndarray, faces: np.ndarray, gap: float = 0.06) -> Mesh:
    """Give every pair of triangles a square of its own, so that all edges but one are seams."""
    count = len(faces)
    columns = int(np.ceil(np.sqrt((count + 1) // 2)))
    low, high = gap, 1 - gap
    first = np.array([[low, low], [high, low], [high, high]])
    second = np.array([[low, low], [high, high], [low, high]])
    uv = np.empty((count, 3, 2))
    for face in range(count):
        cell = face // 2
        corner = np.array([cell % columns, cell // columns])
        uv[face] = (corner + (first, second)[face % 2]) / columns
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32), uv.astype(np.float32))


def box(size: tuple[float, float, float] = (0.6, 0.6, 0.6), centre=(0.0, 0.0, 0.0)) -> Mesh:
    corners = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]) / 2
    quads = [(4, 5, 7, 6), (1, 0, 2, 3), (5, 1, 3, 7), (0, 4, 6, 2), (6, 7, 3, 2), (0, 1, 5, 4)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    return with_charts(corners * np.array(size) + np.array(centre), np.array(faces))


def join(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
    return with_charts(np.concatenate([m.vertices for m in meshes]), np.concatenate(faces))


def look(azimuth: float, elevation: float, width: float = 1.2) -> Camera:
    return orbit_camera(azimuth, elevation, 2.0, width=width)


def paint(
    mesh: Mesh,
    cameras: tuple[Camera, ...],
    colour: Colour,
    size: int = 128,
    weights: tuple[float, ...] | None = None,
    background: float = 1.0,
) -> PaintedViews:
    """What the cameras see of a mesh whose colour is a function of place."""
    views = render_views(mesh, cameras, RenderConfig(size), Progress(), CPU)
    corners = torch.from_numpy(mesh.vertices[mesh.faces])[views.triangle.clamp(min=0)]
    point = torch.einsum("vhwk,vhwkc->vhwc", views.barycentric, corners)
    picture = torch.where(views.mask[..., None], colour(point), torch.tensor(background))
    return PaintedViews(cameras, picture, weights or (1.0,) * len(cameras))


def bake(mesh: Mesh, painted: PaintedViews, size: int = 128) -> Texture:
    return bake_texture(mesh, painted, BakeConfig(size), Progress())


def truth(mesh: Mesh, colour: Colour, size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Colour `[T, T, 3]` of every texel, and those whose centre is inside a chart."""
    texels = find_texels(load_surface(mesh, CPU), size)
    image, inside = np.zeros((size * size, 3), np.float32), np.zeros(size * size, bool)
    image[texels.index] = colour(texels.point).numpy()
    inside[texels.index] = texels.is_inside.numpy()
    return image.reshape(size, size, 3), inside.reshape(size, size)


def smooth(point: torch.Tensor) -> torch.Tensor:
    return 0.5 + 0.3 * torch.sin(4 * point + torch.tensor([0.0, 1.0, 2.0]))


def flat(red: float, green: float, blue: float) -> Colour:
    return lambda point: torch.tensor([red, green, blue]).expand(*point.shape[:-1], 3)


def psnr(image: np.ndarray, expected: np.ndarray, mask: np.ndarray) -> float:
    return float(-10 * np.log10(np.square(image - expected)[mask].mean() + 1e-12))
