# SPDX-License-Identifier: GPL-3.0-or-later
"""How well are objects cut out of pictures without transparency?

    python -m benchmarks.cutout_quality --props FOLDER [--limit N] [--stride N]

Each validation prop stands once before a made-up background (`training/backdrops.py`): floor, wall,
patterns, shadows. The product cuts it out by colour alone, and with its network. Overlap is the
area shared with the truth by the area of both; wrong is an overlap below 0.7.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from backend.data import FloatArray
from backend.image.matting import remove_background
from backend.image.object_mask import ObjectGuesser
from backend.pipelines.families import load_object_guess
from benchmarks.measure import print_table, write_results
from training.cutout import draw_batch
from training.datasets import load_props
from training.light_entries import make_light_entries
from training.shape_mix import ShapeMix

CPU = torch.device("cpu")
SIZE_PX = 256
WRONG = 0.7
_LEAST_PX = 200
_TOGETHER = 64


@torch.no_grad()
def make_pictures(args: argparse.Namespace) -> list[tuple[FloatArray, NDArray[np.bool_]]]:
    """Opaque pictures `[S, S, 4]` and where their objects are, `[S, S]`."""
    props = load_props(args.props, "validation", CPU, args.limit, args.stride)
    generator = torch.Generator().manual_seed(11)
    mix, shapes = ShapeMix(props, 0, 0.0, 0), torch.arange(props.num_shapes)
    entries = make_light_entries(mix, shapes, None, generator)
    pictures = []
    for rows in shapes.split(_TOGETHER):
        scene = draw_batch(entries, rows, generator)
        size = (SIZE_PX, SIZE_PX)
        colour = functional.interpolate(scene.colour, size, mode="bicubic").clamp(0, 1)
        coverage = functional.interpolate(scene.coverage, size, mode="bilinear")
        opaque = torch.cat([colour, torch.ones_like(coverage)], 1).movedim(1, -1)
        pairs = zip(opaque.numpy(), (coverage[:, 0] > 0.5).numpy(), strict=True)
        pictures += [(picture, true) for picture, true in pairs if true.sum() >= _LEAST_PX]
    return pictures


def judge(
    what: str,
    pictures: list[tuple[FloatArray, NDArray[np.bool_]]],
    guesser: ObjectGuesser | None,
) -> dict[str, str | float]:
    """One row of the table."""
    overlaps, is_warned = [], []
    for picture, true in pictures:
        cutout = remove_background(picture, guesser)
        mask = cutout.pixels[..., 3] > 0.5
        overlaps.append((mask & true).sum() / (mask | true).sum())
        is_warned.append(bool(cutout.warning))
    overlap, warned = np.array(overlaps), np.array(is_warned)
    return {
        "what": what,
        "pictures": len(pictures),
        "overlap": round(float(overlap.mean()), 3),
        "overlap_median": round(float(np.median(overlap)), 3),
        "wrong_untold": round(float(((overlap < WRONG) & ~warned).mean()), 3),
        "warned": round(float(warned.mean()), 3),
    }


def main() -> None:
    """Make the pictures, cut them out both ways, print the table and write the results file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--stride", type=int, default=1, help="every n-th validation prop")
    args = parser.parse_args()
    pictures = make_pictures(args)
    rows = [
        judge("by colour alone", pictures, None),
        judge("with the network", pictures, load_object_guess()),
    ]
    print_table(rows)
    print(write_results("cutout_quality", rows, size_px=SIZE_PX))


if __name__ == "__main__":
    main()
