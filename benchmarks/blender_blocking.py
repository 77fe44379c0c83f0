# SPDX-License-Identifier: GPL-3.0-or-later
"""For how long does a job keep Blender's main loop from drawing?

    python -m benchmarks.blender_blocking [--repeats N] [--real PICTURE]

All that a job does in Blender runs in one timer, so the loop is blocked as long as one call of it
takes. Measured are all calls over whole jobs, that which imports the result apart from the others,
and the click on Generate, which writes the picture. The jobs' worker hands out a prepared mesh of
100 352 faces with a texture of 2048 px; with `--real` one more job runs on the real worker.
Needs the `bpy` module; Blender runs in a process of its own.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from backend.data import Mesh
from backend.mesh.io import write_npz
from backend.protocol import (
    PROTOCOL_VERSION,
    Hello,
    ProgressEvent,
    Result,
    Shutdown,
    Submit,
    encode,
    read_messages,
)

ROOT = Path(__file__).parent.parent
MODULE = "bl_ext.user_default.maquette"
SIDE = 224  # quads along each edge of the grid that becomes a ball: 2 * 224 * 224 faces
TEXTURE_PX = 2048
PICTURES_PX = (512, 1024, 2048, 4096)
STEPS, STEP_S = 150, 0.02
POLL_INTERVAL_S = 0.05


def make_ball() -> Mesh:
    """A ball of 100 352 faces, each quad with its own cell of the UV square."""
    count = SIDE + 1
    v, u = np.mgrid[0 : np.pi : count * 1j, 0 : 2 * np.pi : count * 1j]
    points = np.stack([np.sin(v) * np.sin(u), np.cos(v), np.sin(v) * np.cos(u)], -1)
    corner = np.arange(SIDE * count).reshape(SIDE, count)[:, :SIDE].ravel()
    low = np.stack([corner, corner + count, corner + 1], -1)
    high = np.stack([corner + 1, corner + count, corner + count + 1], -1)
    faces = np.concatenate([low, high]).astype(np.int32)  # [F, 3]
    vertices = points.reshape(-1, 3).astype(np.float32)  # [P, 3]
    uv = np.stack([u / (2 * np.pi), 1 - v / np.pi], -1).reshape(-1, 2).astype(np.float32)
    return Mesh(vertices, faces, uv[faces])


def prepare_result(folder: Path) -> None:
    """Write the mesh and the texture that the pretending worker hands out."""
    from PIL import Image

    write_npz(make_ball(), folder / "mesh.npz")
    y, x = np.mgrid[0 : 1 : TEXTURE_PX * 1j, 0 : 1 : TEXTURE_PX * 1j]
    noise = np.random.default_rng(0).normal(0, 0.02, (TEXTURE_PX, TEXTURE_PX, 3))
    pixels = np.stack([x, y, np.sin(20 * x * y) * 0.5 + 0.5], -1) + noise
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    image.save(folder / "base_colour.png")


def run_worker(folder: Path) -> None:
    """Say progress for some seconds per job, then hand out copies of the prepared files."""
    out = sys.stdout.buffer

    def say(message: Any) -> None:
        out.write(encode(message))
        out.flush()

    say(Hello(PROTOCOL_VERSION, os.getpid(), ["cpu"], [1024], {"python": "3", "torch": "0"}))
    for message in read_messages(sys.stdin.buffer):
        if isinstance(message, Shutdown):
            return
        if isinstance(message, Submit):
            for step in range(STEPS):
                say(ProgressEvent(message.job_id, "sample", step, STEPS, (STEPS - step) * STEP_S))
                time.sleep(STEP_S)
            files = [Path(message.job_folder) / n for n in ("mesh.npz", "base_colour.png")]
            for file in files:
                shutil.copy(folder / file.name, file)
            mesh, texture = map(str, files)
            faces, vertices = 2 * SIDE * SIDE, (SIDE + 1) ** 2
            say(
                Result(
                    *(message.job_id, mesh, mesh, vertices, faces, 0, {"sample": STEPS * STEP_S}),
                    texture_path=texture,
                    texture_size=TEXTURE_PX,
                )
            )


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost, in seconds: by the clock, and of the processor.

    On a machine that is busy with other things, the second tells more.
    """

    wall: float
    processor: float


def time_call(function: Callable[[], object]) -> Cost:
    """Run a function in the main thread."""
    wall, processor = time.perf_counter(), time.thread_time()
    function()
    return Cost(time.perf_counter() - wall, time.thread_time() - processor)


class Blender:
    """Blender with the extension enabled from the source tree."""

    def __init__(self, python: str, jobs: str) -> None:
        import bpy

        self.bpy = bpy
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.ops.preferences.addon_enable(module=MODULE)
        preferences = bpy.context.preferences.addons[MODULE].preferences
        preferences.python_path, preferences.job_folder = python, jobs
        bpy.context.preferences.edit.use_global_undo = True
        bpy.ops.ed.undo_push(message="start")
        self.session = sys.modules[f"{MODULE}.session"].current()
        self.poll = sys.modules[f"{MODULE}.handlers"].poll_session

    def choose_picture(self, size_px: int) -> None:
        """Make a generated picture the reference."""
        image = self.bpy.data.images.new(f"picture {size_px}", size_px, size_px, alpha=True)
        values = np.random.default_rng(1).random(size_px * size_px * 4, np.float32)
        image.pixels.foreach_set(values)
        self.bpy.context.scene.maquette.image = image

    def click(self) -> Cost:
        """Press Generate, until Blender goes on."""
        return time_call(lambda: self.bpy.ops.maquette.generate(wait=False))

    def run_jobs(self) -> tuple[list[Cost], list[Cost]]:
        """Each call of the timer without and with an import, until all is placed."""
        polls, imports = [], []
        while self.session.is_running:
            before = len(self.bpy.data.objects)
            cost = time_call(self.poll)
            (imports if len(self.bpy.data.objects) > before else polls).append(cost)
            time.sleep(POLL_INTERVAL_S)
        if self.session.status.error:
            raise RuntimeError(self.session.status.error)
        return polls, imports


def describe(name: str, costs: list[Cost]) -> dict[str, Any]:
    """A row of the table: milliseconds that the loop was blocked."""
    wall, processor = (sorted(getattr(c, n) * 1e3 for c in costs) for n in ("wall", "processor"))
    return {
        "what": name,
        "calls": len(costs),
        "median_ms": round(median(wall), 2),
        "p99_ms": round(wall[int(0.99 * (len(wall) - 1))], 2),
        "max_ms": round(wall[-1], 2),
        "median_processor_ms": round(median(processor), 2),
        "max_processor_ms": round(processor[-1], 2),
    }


def measure_in_blender(python: str, jobs: str, repeats: int, picture: str) -> list[dict[str, Any]]:
    """All rows; runs in the process that has Blender."""
    blender, rows = Blender(python, jobs), []
    settings = blender.bpy.context.scene.maquette
    blender.choose_picture(512)
    all_polls, all_imports = [], []
    for _ in range(repeats):
        blender.click()
        polls, imports = blender.run_jobs()
        all_polls, all_imports = all_polls + polls, all_imports + imports
    rows.append(describe("timer, one job", all_polls))
    rows.append(describe("import, 100 352 faces, 2048 px", all_imports))
    settings.variants = 16
    clicks = [blender.click()]
    blender.session.jobs.cancel()
    blender.run_jobs()
    settings.variants = 3
    blender.click()
    polls, imports = blender.run_jobs()
    rows.append(describe("timer, three jobs", polls))
    rows.append(describe("import, one of three", imports))
    rows.append(describe("click, 16 variants, noise of 512 px", clicks))
    settings.variants = 1
    for size_px in PICTURES_PX:
        blender.choose_picture(size_px)
        rows.append(describe(f"click, noise of {size_px} px", [blender.click() for _ in "123"]))
        blender.session.jobs.cancel()
        blender.run_jobs()
    if picture:
        rows += measure_real_job(blender, picture)
    return rows


def measure_real_job(blender: Blender, picture: str) -> list[dict[str, Any]]:
    """Rows of one job on the real worker, default settings."""
    preferences = blender.bpy.context.preferences.addons[MODULE].preferences
    blender.session.jobs.close()
    preferences.python_path = sys.executable
    settings = blender.bpy.context.scene.maquette
    settings.image = blender.bpy.data.images.load(str(ROOT / picture))
    clicks = [blender.click()]
    polls, imports = blender.run_jobs()
    name = Path(picture).stem
    return [
        describe(f"click, real job, {name}", clicks),
        describe(f"timer, real job, {name}", polls),
        describe(f"import, real job, {name}", imports),
    ]


def run_child(folder: Path, repeats: int, picture: str) -> list[dict[str, Any]]:
    """Start Blender in a process of its own, whose user folder is empty but for the extension."""
    extensions = folder / "user/extensions/user_default"
    extensions.mkdir(parents=True)
    (extensions / "maquette").symlink_to(ROOT, target_is_directory=True)
    python = folder / "python"
    words = [sys.executable, "-m", "benchmarks.blender_blocking", "--worker", str(folder)]
    command = f"cd {shlex.quote(str(ROOT))} && exec env PYTHONPATH=. {shlex.join(words)}"
    python.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    python.chmod(0o755)
    (folder / "jobs").mkdir()
    rows = folder / "rows.json"
    options = ["--blender", str(folder), "--repeats", str(repeats), "--real", picture]
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(folder / "user")}
    child = [sys.executable, "-m", "benchmarks.blender_blocking", *options]
    subprocess.run(child, cwd=ROOT, env=environment, check=True)
    return json.loads(rows.read_text(encoding="utf-8"))


def main() -> None:
    """Read the command line, measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--real", default="", metavar="PICTURE", help="also run a real job")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--blender", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        run_worker(args.worker)
    elif args.blender:
        folder: Path = args.blender
        python, jobs = str(folder / "python"), str(folder / "jobs")
        rows = measure_in_blender(python, jobs, args.repeats, args.real)
        (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
        sys.stdout.flush()
        os._exit(0)  # some versions of the module hang when Python ends
    else:
        from benchmarks.measure import print_table, write_results

        with tempfile.TemporaryDirectory() as name:
            prepare_result(Path(name))
            rows = run_child(Path(name), args.repeats, args.real)
        print_table(rows)
        load = round(os.getloadavg()[0], 1)  # processes that want a processor
        print(write_results("blender_blocking", rows, repeats=args.repeats, load_average=load))


if __name__ == "__main__":
    main()
