# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the worker's news into redraws and objects, and tells the session of files that change."""

import atexit
import time

import bpy
from bpy.app.handlers import persistent

from . import session

POLL_INTERVAL_S = 0.1


def poll_session() -> float | None:
    """Timer: take the news once.

    Returns:
        Seconds to the next call, or None when nothing runs.
    """
    now = session.current()
    now.poll()
    list_jobs()
    _redraw_sidebars()
    return POLL_INTERVAL_S if now.needs_polling else None


def start_polling() -> None:
    """Call `poll_session` until nothing runs any more; loading a file does not end that."""
    list_jobs()
    if not bpy.app.timers.is_registered(poll_session):
        bpy.app.timers.register(poll_session, first_interval=POLL_INTERVAL_S, persistent=True)


def wait_until_idle() -> None:
    """For background Blender, which has no timers: take the news until nothing runs any more."""
    now = session.current()
    poll_session()
    while now.is_running or now.is_checking:
        time.sleep(POLL_INTERVAL_S)
        poll_session()


def list_jobs() -> None:
    """Give the list in the sidebar a row for each job, and keep the chosen one chosen."""
    shown = bpy.context.window_manager.maquette
    wanted = [entry.job_id for entry in session.current().jobs.entries]
    names = [row.name for row in shown.jobs]
    if names == wanted:
        return
    chosen = names[shown.active_job] if shown.active_job < len(names) else ""
    shown.jobs.clear()
    for name in wanted:
        shown.jobs.add().name = name
    last = max(len(wanted) - 1, 0)
    shown.active_job = wanted.index(chosen) if chosen in wanted else min(shown.active_job, last)


@persistent
def _leave_file(*_: object) -> None:
    session.current().leave_file()


@persistent
def _enter_file(*_: object) -> None:
    """The list of jobs comes with the window manager, which a file may bring along."""
    now = session.current()
    now.enter_file()
    (start_polling if now.needs_polling else list_jobs)()


@persistent
def _put_jobs_into_file(*_: object) -> None:
    session.current().save_file()


@persistent
def _take_jobs_out(*_: object) -> None:
    session.current().unfinished.clear_file()


@persistent
def _keep_history(*_: object) -> None:
    session.current().history.restore()


# Name of the list in `bpy.app.handlers` -> function.
_HANDLERS = {
    "load_pre": _leave_file,
    "load_post": _enter_file,
    "save_pre": _put_jobs_into_file,
    "save_post": _take_jobs_out,
    "save_post_fail": _take_jobs_out,
    "undo_post": _keep_history,
    "redo_post": _keep_history,
}


def register() -> None:
    """Hear of files that are loaded and saved, and of Blender's end; no timer runs yet."""
    for name, function in _HANDLERS.items():
        getattr(bpy.app.handlers, name).append(function)
    atexit.register(_end)


def unregister() -> None:
    """Hear of nothing any more."""
    atexit.unregister(_end)
    for name, function in _HANDLERS.items():
        getattr(bpy.app.handlers, name).remove(function)
    if bpy.app.timers.is_registered(poll_session):
        bpy.app.timers.unregister(poll_session)


def _end() -> None:
    """At the end of a Python that does not disable extensions: end the worker, keep its jobs."""
    if bpy.app.timers.is_registered(poll_session):
        bpy.app.timers.unregister(poll_session)
    session.unregister()


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
