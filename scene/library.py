# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns an object into an asset with a preview, tags and a catalog."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bpy

from . import catalogs
from .image import show_in_preview
from .preview import render_preview

OWN_TAG = "Maquette"
PREVIEW_PX = 256


def mark_asset(obj: bpy.types.Object, catalog: str, tags: Iterable[str]) -> None:
    """Mark an object as an asset; what it has as one already stays, tags are added.

    Args:
        obj: An object of this file.
        catalog: Path of the catalog, which is made if it is not there; empty leaves it as it is.
        tags: The artist's own tags.

    Raises:
        InputError: The catalog cannot be used; then nothing changes.
    """
    identifier = catalogs.ensure_catalog(catalog) if catalogs.clean_path(catalog) else ""
    if obj.asset_data is None:
        obj.asset_mark()
    asset = obj.asset_data
    if identifier:
        asset.catalog_id = identifier
    present = {tag.name.casefold() for tag in asset.tags}
    for tag in [*_made_tags(obj), *tags]:
        if tag.casefold() not in present:
            present.add(tag.casefold())
            asset.tags.new(tag)
    if obj.maquette.picture and not asset.description:
        asset.description = f"Made from the picture {obj.maquette.picture}"


def split_tags(text: str) -> list[str]:
    """The tags of a text with commas between them."""
    return [part.strip() for part in text.split(",") if part.strip()]


def make_previews(objects: Sequence[bpy.types.Object]) -> None:
    """Give assets their pictures: Blender's own in the background, or rendered where it has none.

    Raises:
        RuntimeError: The picture cannot be rendered.
    """
    if not bpy.app.background:
        for obj in objects:
            obj.asset_generate_preview()
        return
    with TemporaryDirectory(dir=bpy.app.tempdir) as folder:
        for obj in objects:
            path = Path(folder) / "preview.png"
            render_preview(obj, path, side_px=PREVIEW_PX)
            image = bpy.data.images.load(str(path))
            show_in_preview(image, obj)
            bpy.data.images.remove(image)


def refresh_browsers() -> None:
    """Let asset browsers that are open read the catalogs again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.ui_type == "ASSETS":
                refresh: Any = bpy.ops.asset.library_refresh
                with bpy.context.temp_override(window=window, area=area):
                    if refresh.poll():
                        refresh()


def _made_tags(obj: bpy.types.Object) -> list[str]:
    """What Maquette knows of an object that it made: itself, the picture's name, the model."""
    made = obj.maquette
    if not made.picture:
        return []
    return [tag for tag in (OWN_TAG, Path(made.picture).stem, made.model) if tag]
