# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws where reference pictures come from, and what the model will see of them."""

import bpy

from .. import session
from ..properties_finish import VIEW_ITEMS, recipe_of
from ..translations import localize, wrap
from .sidebar import Sidebar

_SOURCES = (
    ("maquette.load_picture", "Picture File...", "FILE_FOLDER"),
    ("maquette.paste_picture", "Clipboard", "PASTEDOWN"),
    ("maquette.use_render", "Last Render", "RENDER_RESULT"),
    ("maquette.use_viewport", "3D Viewport", "VIEW3D"),
)
_PIXELS_PER_CHARACTER = 7.0


class _SourceMenu:
    """Where the picture of one side may come from; each side has a menu, as menus take no words."""

    bl_label = "Take Picture From"

    def draw(self, _context: bpy.types.Context) -> None:
        for operator, text, icon in _SOURCES:
            self.layout.operator(operator, text=text, icon=icon).view = self.view


class MAQUETTE_MT_picture_front(_SourceMenu, bpy.types.Menu):
    """Sources of the front picture."""

    view = "front"


class MAQUETTE_MT_picture_left(_SourceMenu, bpy.types.Menu):
    """Sources of the left picture."""

    view = "left"


class MAQUETTE_MT_picture_back(_SourceMenu, bpy.types.Menu):
    """Sources of the back picture."""

    view = "back"


class MAQUETTE_MT_picture_right(_SourceMenu, bpy.types.Menu):
    """Sources of the right picture."""

    view = "right"


class MAQUETTE_MT_use_image(bpy.types.Menu):
    """Which side of the object the Image Editor's picture shows."""

    bl_label = "Use as Maquette Reference"

    def draw(self, _context: bpy.types.Context) -> None:
        for view, name, _ in VIEW_ITEMS:
            self.layout.operator("maquette.use_image", text=name, icon="IMAGE_DATA").view = view


class MAQUETTE_PT_cutout(Sidebar, bpy.types.Panel):
    """The front picture as the model will see it."""

    bl_label = "Cut-Out"
    bl_parent_id = "MAQUETTE_PT_shape"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        settings, layout = context.scene.maquette, self.layout
        shown = settings.cutout
        if shown.image is not None and shown.image.preview is not None:
            layout.template_icon(icon_value=shown.image.preview.icon_id, scale=8.0)
            if shown.source != settings.image or shown.recipe != recipe_of(
                round(settings.border_ratio, 6), settings.remove_background
            ):
                layout.label(text="Out of date", icon="ERROR")
            elif shown.note:
                _draw_text(layout.column(align=True), context, shown.note)
            layout.template_ID(shown, "image")
        if session.current().cutout.is_busy:
            layout.label(text="Cutting out the picture...", icon="SORTTIME")
        layout.operator("maquette.preview_cutout", icon="IMAGE_ALPHA")


class MAQUETTE_FH_picture(bpy.types.FileHandler):
    """Offers a picture that is dropped on the 3D viewport or its sidebar to Maquette."""

    bl_idname = "MAQUETTE_FH_picture"
    bl_label = "Maquette Reference Picture"
    bl_import_operator = "maquette.load_picture"
    # As in `scene/capture.py`; the class's text is read when it is registered.
    bl_file_extensions = ".png;.jpg;.jpeg;.webp;.tif;.tiff;.bmp;.tga"

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


def draw_in_image_menu(self: bpy.types.Menu, context: bpy.types.Context) -> None:
    """Appended to the Image Editor's menus."""
    if context.space_data is not None and context.space_data.image is not None:
        self.layout.separator()
        self.layout.menu("MAQUETTE_MT_use_image", icon="IMAGE_REFERENCE")


def _draw_text(layout: bpy.types.UILayout, context: bpy.types.Context, text: str) -> None:
    """A sentence, wrapped to the sidebar's width."""
    scale = context.preferences.system.ui_scale * _PIXELS_PER_CHARACTER
    icon = "INFO"
    for line in wrap(localize(text), max(int(context.region.width / scale) - 6, 20)):
        layout.label(text=line, icon=icon, translate=False)
        icon = "BLANK1"


CLASSES = (
    MAQUETTE_MT_picture_front,
    MAQUETTE_MT_picture_left,
    MAQUETTE_MT_picture_back,
    MAQUETTE_MT_picture_right,
    MAQUETTE_MT_use_image,
    MAQUETTE_PT_cutout,
    MAQUETTE_FH_picture,
)
