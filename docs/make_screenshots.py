# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the pictures of Blender's window in the README and the manual, from the real program.

    tests/gui/setup_blender.sh && .venv/bin/python -m docs.make_screenshots [SCENE ...]

Needs root, for the folder of Blender that the window tests use. What the panel shows is made by the
same steps that an artist takes; the object is made once by the real worker and handed out by the
tests' worker, which can be held in the middle of a job.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from backend.client.queue import GENERATE, JobQueue, JobState
from backend.client.worker_process import WorkerProcess
from backend.config import JobConfig, overlay
from tests.gui.blender_window import Box, Display, find_folder, find_hindrance, install_extension
from tests.gui.workbench import SESSION, Workbench

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "images"
SIZE = (1360, 1180)
QUALITY = 88
MAX_BYTES = 100_000
EXAMPLE = "barrel"
SETUP = f"{SESSION}.setup"
# The artist's scene: nothing but what Maquette makes, shown with its texture.
STAGE = """
for obj in list(bpy.data.objects):
    bpy.data.objects.remove(obj)
for area in bpy.context.window_manager.windows[0].screen.areas:
    if area.type == "VIEW_3D":
        shading = area.spaces.active.shading
        shading.type, shading.light, shading.color_type = "SOLID", "STUDIO", "TEXTURE"
        area.spaces.active.overlay.show_cursor = False
"""
LOOK = """
place = find_region("VIEW_3D", "WINDOW")
with bpy.context.temp_override(**place):
    bpy.ops.view3d.view_selected()
    bpy.ops.object.select_all(action="DESELECT")
place["area"].spaces.active.region_3d.view_distance *= 2.4
"""


def make_result(folder: Path) -> Path:
    """The example, made by the real worker; a folder with its mesh and texture."""
    python = ROOT / ".venv" / "bin" / "python"
    queue = JobQueue(lambda: WorkerProcess(python, folder / "worker.log"), folder / "jobs")
    picture = ROOT / "examples" / f"{EXAMPLE}.png"
    job = queue.submit([picture], ["front"], overlay(JobConfig(), {}), GENERATE)
    while not job.is_finished:
        queue.poll()
        time.sleep(0.1)
    queue.close()
    if job.state is not JobState.DONE:
        raise RuntimeError(f"the example was not made: {job.error}")
    assert job.result is not None
    kept = folder / "result"
    kept.mkdir()
    shutil.copy(job.result.mesh_path, kept / "mesh.npz")
    shutil.copy(job.result.texture_path, kept / "base_colour.png")
    return kept


class Photographer:
    """Opens Blender for each picture and saves what it shows.

    Args:
        folder: For files in between.
    """

    def __init__(self, folder: Path) -> None:
        for name in ("display", "home", "zip"):
            (folder / name).mkdir()
        self._result = make_result(folder)
        self._display = Display(find_folder(), folder / "display", SIZE)
        build = [sys.executable, str(ROOT / "packaging/build_zip.py"), "--folder"]
        subprocess.run([*build, str(folder / "zip")], check=True)
        install_extension(self._display, next((folder / "zip").glob("*.zip")))
        self._home = folder / "home" / "installed"
        shutil.copytree(folder / "display" / "home", self._home)

    def open(self, **options: bool) -> Workbench:
        """Blender with an empty scene and the sidebar open."""
        bench = Workbench.start(self._display, self._home, **options)
        shutil.copytree(self._result, bench.pace / "result")
        bench.window.ask(STAGE)
        return bench

    def save(self, bench: Workbench, name: str, box: Box | None = None) -> None:
        """Save the sidebar, or a box of the screen, as a picture of at most 100 kB."""
        path = OUT / f"{name}.webp"
        pixels = bench.take_picture(box or bench.window.find_box())
        for quality in range(QUALITY, 20, -10):
            Image.fromarray(pixels).save(path, quality=quality, method=6)
            if path.stat().st_size <= MAX_BYTES:
                return
        raise RuntimeError(f"{path.name} does not fit into {MAX_BYTES} bytes")

    def close(self) -> None:
        """End the display."""
        self._display.close()


def show_no_environment(photographer: Photographer) -> None:
    """Nothing is installed, then the installation runs."""
    bench = photographer.open(has_worker=False)
    window = bench.window
    window.ask("bpy.context.preferences.system.use_online_access = True")
    window.wait_for(f"{SETUP}.state.value == 'missing'")
    photographer.save(bench, "panel_no_environment")
    window.click_button("maquette.install_environment")
    window.press("Return")
    window.wait_for(f"{SETUP}.state.value == 'installing'")
    bench.wait_for_text("You can go on working meanwhile")
    photographer.save(bench, "panel_installing")
    window.close()


def show_work(photographer: Photographer) -> None:
    """Ready, running, three jobs, done; then the whole window."""
    bench = photographer.open()
    window = bench.window
    bench.choose_picture(f"{EXAMPLE}.png")
    photographer.save(bench, "panel_ready")
    bench.hold("sample")
    generate = window.find_button("maquette.generate")
    window.click(*generate)
    bench.wait_for_text("Sampling the shape, 3 s left")
    photographer.save(bench, "panel_running")
    for number in (2, 3):
        window.click(*generate)
        window.wait_for(f"len({SESSION}.jobs.entries) == {number}")
    bench.wait_for_text("Cancel All")
    photographer.save(bench, "panel_queued")
    window.ask(f"{SESSION}.cancel('')")
    bench.wait_until_idle()
    window.ask("bpy.ops.maquette.clear_jobs()")
    bench.go_on()
    window.click(*generate)
    bench.wait_until_idle()
    window.ask(LOOK)
    photographer.save(bench, "panel_done")
    photographer.save(bench, "window", Box(0, 0, SIZE[0], 900))
    window.close()


def show_error(photographer: Photographer) -> None:
    """A job that failed, with what to do about it."""
    bench = photographer.open()
    bench.choose_picture(f"{EXAMPLE}.png")
    message = "There is not enough memory for this job."
    bench.fail("device_memory", message, "Lower the resolution or choose a smaller model.")
    bench.window.click_button("maquette.generate")
    bench.wait_until_idle()
    bench.wait_for_text("Free Memory")
    photographer.save(bench, "panel_error")
    bench.window.close()


def show_looks(photographer: Photographer) -> None:
    """A running job in a narrow sidebar, in the light theme, and twice as large."""
    bench = photographer.open()
    window = bench.window
    bench.choose_picture(f"{EXAMPLE}.png")
    bench.hold("sample")
    window.click_button("maquette.generate")
    bench.wait_for_text("Sampling the shape, 3 s left")
    bench.use_light_theme()
    photographer.save(bench, "panel_light")
    bench.narrow_sidebar(100)
    photographer.save(bench, "panel_narrow")
    window.ask("bpy.context.preferences.view.ui_scale = 2.0")
    time.sleep(1.0)
    photographer.save(bench, "panel_large")
    window.close()


SCENES: dict[str, Callable[[Photographer], None]] = {
    "environment": show_no_environment,
    "work": show_work,
    "error": show_error,
    "looks": show_looks,
}


def main(names: list[str]) -> int:
    """Take the pictures of the named scenes, or all."""
    if hindrance := find_hindrance(find_folder()):
        sys.stderr.write(f"{hindrance}\n")
        return 1
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        photographer = Photographer(Path(folder))
        for name in names or SCENES:
            SCENES[name](photographer)
        photographer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
