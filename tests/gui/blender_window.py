# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives a real Blender on a virtual display by mouse and keyboard, and looks at its screen."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.gui.matching import find_likeness

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_FOLDER = "/var/tmp/maquette-blender"
SETTLE_S = 0.04  # from an event to what it causes
START_LIMIT_S = 60.0
MATCH = 0.8  # correlation of drawn text with the same text on the screen; others stay below 0.6


class GuiError(Exception):
    """What a test waited for did not come, or Blender has ended."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the screen in pixels, from the top left."""

    left: int
    top: int
    width: int
    height: int

    @property
    def centre(self) -> tuple[int, int]:
        return self.left + self.width // 2, self.top + self.height // 2


def find_folder() -> Path:
    """Where `setup_blender.sh` puts Blender."""
    return Path(os.environ.get("MAQUETTE_BLENDER_ROOT") or DEFAULT_FOLDER)


def find_hindrance(folder: Path) -> str:
    """Why no window can be opened here, or nothing."""
    if os.name != "posix" or os.geteuid() != 0:
        return "only root can open Blender's window (chroot)"
    if not (folder / ".maquette-complete").is_file():
        return f"tests/gui/setup_blender.sh has not made {folder}"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        return "this system allows no mounts"
    return ""


def install_extension(display: "Display", zip_path: Path) -> None:
    """Install and enable the built extension in the home of a display."""
    shutil.copy(zip_path, display.job / "maquette.zip")
    install = ["extension", "install-file", "-r", "user_default", "-e", "/job/maquette.zip"]
    display.run("blender", "--command", *install)


class Display:
    """A virtual display in the folder of Blender; the job folder is `/job` inside.

    Args:
        folder: Made by `setup_blender.sh`.
        job: An empty folder outside, kept after the end.
        size: Width and height in pixels.
        is_online: Programs inside reach the network; else there is none.
    """

    def __init__(
        self,
        folder: Path,
        job: Path,
        size: tuple[int, int] = (1280, 800),
        is_online: bool = False,
    ) -> None:
        self.job, self.size = job, size
        for name in ("job", "maquette"):
            (folder / name).mkdir(exist_ok=True)
        shutil.copy(Path(__file__).with_name("inside.py"), job / "inside.py")
        mounts = (
            f"mount -t proc proc {folder}/proc",
            f"mount -t tmpfs tmpfs {folder}/dev/shm",
            f"mount -t tmpfs tmpfs {folder}/tmp",
            f"mount --bind {job} {folder}/job",
            f"mount --bind -o ro {ROOT} {folder}/maquette",
        )
        inner = (
            f"exec chroot {folder} /usr/bin/env -i PATH=/usr/bin:/bin HOME=/job/home"
            " LC_ALL=C.UTF-8 XDG_RUNTIME_DIR=/job/home LIBGL_ALWAYS_SOFTWARE=1"
            " GALLIUM_DRIVER=llvmpipe MESA_SHADER_CACHE_DIR=/job/shaders OMP_NUM_THREADS=1"
            " BLENDER_USER_RESOURCES=/job/home/blender"
            f" python3 -B /job/inside.py {size[0]}x{size[1]}"
        )
        for name in ("home", "shaders"):  # compiled once, not by every Blender
            (job / name).mkdir(exist_ok=True)
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        namespaces += [] if is_online else ["--net"]
        self._process = subprocess.Popen(
            [*namespaces, "sh", "-ec", "; ".join((*mounts, inner))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._read_reply()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Have something done inside; see `inside.py`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._read_reply()

    def run(self, *command: str) -> str:
        """Run a program inside to its end; its output."""
        done = self.ask(run=command)
        if done["status"]:
            raise GuiError(f"{command}: {done['output']}")
        return done["output"]

    def take_picture(self) -> np.ndarray:
        """The screen now, `[H, W, 3]` uint8."""
        data = (self.job / "Xvfb_screen0").read_bytes()
        header_size, *fields = struct.unpack(">25I", data[:100])
        width, height, line, num_colours = fields[3], fields[4], fields[11], fields[18]
        start = header_size + num_colours * 12
        rows = np.frombuffer(data, np.uint8, line * height, start).reshape(height, line)
        return rows[:, : width * 4].reshape(height, width, 4)[:, :, 2::-1].copy()  # [H, W, 3]

    def close(self) -> None:
        """End everything inside."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read_reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise GuiError(f"the display did not start; see {self.job / 'display.log'}")
        return json.loads(line)


def is_button(found: str, name: str) -> bool:
    """Whether what is under the pointer is a property, an operator, or exactly this call."""
    return found == name or found.startswith(f"bpy.ops.{name}(")


class BlenderWindow:
    """A Blender on a display, filling it, with the extension that its user folder holds.

    Args:
        display: Where it opens.
        environment: Variables that it gets besides the usual ones.
    """

    def __init__(self, display: Display, environment: dict[str, str] | None = None) -> None:
        self.display = display
        (display.job / "bridge").unlink(missing_ok=True)
        shutil.copy(Path(__file__).with_name("bridge.py"), display.job / "bridge.py")
        width, height = map(str, display.size)
        command = ["blender", "--window-geometry", "0", "0", width, height]
        command += ["--python", "/job/bridge.py"]
        display.ask(start=command, environment=environment or {})
        self._socket = self._connect()
        self._reader = self._socket.makefile("rb")
        self.ask("result = 1")

    # -- looking -----------------------------------------------------------------------------

    def ask(self, code: str) -> Any:
        """Run Python in Blender that sets `result`; that, or the error as `GuiError`."""
        self._socket.sendall(json.dumps(code).encode() + b"\n")
        line = self._reader.readline()
        if not line:
            raise GuiError(f"Blender has ended:\n{self.read_log()}")
        reply = json.loads(line)
        if "error" in reply:
            raise GuiError(reply["error"])
        return reply["result"]

    def read_log(self) -> str:
        """What Blender has printed."""
        return (self.display.job / "program.log").read_text(encoding="utf-8", errors="replace")

    def wait_for(self, condition: str | Callable[[], Any], limit_s: float = 20.0) -> Any:
        """Wait until Python code in Blender, or a function here, gives something true."""
        end = time.monotonic() + limit_s
        while True:
            found = self.ask(f"result = {condition}") if isinstance(condition, str) else condition()
            if found:
                return found
            if time.monotonic() > end:
                raise GuiError(f"not within {limit_s} s: {condition}\n{self.read_log()}")
            time.sleep(0.05)

    def find_scale(self) -> float:
        """How large the interface is drawn, 1 on a usual screen."""
        return self.ask("result = bpy.context.preferences.system.ui_scale")

    def find_box(self, area: str = "VIEW_3D", region: str = "UI") -> Box:
        """Where a region of Blender's window is."""
        return Box(*self.ask(f"result = box_of({area!r}, {region!r})"))

    def find_text(
        self,
        text: str,
        style: str = "widget",
        within: Box | None = None,
        is_tab: bool = False,
    ) -> Box | None:
        """Where a text stands on the screen, or None; the text of a tab runs down."""
        box = within or Box(0, 0, *self.display.size)
        wanted = np.array(self.ask(f"result = draw_text({text!r}, {style!r})"), np.float32)
        rows, columns = np.nonzero(wanted)
        wanted = wanted[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        wanted = np.rot90(wanted, -1) if is_tab else wanted
        height, width = wanted.shape
        picture = self.display.take_picture().mean(axis=2, dtype=np.float32)
        part = picture[box.top : box.top + box.height, box.left : box.left + box.width]
        if part.shape[0] < height or part.shape[1] < width:
            return None
        likeness = find_likeness(part, wanted)
        row, column = np.unravel_index(likeness.argmax(), likeness.shape)
        if likeness[row, column] < MATCH:
            return None
        return Box(box.left + int(column), box.top + int(row), width, height)

    def name_at(self, x: int, y: int, area: str = "VIEW_3D", region: str = "UI") -> str:
        """Move to a point; the property ("seed") or the call of the button there, or ""."""
        self.move(x, y)
        return self.ask(f"result = name_under_pointer({area!r}, {region!r})")

    def find_button(
        self,
        name: str,
        area: str = "VIEW_3D",
        region: str = "UI",
        shares: tuple[float, ...] = (0.6, 0.85, 0.3, 0.78),
    ) -> tuple[int, int]:
        """A point in the button of an operator ("maquette.generate") or a property ("seed").

        Where its label stands is tried first, then the pointer moves over the region from the top,
        which is scrolled down to its end, until Blender says that this is the button.

        Args:
            name: As above, or a whole call as Blender writes it.
            area: Type of the area.
            region: Type of its region.
            shares: Where to look from left to right, as shares of the region's width.
        """
        box, seen = self.find_box(area, region), set[str]()
        step = int(12 * self.find_scale())
        for _ in range(4):
            label = self.ask(f"result = find_label({name!r})")
            text = self.find_text(label, within=box) if label else None
            heights = [text.centre[1]] if text else []
            heights += range(box.top + step // 2, box.top + box.height, step)
            for share in shares:
                for y in heights:
                    x = box.left + int(box.width * share)
                    found = self.name_at(x, y, area, region)
                    if is_button(found, name):
                        return x, y
                    seen.add(found)
            before = self.display.take_picture()
            self.scroll(5)
            if (before == self.display.take_picture()).all():
                break
        raise GuiError(f"no button {name!r}, but {sorted(seen)}")

    # -- acting ------------------------------------------------------------------------------

    def move(self, x: int, y: int) -> None:
        """Move the pointer, in two steps as a hand does."""
        self.display.run("xdotool", "mousemove", str(x - 2), str(y), "mousemove", str(x), str(y))
        time.sleep(SETTLE_S)

    def click(self, x: int, y: int, button: int = 1, repeat: int = 1) -> None:
        """Press and release a mouse button at a point."""
        self.move(x, y)
        for _ in range(repeat):
            # Down and up at once may be taken for one event of a busy Blender.
            self.display.run("xdotool", "mousedown", str(button), "sleep", "0.05")
            self.display.run("xdotool", "mouseup", str(button))
            time.sleep(SETTLE_S)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Move from one point to another with the button down."""
        self.move(*start)
        self.display.run("xdotool", "sleep", "0.1", "mousedown", "1", "sleep", "0.2")
        for step in (0.1, 0.4, 0.7, 1.0):
            x, y = (int(a + (b - a) * step) for a, b in zip(start, end, strict=True))
            self.display.run("xdotool", "mousemove", str(x), str(y), "sleep", "0.1")
        self.display.run("xdotool", "mouseup", "1", "sleep", "0.2")

    def scroll(self, notches: int) -> None:
        """Turn the wheel where the pointer is; down, or up if negative."""
        wheel = ["click", "--repeat", str(abs(notches)), "--delay", "40"]
        self.display.run("xdotool", *wheel, "5" if notches > 0 else "4")
        time.sleep(0.3)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, e.g. "n" or "ctrl+z"."""
        self.display.run("xdotool", "key", "--delay", "40", *keys)
        time.sleep(SETTLE_S)

    def type_text(self, text: str) -> None:
        """Type a text."""
        self.display.run("xdotool", "type", "--delay", "30", text)
        time.sleep(SETTLE_S)

    def click_button(self, name: str, **place: Any) -> None:
        """Press the button of an operator or property, found by moving over the region."""
        self.click(*self.find_button(name, **place))

    def click_text(self, text: str, within: Box | None = None, limit_s: float = 10.0) -> None:
        """Press what carries this text on the screen, or in a part of it."""
        box = self.wait_for(lambda: self.find_text(text, within=within), limit_s)
        self.click(*box.centre)

    def close(self) -> None:
        """End Blender."""
        self._socket.close()
        self.display.ask(stop=True)

    def _short_path(self) -> str:
        """The socket's path; its own is too long for a socket where temporary folders are deep."""
        return f"/proc/self/fd/{os.open(self.display.job, os.O_PATH)}/bridge"

    def _connect(self) -> socket.socket:
        path = self.display.job / "bridge"
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            if path.exists():
                client = socket.socket(socket.AF_UNIX)
                client.settimeout(60)
                with contextlib.suppress(ConnectionRefusedError):  # it does not listen yet
                    client.connect(self._short_path())
                    return client
            if self.display.ask(poll=True)["status"] is not None:
                break
            time.sleep(0.05)
        raise GuiError(f"Blender did not start:\n{self.read_log()}")
