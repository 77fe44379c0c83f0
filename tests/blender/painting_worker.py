# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker without torch that textures what it gets: `python painting_worker.py BEHAVIOUR`.

A generated mesh is a tetrahedron, a mesh that is sent comes back as it was. Each triangle is filled
with a colour that tells where it is: its centre in the bounding box, turned by the front's angle,
as red, green and blue. A base texture stays where the texel mask is dark; what is sent is copied
into the job's folder. New UVs put each triangle into a cell of its own.

Behaviours:
    normal: as said.
    fails: each second job ends with an error.
"""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

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
from tests.fake_worker import FACES, VERTICES

WARNING = "This worker pretends."


def say(message: Message) -> None:
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


def make_uv(num_faces: int) -> np.ndarray:
    """`[F, 3, 2]`, each triangle in its own cell of a square grid."""
    side = int(np.ceil(np.sqrt(num_faces)))
    index = np.arange(num_faces)
    corner = np.stack([index % side, index // side], -1)[:, None] / side
    return (corner + np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]) / side).astype(np.float32)


def colours_of(mesh: Mesh, front_deg: float) -> np.ndarray:
    """`[F, 3]` uint8: the faces' centres in the bounding box, seen from the front."""
    angle = np.radians(front_deg)
    turn = np.array(
        [[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]
    )
    points = mesh.vertices.astype(np.float64) @ turn.T
    low, high = points.min(axis=0), points.max(axis=0)
    centres = points[mesh.faces].mean(axis=1)
    return np.round((centres - low) / np.maximum(high - low, 1e-9) * 255).astype(np.uint8)


def paint(job: Submit, mesh: Mesh, mask: np.ndarray) -> Image.Image:
    """Fill each triangle of the mask, over the base texture if there is one."""
    size = job.settings["texture_size"]
    picture = Image.new("RGB", (size, size), (127, 127, 127))
    draw = ImageDraw.Draw(picture)
    colours = colours_of(mesh, job.settings["front_deg"])
    pixels = mesh.uv * (size, -size) + (0, size)  # [F, 3, 2], row 0 is the top
    for triangle, colour, is_painted in zip(pixels, colours, mask, strict=True):
        if is_painted:
            draw.polygon([tuple(point) for point in triangle], fill=tuple(map(int, colour)))
    if job.texel_mask_path:
        with Image.open(job.base_texture_path) as base, Image.open(job.texel_mask_path) as where:
            where = where.convert("L").resize((size, size))
            picture = Image.composite(picture, base.convert("RGB").resize((size, size)), where)
    return picture


def run_job(job: Submit) -> None:
    folder = Path(job.job_folder)
    for stage in ("read", "unwrap", "paint", "bake"):
        say(ProgressEvent(job.job_id, stage, 0, 1))
    mesh, mask = Mesh(VERTICES, FACES), np.ones(len(FACES), bool)
    if job.kind == "retexture":
        shutil.copy(job.mesh_path, folder / "sent.npz")
        with np.load(job.mesh_path) as sent:
            mesh = Mesh(sent["vertices"], sent["faces"], sent.get("uv"))
            mask = sent.get("face_mask", np.ones(len(mesh.faces), bool))
    is_new = mesh.uv is None or job.settings["uv"] == "new"
    if is_new:
        mesh = Mesh(mesh.vertices, mesh.faces, make_uv(len(mesh.faces)))
    texture = ""
    if job.kind == "retexture" or job.settings["texture"] != "none":
        texture = str(folder / "base_colour.png")
        paint(job, mesh, mask).save(texture)
    write_npz(mesh, folder / "mesh.npz")
    write_glb(mesh, folder / "mesh.glb")
    paths = str(folder / "mesh.npz"), str(folder / "mesh.glb")
    sizes = len(mesh.vertices), len(mesh.faces), job.settings["seed"]
    size = job.settings["texture_size"] if texture else 0
    confidence = 0.62 if job.kind == "generate" else None
    result = Result(job.job_id, *paths, *sizes, {"bake": 0.1}, [WARNING], texture, size, is_new)
    say(replace(result, confidence=confidence))


def main(behaviour: str) -> None:
    say(Hello(PROTOCOL_VERSION, os.getpid(), ["cpu"], [1024], {"python": "3.11", "torch": "0"}))
    num_jobs = 0
    for message in read_messages(sys.stdin.buffer):
        if isinstance(message, Submit):
            num_jobs += 1
            if behaviour == "fails" and num_jobs % 2 == 0:
                say(ErrorEvent(message.job_id, "internal", "It failed.", "Try again."))
            else:
                run_job(message)
        elif isinstance(message, Shutdown):
            return


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "normal")
