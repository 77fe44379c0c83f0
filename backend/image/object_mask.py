# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a picture into a mask of its object, as far as a small network can tell it."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from ..data import FloatArray
from .pieces import keep_large_pieces, spread_colours

_MARGIN = 0.12
"""Of the object's longer side, left around it for the second look."""
_STABLE_CHANCES = (0.25, 0.75)
"""Masks cut at these are alike where the network is sure."""
_PIECE_SHARE = 0.1
"""Pieces smaller than this share of the largest one are left out."""
_CERTAIN = 0.95
_THROUGH = 0.15
"""Mean chance in a hole below which what is seen through it is background."""
_REACH = 0.75
"""Width of the uncertain outline, in the network's pixels to each side."""


class ObjectGuesser(Protocol):
    """Tells which pixels show the object; see `models/maquette/object_guess.py`."""

    @property
    def size_px(self) -> int:
        """Edge of the pictures that it was trained on."""
        ...

    def __call__(self, colour: torch.Tensor, /) -> torch.Tensor:
        """Map sRGB `[B, 3, H, W]` in 0..1 to logits `[B, 1, H, W]`, positive on the object."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectMask:
    """Where the object is.

    Attributes:
        mask: `[H, W]` bool.
        core: `[H, W]` bool, the part within that shows the object for certain.
        stability: Shared part of the masks that a bold and a careful cut give, 0..1; 0 where there
            is no object.
    """

    mask: NDArray[np.bool_]
    core: NDArray[np.bool_]
    stability: float


@torch.no_grad()
def find_object(colour: FloatArray, guesser: ObjectGuesser) -> ObjectMask:
    """Look at the whole picture, then once more at the part that the object fills.

    Args:
        colour: `[H, W, 3]` float32 in [0, 1], sRGB.
        guesser: The network, on the CPU.

    Returns:
        The mask, its outline moved to where colours change.
    """
    height, width = colour.shape[:2]
    picture = torch.from_numpy(np.ascontiguousarray(colour)).movedim(-1, 0)[None]  # [1, 3, H, W]
    side = float(max(height, width))
    chance = _look(picture, (height / 2, width / 2), side, guesser)  # [H, W]
    found = keep_large_pieces(chance > 0.5, _PIECE_SHARE)
    if not found.any():
        return ObjectMask(found, found, 0.0)
    rows, columns = (np.nonzero(found.any(axis))[0] for axis in (1, 0))
    middle = ((rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2)
    extent = 1 + max(int(np.ptp(rows)), int(np.ptp(columns)))
    closer = min(side, extent * (1 + 2 * _MARGIN))
    chance = _look(picture, middle, closer, guesser)
    bold, careful = (chance > cut for cut in _STABLE_CHANCES)
    stability = float(careful.sum() / max(int(bold.sum()), 1))
    mask, core = np.zeros((2, height, width), bool)
    seen = tuple(
        slice(x[0], x[-1] + 1) for x in map(np.flatnonzero, (chance.any(1), chance.any(0)))
    )
    steps = max(1, round(_REACH * closer / guesser.size_px))
    mask[seen] = _fill_holes(_snap(colour[seen], chance[seen], steps), chance[seen])
    core[seen] = _shrink(chance[seen] > _CERTAIN, steps)
    return ObjectMask(mask, core, stability)


def _look(
    picture: torch.Tensor, middle: tuple[float, float], side: float, guesser: ObjectGuesser
) -> NDArray[np.float32]:
    """Chance `[H, W]` of the object by what the network sees in a square; 0 beyond it.

    Where the square reaches beyond the picture, its edge is repeated.
    """
    height, width = picture.shape[2:]
    size = guesser.size_px
    half = side / 2
    top, left = math.floor(middle[0] - half), math.floor(middle[1] - half)
    edge = max(1, math.ceil(side))
    rows = torch.arange(top, top + edge).clamp(0, height - 1)
    columns = torch.arange(left, left + edge).clamp(0, width - 1)
    square = picture[:, :, rows][:, :, :, columns]
    small = functional.interpolate(square, (size, size), mode="bilinear", antialias=True)
    chance = torch.sigmoid(guesser(small.clamp(0, 1)))
    large = functional.interpolate(chance, (edge, edge), mode="bilinear")[0, 0].numpy()
    result = np.zeros((height, width), np.float32)
    first, last = max(top, 0), min(top + edge, height)
    start, stop = max(left, 0), min(left + edge, width)
    result[first:last, start:stop] = large[first - top : last - top, start - left : stop - left]
    return result


def _snap(colour: FloatArray, chance: NDArray[np.float32], steps: int) -> NDArray[np.bool_]:
    """Give each pixel near the outline to the side whose nearest sure colour is more like its own.

    Args:
        colour: `[H, W, 3]`.
        chance: `[H, W]`, enlarged from the network's pixels.
        steps: Pixels to each side of the outline that it may move.
    """
    is_object = chance > 0.5
    # Parts as thin as the outline is uncertain have no sure inside.
    inside = _shrink(is_object, steps) | (chance > _CERTAIN)
    outside = _shrink(~is_object, steps)
    if not inside.any() or not outside.any():
        return keep_large_pieces(is_object, _PIECE_SHARE)
    apart = [
        np.linalg.norm(colour - spread_colours(colour, known), axis=-1)
        for known in (inside, outside)
    ]
    # The network's own word counts where colours do not decide.
    lean = 0.15 * (chance - 0.5)
    is_like_object = apart[0] - lean < apart[1] + lean
    decided = (is_like_object | inside) & ~outside
    smooth = ndimage.gaussian_filter(decided.astype(np.float32), max(0.6, 0.2 * steps)) > 0.5
    return keep_large_pieces((smooth | inside) & ~outside, _PIECE_SHARE)


def _shrink(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Take so many pixels off the mask's outline; the picture's edge is none."""
    return np.asarray(ndimage.binary_erosion(mask, iterations=steps, border_value=1), bool)


def _fill_holes(mask: NDArray[np.bool_], chance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Close the holes in which the network does not surely see the background."""
    holes = np.asarray(ndimage.binary_fill_holes(mask), bool) & ~mask
    labels = np.zeros(mask.shape, np.int32)
    count = int(np.asarray(ndimage.label(holes, output=labels)))
    if not count:
        return mask
    areas, chances = (np.bincount(labels.ravel(), w) for w in (None, chance.ravel()))
    is_object = chances / np.maximum(areas, 1) > _THROUGH
    is_object[0] = False
    return mask | is_object[labels]
