# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns files, the clipboard, renders and viewports into reference pictures, and shows cut-outs."""

import tempfile
import time
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_rpt as rpt_

from .. import preferences, properties, session
from ..backend.client.cutout import CutoutProcess, CutoutRequest
from ..backend.client.environment import find_python
from ..backend.errors import InputError, MaquetteError
from ..properties_finish import VIEW_ITEMS, recipe_of
from ..scene import capture
from ..scene.image import load_packed, save_image_as_png, show_in_preview

PREVIEW_PX = 512
_POLL_INTERVAL_S = 0.05
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
            self.report({"ERROR"}, str(error))
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
            self.report({"ERROR"}, str(error))
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
    bl_options = {"REGISTER", "UNDO"}

    view: bpy.props.EnumProperty(**_VIEW)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not properties.to_images(context.scene.maquette):
            cls.poll_message_set("Choose a reference picture first")
            return False
        if error := session.current().setup_error:
            cls.poll_message_set(str(error))
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.maquette
        image = properties.to_images(settings).get(self.view)
        try:
            if image is None:
                raise InputError("This side has no picture.", "Choose one.")
            self._start(context.scene, image)
            if bpy.app.background:
                while (warnings := self._process.poll()) is None:
                    time.sleep(_POLL_INTERVAL_S)
                return self._show(warnings)
        except MaquetteError as error:
            return self._fail(error)
        manager = context.window_manager
        self._timer = manager.event_timer_add(_POLL_INTERVAL_S, window=context.window)
        manager.modal_handler_add(self)
        context.workspace.status_text_set(rpt_("Cutting out the picture"))
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            warnings = self._process.poll()
            if warnings is None:
                return {"PASS_THROUGH"}
            self._stop_timer(context)
            return self._show(warnings)
        except MaquetteError as error:
            self._stop_timer(context)
            return self._fail(error)

    def cancel(self, context: bpy.types.Context) -> None:
        """Called by Blender when it ends the operator, e.g. before it loads a file."""
        self._process.kill()
        self._stop_timer(context)
        self._folder.cleanup()

    def _start(self, scene: bpy.types.Scene, image: bpy.types.Image) -> None:
        """Write the picture and start the process.

        Raises:
            MaquetteError: The picture cannot be used or no Python runs.
        """
        settings = scene.maquette
        self._folder = tempfile.TemporaryDirectory(dir=bpy.app.tempdir)
        folder = Path(self._folder.name)
        save_image_as_png(image, scene, folder / "picture.png")
        border_ratio = round(settings.border_ratio, 6)
        request = CutoutRequest(
            folder / "picture.png",
            folder / "cutout.png",
            PREVIEW_PX,
            border_ratio,
            settings.remove_background,
        )
        self._out, self._recipe = request.out, recipe_of(border_ratio, settings.remove_background)
        # Blender's undo and redo replace data-blocks, so none is kept.
        self._scene_uid, self._image_uid = scene.session_uid, image.session_uid
        self._process = CutoutProcess(find_python(preferences.get_python_path()), request)

    def _show(self, warnings: tuple[str, ...]) -> set[str]:
        """Put the result into the scene that asked for it, unless it or the picture is gone."""
        scene = _find(bpy.data.scenes, self._scene_uid)
        source = _find(bpy.data.images, self._image_uid)
        if scene is None or source is None:
            self._folder.cleanup()
            return {"CANCELLED"}
        name = f"{Path(source.name).stem} cut-out"
        image = load_packed(self._out, name)
        self._folder.cleanup()
        show_in_preview(image)
        shown = scene.maquette.cutout
        former, shown.image = shown.image, image
        if former is not None and not former.users:
            bpy.data.images.remove(former)
            image.name = name  # it was taken
        shown.source, shown.recipe, shown.note = source, self._recipe, " ".join(warnings)
        for warning in warnings:
            self.report({"WARNING"}, warning)
        return {"FINISHED"}

    def _fail(self, error: MaquetteError) -> set[str]:
        self._folder.cleanup()
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}

    def _stop_timer(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)


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


def _find(collection: bpy.types.bpy_prop_collection, uid: int) -> bpy.types.ID | None:
    """The data-block of that `session_uid`, or None."""
    return next((item for item in collection if item.session_uid == uid), None)


CLASSES = (
    MAQUETTE_OT_load_picture,
    MAQUETTE_OT_paste_picture,
    MAQUETTE_OT_use_render,
    MAQUETTE_OT_use_viewport,
    MAQUETTE_OT_use_image,
    MAQUETTE_OT_preview_cutout,
)
