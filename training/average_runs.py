# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the weights of several runs from one start into their mean.

    python -m training.average_runs RUN RUN ... --out FOLDER

Runs that began at the same weights and differ in their seeds, and so in the shapes that they saw,
end in one valley: the mean of their weights generalises better than each, at no cost in use.

Source: Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models
improves accuracy without increasing inference time", section 2 (uniform soup).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.checkpoints import load_shards, save_shards

STEMS = ("conditioner", "denoiser")


def average_runs(runs: Sequence[Path], out: Path) -> list[Path]:
    """Write the mean of each network's weights as float16 shards.

    Args:
        runs: Folders of `training.flow`, at least one.
        out: Where the shards go.

    Returns:
        The files written.

    Raises:
        ValueError: No runs, or runs of different networks.
        FileNotFoundError: A run has no such shards.
    """
    if not runs:
        raise ValueError("there are no runs to average")
    paths: list[Path] = []
    for stem in STEMS:
        states = [load_shards(run, stem) for run in runs]
        if any(state.keys() != states[0].keys() for state in states):
            raise ValueError(f"the runs' {stem}s have different weights")
        mean = {name: sum(state[name] for state in states) / len(states) for name in states[0]}
        paths += save_shards(mean, out, stem)
    return paths


def main() -> None:
    """Read the command line and average."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    for path in average_runs(args.runs, args.out):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
