# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker without torch that says what a test wants: `python fake_worker.py BEHAVIOUR`.

Behaviours:
    normal: hello; each job ends with a tetrahedron, or with the submitted npz mesh painted red,
        on its own uv or on one where every face fills the square; cancel and unload are answered.
    garbage: as normal, with lines that are no messages before and after everything.
    flood: hello, then garbage without end.
    deaf: hello, takes jobs, and never answers anything again.
    silent: says nothing at all.
    broken: ends before hello with a message on stderr.
    dies: ends in the middle of the first job.
    future: speaks a later protocol version.
"""

import os
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backend.data import Mesh
from backend.mesh.io import write_glb, write_npz
from backend.protocol import (
    PROTOCOL_VERSION,
    Cancel,
    ErrorEvent,
    Hello,
    Message,
    ProgressEvent,
    Result,
    Shutdown,
    Submit,
    Unload,
    Unloaded,
    encode,
    read_messages,
)

GARBAGE = (
    b"Loading 100%|##########| 3/3\n",
    b"\xff\xfe\x00binary\n",
    b'{"type": "result"}\n',
    b'{"type": "progress", "job_id": 7, "stage": "x", "step": 0, "of": 1}\n',
    b"[" * 20_000 + b"\n",
    b"x" * (1 << 20) + b"y\n",
    b"\n",
)
VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)


def say(message: Message, behaviour: str) -> None:
    """Write a message to stdout, with garbage around it if so asked."""
    if behaviour == "garbage":
        sys.stdout.buffer.write(b"".join(GARBAGE))
    sys.stdout.buffer.write(encode(message))
    if behaviour == "garbage":
        sys.stdout.buffer.write(b"".join(GARBAGE))
    sys.stdout.buffer.flush()


def run_job(job: Submit, behaviour: str) -> None:
    """Pretend to work on a job and hand out a tetrahedron."""
    for step in range(3):
        say(ProgressEvent(job.job_id, "sample", step, 3, None), behaviour)
        if behaviour == "dies" and step == 1:
            os.write(2, b"Traceback (most recent call last):\nFatalError: the GPU fell off\n")
            os._exit(3)
    say(make_result(job), behaviour)


def make_result(job: Submit) -> Result:
    """Write the job's files, and say where they are."""
    folder, mesh = Path(job.job_folder), Mesh(VERTICES, FACES)
    if job.mesh_path:
        with np.load(job.mesh_path) as arrays:
            mesh = Mesh(arrays["vertices"], arrays["faces"], arrays.get("uv"))
    is_painted = job.settings.get("texture") != "none"
    is_new_uv = is_painted and (mesh.uv is None or job.settings.get("uv") == "new")
    if is_new_uv:
        uv = np.tile(np.array([[0, 0], [1, 0], [0, 1]], np.float32), (len(mesh.faces), 1, 1))
        mesh = Mesh(mesh.vertices, mesh.faces, uv)
    write_npz(mesh, folder / "mesh.npz")
    write_glb(mesh, folder / "mesh.glb")
    size = job.settings.get("texture_size", 1024) if is_painted else 0
    if is_painted:
        write_red_png(folder / "base_colour.png", size)
    return Result(
        job.job_id,
        str(folder / "mesh.npz"),
        str(folder / "mesh.glb"),
        len(mesh.vertices),
        len(mesh.faces),
        job.settings.get("seed", 0),
        {"sample": 0.1},
        texture_path=str(folder / "base_colour.png") if is_painted else "",
        texture_size=size,
        is_new_uv=is_new_uv,
        coverage={"seen": 1.0, "filled": 0.0, "views": 6} if is_painted else {},
    )


def write_red_png(path: Path, size: int) -> None:
    """A picture of one colour, (204, 51, 26), as the PNG specification has it."""
    rows = (b"\0" + bytes((204, 51, 26)) * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        content += struct.pack(">I", len(data)) + kind + data + checksum
    path.write_bytes(content)


def main(behaviour: str) -> None:
    """Play one behaviour until shutdown or the end of stdin."""
    if behaviour == "silent":
        time.sleep(600)
    if behaviour == "broken":
        sys.exit("ModuleNotFoundError: No module named 'torch'")
    version = PROTOCOL_VERSION + (behaviour == "future")
    say(Hello(version, os.getpid(), ["cpu"], [1024], {"python": "3.11", "torch": "0"}), behaviour)
    while behaviour == "flood":
        sys.stdout.buffer.write(b"nonsense\n" * 1000)
    for message in read_messages(sys.stdin.buffer):
        if behaviour == "deaf":
            continue
        if isinstance(message, Submit):
            run_job(message, behaviour)
        elif isinstance(message, Cancel):
            say(ErrorEvent(message.job_id, "cancelled", "The job was cancelled."), behaviour)
        elif isinstance(message, Unload):
            say(Unloaded([1024]), behaviour)
        elif isinstance(message, Shutdown):
            return


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "normal")
