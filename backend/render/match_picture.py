# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a picture and poses of a surface into how well each pose explains the picture."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from ..data import FloatArray
from .splat import Poses, SurfacePoints, splat

_LEAST_ALPHA = 0.15
"""Points cover a pixel that they touch at all, so the picture's pixels count alike."""
_BLUR_SHARE = 0.02
"""Width of the blur, as a share of the picture's edge."""
_RIDGE = 1e-3
_NORMAL_TURN = 0.5
"""Weight of a turn of the normal among the edges."""
_DEPTH_STEP = 6.0
"""Weight of a step in depth, per length of the painting frame."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What poses are compared with; S pixels per side.

    Attributes:
        mask: `[S, S]` bool, where the object is.
        outline: `[S, S]`, the mask blurred.
        colour: `[S, S, 3]` sRGB.
        edges: `[S, S]`, how much the colour changes there, >= 0.
        middle: `[2]`, of the object's box, right and down, in shares of the edge.
        extent: `[2]`, of the same box.
    """

    mask: torch.Tensor
    outline: torch.Tensor
    colour: torch.Tensor
    edges: torch.Tensor
    middle: torch.Tensor
    extent: torch.Tensor

    @property
    def size(self) -> int:
        """Pixels per side."""
        return self.mask.shape[0]

    def blur(self, planes: torch.Tensor) -> torch.Tensor:
        """Blur `[V, S, S]` as the outline is."""
        return _blur(planes)


def read_picture(pixels: FloatArray, size_px: int, device: torch.device) -> Picture:
    """Reduce a picture `[H, H, 4]` and measure the object's box in it."""
    full = torch.from_numpy(pixels).to(device)
    rows, columns = torch.nonzero(full[..., 3] > 0.5, as_tuple=True)
    if len(rows) == 0:
        rows = columns = torch.arange(full.shape[0], device=device)
    low = torch.stack([columns.min(), rows.min()]) / full.shape[0]  # [2]
    high = torch.stack([columns.max() + 1, rows.max() + 1]) / full.shape[0]
    weighted = torch.cat([full[..., :3] * full[..., 3:], full[..., 3:]], -1).permute(2, 0, 1)
    small = functional.interpolate(
        weighted[None], size=(size_px, size_px), mode="bilinear", antialias=True
    )[0]  # [4, S, S]
    alpha = small[3].clamp(0, 1)
    colour = (small[:3] / alpha.clamp(min=1e-3)).permute(1, 2, 0).clamp(0, 1)  # [S, S, 3]
    mask = alpha > _LEAST_ALPHA
    edges = _steps(colour[None]).squeeze(0)
    return Picture(mask, _blur(mask[None].float())[0], colour, edges, (low + high) / 2, high - low)


def score_poses(
    picture: Picture, points: SurfacePoints, poses: Poses, cue_weight: float
) -> torch.Tensor:
    """How well each pose explains the picture, `[V]`; more is better.

    The overlap of the outlines, which a pose and its mirror image may share, and two cues that
    tell these apart: how much of the picture's colour is a smooth function of the normal, as
    shading is, and whether colours change where the surface turns or ends. `cue_weight` is theirs
    against the overlap's.
    """
    seen = splat(points.place, poses, picture.size)  # [V, S, S]
    mask = seen >= 0
    normal = points.normal[seen.clamp(min=0)] * mask[..., None]  # [V, S, S, 3]
    place = points.place[seen.clamp(min=0)] * mask[..., None]
    both = mask & picture.mask
    overlap = measure_overlap(picture, mask)
    shading = _explain_shading(picture.colour, normal, both)
    edges = _compare_edges(picture, normal, place, both)
    return overlap + cue_weight * (shading + edges)


def measure_overlap(picture: Picture, mask: torch.Tensor) -> torch.Tensor:
    """Shared part of the outlines' areas `[V]` of the picture and masks `[V, S, S]`."""
    shared = (mask & picture.mask).sum((-2, -1)).float()
    return shared / (mask | picture.mask).sum((-2, -1)).clamp(min=1)


def _explain_shading(
    colour: torch.Tensor, normal: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Share `[V]` of the colours' variance that a quadratic function of the normal explains.

    Source: Ramamoorthi and Hanrahan 2001, "An Efficient Representation for Irradiance
    Environment Maps" (nine coefficients are enough for diffuse light).
    """
    x, y, z = normal.flatten(1, 2).unbind(-1)  # [V, M]
    basis = torch.stack([torch.ones_like(x), x, y, z, x * y, y * z, x * z, x * x, y * y], -1)
    weight = mask.flatten(1)[..., None].float()  # [V, M, 1]
    count = weight.sum(1).clamp(min=1)  # [V, 1]
    values = colour.flatten(0, 1)[None] * weight  # [V, M, 3]
    values = (values - (values.sum(1) / count)[:, None]) * weight
    basis = basis * weight
    matrix = basis.transpose(1, 2) @ basis  # [V, 9, 9]
    matrix = matrix + torch.eye(9, device=matrix.device) * (_RIDGE * count[..., None] + 1e-6)
    target = basis.transpose(1, 2) @ values  # [V, 9, 3]
    explained = (torch.linalg.solve(matrix, target) * target).sum((1, 2))
    return explained / values.square().sum((1, 2)).clamp(min=1e-6 * picture_area(mask))


def picture_area(mask: torch.Tensor) -> int:
    """Pixels of one mask of `[V, S, S]`."""
    return mask.shape[1] * mask.shape[2]


def _compare_edges(
    picture: Picture, normal: torch.Tensor, place: torch.Tensor, both: torch.Tensor
) -> torch.Tensor:
    """Correlation `[V]` of the picture's edges with those of the surface, within both outlines."""
    inner = 1 - functional.max_pool2d((~both).float()[:, None], 3, 1, 1)[:, 0]  # [V, S, S]
    turn = _NORMAL_TURN * _steps(normal) + _DEPTH_STEP * (_steps(place) - 0.05).clamp(min=0)
    first = _blur_little(turn.clamp(max=1))
    second = _blur_little(picture.edges[None].clamp(max=0.5)).expand_as(first)
    total = inner.sum((1, 2), keepdim=True).clamp(min=1)
    first, second = (
        (part - (part * inner).sum((1, 2), keepdim=True) / total) * inner
        for part in (first, second)
    )
    power = first.square().sum((1, 2)) * second.square().sum((1, 2))
    return (first * second).sum((1, 2)) / power.clamp(min=1e-8).sqrt()


def _steps(values: torch.Tensor) -> torch.Tensor:
    """Length `[V, S, S]` of the change of `[V, S, S, C]` to the pixels right and below."""
    across = functional.pad(values[:, :, 1:] - values[:, :, :-1], (0, 0, 0, 1))
    down = functional.pad(values[:, 1:] - values[:, :-1], (0, 0, 0, 0, 0, 1))
    return (across.square().sum(-1) + down.square().sum(-1)).sqrt()


def _blur(planes: torch.Tensor) -> torch.Tensor:
    """Gaussian blur of `[V, S, S]` by a share of their edge."""
    return _blur_by(planes, max(1.0, _BLUR_SHARE * planes.shape[-1]))


def _blur_little(planes: torch.Tensor) -> torch.Tensor:
    """Gaussian blur of `[V, S, S]` by a pixel."""
    return _blur_by(planes, 1.0)


def _blur_by(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of `[V, S, S]`, black beyond the border."""
    reach = int(3 * sigma + 0.5)
    line = torch.arange(-reach, reach + 1, device=planes.device, dtype=planes.dtype)
    kernel = torch.exp(-0.5 * (line / sigma) ** 2)
    kernel = kernel / kernel.sum()
    wide = functional.conv2d(planes[:, None], kernel[None, None, None], padding=(0, reach))
    return functional.conv2d(wide, kernel[None, None, :, None], padding=(reach, 0))[:, 0]
