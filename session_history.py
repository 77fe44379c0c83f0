# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps how results were made: on their objects, in their scene's history, and through undo."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from . import preferences
from .backend.client.job_folders import clean_job_folders
from .backend.client.queue_file import SavedJob
from .backend.protocol import Result
from .scene.asset import Origin
from .scene.history import Memory, has_line, keep_memory, make_memory
from .scene.recipe import Made
from .scene.retexture import Repaint
from .scene.thumbnail import Thumbnails

_SECONDS_PER_DAY = 24 * 3600


@dataclass(slots=True)
class History:
    """The results of this Blender, as the files that they are in remember them. Main thread only.

    Attributes:
        thumbnails: Icons of the lines that are shown.
    """

    thumbnails: Thumbnails = field(default_factory=Thumbnails)
    _memories: list[Memory] = field(default_factory=list)  # oldest first, for what undo takes away
    _cleaning: "Future[list[Path]] | None" = None

    def keep(
        self,
        saved: SavedJob,
        result: Result,
        origin: Origin | Repaint,
        objects: Sequence[bpy.types.Object],
    ) -> list[str]:
        """Write down how a result was made that was just placed.

        Args:
            saved: What was asked for.
            result: What the worker made.
            origin: What it was for.
            objects: What was added or painted.

        Returns:
            Sentences for the artist.
        """
        chosen = preferences.get_preferences()
        memory = make_memory(_describe(saved, result, origin), origin, objects)
        self._memories = [*self._memories, memory][-max(chosen.history_length, 1) :]
        is_packed = chosen.keep_pictures == "packed"
        sentence = keep_memory(memory, objects, is_packed, chosen.history_length)
        return [sentence] if sentence else []

    def restore(self) -> None:
        """After undo or redo: write the lines again that it took away; objects stay gone."""
        chosen = preferences.get_preferences()
        scenes = {scene.session_uid: scene for scene in bpy.data.scenes}
        for memory in self._memories:
            scene = scenes.get(memory.scene_uid)
            if scene is not None and not has_line(scene, memory.made.job_id):
                is_packed = chosen.keep_pictures == "packed"
                keep_memory(memory, (), is_packed, chosen.history_length)

    def forget(self, job_ids: Sequence[str]) -> None:
        """The artist took these lines out of the history: they do not come back."""
        self._memories = [m for m in self._memories if m.made.job_id not in job_ids]

    def clean_up(self, job_root: Path, in_use: Sequence[Path]) -> None:
        """Delete old folders of jobs in the background, as the preferences say.

        Args:
            job_root: The job folder.
            in_use: Folders and files in it that jobs of this Blender need.
        """
        if self._cleaning is not None and not self._cleaning.done():
            return
        chosen = preferences.get_preferences()
        pool = ThreadPoolExecutor(1)
        self._cleaning = pool.submit(
            clean_job_folders,
            job_root,
            chosen.keep_jobs,
            chosen.keep_days * _SECONDS_PER_DAY,
            list(in_use),
        )
        pool.shutdown(wait=False)

    def close(self) -> None:
        """Free the icons and wait for a clean-up that runs, which takes moments."""
        if self._cleaning is not None and not self._cleaning.cancel():
            self._cleaning.exception()  # waits
        self._cleaning = None
        self.thumbnails.close()


def _describe(saved: SavedJob, result: Result, origin: Origin | Repaint) -> Made:
    """A finished job as plain data."""
    what = saved.kind, saved.name, saved.pictures, saved.settings, result
    if isinstance(origin, Origin):
        return Made.of_job(*what, size_m=origin.size_m)
    return Made.of_job(*what, choices=saved.extra)
