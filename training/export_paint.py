# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns trained painting networks into the weights that ship.

python -m training.export_paint --run FOLDER [--out backend/weights/embedded]
"""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import torch

from backend.models.stable_diffusion.config import AUTOENCODER_VARIANTS
from backend.weights.catalogue import EMBEDDED_FOLDER
from backend.weights.load import quantise_state, write_shards
from training.checkpoints import load_shards

STEM = "maquette-mini-paint"


def join_painting_states(run: Path) -> dict[str, torch.Tensor]:
    """What a run of `training.paint` holds, under its prefixes: autoencoder, guess, network."""
    state = load_shards(run, "paint")  # its names start with `unet.` and `unet_dual.`
    for prefix, stem in (("vae", "autoencoder"), ("guess", "guess")):
        part = load_shards(run, stem)
        state |= {f"{prefix}.{name}": tensor for name, tensor in part.items()}
    return state


def export_paint(run: Path, out: Path) -> list[Path]:
    """Write the shards.

    Args:
        run: Folder of `training.paint`.
        out: Where the shards go.

    Returns:
        The files written.

    Raises:
        ValueError: The autoencoder was trained with other sizes or another scale than the variant
            declares.
    """
    trained = json.loads((run / "autoencoder.json").read_text())
    declared = json.loads(json.dumps(asdict(AUTOENCODER_VARIANTS["maquette-mini"])))
    different = {key for key in declared if declared[key] != trained.get(key)}
    if different:
        raise ValueError(f"config.py and autoencoder.json differ in {sorted(different)}")
    return write_shards(quantise_state(join_painting_states(run)), out, STEM)


def main() -> None:
    """Read the command line and export; the run's log is kept beside the code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=EMBEDDED_FOLDER)
    args = parser.parse_args()
    for path in export_paint(args.run, args.out):
        print(path.name, path.stat().st_size)
    logs = Path(__file__).parent / "logs"
    logs.mkdir(exist_ok=True)
    shutil.copy(args.run / "paint_log.jsonl", logs / "paint_log.jsonl")


if __name__ == "__main__":
    main()
