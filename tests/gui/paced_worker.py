# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker without torch whose steps a test lets pass: `paced_worker.py FOLDER`.

A step takes `STEP_S`. In the middle of the stage that the file FOLDER/hold names, the worker waits,
takes Cancel, and goes on when the file is gone or names another stage. If FOLDER/fail exists, it
holds the code, message and hint of the error that jobs end with, a line each. Results are the fake
worker's, or the files mesh.npz and base_colour.png in FOLDER/result, if they are there.
"""

import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from backend.protocol import (
    PROTOCOL_VERSION,
    Cancel,
    ErrorEvent,
    Hello,
    Message,
    ProgressEvent,
    Shutdown,
    Submit,
    Unload,
    Unloaded,
    read_messages,
)
from tests.fake_worker import make_result, say

STEP_S = 0.03
GENERATE = {"read": 1, "load": 1, "prepare": 1, "encode": 1, "sample": 10, "decode": 6, "mesh": 2}
PAINT = {"unwrap": 2, "align": 2, "render": 1, "bake": 4, "write": 1}


class PacedWorker:
    """Takes messages beside its work, as the real worker does.

    Args:
        folder: Where `hold`, `fail` and `result` are looked for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._inbox: queue.Queue[Message | None] = queue.Queue()
        self._cancelled: set[str] = set()

    def listen(self, messages: Iterable[Message]) -> None:
        """Sort messages until the input ends; Cancel works at once."""
        for message in messages:
            if isinstance(message, Cancel):
                self._cancelled.add(message.job_id)
            self._inbox.put(message)
        self._inbox.put(None)

    def work(self) -> None:
        """Answer messages until shutdown or the end of the input."""
        while (message := self._inbox.get()) is not None and not isinstance(message, Shutdown):
            if isinstance(message, Submit):
                say(self._run(message), "normal")
            elif isinstance(message, Unload):
                say(Unloaded([1024]), "normal")

    def _is_held(self, stage: str, job_id: str) -> bool:
        if job_id in self._cancelled:
            return False
        try:
            return (self._folder / "hold").read_text() == stage
        except FileNotFoundError:
            return False

    def _run(self, job: Submit) -> Message:
        stages = ({"read": 1, "load": 1} if job.mesh_path else GENERATE) | PAINT
        for stage, num_steps in stages.items():
            for step in range(num_steps):
                left_s = None if step == 0 else (num_steps - step) * STEP_S * 20
                say(ProgressEvent(job.job_id, stage, step, num_steps, left_s), "normal")
                time.sleep(STEP_S)
                while step == num_steps // 2 and self._is_held(stage, job.job_id):
                    time.sleep(STEP_S)
                if job.job_id in self._cancelled:
                    return ErrorEvent(job.job_id, "cancelled", "The job was cancelled.")
        if (self._folder / "fail").exists():
            return ErrorEvent(job.job_id, *(self._folder / "fail").read_text().splitlines())
        result = make_result(job)
        kept = self._folder / "result"
        if job.mesh_path or not kept.is_dir():
            return result
        shutil.copy(kept / "mesh.npz", result.mesh_path)
        if result.texture_path:
            shutil.copy(kept / "base_colour.png", result.texture_path)
        return result


def main(folder: str) -> None:
    """Say hello and work."""
    worker = PacedWorker(Path(folder))
    versions = {"python": "3.13", "torch": "2.13"}
    say(Hello(PROTOCOL_VERSION, os.getpid(), ["cpu"], [16384], versions), "normal")
    listener = threading.Thread(target=worker.listen, args=(read_messages(sys.stdin.buffer),))
    listener.daemon = True
    listener.start()
    worker.work()


if __name__ == "__main__":
    main(sys.argv[1])
