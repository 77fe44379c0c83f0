# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the weights that ship back into a training run's shards, to go on from them.

    python -m training.unpack --out FOLDER

Writes `vae-*`, `conditioner-*`, `denoiser-*.safetensors` and `vae.json`, so that the folder serves
as `--vae` and as `--resume` of `training.flow`. The 8-bit rounding stays in the weights.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from backend.models.hunyuan3d.config import SHAPE_VAE_VARIANTS
from backend.weights.catalogue import EMBEDDED_FOLDER
from backend.weights.load import read_shards, take_part, widen_state
from training.checkpoints import save_shards
from training.export import PARTS, STEM


def unpack(source: Path, out: Path) -> list[Path]:
    """Widen the shipped weights and write them as float16 shards.

    Args:
        source: Folder of the shipped shards.
        out: Where the shards and `vae.json` go.

    Returns:
        The shards written.
    """
    state = widen_state(read_shards(source, STEM))
    paths = []
    for prefix, stem in PARTS.items():
        paths += save_shards(take_part(state, prefix), out, stem)
    sizes = json.dumps(asdict(SHAPE_VAE_VARIANTS[STEM]), indent=1)
    (out / "vae.json").write_text(sizes, encoding="utf-8")
    return paths


def main() -> None:
    """Read the command line and unpack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--source", type=Path, default=EMBEDDED_FOLDER)
    args = parser.parse_args()
    for path in unpack(args.source, args.out):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
