# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns files, the clipboard, renders and viewports into reference pictures, and shows cut-outs."""

import time
from pathlib import Path

import bpy

from .. import handlers, properties, session
from ..backend.errors import InputError, MaquetteError
from ..properties_finish import VIEW_ITEMS
from ..scene import capture
from ..translations import localize

_FILTER = ";".join(f"*{extension}" for extension in capture.EXTENSIONS)
_VIEW = {
    "name": "Side",
    "description": "Which side of the object the picture shows",
    "items": VIEW_ITEMS,
    "default": "front",
    "options": {"SKIP_SAVE"},
}


class _TakesPicture:
    """What all operators share that put a picture into one of the four fields."""

    bl_options = {"REGISTER", "UNDO"}

    view: bpy.props.EnumProperty(**_VIEW)

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            image = self.find_image(context)
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        setattr(context.scene.maquette, properties.VIEWS[self.view], image)
        return {"FINISHED"}


class MAQUETTE_OT_load_picture(bpy.types.Operator):
    """Choose picture files; of several, those whose names end in front, left, back or right are put there"""  # noqa: D415, E501 (tooltip)

    bl_idname = "maquette.load_picture"
    bl_label = "Load Maquette Reference"
    bl_options = {"REGISTER", "UNDO"}

    view: bpy.props.EnumProperty(**_VIEW)
    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"HIDDEN", "SKIP_SAVE"})
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: bpy.props.CollectionProperty(
        type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"}
    )
    filter_glob: bpy.props.StringProperty(default=_FILTER, options={"HIDDEN", "SKIP_SAVE"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        if self.directory or self.filepath:  # a picture was dropped
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        paths = [Path(self.directory, file.name) for file in self.files if file.name]
        paths = paths or [Path(bpy.path.abspath(self.filepath))]
        try:
            for view, path in _sort_by_side(paths, self.view).items():
                image = capture.load_picture(path)
                setattr(context.scene.maquette, properties.VIEWS[view], image)
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_paste_picture(_TakesPicture, bpy.types.Operator):
    """Use the picture in the clipboard, or the one whose file was copied"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.paste_picture"
    bl_label = "Paste Maquette Reference"

    def find_image(self, context: bpy.types.Context) -> bpy.types.Image:
        return capture.paste_picture(context)


class MAQUETTE_OT_use_render(_TakesPicture, bpy.types.Operator):
    """Use a copy of the last render; with a transparent film nothing has to be cut out"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.use_render"
    bl_label = "Use Render as Maquette Reference"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not any(image.type == "RENDER_RESULT" for image in bpy.data.images):
            cls.poll_message_set("Render the scene first")
            return False
        return True

    def find_image(self, context: bpy.types.Context) -> bpy.types.Image:
        return capture.copy_render(context.scene)


class MAQUETTE_OT_use_viewport(_TakesPicture, bpy.types.Operator):
    """Use what the 3D viewport shows now, without overlays and before a transparent ground"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.use_viewport"
    bl_label = "Use Viewport as Maquette Reference"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if bpy.app.background:
            cls.poll_message_set("Only in a Blender that has a window")
            return False
        if capture.find_viewport(context) is None:
            cls.poll_message_set("Open a 3D viewport first")
            return False
        return True

    def find_image(self, context: bpy.types.Context) -> bpy.types.Image:
        return capture.snap_viewport(context)


class MAQUETTE_OT_use_image(_TakesPicture, bpy.types.Operator):
    """Use the picture that this editor shows as a reference for Maquette"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.use_image"
    bl_label = "Use as Maquette Reference"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        space = context.space_data
        if space is None or space.type != "IMAGE_EDITOR" or space.image is None:
            cls.poll_message_set("Show a picture in an Image Editor first")
            return False
        return True

    def find_image(self, context: bpy.types.Context) -> bpy.types.Image:
        image = context.space_data.image
        return capture.copy_render(context.scene) if image.type == "RENDER_RESULT" else image


class MAQUETTE_OT_preview_cutout(bpy.types.Operator):
    """Show what the model will see of the picture: cut out of its background and framed"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.preview_cutout"
    bl_label = "Preview Cut-Out"
    bl_options = {"REGISTER"}

    view: bpy.props.EnumProperty(**_VIEW)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not properties.to_images(context.scene.maquette):
            cls.poll_message_set("Choose a reference picture first")
            return False
        if error := session.current().setup_error:
            cls.poll_message_set(localize(error))
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        now, scene = session.current(), context.scene
        image = properties.to_images(scene.maquette).get(self.view)
        try:
            if image is None:
                raise InputError("This side has no picture.", "Choose one.")
            now.cutout.start(scene, image)
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        if not bpy.app.background:
            handlers.start_polling()
            return {"FINISHED"}
        errors: list[MaquetteError] = []
        while now.cutout.is_busy:  # background Blender has no timers
            time.sleep(handlers.POLL_INTERVAL_S)
            now.cutout.poll(errors.append)
        for error in errors:
            self.report({"ERROR"}, localize(error))
        return {"CANCELLED"} if errors else {"FINISHED"}


def _sort_by_side(paths: list[Path], view: str) -> dict[str, Path]:
    """View -> file: by the ends of the names if there are several, else the wanted view."""
    if len(paths) == 1:
        return {view: paths[0]}
    found: dict[str, Path] = {}
    for path in paths:
        side = next((v for v in properties.VIEWS if path.stem.lower().endswith(v)), None)
        if side is not None:
            found.setdefault(side, path)
    if view not in found:
        others = [path for path in paths if path not in found.values()]
        found |= {view: others[0]} if others else {}
    return found


CLASSES = (
    MAQUETTE_OT_load_picture,
    MAQUETTE_OT_paste_picture,
    MAQUETTE_OT_use_render,
    MAQUETTE_OT_use_viewport,
    MAQUETTE_OT_use_image,
    MAQUETTE_OT_preview_cutout,
)
