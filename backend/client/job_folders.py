# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes the folders of old jobs, and nothing else that lies beside them."""

import logging
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from .queue_file import find_owed

_log = logging.getLogger(__name__)
_JOB = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_INPUT = re.compile(r"(pictures|mesh)-\w+")
# Another program may just be writing what is younger than this, or have it before its list.
_YOUNG_S = 3600.0


def clean_job_folders(
    root: Path, keep: int, max_age_s: float, in_use: Sequence[Path], now_s: float | None = None
) -> list[Path]:
    """Delete job folders that are too many or too old, and the inputs that were for them.

    Never those of jobs that any program still owes, nor those that the caller names.

    Args:
        root: The job folder.
        keep: How many job folders stay, the newest ones; 0: any number.
        max_age_s: How old they may be; 0: any age.
        in_use: Folders in `root`, and files in such folders, that stay.
        now_s: Seconds since the epoch; None takes the clock.

    Returns:
        What was deleted.
    """
    now_s = time.time() if now_s is None else now_s
    owed = {job.job_id for job in find_owed(root)}
    ages = {path: now_s - changed for path, changed in _find_folders(root).items()}
    kept = {_folder_of(path, root) for path in in_use} | {root / name for name in owed}
    # Inputs are written before their job's folder is made, and a waiting job names them nowhere.
    oldest_owed_s = max((ages.get(root / name, 0.0) for name in owed), default=0.0)
    safe_s = max(oldest_owed_s + _YOUNG_S, _YOUNG_S)
    jobs = sorted((p for p in ages if _JOB.fullmatch(p.name)), key=lambda path: path.name)
    surplus = set(jobs[:-keep] if keep > 0 else ())
    doomed = [
        path
        for path in jobs
        if path not in kept
        and ages[path] > _YOUNG_S
        and (path in surplus or 0 < max_age_s < ages[path])
    ]
    staying = [now_s - _start_of(path) for path in jobs if path not in doomed]
    limit_s = max(max(staying, default=0.0) + _YOUNG_S, safe_s)
    inputs = [path for path in ages if _INPUT.fullmatch(path.name) and path not in kept]
    if keep > 0 or max_age_s > 0:
        doomed += [path for path in inputs if ages[path] > limit_s]
    return [path for path in doomed if _delete(path)]


def _find_folders(root: Path) -> dict[Path, float]:
    """Folders of jobs and of inputs -> when they changed last, seconds since the epoch."""
    found: dict[Path, float] = {}
    try:
        for path in root.iterdir():
            is_ours = _JOB.fullmatch(path.name) or _INPUT.fullmatch(path.name)
            if is_ours and path.is_dir() and not path.is_symlink():
                found[path] = path.stat().st_mtime
    except OSError as error:
        _log.info("%s was not cleaned up: %s", root, error)
    return found


def _folder_of(path: Path, root: Path) -> Path:
    """The folder directly in `root` that a path is, or is in; the path itself elsewhere."""
    return root / path.relative_to(root).parts[0] if root in path.parents else path


def _start_of(path: Path) -> float:
    """When a job was queued, as the name of its folder says; seconds since the epoch."""
    try:
        return time.mktime(time.strptime(path.name[:15], "%Y%m%d-%H%M%S"))
    except (ValueError, OverflowError):
        return 0.0


def _delete(path: Path) -> bool:
    """Delete a folder with all that is in it, as far as that is possible."""
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()
