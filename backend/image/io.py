# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a picture file into float pixels with alpha, or into a sentence that says why not."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ..data import FloatArray
from ..errors import InputError

MIN_SIDE_PX = 16
MAX_SIDE_PX = 16384
MAX_PIXELS = 100_000_000
WORKING_SIDE_PX = 2048
"""Larger pictures are reduced while loading: networks see a few hundred pixels."""
VISIBLE_ALPHA = 4 / 255
"""Fainter pixels count as transparent."""
# Only formats that Pillow decodes by itself: its EPS reader, for one, would start a program.
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "TGA", "PPM", "JPEG2000", "PSD", "AVIF")
USE_OTHER = "Use a PNG, JPEG or WebP picture."
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


def load_image(path: str | Path) -> FloatArray:
    """Read a picture: first frame, upright, in sRGB.

    Args:
        path: Picture file of any common format and pixel type.

    Returns:
        `[H, W, 4]` float32 in [0, 1], sRGB with straight alpha; pictures above
        `WORKING_SIDE_PX` are reduced by a whole factor.

    Raises:
        InputError: No such file, not a picture, damaged, too small, too large or fully transparent.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"There is no picture file '{path.name}' at this place.", "Check its path."
        )
    with warnings.catch_warnings():
        # Size is checked here, from the header; Pillow's own limit warns below ours.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = _open(path)
        with image:
            _check_size(path.name, *image.size)
            try:
                pixels = _decode(image)
            except (*_DECODE_ERRORS, MemoryError) as error:
                raise InputError(
                    f"The picture '{path.name}' is damaged or incomplete.",
                    "Save or download it again, or use another picture.",
                ) from error
    if pixels[..., 3].max() < VISIBLE_ALPHA:
        raise InputError(
            f"The picture '{path.name}' is fully transparent.",
            "Use a picture that shows an object.",
        )
    return pixels


def _open(path: Path) -> Image.Image:
    """Read the header only."""
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        return Image.open(path, formats=formats)
    except Image.DecompressionBombError as error:
        raise _too_large(path.name, "more than 100 million pixels") from error
    except UnidentifiedImageError as error:
        raise InputError(f"'{path.name}' is not a picture that can be read.", USE_OTHER) from error
    except _DECODE_ERRORS as error:
        raise InputError(f"The picture '{path.name}' cannot be opened.", USE_OTHER) from error


def _check_size(name: str, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(
            f"The picture '{name}' is too small ({width} x {height} pixels).",
            f"Use one with at least {MIN_SIDE_PX} pixels a side; 512 or more are better.",
        )
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise _too_large(name, f"{width} x {height} pixels")


def _too_large(name: str, size: str) -> InputError:
    return InputError(
        f"The picture '{name}' is too large ({size}).",
        f"Scale it down to at most {MAX_SIDE_PX} pixels a side and 100 million pixels.",
    )


def _decode(image: Image.Image) -> FloatArray:
    """Decode the first frame to `[H, W, 4]` float32."""
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        return _from_grey(np.asarray(image), image.mode)
    image = _to_srgb(image).convert("RGBA")
    factor = -(-max(image.size) // WORKING_SIDE_PX)
    if factor > 1:
        image = image.reduce(factor)  # Pillow weights colours by alpha here
    return np.asarray(image, np.float32) / 255


def _from_grey(grey: np.ndarray, mode: str) -> FloatArray:
    """Widen a 16-bit or float greyscale picture."""
    values = np.nan_to_num(grey.astype(np.float32))
    if mode.startswith("I"):
        values = values / 65535
    step = -(-max(values.shape) // WORKING_SIDE_PX)
    rows, columns = (size // step * step for size in values.shape)
    blocks = values[:rows, :columns].reshape(rows // step, step, columns // step, step)
    values = np.clip(blocks.mean(axis=(1, 3)), 0, 1)  # [H, W]
    return np.stack([values, values, values, np.ones_like(values)], axis=-1).astype(np.float32)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Follow the embedded colour profile, if there is one that fits the pixels."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colour = image.convert("RGB") if image.mode == "RGBA" else image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(colour, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a wrong profile says nothing about the pixels
    if converted is not None and alpha is not None:
        converted.putalpha(alpha)
    return converted or image
