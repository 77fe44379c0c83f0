# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a file, the clipboard, a render or the 3D viewport into an image data-block."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlparse

import bpy
import gpu
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ..backend.errors import InputError
from .image import encode_png, load_packed, save_image_as_png

# What both Blender and the worker read.
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga")
SNAPSHOT_PX = 1024  # longest side; networks see a few hundred pixels
FULL_FRAME = (0.0, 0.0, 1.0, 1.0)
FRAME_MARGIN = 0.05  # around what the viewport shows, as a share of its longest side
_OWN_ENGINES = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")


def load_picture(path: Path) -> bpy.types.Image:
    """A picture file as an image data-block; one that shows the same file is used again.

    Raises:
        InputError: There is no such file, or it is no picture.
    """
    known = set(bpy.data.images)
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError as error:
        raise InputError(
            f"There is no picture file '{path.name}' at this place.", "Check its path."
        ) from error
    if image.type != "IMAGE" or not image.size[0]:
        if image not in known:
            bpy.data.images.remove(image)
        raise InputError(
            f"'{path.name}' is not a picture that can be read.", "Use a PNG, JPEG or WebP picture."
        )
    return image


def copy_render(scene: bpy.types.Scene) -> bpy.types.Image:
    """The last render as an image of its own, which the next render leaves alone.

    Raises:
        InputError: Nothing was rendered.
    """
    result = next((image for image in bpy.data.images if image.type == "RENDER_RESULT"), None)
    if result is None:
        raise InputError("Nothing was rendered yet.", "Render the scene first.")
    with TemporaryDirectory(dir=bpy.app.tempdir) as folder:
        path = Path(folder) / "render.png"
        save_image_as_png(result, scene, path)
        return load_packed(path, "Render")


def find_viewport(context: bpy.types.Context) -> bpy.types.Area | None:
    """The 3D viewport that the artist is in, else the largest one of the window."""
    if context.area and context.area.type == "VIEW_3D":
        return context.area
    areas = context.screen.areas if context.screen else ()
    views = [area for area in areas if area.type == "VIEW_3D"]
    return max(views, key=lambda area: area.width * area.height, default=None)


def snap_viewport(context: bpy.types.Context) -> bpy.types.Image:
    """What a 3D viewport shows without overlays, before a transparent ground, as a packed image.

    A render that is there is left alone.

    Raises:
        InputError: There is no viewport or nothing can be drawn.
    """
    area = find_viewport(context)
    if area is None or bpy.app.background:
        raise InputError("There is no 3D viewport to take a picture of.", "Open one.")
    region = next(region for region in area.regions if region.type == "WINDOW")
    space = area.spaces.active
    try:
        with _bare_view(space, context.scene):
            pixels = _draw_view(context, space, region, FULL_FRAME)
            frame = _find_frame(pixels[..., 3] > 0)
            if frame != FULL_FRAME:
                pixels = _draw_view(context, space, region, frame)
    except (RuntimeError, SystemError) as error:
        raise InputError(
            "The viewport could not be drawn.", "Render the scene and use the render instead."
        ) from error
    with TemporaryDirectory(dir=bpy.app.tempdir) as folder:
        path = Path(folder) / "viewport.png"
        path.write_bytes(encode_png(pixels))
        return load_packed(path, "Viewport")


def paste_picture(context: bpy.types.Context) -> bpy.types.Image:
    """The picture in the clipboard, or the one whose file was copied there.

    Raises:
        InputError: There is none.
    """
    path = _find_copied_file(context.window_manager.clipboard)
    if path is not None:
        return load_picture(path)
    known = set(bpy.data.images)
    with _image_editor(context) as override:
        try:
            with context.temp_override(**override):
                bpy.ops.image.clipboard_paste()
        except RuntimeError as error:
            raise InputError(
                "There is no picture in the clipboard.", "Copy a picture, or a picture's file."
            ) from error
        pasted = [image for image in bpy.data.images if image not in known]
    if not pasted:
        raise InputError("The picture in the clipboard cannot be read.", "Copy it again.")
    pasted[0].pack()
    return pasted[0]


def _find_copied_file(text: str) -> Path | None:
    """The picture file that the clipboard's text names, as file managers copy it."""
    lines = [line.strip().strip('"') for line in text.splitlines()]
    for line in lines:
        named = unquote(urlparse(line).path) if line.startswith("file://") else line
        if not named.lower().endswith(EXTENSIONS):
            continue
        path = Path(named.lstrip("/") if named[2:3] == ":" else named)  # /C:/... on Windows
        if path.is_absolute() and path.is_file():
            return path
    return None


@contextlib.contextmanager
def _image_editor(context: bpy.types.Context) -> Generator[dict, None, None]:
    """Context members of an Image Editor, which shows afterwards what it showed before.

    Where there is none, another area is one while the block runs; nothing is drawn meanwhile.
    """
    if context.window is None:
        raise InputError("There is no window to paste into.", "Use a picture's file.")
    areas = list(context.window.screen.areas)
    editors = [area for area in areas if area.type == "IMAGE_EDITOR"]
    # The area that runs this operator is the last choice: its regions are in use.
    others = sorted(areas, key=lambda area: (area == context.area, area.width * area.height))
    area = (editors or others)[0]
    kind = area.ui_type
    try:
        if not editors:
            area.type = "IMAGE_EDITOR"
        space = area.spaces.active
        shown = space.image
        region = next(region for region in area.regions if region.type == "WINDOW")
        yield {"window": context.window, "area": area, "region": region}
        space.image = shown
    finally:
        if not editors:
            area.ui_type = kind


@contextlib.contextmanager
def _bare_view(space: bpy.types.SpaceView3D, scene: bpy.types.Scene) -> Generator[None, None, None]:
    """No overlays, and no renderer that would still be at its first samples."""
    overlays, shading = space.overlay.show_overlays, space.shading.type
    try:
        space.overlay.show_overlays = False
        if shading == "RENDERED" and scene.render.engine not in _OWN_ENGINES:
            space.shading.type = "MATERIAL"
        yield
    finally:
        space.overlay.show_overlays, space.shading.type = overlays, shading


def _find_frame(is_seen: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Where in the view something is, with a margin: left, bottom, right, top in 0..1."""
    rows, columns = np.nonzero(is_seen)
    if not len(rows):
        return FULL_FRAME
    height, width = is_seen.shape
    low = np.array([columns.min() / width, 1.0 - (rows.max() + 1) / height])
    high = np.array([(columns.max() + 1) / width, 1.0 - rows.min() / height])
    margin = FRAME_MARGIN * (high - low).max()
    low, high = np.maximum(low - margin, 0.0), np.minimum(high + margin, 1.0)
    return (*low.tolist(), *high.tolist())


def _draw_view(
    context: bpy.types.Context,
    space: bpy.types.SpaceView3D,
    region: bpy.types.Region,
    frame: tuple[float, float, float, float],
) -> NDArray[np.uint8]:
    """Draw a part of the view without a window.

    Returns:
        `[H, W, 4]` sRGB with straight alpha, row 0 is the top; the longer side has `SNAPSHOT_PX`.
    """
    left, bottom, right, top = frame
    size = np.array([(right - left) * region.width, (top - bottom) * region.height])
    width, height = np.maximum(np.rint(size * SNAPSHOT_PX / size.max()), 1).astype(int).tolist()
    # The frame fills what clips to -1..1 in the view's own projection.
    zoom = Matrix.Diagonal((1 / (right - left), 1 / (top - bottom), 1.0, 1.0))
    centre = Matrix.Translation((1.0 - left - right, 1.0 - bottom - top, 0.0))
    offscreen = gpu.types.GPUOffScreen(width, height, format="RGBA8")
    try:
        offscreen.draw_view3d(
            context.scene,
            context.view_layer,
            space,
            region,
            space.region_3d.view_matrix,
            zoom @ centre @ space.region_3d.window_matrix,
            do_color_management=True,
            draw_background=False,
        )
        read = offscreen.texture_color.read()
    finally:
        offscreen.free()
    read.dimensions = width * height * 4
    pixels = np.array(read, np.float32).reshape(height, width, 4)[::-1]  # [H, W, 4]
    alpha = pixels[..., 3:]
    colour = pixels[..., :3] * 255.0 / np.where(alpha > 0, alpha, 255.0)  # straight
    return np.concatenate([np.clip(colour, 0, 255), alpha], axis=-1).round().astype(np.uint8)
