# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns pictures and the meshes made from them into one sheet: input, then the result's sides."""

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from backend.render.camera import camera_axes, project_perspective
from backend.render.rasterize import interpolate, rasterize

AZIMUTHS_DEG = (30.0, 120.0, 210.0, 300.0)
ELEVATION_DEG = 20.0
FOV_DEG = 30.0


def render_sides(vertices: np.ndarray, faces: np.ndarray, size: int) -> list[np.ndarray]:
    """Shade a mesh in clay grey from four sides.

    Args:
        vertices: `[P, 3]` inside about [-1, 1]^3, Y up.
        faces: `[F, 3]`.
        size: Pixels per side of a picture.

    Returns:
        Four arrays `[size, size, 3]` uint8.
    """
    corner = torch.tensor(vertices, dtype=torch.float32)[torch.tensor(faces, dtype=torch.int64)]
    count, num = len(corner), len(AZIMUTHS_DEG)
    azimuth = torch.deg2rad(torch.tensor(AZIMUTHS_DEG))
    axes = camera_axes(azimuth, torch.full((num,), math.radians(ELEVATION_DEG)))
    fov = torch.full((num,), math.radians(FOV_DEG))
    screen = project_perspective(corner.reshape(1, -1, 3).expand(num, -1, -1), axes, fov)
    screen = screen.view(num * count, 3, 3)
    place = torch.tensor([size / 2, -size / 2]) * 1.5
    screen = torch.cat([screen[..., :2] * place + size / 2, screen[..., 2:]], -1)
    view = torch.arange(num).repeat_interleave(count)
    fragments = rasterize(screen, view, num, size, size)
    normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal = torch.nn.functional.normalize(normal, dim=1)
    light = axes[:, 2] + 0.5 * axes[:, 1] - 0.4 * axes[:, 0]
    light = torch.nn.functional.normalize(light, dim=1)
    shade = 0.25 + 0.7 * torch.einsum("fc,vc->vf", normal, light).clamp(min=0)
    tone = shade.reshape(num * count, 1, 1).expand(-1, 3, 3)
    picture = interpolate(tone, fragments)
    seen = (fragments.triangle >= 0)[..., None]
    picture = torch.where(seen, picture, torch.ones_like(picture))
    return list((picture.clamp(0, 1) * 255).byte().numpy())


def write_sheet(
    rows: list[tuple[Path, np.ndarray, np.ndarray, str]], path: Path, size: int = 160
) -> None:
    """Write the sheet, two results to a line.

    Args:
        rows: Per result the input picture's path, vertices, faces and a caption.
        path: The PNG to write.
        size: Pixels per side of one picture.
    """
    cells = 1 + len(AZIMUTHS_DEG)
    lines = (len(rows) + 1) // 2
    sheet = Image.new("RGB", (2 * cells * size, lines * (size + 14)), "white")
    for number, (source, vertices, faces, caption) in enumerate(rows):
        x, y = number % 2 * cells * size, number // 2 * (size + 14)
        with Image.open(source) as opened:
            picture = opened.convert("RGBA").resize((size, size))
        sheet.paste(picture, (x, y), picture)
        for side, pixels in enumerate(render_sides(vertices, faces, size), start=1):
            sheet.paste(Image.fromarray(pixels), (x + side * size, y))
        ImageDraw.Draw(sheet).text((x + 4, y + size), caption, fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
