# SPDX-License-Identifier: GPL-3.0-or-later
"""Times functions and records results: warm-up, median of n, peak memory, table and JSON file."""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "numpy", "scipy", "scikit-image", "fast-simplification", "pillow")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measurement(Generic[T]):
    """What running a function cost.

    Attributes:
        result: What the last run returned.
        seconds: Median over the runs.
        peak_mb: Most memory of the process in MiB, everything loaded before included.
        peak_gpu_mb: Most GPU memory held by tensors in MiB; 0 without a GPU.
    """

    result: T
    seconds: float
    peak_mb: float
    peak_gpu_mb: float


def measure(function: Callable[[], T], repeats: int = 3, warm_ups: int = 1) -> Measurement[T]:
    """Run a function `warm_ups` times untimed, then `repeats` times timed."""
    if repeats < 1:
        raise ValueError("repeats must be at least 1")
    for _ in range(warm_ups):
        function()
    _reset_peaks()
    seconds, results = [], []
    for _ in range(repeats):
        results.clear()  # only one result is alive at a time
        start = time.perf_counter()
        results.append(function())
        _finish_gpu()
        seconds.append(time.perf_counter() - start)
    has_gpu = torch.cuda.is_available()
    gpu_mb = torch.cuda.max_memory_allocated() / 2**20 if has_gpu else 0.0
    return Measurement(results[0], statistics.median(seconds), _peak_mb(), gpu_mb)


def describe_machine() -> dict[str, Any]:
    """Commit, date, processor, GPU and versions, for a results file."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
    changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "commit": commit.stdout.strip() + ("+" if changes.stdout.strip() else ""),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def write_results(name: str, rows: Sequence[Mapping[str, Any]], **notes: Any) -> Path:
    """Write `results/<name>.json`: the machine, any notes, and one object per row."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {**describe_machine(), **notes, "rows": [dict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows with the same keys as an aligned table."""
    if not rows:
        return
    cells = [list(rows[0])] + [[_text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def _text(value: object) -> str:
    """A value for the table: four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _finish_gpu() -> None:
    """Wait for queued GPU work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _reset_peaks() -> None:
    """Start the peaks anew where the system can (Linux; elsewhere they only grow)."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # 5: reset the peak resident set
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_mb() -> float:
    """Peak resident memory in MiB."""
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _processor() -> str:
    """The processor's name."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
