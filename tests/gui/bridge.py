# SPDX-License-Identifier: GPL-3.0-or-later
"""Started by Blender: answers questions of a test, from a timer, over the socket /job/bridge.

A request is Python code that sets `result`; the reply is one line of JSON. Tests act through mouse
and keyboard; what is asked here only looks, or prepares the scene that a test starts from.
"""

import json
import socket
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import blf
import bpy
import gpu
from mathutils import Matrix

INTERVAL_S = 0.01
PATH = Path("/job/bridge")


def find_region(area_type="VIEW_3D", region_type="UI"):
    """Window, area and region of the largest area of a type, as `temp_override` takes them."""
    found = [
        (area.width * area.height, window, area, region)
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
        if area.type == area_type
        for region in area.regions
        if region.type == region_type
    ]
    _, window, area, region = max(found, key=lambda item: item[0])
    return {"window": window, "area": area, "region": region}


def box_of(area_type="VIEW_3D", region_type="UI"):
    """Left, top, width and height of a region on the screen, in pixels from the top left."""
    place = find_region(area_type, region_type)
    window, region = place["window"], place["region"]
    screen_height = bpy.context.window_manager.windows[0].height  # the first window fills it
    top = screen_height - window.y - region.y - region.height
    return [window.x + region.x, top, region.width, region.height]


def name_under_pointer(area_type="VIEW_3D", region_type="UI"):
    """What the button under the pointer does: an operator's call, a property, or nothing."""
    manager = bpy.context.window_manager
    manager.clipboard = ""
    with bpy.context.temp_override(**find_region(area_type, region_type)):
        found = bpy.context.property
        if found and found[0] is not None:
            return found[1].rpartition(".")[2] if "." in found[1] else found[1]
        if bpy.ops.ui.copy_python_command_button.poll():
            try:
                bpy.ops.ui.copy_python_command_button()
            except RuntimeError:
                return ""
    return manager.clipboard


def find_label(name):
    """The words on the button of an operator or a setting, "" if it is neither."""
    group, _, operator = name.partition(".")
    try:
        if operator:
            return getattr(getattr(bpy.ops, group), operator).get_rna_type().name
        return bpy.context.scene.maquette.bl_rna.properties[name].name
    except KeyError:
        return ""


def draw_text(text, style="widget"):
    """The text as Blender's interface draws it: width, height and coverage, rows from the top."""
    points = getattr(bpy.context.preferences.ui_styles[0], style).points
    blf.size(0, points * bpy.context.preferences.system.ui_scale)
    width, height = (int(size) + 4 for size in blf.dimensions(0, text))
    offscreen = gpu.types.GPUOffScreen(width, height + 8)
    with offscreen.bind():
        buffer = gpu.state.active_framebuffer_get()
        buffer.clear(color=(0.0, 0.0, 0.0, 1.0))
        with gpu.matrix.push_pop(), gpu.matrix.push_pop_projection():
            to_corner = Matrix.Translation((-1.0, -1.0, 0.0))
            gpu.matrix.load_matrix(
                to_corner @ Matrix.Diagonal((2 / width, 2 / (height + 8), 1.0, 1.0))
            )
            gpu.matrix.load_projection_matrix(Matrix.Identity(4))
            blf.position(0, 1, 5, 0)
            blf.color(0, 1.0, 1.0, 1.0, 1.0)
            blf.draw(0, text)
        pixels = buffer.read_color(0, 0, width, height + 8, 4, 0, "UBYTE")
    offscreen.free()
    rows = [[pixel[0] for pixel in row] for row in pixels.to_list()]
    return rows[::-1]


class Bridge:
    """The socket, its one client, and how long the main loop was away between two calls."""

    def __init__(self):
        PATH.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(PATH))
        self._server.listen(1)
        self._server.setblocking(False)
        self._client = None
        self._text = b""
        self._last = None
        self.gaps_s = []
        self._names = {
            "bpy": bpy,
            "find_region": find_region,
            "box_of": box_of,
            "find_label": find_label,
            "name_under_pointer": name_under_pointer,
            "draw_text": draw_text,
            "bridge": self,
            "kept": SimpleNamespace(),
        }

    def poll(self):
        """Timer: note the time since the last call, and answer what came."""
        if self._last is not None:
            self.gaps_s.append(time.perf_counter() - self._last)
        try:
            self._serve()
        finally:
            self._last = time.perf_counter()
        return INTERVAL_S

    def _serve(self):
        try:
            if self._client is None:
                self._client = self._server.accept()[0]
                self._client.setblocking(False)
            while chunk := self._client.recv(65536):
                self._text += chunk
            self._client = None  # it left
        except BlockingIOError:
            pass
        while b"\n" in self._text:
            line, _, self._text = self._text.partition(b"\n")
            reply = json.dumps(self._answer(json.loads(line))).encode() + b"\n"
            self._client.setblocking(True)
            self._client.sendall(reply)
            self._client.setblocking(False)

    def _answer(self, code):
        self._names["result"] = None
        try:
            exec(compile(code, "<test>", "exec"), self._names)
            return {"result": self._names["result"]}
        except Exception:  # noqa: BLE001 (whatever a test asks for must not end the timer)
            return {"error": traceback.format_exc()}


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(Bridge().poll, first_interval=INTERVAL_S, persistent=True)
