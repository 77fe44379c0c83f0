# SPDX-License-Identifier: GPL-3.0-or-later
"""From the zip to the first textured object by clicks alone, nothing typed, in a fresh Blender.

With MAQUETTE_GUI_REAL_WORKER=1 also with the worker's environment installed by its button: that
downloads PyTorch (some GB) and lets the embedded model make the object.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.gui.blender_window import ROOT, BlenderWindow, Box, Display, find_folder
from tests.gui.workbench import SESSION, SETTINGS, WORKER_SCRIPT, Workbench

HAS_REAL_WORKER = "MAQUETTE_GUI_REAL_WORKER" in os.environ
INSTALLATION_S = 1800
LOOK_AT_OBJECT = """
obj = bpy.context.object
nodes = obj.active_material.node_tree.nodes
images = [n.image for n in nodes if n.type == "TEX_IMAGE"]
result = [obj.name, len(obj.data.polygons), list(images[0].size), len(obj.data.uv_layers)]
"""


def start_fresh(display: Display, zip_path: Path, **environment: str) -> Workbench:
    """Blender as it comes, with the zip and a picture in the artist's home."""
    home, pace = display.job / "home", display.job / "pace"
    for folder in (home, pace):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
    shutil.copy(zip_path, home / "maquette.zip")
    shutil.copy(ROOT / "examples" / "barrel.png", home)
    script = display.job / "worker.sh"
    script.write_text(WORKER_SCRIPT, encoding="utf-8")
    script.chmod(0o755)
    bench = Workbench(BlenderWindow(display, environment), pace)
    bench.window.ask(SETTINGS)
    return bench


def install_extension(window: BlenderWindow, is_online: bool = False) -> None:
    """Edit > Preferences > Get Extensions > Install from Disk."""
    bar = Box(0, 0, window.display.size[0], 40)
    window.wait_for(lambda: window.find_text("Layout", within=bar))
    window.click_text("Edit", bar)
    window.click_text("Preferences...")
    window.wait_for("len(bpy.context.window_manager.windows) == 2")
    for _ in range(5):  # a window that has just opened may lose a click
        window.click_text("Get Extensions")
        if window.ask("result = bpy.context.preferences.active_section") == "EXTENSIONS":
            break
    window.wait_for(lambda: window.find_text("Repositories"))
    if is_online:
        window.click_text("Allow Online Access")
    box = window.find_box("PREFERENCES", "WINDOW")
    window.click(box.left + box.width - 20, box.top + 20)  # the menu at the top right
    menu = Box(box.left + box.width // 2, box.top, box.width, box.height)  # not the hint
    window.click_text("Install from Disk...", menu)
    window.click_text("maquette.zip")
    window.click_text("Install from Disk")
    window.wait_for("'bl_ext.user_default.maquette' in bpy.context.preferences.addons", 60)
    width, height = window.display.size
    window.click(width // 2, height - 8)  # the status bar: the preferences go behind


def open_sidebar(bench: Workbench) -> None:
    """View > Sidebar, then the tab."""
    window = bench.window
    window.click_text("View", window.find_box("VIEW_3D", "HEADER"))
    window.click_text("Sidebar")
    window.wait_for(lambda: window.find_box().width > 100)
    tab = window.wait_for(lambda: window.find_text("Maquette", "widget", window.find_box(), True))
    window.click(*tab.centre)
    bench.wait_for_text("Picture to Asset", "panel_title")


def make_object(bench: Workbench, limit_s: float) -> list:
    """Open a picture, press Generate, and look at what came."""
    bench.choose_picture("barrel.png")
    bench.window.click_button("maquette.generate")
    bench.window.wait_for(f"{SESSION}.is_running or len({SESSION}.jobs.entries)")
    bench.wait_until_idle(limit_s)
    return bench.window.ask(LOOK_AT_OBJECT)


def test_zip_becomes_a_textured_object_by_clicks(display: Display, zip_path: Path):
    bench = start_fresh(display, zip_path, MAQUETTE_PYTHON="/job/worker.sh")
    try:
        install_extension(bench.window)
        open_sidebar(bench)
        name, num_faces, size, num_maps = make_object(bench, 30)
        assert (name, num_faces, size, num_maps) == ("barrel", 4, [1024, 1024], 1)
    finally:
        bench.window.close()


@pytest.mark.timeout(3 * INSTALLATION_S)
@pytest.mark.skipif(not HAS_REAL_WORKER, reason="downloads PyTorch; MAQUETTE_GUI_REAL_WORKER=1")
def test_installed_worker_makes_the_object_by_clicks(zip_path: Path, tmp_path: Path):
    display = Display(find_folder(), tmp_path, (1440, 1000), is_online=True)
    certificates = {}
    if named := os.environ.get("PIP_CERT"):  # behind a proxy
        shutil.copy(named, tmp_path / "certificates")
        certificates["PIP_CERT"] = "/job/certificates"
    bench = start_fresh(display, zip_path, **certificates)
    window = bench.window
    try:
        install_extension(window, is_online=True)
        open_sidebar(bench)
        window.click_button("maquette.install_environment")
        dialog = window.wait_for(lambda: window.find_text("Download: about"))
        window.click_text("Install", Box(max(dialog.left - 60, 0), dialog.top, 560, 220))
        window.wait_for(f"{SESSION}.setup.state.value == 'installing'", 60)
        window.wait_for(f"not {SESSION}.setup.is_busy", INSTALLATION_S)
        assert window.ask(f"result = str({SESSION}.setup.failure)") == "None"
        window.wait_for(f"{SESSION}.setup.state.value == 'ready'", INSTALLATION_S)
        name, num_faces, size, num_maps = make_object(bench, 600)
        assert (name, size, num_maps) == ("barrel", [1024, 1024], 1)
        assert 1000 < num_faces <= 20_000
    finally:
        window.close()
        display.close()
