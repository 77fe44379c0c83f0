# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a picture file into a PNG of what the model will see.

`python -m backend.pipelines.cutout` says on stdout, as one JSON line, either `{"warnings": [...]}`
or `{"code", "message", "hint"}`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..config import ImageConfig
from ..errors import InputError, MaquetteError
from ..image.io import load_image
from ..image.prepare import prepare_image
from ..progress import Progress
from .families import load_object_guess


def cut_out(picture: Path, out: Path, size_px: int, config: ImageConfig) -> tuple[str, ...]:
    """Write the object of a picture, cut out, centred and squared.

    Args:
        picture: The picture file.
        out: The 8-bit sRGB PNG with straight alpha to write.
        size_px: Its edge in pixels.
        config: Border, and whether to cut out plain backgrounds.

    Returns:
        Sentences for the user, e.g. that no plain background was found.

    Raises:
        InputError: The picture cannot be used, or the file cannot be written.
        ModelMissingError: A file of the installation is missing.
    """
    guesser = load_object_guess()
    prepared = prepare_image([load_image(picture)], size_px, config, Progress(), guesser=guesser)
    pixels = np.rint(prepared.pixels[0] * 255).astype(np.uint8)  # [H, W, 4]
    try:
        Image.fromarray(pixels, "RGBA").save(out, "PNG", compress_level=1)
    except OSError as error:
        raise InputError(
            f"{out} cannot be written: {error.strerror or error}.", "Choose a writable folder."
        ) from error
    return prepared.warnings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0, or 1 when the line tells an error."""
    default = ImageConfig()
    parser = argparse.ArgumentParser(prog="python -m backend.pipelines.cutout", description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=512, dest="size_px")
    parser.add_argument("--border-ratio", type=float, default=default.border_ratio)
    parser.add_argument("--remove-background", default=default.remove_background)
    args = parser.parse_args(argv)
    config = ImageConfig(args.border_ratio, args.remove_background)
    try:
        answer = {"warnings": cut_out(args.picture, args.out, args.size_px, config)}
    except MaquetteError as error:
        answer = {"code": error.code, "message": error.message, "hint": error.hint}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0 if "warnings" in answer else 1


if __name__ == "__main__":
    sys.exit(main())
