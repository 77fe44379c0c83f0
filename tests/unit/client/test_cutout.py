# SPDX-License-Identifier: GPL-3.0-or-later
"""The cut-out that a process of its own makes of a picture."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.client.cutout import CutoutProcess, CutoutRequest
from backend.config import ImageConfig
from backend.errors import InputError, SetupError
from backend.image.io import load_image
from backend.image.prepare import prepare_image
from backend.pipelines.cutout import cut_out
from backend.progress import Progress


@pytest.fixture
def picture(tmp_path):
    pixels = np.full((60, 80, 3), 240, np.uint8)
    pixels[20:50, 10:40] = (200, 30, 30)
    path = tmp_path / "red.png"
    Image.fromarray(pixels).save(path)
    return path


def run(request: CutoutRequest, python: Path | None = None) -> tuple[str, ...]:
    process = CutoutProcess(python or Path(sys.executable), request)
    end = time.monotonic() + 60
    while (warnings := process.poll()) is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    return warnings


def test_png_is_what_the_networks_get(picture, tmp_path):
    out = tmp_path / "out.png"
    assert run(CutoutRequest(picture, out, 128, 0.2, "auto")) == ()
    expected = prepare_image([load_image(picture)], 128, ImageConfig(border_ratio=0.2), Progress())
    written = np.asarray(Image.open(out), np.float32) / 255
    np.testing.assert_allclose(written, expected.pixels[0], atol=0.5 / 255 + 1e-6)


def test_background_is_kept_where_the_setting_says_so(picture, tmp_path):
    run(CutoutRequest(picture, tmp_path / "out.png", 64, 0.0, "never"))
    alpha = np.asarray(Image.open(tmp_path / "out.png"))[..., 3]
    assert alpha[32].min() == 255  # the whole width of the picture


def test_errors_cross_as_they_are(tmp_path):
    with pytest.raises(InputError, match=r"no picture file 'gone\.png'"):
        run(CutoutRequest(tmp_path / "gone.png", tmp_path / "out.png", 64, 0.15, "auto"))


def test_broken_python_is_told(picture, tmp_path):
    request = CutoutRequest(picture, tmp_path / "out.png", 64, 0.15, "auto")
    with pytest.raises(SetupError, match="could not cut out"):
        run(request, Path("/bin/false"))
    with pytest.raises(SetupError, match="could not cut out"):
        run(request, tmp_path / "no python")


def test_killed_process_is_gone(picture, tmp_path):
    process = CutoutProcess(
        Path(sys.executable), CutoutRequest(picture, tmp_path / "out.png", 64, 0.15, "auto")
    )
    process.kill()
    assert process._process.returncode is not None


def test_unwritable_place_is_told(picture, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        cut_out(picture, tmp_path / "no" / "out.png", 64, ImageConfig())
