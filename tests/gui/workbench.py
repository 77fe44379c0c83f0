# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does with Maquette in Blender's window, in the words of the tests."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.gui.blender_window import ROOT, BlenderWindow, Box, Display, GuiError

PREFERENCES = "bpy.context.preferences.addons['bl_ext.user_default.maquette'].preferences"
SESSION = "__import__('bl_ext.user_default.maquette.session', fromlist=['session']).current()"
# Says that its packages are there, and else plays the worker.
WORKER_SCRIPT = """#!/bin/sh
versions='{"python": "3.13.5", "torch": "2.13.0"}'
case "$*" in
*" -c "*) echo '{"versions": '"$versions"', "missing": {}, "device": ""}' ;;
*) PYTHONPATH=/maquette exec python3 -B /maquette/tests/gui/paced_worker.py /job/pace ;;
esac
"""
# What a test wants to see at once: no animation, the file browser in the main window.
LIGHT_THEME = """
folder = bpy.utils.preset_paths("interface_theme")[0]
bpy.ops.script.execute_preset(
    filepath=folder + "/Blender_Light.xml", menu_idname="USERPREF_MT_interface_theme_presets")
"""
SETTINGS = """
view = bpy.context.preferences.view
view.filebrowser_display_type = "SCREEN"
view.smooth_view = 0
view.show_tooltips = False
bpy.context.preferences.filepaths.use_auto_save_temporary_files = False
"""


@dataclass(slots=True)
class Workbench:
    """Blender's window with Maquette's sidebar.

    Attributes:
        window: The window.
        pace: Folder in which the worker looks for `hold` and the like.
    """

    window: BlenderWindow
    pace: Path

    @classmethod
    def start(
        cls, display: Display, home: Path, has_worker: bool = True, tab: str = "Maquette"
    ) -> "Workbench":
        """Start Blender with a copy of a home and open the sidebar at a tab."""
        while (display.job / "home").exists():  # what the last Blender started may still write
            shutil.rmtree(display.job / "home", ignore_errors=True)
        shutil.copytree(home, display.job / "home")
        pace = display.job / "pace"
        shutil.rmtree(pace, ignore_errors=True)
        pace.mkdir()
        for name in ("armchair", "barrel", "chest"):
            shutil.copy(ROOT / "examples" / f"{name}.png", display.job / "home")
        script = display.job / "worker.sh"
        script.write_text(WORKER_SCRIPT, encoding="utf-8")
        script.chmod(0o755)
        made = cls(BlenderWindow(display), pace)
        made.window.ask(SETTINGS)
        if has_worker:
            made.window.ask(f"{PREFERENCES}.python_path = '/job/worker.sh'")
        top = Box(0, 0, display.size[0], 40)
        made.window.wait_for(lambda: made.window.find_text("Layout", within=top))
        if tab:
            made.open_sidebar(tab)
        return made

    # -- acting ------------------------------------------------------------------------------

    def open_sidebar(self, tab: str = "Maquette") -> None:
        """Press N over the viewport and click the tab."""
        window = self.window
        window.move(*window.find_box("VIEW_3D", "WINDOW").centre)
        window.press("n")
        window.wait_for(lambda: window.find_box().width > 100)
        box = window.wait_for(lambda: window.find_text(tab, "widget", window.find_box(), True))
        window.click(*box.centre)
        self.wait_for_text("Picture to Asset", "panel_title")

    def choose_picture(self, name: str = "armchair.png") -> None:
        """Press Open and double-click a picture in the file browser."""
        window = self.window
        window.click_button("image.open")
        box = window.wait_for(lambda: window.find_text(name))
        window.click(*box.centre)
        window.click_text("Open Image")
        window.wait_for("bpy.context.scene.maquette.image is not None")

    def set_picture(self, name: str = "armchair.png") -> None:
        """Choose a picture without the file browser, where something else is tested."""
        self.window.ask(
            f"picture = bpy.data.images.load('/job/home/{name}')\n"
            "bpy.context.scene.maquette.image = picture"
        )

    def narrow_sidebar(self, pixels: int) -> None:
        """Drag the sidebar's left edge to the right; the edge is a few pixels wide."""
        window = self.window
        box = window.find_box()
        y = box.top + 200
        for x in range(box.left - 2, box.left + 14, 2):
            window.drag((x, y), (x + pixels, y))
            if window.find_box().width < box.width:
                return
        raise GuiError("the sidebar's edge was not found")

    def use_light_theme(self) -> None:
        """Switch to the theme that comes with Blender besides the dark one."""
        self.window.ask(LIGHT_THEME)

    def hold(self, stage: str) -> None:
        """Let the worker wait in the middle of a stage."""
        (self.pace / "next").write_text(stage)
        (self.pace / "next").replace(self.pace / "hold")

    def fail(self, code: str, message: str, hint: str) -> None:
        """Let jobs end with this error."""
        (self.pace / "fail").write_text("\n".join((code, message, hint)))

    def open_panel(self, title: str) -> None:
        """Click a panel's title, scrolled to if it is not in sight."""
        window = self.window
        box = window.find_box()
        window.move(box.left + box.width // 3, box.top + box.height // 2)
        for _ in range(4):
            if found := window.find_text(title, "panel_title", box):
                window.click(*found.centre)
                return
            window.scroll(5)
        raise GuiError(f"no panel {title!r} is in sight")

    def find_row(self, number: int) -> tuple[int, int]:
        """The cancel button of a row in the list of jobs, found by the job that it names."""
        window = self.window
        entry = f"{SESSION}.jobs.entries[{number}].job_id"
        job_id = window.ask(f"result = {entry}")
        return window.find_button(f'bpy.ops.maquette.cancel(job_id="{job_id}")', shares=(0.7,))

    def go_on(self) -> None:
        """Let the worker work."""
        (self.pace / "hold").unlink(missing_ok=True)

    # -- looking -----------------------------------------------------------------------------

    def shows(self, text: str, style: str = "widget") -> bool:
        """Whether the sidebar shows this text."""
        return self.window.find_text(text, style, self.window.find_box()) is not None

    def wait_for_text(self, text: str, style: str = "widget", limit_s: float = 20.0) -> None:
        """Wait until the sidebar shows this text."""
        self.window.wait_for(lambda: self.shows(text, style), limit_s)

    def is_running(self) -> bool:
        """Whether a job runs or waits."""
        return self.window.ask(f"result = {SESSION}.is_running")

    def wait_until_idle(self, limit_s: float = 20.0) -> None:
        """Wait until no job runs or waits."""
        self.window.wait_for(f"not {SESSION}.is_running", limit_s)

    def names(self) -> list[str]:
        """Names of the mesh objects in the scene."""
        return self.window.ask(
            "result = [o.name for o in bpy.context.scene.objects if o.type == 'MESH']"
        )

    def take_picture(self, part: Box | None = None) -> np.ndarray:
        """The screen or a box of it, `[H, W, 3]` uint8, with no pointer over a button."""
        window = self.window
        window.move(*window.find_box("VIEW_3D", "WINDOW").centre)
        time.sleep(0.5)
        picture = window.display.take_picture()
        if part is None:
            return picture
        return picture[part.top : part.top + part.height, part.left : part.left + part.width]
