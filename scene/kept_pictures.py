# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the pictures that a job was given into images that stay in the file with its result."""

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePath

import bpy

from ..backend.client.queue_file import SavedPicture
from ..backend.errors import InputError
from ..properties_recipe import VIEWS
from .image import encode_png, load_packed, read_pixels
from .recipe import Made, all_recipes, read_digests, write_recipe

# Types of images whose pixels cannot be read.
_MADE_BY_BLENDER = ("RENDER_RESULT", "COMPOSITING")


def digest_file(path: Path) -> str:
    """SHA-256 of a file, hex; empty if it is gone."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def digest_image(image: bpy.types.Image) -> str:
    """SHA-256 of the file that a job would get of an image now; empty if it has no pixels."""
    if 0 in image.size:
        return ""
    return hashlib.sha256(encode_png(read_pixels(image))).hexdigest()


def digest_files(made: Made) -> dict[str, str]:
    """View, "mesh" and, if there is one, "texture" -> SHA-256 of the job's file."""
    digests = {view: digest_file(Path(picture.path)) for view, picture in made.pictures.items()}
    digests["mesh"] = digest_file(Path(made.result.mesh_path))
    if made.result.texture_path:
        digests["texture"] = digest_file(Path(made.result.texture_path))
    return digests


def keep_making(obj: bpy.types.Object, made: Made) -> None:
    """Write onto an object how it was made, with copies of the pictures."""
    digests = digest_files(made)
    images = keep_pictures(made.pictures, digests, is_packed=True)
    write_recipe(obj.maquette.made, made, images, digests)


def keep_pictures(
    pictures: Mapping[str, SavedPicture], digests: Mapping[str, str], is_packed: bool
) -> dict[str, bpy.types.Image]:
    """Data-blocks that show what a job was given, for as long as something points at them.

    Args:
        pictures: View -> name of the image that was chosen, and the file that the job got.
        digests: View -> SHA-256 of that file.
        is_packed: Keep copies in the .blend, each picture once. Else the image that was chosen, if
            it is a file; what exists in Blender alone is always copied.

    Returns:
        View -> image; without those whose file is gone.
    """
    kept = {}
    for view, picture in pictures.items():
        image = None if is_packed else _find_linkable(picture.name)
        image = image or _find_kept(digests.get(view, "")) or _copy(picture)
        if image is not None:
            kept[view] = image
    return kept


def choose_original(image: bpy.types.Image, name: str, digest: str) -> bpy.types.Image:
    """The artist's own image where it still shows what was kept, else the one that was kept."""
    original = bpy.data.images.get(name)
    if original is None or original.type in _MADE_BY_BLENDER:
        return image
    return original if digest_image(original) == digest else image


def _find_linkable(name: str) -> bpy.types.Image | None:
    """The image of that name if a file outside of this one holds what it shows."""
    image = bpy.data.images.get(name)
    if image is None or image.source != "FILE" or image.is_dirty or not image.filepath:
        return None
    return image


def _find_kept(digest: str) -> bpy.types.Image | None:
    """The image that another recipe keeps of the same file."""
    for recipe in all_recipes() if digest else ():
        known = read_digests(recipe)
        for view, name in VIEWS.items():
            image = getattr(recipe, name)
            if known.get(view) == digest and image is not None and image.packed_file:
                return image
    return None


def _copy(picture: SavedPicture) -> bpy.types.Image | None:
    """A packed copy of the file that the job got, or None if that is gone."""
    try:
        return load_packed(Path(picture.path), f"{PurePath(picture.name).stem} kept")
    except InputError:
        return None
