# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns texture maps into PNG files and back, to the byte."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from ..data import FloatArray
from ..errors import InputError

MAX_SIDE_PX = 16384
_COMPRESSION = 4  # a third of the time of the default, files a few percent larger


def to_bytes(colour: FloatArray) -> NDArray[np.uint8]:
    """Colours in 0..1 as 8 bits, rounded."""
    return np.rint(np.clip(colour, 0, 1) * 255).astype(np.uint8)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """A PNG file that says that its colours are sRGB.

    Args:
        picture: `[H, W, 3]` or `[H, W, 4]`.
    """
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"sRGB", b"\0")
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", pnginfo=chunks, compress_level=_COMPRESSION)
    return stream.getvalue()


def read_texture(path: Path) -> NDArray[np.uint8]:
    """Read a texture as it is stored, without change of colour or size.

    Returns:
        `[H, W, 3]`, or `[H, W, 4]` where there is an alpha channel.

    Raises:
        InputError: The file is missing, no picture, damaged or too large.
    """
    try:
        with Image.open(path) as image:
            if max(image.size) > MAX_SIDE_PX:
                raise InputError(
                    f"The texture '{path.name}' is larger than {MAX_SIDE_PX} pixels.",
                    "Scale it down.",
                )
            has_alpha = "A" in image.getbands() or "transparency" in image.info
            return np.array(image.convert("RGBA" if has_alpha else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(
            f"The texture '{path.name}' cannot be read.", "Save it as a PNG and try again."
        ) from error


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask: `[H, W]`, true where the picture is brighter than one half.

    Raises:
        InputError: The file is missing, no picture, damaged or too large.
    """
    pixels = read_texture(path)
    return pixels[..., :3].mean(axis=-1) > 127.5
