# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns seen colours into a guess at unseen ones: the mean of what is near and faces alike."""

import torch
from torch.nn import functional

from .atlas import Texels
from .cells import group_mean

_GRID = 32
"""Parts of the box's diagonal to which a part of the surface is summed up."""
_REACH = 0.22
"""Distance, in diagonals, at which a seen part counts as much less (one deviation)."""
_TURN = 0.5
"""Difference of unit normals at which it does."""
_ROWS = 1024


def guess_colours(texels: Texels, colour: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Guess each texel's colour from all that are known.

    The back of a thing is painted like those seen parts that face most nearly its way, the near
    ones more than the far ones: a plain rear of a shield is rather like its rim than its emblem.

    Args:
        texels: N of them.
        colour: `[N, 3]`, valid where known.
        known: `[N]` bool, at least one.

    Returns:
        `[N, 3]`, a weighted mean of known ones; constant over small parts of the surface.
    """
    part, count = _find_parts(texels)
    values = torch.cat([texels.point, texels.normal], 1)
    whole, size = group_mean(values, torch.ones_like(texels.point[:, 0]), part, count)
    seen, num_known = group_mean(torch.cat([values, colour], 1), known.to(colour), part, count)
    is_source = num_known > 0
    diagonal = float((texels.point.amax(0) - texels.point.amin(0)).norm().clamp(min=1e-12))
    sources, targets = _features(seen[is_source, :6], diagonal), _features(whole, diagonal)
    # Parts are about as large as one another, whatever the UV map gives them.
    log_share = (num_known / size)[is_source].log()
    shades = seen[is_source, 6:]
    guess = [
        torch.softmax(log_share - torch.cdist(rows, sources).square() / 2, 1) @ shades
        for rows in targets.split(_ROWS)
    ]
    return torch.cat(guess)[part]


def _find_parts(texels: Texels) -> tuple[torch.Tensor, int]:
    """The part `[N]` that each texel is in, by place and main direction, and their number."""
    low, high = texels.point.aminmax(dim=0)
    step = (high - low).norm().clamp(min=1e-12) / _GRID
    voxel = ((texels.point - low) / step).long()  # [N, 3]
    axis = texels.normal.abs().argmax(1, keepdim=True)  # [N, 1]
    side = (2 * axis + (texels.normal.gather(1, axis) < 0)).squeeze(1)  # [N], 0..5
    x, y, z = voxel.unbind(1)
    key = ((x * (_GRID + 1) + y) * (_GRID + 1) + z) * 6 + side
    found, part = torch.unique(key, return_inverse=True)
    return part, len(found)


def _features(values: torch.Tensor, diagonal: float) -> torch.Tensor:
    """Places and normals `[M, 6]` in units in which a distance of 1 is one deviation."""
    place = values[:, :3] / (_REACH * diagonal)
    return torch.cat([place, functional.normalize(values[:, 3:], dim=1) / _TURN], 1)
