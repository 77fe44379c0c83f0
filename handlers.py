# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the worker's news into redraws and objects, on the main thread, from a timer."""

import time

import bpy

from . import session

POLL_INTERVAL_S = 0.1


def poll_session() -> float | None:
    """Timer: take the news once.

    Returns:
        Seconds to the next call, or None when nothing runs.
    """
    now = session.current()
    now.poll()
    _redraw_sidebars()
    return POLL_INTERVAL_S if now.is_running or now.is_checking else None


def start_polling() -> None:
    """Call `poll_session` until nothing runs any more; loading a file does not end that."""
    if not bpy.app.timers.is_registered(poll_session):
        bpy.app.timers.register(poll_session, first_interval=POLL_INTERVAL_S, persistent=True)


def wait_until_idle() -> None:
    """For background Blender, which has no timers: take the news until nothing runs any more."""
    while poll_session() is not None:
        time.sleep(POLL_INTERVAL_S)


def register() -> None:
    """Nothing to do: the timer runs only while a job does."""


def unregister() -> None:
    """Take the timer away if a job was running."""
    if bpy.app.timers.is_registered(poll_session):
        bpy.app.timers.unregister(poll_session)


def _redraw_sidebars() -> None:
    """Redraw the 3D viewports' sidebars in all windows, and the preferences."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
            elif area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
