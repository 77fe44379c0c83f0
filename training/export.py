# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns trained networks into the weights that ship: int8 rows, float16 rest, small shards.

python -m training.export --vae FOLDER --flow FOLDER [--out backend/weights/embedded]
"""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import torch

from backend.models.hunyuan3d.config import SHAPE_VAE_VARIANTS
from backend.weights.catalogue import EMBEDDED_FOLDER
from backend.weights.load import quantise_state, write_shards
from training.checkpoints import load_shards

STEM = "maquette-mini"
PARTS = {"model": "denoiser", "vae": "vae", "conditioner": "conditioner"}
"""First part of the published names -> name of the training runs' shards."""


def export(vae: Path, flow: Path, out: Path) -> list[Path]:
    """Join the three networks' states under their published prefixes and write them.

    Args:
        vae: Folder of `training.shape_vae`.
        flow: Folder of `training.flow`.
        out: Where the shards go.

    Returns:
        The files written.

    Raises:
        ValueError: The autoencoder was trained with other sizes than the variant declares.
    """
    trained = json.loads((vae / "vae.json").read_text())
    declared = asdict(SHAPE_VAE_VARIANTS[STEM])
    different = {key for key in declared if declared[key] != trained.get(key)}
    if different:
        raise ValueError(f"config.py and vae.json differ in {sorted(different)}")
    return write_shards(quantise_state(join_states(vae, flow)), out, STEM)


def join_states(vae: Path, flow: Path) -> dict[str, torch.Tensor]:
    """The three trained networks as one state under their published prefixes."""
    state = {}
    for prefix, stem in PARTS.items():
        part = load_shards(vae if stem == "vae" else flow, stem)
        state.update({f"{prefix}.{name}": tensor for name, tensor in part.items()})
    return state


def main() -> None:
    """Read the command line and export; the runs' logs are kept beside the code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--flow", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=EMBEDDED_FOLDER)
    parser.add_argument("--flow-log", default="flow_log.jsonl", help="name of the flow's log")
    args = parser.parse_args()
    for path in export(args.vae, args.flow, args.out):
        print(path.name, path.stat().st_size)
    logs = Path(__file__).parent / "logs"
    logs.mkdir(exist_ok=True)
    for source in (args.vae / "vae_log.jsonl", args.flow / "flow_log.jsonl"):
        if source.exists():  # unpacked weights have none
            target = args.flow_log if source.parent == args.flow else source.name
            shutil.copy(source, logs / target)


if __name__ == "__main__":
    main()
