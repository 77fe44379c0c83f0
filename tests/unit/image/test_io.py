# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading picture files: every pixel type, and a sentence for every bad file."""

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from backend.errors import InputError
from backend.image.io import WORKING_SIDE_PX, load_image


def ramp(height: int = 24, width: int = 32) -> np.ndarray:
    """An 8-bit RGB picture in which every pixel differs."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 9, (x + y) * 4], axis=-1).astype(np.uint8)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def write_png_header(path: Path, width: int, height: int) -> Path:
    """A PNG that announces a size and holds no pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    body = b"IDAT" + zlib.compress(b"\0" * 64)
    data = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + data)
    return path


def test_rgb_pixels_come_back_exactly_and_opaque(tmp_path: Path) -> None:
    pixels = load_image(save(tmp_path / "a.png", Image.fromarray(ramp())))
    assert pixels.shape == (24, 32, 4)
    assert pixels.dtype == np.float32
    assert np.array_equal(np.round(pixels[..., :3] * 255), ramp())
    assert (pixels[..., 3] == 1).all()


def test_straight_alpha_is_kept(tmp_path: Path) -> None:
    rgba = np.dstack([ramp(), np.full((24, 32), 128, np.uint8)])
    pixels = load_image(save(tmp_path / "a.png", Image.fromarray(rgba, "RGBA")))
    assert np.array_equal(np.round(pixels * 255), rgba)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "CMYK", "YCbCr"])
def test_other_pixel_types_show_the_same_picture(tmp_path: Path, mode: str) -> None:
    grey = np.zeros((32, 32, 3), np.uint8)
    grey[:, 16:] = 255
    image = Image.fromarray(grey).convert(mode)
    pixels = load_image(save(tmp_path / "a.tiff", image))
    assert np.abs(pixels[..., :3] * 255 - grey).max() <= 2


def test_palette_transparency_becomes_alpha(tmp_path: Path) -> None:
    image = Image.new("P", (32, 32), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(1, (8, 8, 24, 24))
    pixels = load_image(save(tmp_path / "a.png", image, transparency=0))
    assert pixels[0, 0, 3] == 0
    assert np.array_equal(pixels[16, 16], [0, 1, 0, 1])


def test_16_bit_grey_keeps_its_range(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    pixels = load_image(save(tmp_path / "a.png", Image.fromarray(values)))
    assert np.abs(pixels[..., 0] - values / 65535).max() < 1e-4
    assert (pixels[..., 3] == 1).all()


def test_exif_orientation_turns_the_picture_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by 90 degrees
    pixels = load_image(save(tmp_path / "a.png", Image.fromarray(ramp()), exif=exif))
    assert np.array_equal(np.round(pixels[..., :3] * 255), np.rot90(ramp(), -1))


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    path = save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert np.array_equal(load_image(path)[0, 0], [1, 0, 0, 1])


def test_colour_profile_is_followed(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    image = Image.fromarray(ramp())
    pixels = load_image(save(tmp_path / "a.png", image, icc_profile=lab.tobytes()))
    assert np.abs(pixels[..., :3] * 255 - ramp()).max() <= 2


def test_broken_colour_profile_is_ignored(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(ramp()), icc_profile=b"nonsense")
    assert np.array_equal(np.round(load_image(path)[..., :3] * 255), ramp())


def test_big_picture_is_reduced_without_dark_fringes(tmp_path: Path) -> None:
    side = WORKING_SIDE_PX + 2
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[1::2] = 255  # white lines between transparent black ones
    pixels = load_image(save(tmp_path / "a.png", Image.fromarray(rgba, "RGBA")))
    assert max(pixels.shape) <= WORKING_SIDE_PX
    assert pixels[..., :3].min() > 0.99
    assert np.abs(pixels[..., 3] - 0.5).max() < 0.01


def assert_refused(path: Path, *words: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as caught:
            load_image(path)
    assert caught.value.hint
    for word in words:
        assert word in str(caught.value)
    assert str(path.parent) not in str(caught.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none.png", "no picture", "none.png")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / ".", "no picture")


@pytest.mark.parametrize("content", [b"", b"hello, I am text", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_not_a_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert_refused(path, "not a picture", "Use a PNG")


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tiff", "bmp"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_truncated_file_is_refused(tmp_path: Path, ending: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"a.{ending}", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert_refused(path)


def test_fully_transparent_picture_is_refused(tmp_path: Path) -> None:
    assert_refused(save(tmp_path / "a.png", Image.new("RGBA", (32, 32))), "fully transparent")


def test_single_pixel_is_refused(tmp_path: Path) -> None:
    assert_refused(save(tmp_path / "a.png", Image.new("RGB", (1, 1))), "too small", "1 x 1")


@pytest.mark.parametrize("size", [(20000, 20000), (17000, 20), (12000, 9000), (9700, 9700)])
def test_size_is_judged_from_the_header(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_png_header(tmp_path / "a.png", *size)
    is_small_enough = max(size) <= 16384 and size[0] * size[1] <= 100_000_000
    assert_refused(path, "damaged" if is_small_enough else "too large")
