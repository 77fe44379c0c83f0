# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the training split into answers that a shape model has to beat: mean and retrieval."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from training.datasets import Props, sample_surfaces
from training.fields import CELLS, centre_occupancy, solid_occupancy
from training.metrics import crossing_points
from training.pictures import Cameras, render_materials

VIEWS_DEG = ((-45.0, 15.0), (-15.0, 15.0), (15.0, 15.0), (45.0, 15.0), (30.0, 30.0), (-30.0, 30.0))
PICTURE_PX = 32
NUM_POINTS = 1024


@dataclass(frozen=True, slots=True)
class MeanShape:
    """The average of training solids, cut where its volume is their mean volume.

    Attributes:
        points: `[M, 3]` on its surface.
        solid: `[48, 48, 48]` bool, average of `solid_occupancy`.
        centres: `[48, 48, 48]` bool, average of `centre_occupancy`.
    """

    points: torch.Tensor
    solid: torch.Tensor
    centres: torch.Tensor


def make_mean_shape(train: Props, stride: int) -> MeanShape:
    """Average every `stride`-th training shape."""
    solid, solid_level = _average(train, stride, solid_occupancy)
    centres, level = _average(train, stride, centre_occupancy)
    half = 1 - 1 / CELLS  # the samples are cell centres
    points = crossing_points(centres, half, level)
    return MeanShape(points, solid > solid_level, centres > level)


def _average(
    train: Props, stride: int, occupancy: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[torch.Tensor, float]:
    """The share `[48, 48, 48]` of shapes that fill a cell, and where it encloses their volume."""
    solids = [
        occupancy(train.triangles(shape)).float() for shape in range(0, train.num_shapes, stride)
    ]
    mean = torch.stack(solids).mean(0)
    return mean, float(mean.flatten().sort(descending=True).values[int(mean.sum())])


def describe_pictures(pictures: torch.Tensor) -> torch.Tensor:
    """Framed pictures `[V, H, W, 4]` in [0, 1] -> small premultiplied descriptors `[V, D]`."""
    flat = torch.cat([pictures[..., :3] * pictures[..., 3:], pictures[..., 3:]], -1)
    small = functional.interpolate(
        flat.permute(0, 3, 1, 2), (PICTURE_PX, PICTURE_PX), mode="bilinear", antialias=True
    )
    return small.flatten(1)


def describe_training(train: Props) -> torch.Tensor:
    """Descriptors `[S, K, D]` of every training shape from K cameras, evenly lit."""
    device = train.corners.device
    rows = []
    for azimuth, elevation in VIEWS_DEG:
        for shapes in torch.arange(train.num_shapes, device=device).split(64):
            count = len(shapes)
            angles = torch.tensor([azimuth, elevation, 30.0], device=device).deg2rad()
            cameras = Cameras(*angles[:, None].expand(-1, count))
            unit = torch.eye(3, device=device).expand(count, 3, 3)
            base, normal = render_materials(train, shapes, unit, cameras, 64, 0.15, 1)
            light = 0.55 + 0.45 * (normal.float() / 127)[..., 1:2].clamp(min=0)
            colour = base[..., :3].float() / 255 * light
            picture = torch.cat([colour, base[..., 3:].float() / 255], -1)
            rows.append(describe_pictures(picture))
    return torch.cat(rows).view(len(VIEWS_DEG), train.num_shapes, -1).transpose(0, 1)


def nearest_by_picture(descriptors: torch.Tensor, picture: torch.Tensor) -> int:
    """The training shape with the most similar picture, whatever its camera."""
    wanted = describe_pictures(picture)[0]
    return int((descriptors - wanted).square().sum(-1).amin(1).argmin())


def sample_training(train: Props) -> torch.Tensor:
    """NUM_POINTS surface points of every training shape `[S, K, 3]`."""
    device = train.corners.device
    generator = torch.Generator(device).manual_seed(11)
    parts = torch.arange(train.num_shapes, device=device).split(64)
    return torch.cat([sample_surfaces(train, p, NUM_POINTS, generator)[0] for p in parts])


def nearest_by_chamfer(points: torch.Tensor, truth: torch.Tensor) -> int:
    """The training shape with the least Chamfer distance to the truth: retrieval's upper bound."""
    own = truth[torch.linspace(0, len(truth) - 1, NUM_POINTS).long()]
    best, chosen = math.inf, 0
    for start in range(0, len(points), 32):
        apart = torch.cdist(points[start : start + 32], own[None])
        distance = apart.amin(1).mean(1) + apart.amin(2).mean(1)
        value, index = distance.min(0)
        if float(value) < best:
            best, chosen = float(value), start + int(index)
    return chosen
