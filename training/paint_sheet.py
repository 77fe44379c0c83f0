# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns references, painted views and true views into one picture to look at."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from training.paint_data import over_white

CELL_PX = 112


def save_sheet(
    references: torch.Tensor, painted: torch.Tensor, truth: torch.Tensor, path: Path, rows: int = 16
) -> None:
    """Write one row per object: the reference, six painted views, six true ones.

    Args:
        references: `[S, 1, 3, H, H]` in -1..1.
        painted: `[S, 6, 3, H, H]` in [0, 1].
        truth: `[S, W, H, H, 4]` uint8, W >= 6.
        path: PNG to write.
        rows: Most objects shown.
    """
    pixels = truth[: len(painted), :6].float() / 255
    target = over_white(pixels) / 2 + 0.5  # [S, 6, 3, H, H]
    alpha = pixels[..., 3][:, :, None]
    shown = painted * alpha + 1 - alpha
    cells = torch.cat([references / 2 + 0.5, shown, target], 1)[:rows]  # [S, 13, 3, H, H]
    small = functional.interpolate(
        cells.flatten(0, 1), (CELL_PX, CELL_PX), mode="bilinear", antialias=True
    ).unflatten(0, cells.shape[:2])
    picture = small.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)  # [S*h, 13*h, 3]
    values = (picture.clamp(0, 1) * 255).byte().cpu().numpy().astype(np.uint8)
    Image.fromarray(values).save(path)
