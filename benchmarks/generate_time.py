# SPDX-License-Identifier: GPL-3.0-or-later
"""How long does the command line take from a picture to a .glb file, and how much memory?

    python -m benchmarks.generate_time [--repeats N] [PICTURE ...]

Each run is a process of its own, models loaded anew, as an artist's first job is.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import print_table, write_results

PICTURES = [Path("examples") / f"{name}.png" for name in ("armchair", "barrel", "chest")]


def run_once(picture: Path, out: Path) -> dict[str, Any]:
    """One run: wall seconds, seconds of each stage, peak memory in MiB, faces."""
    command = [sys.executable, "-m", "backend", "generate", str(picture), "--out", str(out)]
    begin = time.perf_counter()
    child = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE)
    output = child.stdout.read() if child.stdout else b""
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command} ended with {child.returncode}")
    result = json.loads(output)
    return {
        "wall_s": seconds,
        **{f"{stage}_s": value for stage, value in result["seconds"].items()},
        "peak_mib": usage.ru_maxrss / 1024,  # kibibytes on Linux
        "faces": result["faces"],
    }


def main() -> None:
    """Read the command line, measure, print the medians and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path, default=PICTURES)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for picture in args.pictures:
            runs = [run_once(picture, Path(folder) / "out.glb") for _ in range(args.repeats)]
            row = {key: round(median(run[key] for run in runs), 2) for key in runs[0]}
            rows.append({"picture": picture.stem, **row})
    print_table(rows)
    print(write_results("generate_time", rows, repeats=args.repeats))


if __name__ == "__main__":
    main()
