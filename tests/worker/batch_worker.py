# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker without torch for batches: what it makes follows from picture and settings alone.

A picture that is no whole PNG is refused. One whose name starts with "deadly" ends the worker each
time, one with "fragile" the first time. A job takes 0.02 s, with steps so many hundredths.
"""

import hashlib
import os
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.data import Mesh
from backend.mesh.io import write_glb, write_npz
from backend.protocol import (
    PROTOCOL_VERSION,
    ErrorEvent,
    Hello,
    Message,
    ProgressEvent,
    Result,
    Shutdown,
    Submit,
    encode,
    read_messages,
)

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
END = b"IEND\xaeB`\x82"


def say(message: Message) -> None:
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


def run_job(job: Submit) -> Message:
    """Look at the picture, pretend to work, write the files."""
    picture = Path(job.images[0])
    content = picture.read_bytes()
    (Path(job.job_folder) / "job.log").write_text("a log\n")
    if not content.endswith(END):
        message = f"The picture '{picture.name}' is damaged or incomplete."
        return ErrorEvent(job.job_id, "input", message, "Use another.")
    marker = picture.with_suffix(".died")
    if picture.name.startswith("deadly") or (
        picture.name.startswith("fragile") and not marker.exists()
    ):
        marker.touch()
        os._exit(3)
    steps = job.settings["steps"] or 2
    for step in range(steps):
        say(ProgressEvent(job.job_id, "sample", step, steps, None))
        time.sleep(0.01)
    return make_result(job, content)


def make_result(job: Submit, content: bytes) -> Result:
    folder, seed = Path(job.job_folder), job.settings["seed"]
    shift = hashlib.sha256(content + str(seed).encode()).digest()[:3]
    mesh = Mesh(VERTICES + np.frombuffer(shift, np.uint8).astype(np.float32) / 64, FACES)
    write_npz(mesh, folder / "mesh.npz")
    write_glb(mesh, folder / "mesh.glb")
    if job.thumbnail_px:
        for name in ("picture.jpg", "result.jpg"):
            Image.new("RGB", (job.thumbnail_px,) * 2, tuple(shift)).save(folder / name)
    paths = str(folder / "mesh.npz"), str(folder / "mesh.glb")
    return Result(job.job_id, *paths, 4, 4, seed, {"sample": 0.02}, ["A note."])


def main() -> None:
    say(Hello(PROTOCOL_VERSION, os.getpid(), ["cpu"], [1024], {"python": "3.11", "torch": "0"}))
    for message in read_messages(sys.stdin.buffer):
        if isinstance(message, Submit):
            say(run_job(message))
        elif isinstance(message, Shutdown):
            return


if __name__ == "__main__":
    main()
