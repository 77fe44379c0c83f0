# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a job's picture and its asset into two small pictures, for lists and reports."""

import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..data import FloatArray, Mesh
from ..progress import Progress
from ..render.camera import PAINTING_DISTANCE, PAINTING_WIDTH, fit_mesh_for_painting, orbit_camera
from ..render.maps import decode_normals
from ..render.views import RenderConfig, render_views
from ..texture.picture import to_bytes
from ..texture.show import show_texture

PICTURE_NAME, RESULT_NAME = "picture.jpg", "result.jpg"
_BACKDROP = (0.90, 0.90, 0.92)
_CLAY = (0.76, 0.62, 0.50)
_AZIMUTH_DEG, _ELEVATION_DEG = 30.0, 20.0
_LIGHT = (-0.35, 0.75, 0.56)  # direction to it as the camera sees the object: left, above, before
_AMBIENT = 0.55
_SUPERSAMPLE = 2
_QUALITY = 85


def draw_picture(pixels: FloatArray, side_px: int) -> NDArray[np.uint8]:
    """Fit a picture into a square.

    Args:
        pixels: `[H, W, 4]` float32 in [0, 1], sRGB with straight alpha.
        side_px: Width and height of the square.

    Returns:
        `[side_px, side_px, 3]`, the rest and what is transparent in the backdrop's colour.
    """
    alpha = pixels[..., 3:]
    flat = to_bytes(pixels[..., :3] * alpha + np.array(_BACKDROP, np.float32) * (1 - alpha))
    height, width = flat.shape[:2]
    scale = side_px / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = Image.fromarray(flat).resize(
        size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    )
    red, green, blue = to_bytes(np.array(_BACKDROP, np.float32)).tolist()
    square = Image.new("RGB", (side_px, side_px), (red, green, blue))
    square.paste(small, ((side_px - size[0]) // 2, (side_px - size[1]) // 2))
    return np.asarray(square)


def draw_asset(
    mesh: Mesh, picture: NDArray[np.uint8] | None, side_px: int, device: torch.device
) -> NDArray[np.uint8]:
    """Draw a mesh a little from the side and above, in soft light.

    Args:
        mesh: Anywhere, of any size, with faces.
        picture: Its base colour `[T, T', 3]` or `[T, T', 4]`, sRGB; without one, or without UVs,
            the mesh is of clay.
        side_px: Width and height of the drawing.
        device: Where to render.

    Returns:
        `[side_px, side_px, 3]`.
    """
    fitted, _, _ = fit_mesh_for_painting(mesh)
    camera = orbit_camera(_AZIMUTH_DEG, _ELEVATION_DEG, PAINTING_DISTANCE, width=PAINTING_WIDTH)
    size = side_px * _SUPERSAMPLE
    views = render_views(fitted, [camera], RenderConfig(size), Progress(), device)
    mask = views.mask[0, ..., None]  # [H, W, 1]
    if picture is None or fitted.uv is None:
        colour = torch.tensor(_CLAY, device=device).expand(size, size, 3)
    else:
        texture = torch.from_numpy(picture[..., :3].astype(np.float32) / 255)
        colour = show_texture(views, fitted.uv, texture)[0]  # [H, W, 3]
    axes = torch.from_numpy(camera.world_to_camera[:, :3]).to(device)
    normal = decode_normals(views.normal[0]) @ axes.T  # [H, W, 3]
    towards = torch.nn.functional.normalize(torch.tensor(_LIGHT, device=device), dim=0)
    light = _AMBIENT + (1 - _AMBIENT) * (normal @ towards).clamp(0, 1)
    shown = torch.where(mask, colour * light[..., None], torch.tensor(_BACKDROP, device=device))
    blocks = shown.view(side_px, _SUPERSAMPLE, side_px, _SUPERSAMPLE, 3)
    return to_bytes(blocks.mean(dim=(1, 3)).cpu().numpy())  # [H, W, 3]


def write_thumbnail(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write a small picture `[H, W, 3]` as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
    path.write_bytes(stream.getvalue())
