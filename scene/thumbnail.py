# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns small pictures into text that is stored in a file, and that text into icons."""

import base64
import binascii
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews  # pyright: ignore[reportMissingModuleSource]
import numpy as np
from numpy.typing import NDArray

from .image import read_pixels

SIDE_PX, ICON_PX = 128, 32
_GROUND = (46, 46, 46)


def read_thumbnail(paths: Iterable[Path]) -> str:
    """The first of these pictures that can be read, as text; empty if there is none.

    Args:
        paths: PNG or JPEG files.
    """
    for path in paths:
        if (pixels := _read_small(path)) is not None:
            return encode_thumbnail(pixels)
    return ""


def encode_thumbnail(pixels: NDArray[np.uint8]) -> str:
    """`[SIDE_PX, SIDE_PX, 3]` uint8 as text."""
    return base64.b64encode(zlib.compress(pixels.tobytes())).decode("ascii")


def decode_thumbnail(text: str) -> NDArray[np.uint8] | None:
    """`[SIDE_PX, SIDE_PX, 3]` uint8, or None for what `encode_thumbnail` did not write."""
    try:
        unpack = zlib.decompressobj()
        flat = unpack.decompress(base64.b64decode(text), 3 * SIDE_PX**2)
    except (ValueError, binascii.Error, zlib.error):
        return None
    if len(flat) != 3 * SIDE_PX**2:
        return None
    return np.frombuffer(flat, np.uint8).reshape(SIDE_PX, SIDE_PX, 3)  # [H, W, 3]


class Thumbnails:
    """Icons of stored thumbnails, each made when it is first shown."""

    def __init__(self) -> None:
        self._icons: Any = None

    def icon_of(self, key: str, text: str) -> int:
        """Number of an icon for `template_icon`, or 0 if there is no picture.

        Args:
            key: The same for the same text.
            text: What `read_thumbnail` gave.
        """
        if not text:
            return 0
        if self._icons is None:
            self._icons = bpy.utils.previews.new()
        if key not in self._icons:
            pixels = decode_thumbnail(text)
            if pixels is None:
                return 0
            _fill(self._icons.new(key), pixels)
        return self._icons[key].icon_id

    def close(self) -> None:
        """Free all icons."""
        if self._icons is not None:
            bpy.utils.previews.remove(self._icons)
        self._icons = None


def _read_small(path: Path) -> NDArray[np.uint8] | None:
    """A picture fitted into the square `[SIDE_PX, SIDE_PX, 3]`, or None if it cannot be read."""
    if not path.is_file():
        return None
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError:
        return None
    try:
        width, height = image.size
        if 0 in (width, height):
            return None
        scale = SIDE_PX / max(width, height)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        image.scale(*size)
        pixels = read_pixels(image).astype(np.float32)  # [h, w, 4]
    finally:
        bpy.data.images.remove(image)
    alpha = pixels[..., 3:] / 255
    square = np.full((SIDE_PX, SIDE_PX, 3), _GROUND, np.uint8)
    top, left = (SIDE_PX - size[1]) // 2, (SIDE_PX - size[0]) // 2
    shown = pixels[..., :3] * alpha + np.float32(_GROUND) * (1 - alpha)
    square[top : top + size[1], left : left + size[0]] = np.round(shown)
    return square


def _fill(icon: bpy.types.ImagePreview, pixels: NDArray[np.uint8]) -> None:
    """Give an icon its large and its small picture; Blender counts rows from the bottom."""
    step = SIDE_PX // ICON_PX
    blocks = pixels.reshape(ICON_PX, step, ICON_PX, step, 3)  # [h, s, w, s, 3]
    small = blocks.mean(axis=(1, 3)).astype(np.uint8)  # [h, w, 3]
    for name, picture in (("image", pixels), ("icon", small)):
        side = len(picture)
        opaque = np.ones((side, side, 4), np.float32)
        opaque[..., :3] = picture[::-1] / 255
        setattr(icon, f"{name}_size", (side, side))
        getattr(icon, f"{name}_pixels_float").foreach_set(opaque.ravel())
