# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns pictures into files that a job reads, in folders of their own."""

import tempfile
from pathlib import Path

import bpy

from ..backend.errors import InputError
from .image import save_image_as_png


def save_pictures(images: dict[str, bpy.types.Image], root: Path) -> list[Path]:
    """Write the pictures into a new folder under `root`.

    Raises:
        InputError: A picture cannot be used, or the folder cannot be written.
    """
    folder = make_folder("pictures-", root)
    try:
        for view, image in images.items():
            save_image_as_png(image, bpy.context.scene, folder / f"{view}.png")
    except OSError as error:
        raise unwritable(error) from error
    return [folder / f"{view}.png" for view in images]


def make_folder(prefix: str, root: Path) -> Path:
    """A new folder under `root`.

    Raises:
        InputError: It cannot be made.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    except OSError as error:
        raise unwritable(error) from error


def unwritable(error: OSError) -> InputError:
    """What to say of a job folder that cannot be written."""
    return InputError(
        f"The job folder cannot be written: {error.strerror or error}.",
        "Choose another folder in the preferences.",
    )
