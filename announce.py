# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the end of a job into a line in Blender's status bar and, if wanted, a notification."""

import time
from dataclasses import dataclass, field

import bpy

from .backend.client.notify import Notifier

TITLE = "Maquette"
SHOWN_S = 10.0


@dataclass(slots=True)
class Announcer:
    """Tells the artist how jobs ended. Main thread only.

    Attributes:
        text: The line that the status bar shows now, or an empty one.
    """

    text: str = ""
    _end: float = 0.0  # `time.monotonic()` at which the line goes
    _notifier: Notifier = field(default_factory=Notifier)

    @property
    def is_showing(self) -> bool:
        """Whether a line has to be taken away later."""
        return bool(self.text)

    def show(self, text: str, is_notifying: bool) -> None:
        """Show a line for some seconds.

        Args:
            text: One sentence without a full stop.
            is_notifying: Let the system show it too, for artists who look elsewhere.
        """
        self.text, self._end = text, time.monotonic() + SHOWN_S
        _write_status_bars(f"{TITLE}: {text}")
        if is_notifying:
            self._notifier.show(TITLE, text)

    def poll(self) -> None:
        """Take the line away when its time is over."""
        if self.text and time.monotonic() >= self._end:
            self.text = ""
            _write_status_bars(None)

    def close(self) -> None:
        """Take everything away."""
        if self.text:
            self.text = ""
            _write_status_bars(None)
        self._notifier.close()


def _write_status_bars(text: str | None) -> None:
    """Write into the status bars of all windows; None gives them back to Blender."""
    for workspace in {window.workspace for window in bpy.context.window_manager.windows}:
        workspace.status_text_set(text)
