# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a picture into a preview of its cut-out, made by the worker's Python beside the worker.

It is a process of its own, with a small network on the CPU: it is done in a few seconds, also while
the worker is busy with a job.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MaquetteError, SetupError, error_from_code
from .environment import NO_WINDOW, PYTHON_FLAGS, worker_environment


@dataclass(frozen=True, slots=True)
class CutoutRequest:
    """What is cut out, and how.

    Attributes:
        picture: The picture file.
        out: The PNG to write.
        size_px: Its edge in pixels.
        border_ratio: As in `config.ImageConfig`.
        remove_background: As in `config.ImageConfig`.
    """

    picture: Path
    out: Path
    size_px: int
    border_ratio: float
    remove_background: str


class CutoutProcess:
    """One cut-out under way; `poll` it until it gives the warnings.

    Args:
        python: Python of the worker's environment.
        request: What to do.

    Raises:
        SetupError: That Python cannot be run.
    """

    def __init__(self, python: Path, request: CutoutRequest) -> None:
        self._python = python
        command = [
            *(str(python), *PYTHON_FLAGS, "-m", "backend.pipelines.cutout", str(request.picture)),
            *("--out", str(request.out), "--size", str(request.size_px)),
            *("--border-ratio", str(request.border_ratio)),
            *("--remove-background", request.remove_background),
        ]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # one line, which always fits into the pipe
                stderr=subprocess.DEVNULL,
                env=worker_environment(),
                creationflags=NO_WINDOW,
            )
        except OSError as error:
            raise self._failure() from error

    def poll(self) -> tuple[str, ...] | None:
        """None while it runs; then the sentences for the user, and the PNG is there.

        Raises:
            MaquetteError: The picture cannot be used, or the worker's Python is broken.
        """
        if self._process.poll() is None:
            return None
        said, _ = self._process.communicate()
        answer = _read_answer(said)
        if answer is None:
            raise self._failure()
        if "warnings" not in answer:
            raise error_from_code(answer["code"], answer["message"], answer["hint"])
        return tuple(answer["warnings"])

    def kill(self) -> None:
        """End it at once; the PNG may be missing or incomplete."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _failure(self) -> MaquetteError:
        return SetupError(
            f"The worker's Python could not cut out the picture: {self._python}.",
            "Check the worker in the preferences.",
        )


def _read_answer(said: bytes) -> dict[str, Any] | None:
    """The last line as the JSON object that `backend.pipelines.cutout` prints, or None."""
    try:
        answer = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        return None
    is_whole = isinstance(answer, dict) and ("warnings" in answer or "code" in answer)
    return answer if is_whole else None
