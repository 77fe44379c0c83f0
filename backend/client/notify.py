# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a sentence into a notification of the system, where the system has a command for that."""

import html
import logging
import shutil
import subprocess
import sys

_log = logging.getLogger(__name__)
# The words come as arguments, so nothing in them is ever taken as AppleScript.
_APPLE_SCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)


def notification_command(title: str, text: str, platform: str = sys.platform) -> list[str]:
    """The command that shows a notification; empty where there is none (Windows).

    Args:
        title: Who speaks.
        text: One sentence.
        platform: As `sys.platform` names it.
    """
    if platform == "darwin":
        lines = [word for line in _APPLE_SCRIPT for word in ("-e", line)]
        return ["osascript", *lines, title, text]
    if platform.startswith("linux"):
        # Desktops take the text as markup; nothing after "--" is taken as an option.
        return ["notify-send", f"--app-name={title}", "--", title, html.escape(text, quote=False)]
    return []


class Notifier:
    """Shows notifications without waiting for them."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def show(self, title: str, text: str) -> bool:
        """Show one.

        Returns:
            Whether the system has a command for it.
        """
        self._running = [process for process in self._running if process.poll() is None]
        command = notification_command(title, text)
        program = shutil.which(command[0]) if command else None
        if program is None:
            return False
        try:
            process = subprocess.Popen(
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            _log.info("no notification: %s", error)
            return False
        self._running.append(process)
        return True

    def close(self) -> None:
        """End those commands that still run."""
        for process in self._running:
            process.kill()
            process.wait()
        self._running.clear()
