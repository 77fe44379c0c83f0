# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps jobs that have not ended: in a file while Blender runs, and in the .blend when it is saved.

Both hold the same text (`backend/client/queue_file.py`). What is found at the start of Blender or
in a .blend is only offered; the artist decides whether it is queued again.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import bpy

from .backend.client.queue_file import (
    QueueFile,
    SavedJob,
    SavedPicture,
    claim_left_over,
    decode_jobs,
    encode_jobs,
    find_left_over,
)
from .backend.errors import InputError
from .scene.asset import Origin, read_version
from .scene.bake import Mask
from .scene.job_files import save_pictures
from .scene.submission import Choices

_log = logging.getLogger(__name__)
# Of an `Origin`, what holds in one Blender only or is kept elsewhere.
_NOT_SAVED = ("scene_uid", "settings")


@dataclass(slots=True)
class Unfinished:
    """Jobs that this Blender owes, and those of former times that it offers. Main thread only."""

    _left: dict[Path, list[SavedJob]] = field(default_factory=dict)  # by Blenders that have ended
    _of_file: list[SavedJob] = field(default_factory=list)  # by the open .blend
    _own: QueueFile | None = None

    @property
    def offered(self) -> list[SavedJob]:
        """Jobs that can be queued again, each once."""
        found = [job for jobs in self._left.values() for job in jobs] + self._of_file
        return list({job.job_id: job for job in found}.values())

    def look(self, folder: Path) -> None:
        """Find what Blenders that have ended left behind."""
        self._left = find_left_over(folder)

    def keep(self, owed: list[SavedJob], folder: Path) -> None:
        """Write down what this Blender owes; at every change of it."""
        if self._own is None and owed:
            self._own = QueueFile(folder)
        if self._own is not None:
            self._own.write(owed)

    def take(self) -> list[SavedJob]:
        """The offered jobs, which are offered no more, here or in another Blender."""
        claimed = [
            job for path, jobs in self._left.items() if claim_left_over(path) for job in jobs
        ]
        found = [*claimed, *self._of_file]
        self._left, self._of_file = {}, []
        return list({job.job_id: job for job in found}.values())

    def read_file(self, known: Iterable[str]) -> None:
        """After a .blend was loaded: find the jobs that it names.

        Args:
            known: Ids of jobs that this Blender still works on.
        """
        found: list[SavedJob] = []
        for scene in bpy.data.scenes:
            try:
                found += decode_jobs(scene.maquette.saved_queue)
            except InputError as error:
                _log.warning("%s: %s", scene.name, error)
        self._of_file = [job for job in found if job.job_id not in known]
        self.clear_file()

    def write_file(self, owed: list[SavedJob]) -> None:
        """Before a .blend is saved: put the jobs into it that were started from it."""
        scenes = [scene for scene in bpy.data.scenes if scene.library is None]
        jobs = {job.job_id: job for job in (*owed, *self._of_file)}
        if scenes:
            scenes[0].maquette.saved_queue = encode_jobs(list(jobs.values()))

    def clear_file(self) -> None:
        """After a .blend was saved or read: the text is for the file alone."""
        for scene in bpy.data.scenes:
            if scene.library is None and scene.maquette.saved_queue:
                scene.maquette.saved_queue = ""

    def close(self) -> None:
        """Let go of the file of owed jobs; it stays if it lists any."""
        if self._own is not None:
            self._own.close()
        self._own = None


def encode_origin(origin: Origin) -> dict[str, Any]:
    """What of an origin holds in any Blender."""
    return {name: value for name, value in asdict(origin).items() if name not in _NOT_SAVED}


def decode_origin(saved: SavedJob, scene: bpy.types.Scene) -> Origin:
    """The origin of a saved job, in a scene of now.

    Raises:
        InputError: It is damaged.
    """
    known = {item.name for item in fields(Origin)}
    given = {name: value for name, value in saved.extra.items() if name in known}
    given |= {"scene_uid": scene.session_uid, "settings": saved.settings}
    try:
        given["location"] = tuple(float(given["location"][axis]) for axis in range(3))
        given |= {"size_m": float(given["size_m"]), "version": read_version()}
        return Origin(**{**given, "picture": str(given["picture"])})
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _damaged(saved) from error


def encode_choices(choices: Choices, names: list[str]) -> dict[str, Any]:
    """A re-texturing's choices and the names of its objects, as JSON has it."""
    mask = choices.mask
    plain = {item.name: getattr(choices, item.name) for item in fields(Choices)}
    plain["mask"] = mask and {
        "kind": mask.kind,
        "image": mask.image.name if mask.image else "",
        "attribute": mask.attribute,
    }
    return {"objects": names, "choices": plain}


def decode_choices(saved: SavedJob) -> tuple[list[bpy.types.Object], Choices]:
    """The objects and choices of a saved re-texturing.

    Raises:
        InputError: An object or the mask's picture is gone, or the job is damaged.
    """
    try:
        names, plain = saved.extra["objects"], dict(saved.extra["choices"])
        missing = next((name for name in names if name not in bpy.data.objects), None)
        if not names or missing is not None:
            raise InputError(f"'{missing or saved.name}' is not in this file.", "Open its file.")
        if plain["mask"] is not None:
            plain["mask"] = _decode_mask(plain["mask"])
        return [bpy.data.objects[name] for name in names], Choices(**plain)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(saved) from error


def bring_pictures(saved: SavedJob, root: Path) -> dict[str, SavedPicture]:
    """The pictures of a saved job: its files, or written anew from the images of this .blend.

    Args:
        saved: The job; where it comes from a .blend, anybody may have written it.
        root: The job folder; files elsewhere are not read.

    Raises:
        InputError: A picture is gone.
    """
    inside = root.resolve()
    paths = {view: Path(picture.path) for view, picture in saved.pictures.items()}
    if all(path.is_file() and path.resolve().is_relative_to(inside) for path in paths.values()):
        return dict(saved.pictures)
    images = {v: bpy.data.images.get(picture.name) for v, picture in saved.pictures.items()}
    for view, image in images.items():
        if image is None:
            raise InputError(
                f"The picture '{saved.pictures[view].name}' is gone.",
                "Choose it and generate anew.",
            )
    return write_pictures({view: image for view, image in images.items() if image}, root)


def write_pictures(images: Mapping[str, bpy.types.Image], root: Path) -> dict[str, SavedPicture]:
    """Write the pictures of a new job.

    Args:
        images: View -> picture.
        root: The job folder.

    Raises:
        InputError: A picture cannot be used, or the folder cannot be written.
    """
    paths = save_pictures(dict(images), root)
    pairs = zip(images.items(), paths, strict=True)
    return {view: SavedPicture(image.name, str(path)) for (view, image), path in pairs}


def _decode_mask(plain: Mapping[str, str]) -> Mask:
    image = bpy.data.images.get(plain["image"]) if plain["image"] else None
    if plain["image"] and image is None:
        raise InputError(f"The mask picture '{plain['image']}' is gone.", "Paint again.")
    return Mask(plain["kind"], image, plain["attribute"])


def _damaged(saved: SavedJob) -> InputError:
    return InputError(f"The saved job '{saved.name}' is damaged.", "Start it by hand.")
