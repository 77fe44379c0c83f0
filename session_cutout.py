# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a reference picture into the preview of its cut-out, beside all jobs."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bpy

from . import preferences
from .backend.client.cutout import CutoutProcess, CutoutRequest
from .backend.client.environment import find_python
from .backend.errors import MaquetteError
from .properties_finish import recipe_of
from .scene.image import load_packed, save_image_as_png, show_in_preview
from .scene.placement import can_place, push_undo

PREVIEW_PX = 512


@dataclass(frozen=True, slots=True)
class _Task:
    """A cut-out under way. Holds no Blender data, which may move or go."""

    process: CutoutProcess
    folder: "tempfile.TemporaryDirectory[str]"
    out: Path
    recipe: str
    scene_uid: int
    image_uid: int


@dataclass(slots=True)
class Cutout:
    """The one cut-out that runs, if any. Main thread only."""

    _task: _Task | None = None
    _done: tuple[str, ...] | None = None  # the sentences of one that is not shown yet

    @property
    def is_busy(self) -> bool:
        """Whether a cut-out is made or waits to be shown."""
        return self._task is not None

    def start(self, scene: bpy.types.Scene, image: bpy.types.Image) -> None:
        """Write the picture and start the process, in place of one that runs.

        Raises:
            MaquetteError: The picture cannot be used, or no Python runs.
        """
        self.close()
        settings = scene.maquette
        border_ratio = round(settings.border_ratio, 6)
        python = find_python(preferences.get_python_path())
        temporary = tempfile.TemporaryDirectory(dir=bpy.app.tempdir)
        picture, out = (Path(temporary.name) / name for name in ("picture.png", "cutout.png"))
        save_image_as_png(image, scene, picture)
        mode = settings.remove_background
        request = CutoutRequest(picture, out, PREVIEW_PX, border_ratio, mode)
        self._task = _Task(
            CutoutProcess(python, request),
            temporary,
            out,
            recipe_of(border_ratio, mode),
            scene.session_uid,
            image.session_uid,
        )

    def poll(self, tell_error: Callable[[MaquetteError], object]) -> None:
        """Show the preview if it is there and Blender can take it, or tell why there is none."""
        if self._task is None:
            return
        try:
            if self._done is None:
                self._done = self._task.process.poll()
            if self._done is None or not (bpy.app.background or can_place()):
                return
            _show(self._task, self._done)
        except MaquetteError as error:
            tell_error(error)
        self.close()

    def close(self) -> None:
        """Give up what runs."""
        if self._task is not None:
            self._task.process.kill()
            self._task.folder.cleanup()
        self._task = self._done = None


def _show(task: _Task, warnings: tuple[str, ...]) -> None:
    """Put the result into the scene that asked for it, unless that or the picture is gone."""
    scene = _find(bpy.data.scenes, task.scene_uid)
    source = _find(bpy.data.images, task.image_uid)
    if scene is None or source is None:
        return
    name = f"{Path(source.name).stem} cut-out"
    image = load_packed(task.out, name)
    show_in_preview(image)
    shown = scene.maquette.cutout
    former, shown.image = shown.image, image
    if former is not None and not former.users:
        bpy.data.images.remove(former)
        image.name = name  # it was taken
    shown.source, shown.recipe, shown.note = source, task.recipe, " ".join(warnings)
    if not bpy.app.background:  # there the operator that waits makes the step
        push_undo("Maquette: Preview Cut-Out")


def _find(collection: bpy.types.bpy_prop_collection, uid: int) -> bpy.types.ID | None:
    """The data-block of that `session_uid`, or None."""
    return next((item for item in collection if item.session_uid == uid), None)
