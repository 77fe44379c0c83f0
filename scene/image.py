# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a Blender image into a PNG and back; the one place that flips rows and converts colours."""

import struct
import zlib
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from ..backend.errors import InputError

MAX_SIDE_PX = 16384
MAX_PIXELS = 100_000_000
PNG_START = b"\x89PNG\r\n\x1a\n"
_ROWS_AT_ONCE = 64
PNG_END = b"IEND\xae\x42\x60\x82"


def save_image_as_png(image: bpy.types.Image, scene: bpy.types.Scene, path: Path) -> None:
    """Write what the artist sees in an image data-block as an 8-bit sRGB PNG with straight alpha.

    Works for files, unsaved, packed and generated images and for render results. Pixels of 8-bit
    images are written as they are; float images are scene-linear and premultiplied in Blender, so
    they are divided by alpha and encoded to sRGB.

    Args:
        image: Any image data-block.
        scene: Gives the view transform for render results.
        path: The file to write.

    Raises:
        InputError: The image has no pixels, or more than the worker accepts.
    """
    if image.type == "RENDER_RESULT":
        _save_render_result(image, scene, path)
        return
    width, height = image.size
    if width == 0 or height == 0:
        raise InputError(
            f"The picture '{image.name}' has no pixels.",
            "Its file may be missing: open the picture again.",
        )
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise InputError(
            f"The picture '{image.name}' is {width} x {height} pixels, which is too large.",
            "Scale it down; 2048 pixels per side are plenty.",
        )
    path.write_bytes(encode_png(read_pixels(image)))


def load_packed(path: Path, name: str) -> bpy.types.Image:
    """A PNG as an image data-block that holds the file, so that the .blend needs no other.

    Args:
        path: An 8-bit sRGB PNG.
        name: Name of the new data-block.

    Raises:
        InputError: The file is gone or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path) from error
    # Decoding takes a fifth of a second at 2048 px and is left to whoever shows the image first.
    if not data.startswith(PNG_START) or PNG_END not in data[-len(PNG_END) :]:
        raise _unreadable(path)
    image = bpy.data.images.load(str(path))
    image.pack()
    image.name = name
    # Where Unpack puts it: beside the .blend, not into a folder of this extension.
    image.filepath_raw = f"//{bpy.path.clean_name(name)}.png"
    return image


def show_in_preview(image: bpy.types.Image, owner: bpy.types.ID | None = None) -> None:
    """Make an image the picture that panels and asset browsers show of a data-block.

    Args:
        image: At most a few hundred pixels a side: all of them are copied.
        owner: The data-block; None is the image itself, which Blender may draw much later.
    """
    width, height = image.size
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    preview = (owner or image).preview_ensure()
    preview.image_size = (width, height)
    preview.image_pixels_float.foreach_set(pixels)


def read_pixels(image: bpy.types.Image) -> NDArray[np.uint8]:
    """Pixels of an image data-block as sRGB with straight alpha.

    Returns:
        `[H, W, 4]` uint8, row 0 is the top.
    """
    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    pixels = flat.reshape(height, width, image.channels)[::-1]  # [H, W, C]
    if image.channels < 3:
        pixels = np.concatenate([pixels[..., :1]] * 3 + [pixels[..., 1:]], axis=-1)  # [H, W, 3+]
    if pixels.shape[-1] == 3 or image.alpha_mode == "NONE":
        pixels = np.concatenate([pixels[..., :3], np.ones_like(pixels[..., :1])], axis=-1)
    if image.is_float:
        pixels = _linear_to_srgb(pixels, is_premultiplied=image.alpha_mode != "CHANNEL_PACKED")
    return _to_bytes(pixels)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """An RGBA picture as a PNG file.

    Source: PNG specification (third edition), sections 5 (datastream) and 9 (filter type 0).

    Args:
        pixels: `[H, W, 4]` uint8, row 0 is the top.
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + width * 4), np.uint8)  # filter byte 0 in front of each row
    rows[:, 1:] = pixels.reshape(height, width * 4)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    # Looks for runs only: twice as fast on photographs as a search for repetitions, and no larger.
    compressor = zlib.compressobj(1, strategy=zlib.Z_RLE)
    body = compressor.compress(rows.tobytes()) + compressor.flush()
    chunks = ((b"IHDR", header), (b"sRGB", b"\0"), (b"IDAT", body), (b"IEND", b""))
    return PNG_START + b"".join(_chunk(kind, data) for kind, data in chunks)


def _unreadable(path: Path) -> InputError:
    return InputError(f"The texture '{path.name}' cannot be read.", "Run the job again.")


def _chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk: length, kind, data, checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _to_bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """`[H, W, C]` in [0, 1] to bytes; what is no number becomes 0.

    Some rows at a time, which stay in the processor's cache: the artist waits for this.
    """
    found = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), _ROWS_AT_ONCE):
        part = np.fmax(pixels[start : start + _ROWS_AT_ONCE], 0.0)
        np.fmin(part, 1.0, out=part)
        part *= 255.0
        found[start : start + _ROWS_AT_ONCE] = part + 0.5
    return found


def _linear_to_srgb(pixels: NDArray[np.float32], is_premultiplied: bool) -> NDArray[np.float32]:
    """Scene-linear `[H, W, 4]` to sRGB with straight alpha. Source: IEC 61966-2-1."""
    colour, alpha = np.maximum(pixels[..., :3], 0.0), pixels[..., 3:]
    if is_premultiplied:
        colour = colour / np.where(alpha > 0, alpha, 1.0)
    encoded = np.where(
        colour <= 0.0031308, colour * 12.92, 1.055 * np.power(colour, 1 / 2.4) - 0.055
    )
    return np.concatenate([encoded, alpha], axis=-1)  # [H, W, 4]


def _save_render_result(image: bpy.types.Image, scene: bpy.types.Scene, path: Path) -> None:
    """Save a render through the scene's view transform, its output settings left as they were."""
    output = scene.render.image_settings
    wanted = compat.png_settings(output)
    before = {name: getattr(output, name) for name in wanted}
    try:
        for name, value in wanted.items():
            setattr(output, name, value)
        image.save_render(str(path), scene=scene)
    except RuntimeError as error:
        raise InputError(
            "The render result has no pixels.", "Render the scene first, or choose another picture."
        ) from error
    finally:
        for name, value in before.items():
            setattr(output, name, value)
