# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a props archive into pictures by the painting cameras: colours, normals, positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from backend.render.camera import camera_axes
from backend.render.rasterize import interpolate, rasterize
from training.datasets import Props, Shape, load_reader, make_props
from training.pictures import triangles_of

DIAMETER = 1.15
"""Of the sphere that holds a mesh in the painting frame; its position map spans this length."""
WIDTH = 1.2
"""Edge of the square that a painting camera shows."""
DEPTH_OFFSET = 2.0
"""Added to what a parallel camera sees, so that it lies before the camera."""


@dataclass(frozen=True, slots=True)
class PaintProps:
    """Props with what smooth normals need.

    Attributes:
        props: Triangles and colours.
        vertex: `[T, 3]` int64, index of each corner's vertex among all vertices.
        num_vertices: Vertices of all shapes together.
    """

    props: Props
    vertex: torch.Tensor
    num_vertices: int


def load_paint_props(
    folder: Path,
    split: str,
    device: torch.device,
    limit: int | None = None,
    others: Sequence[Shape] = (),
) -> PaintProps:
    """Read one split onto the device, see `load_props`, and append others made like its props."""
    loaded = load_reader(folder).load(str(folder / f"props_{split}.npz.xz"))[:limit]
    loaded = [*loaded, *others]
    offsets = np.cumsum([0] + [len(p.vertices) for p in loaded])
    vertex = np.concatenate(
        [p.faces.astype(np.int64) + base for p, base in zip(loaded, offsets[:-1], strict=True)]
    )
    props = make_props(loaded, device)
    return PaintProps(props, torch.tensor(vertex, device=device), int(offsets[-1]))


def render_painting_views(
    source: PaintProps,
    shapes: torch.Tensor,
    maps: torch.Tensor,
    angles: torch.Tensor,
    size: int,
    supersample: int = 2,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Render the painting cameras' views of augmented shapes.

    Args:
        source: The shapes.
        shapes: `[B]`.
        maps: `[B, 3, 3]` augmenting maps.
        angles: `[B, W, 2]` azimuth and elevation in degrees.
        size: Pixels per side.
        supersample: Samples per pixel and axis.

    Returns:
        Colour with coverage `[B, W, size, size, 4]`, normal and position maps
        `[B, W, size, size, 3]` over white, all uint8.
    """
    props, fine, views = source.props, size * supersample, angles.shape[1]
    triangle, owner = triangles_of(props, shapes)
    corner = torch.einsum("kpi,kji->kpj", props.corners[triangle], maps[owner])  # [K, 3, 3]
    corner = fit_corners(corner, owner, len(shapes))
    normal = _smooth_normals(corner, source, triangle, owner, maps)
    values = torch.cat([props.colors[triangle], encode_normal(normal), encode_position(corner)], 2)
    radians = torch.deg2rad(angles)
    axes = camera_axes(radians[..., 0].flatten(), radians[..., 1].flatten())  # [B*W, 3, 3]
    view = owner[:, None] * views + torch.arange(views, device=owner.device)  # [K, W]
    local = torch.einsum("kpi,kwji->kwpj", corner, axes[view])  # [K, W, 3, 3]
    flip = torch.tensor([1.0, -1.0], device=local.device)
    pixels = (local[..., :2] * flip / WIDTH + 0.5) * fine
    screen = torch.cat([pixels, local[..., 2:] + DEPTH_OFFSET], -1).flatten(0, 1)  # [K*W, 3, 3]
    fragments = rasterize(screen, view.flatten(), len(shapes) * views, fine, fine)
    repeated = values[:, None].expand(-1, views, -1, -1).flatten(0, 1)  # [K*W, 3, 9]
    image = interpolate(repeated, fragments)  # [B*W, fine, fine, 9]
    alpha = (fragments.triangle >= 0).float()[..., None]
    image = torch.cat([image * alpha, alpha], -1).permute(0, 3, 1, 2)
    image = functional.avg_pool2d(image, supersample).permute(0, 2, 3, 1)  # [B*W, size, size, 10]
    cover = image[..., 9:]
    colour = torch.cat([image[..., :3] / cover.clamp(min=1e-6), cover], -1)
    over_white = image[..., 3:9] + 1 - cover
    colour, over_white = (
        (x.clamp(0, 1) * 255).round().to(torch.uint8).unflatten(0, (len(shapes), views))
        for x in (colour, over_white)
    )
    return colour, over_white[..., :3], over_white[..., 3:]


def fit_corners(corner: torch.Tensor, owner: torch.Tensor, count: int) -> torch.Tensor:
    """Centre each shape's corners `[K, 3, 3]` and scale them into the painting frame."""
    index = owner[:, None].expand(-1, 3)
    low = torch.full((count, 3), 1e9, device=corner.device)
    low = low.scatter_reduce(0, index, corner.amin(1), "amin")
    high = torch.full((count, 3), -1e9, device=corner.device)
    high = high.scatter_reduce(0, index, corner.amax(1), "amax")
    centred = corner - ((low + high) / 2)[owner][:, None]
    radius = torch.zeros(count, device=corner.device)
    radius = radius.scatter_reduce(0, owner, centred.norm(dim=2).amax(1), "amax")
    return centred * (DIAMETER / 2 / radius)[owner][:, None, None]


def _smooth_normals(
    corner: torch.Tensor,
    source: PaintProps,
    triangle: torch.Tensor,
    owner: torch.Tensor,
    maps: torch.Tensor,
) -> torch.Tensor:
    """Normals at the corners `[K, 3, 3]`: the mean of the unit face normals around the vertex."""
    face = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    face = functional.normalize(face, dim=1)
    # A mirrored shape's triangles run the other way round.
    face = face * torch.linalg.det(maps).sign()[owner][:, None]
    vertex = source.vertex[triangle] + owner[:, None] * source.num_vertices  # [K, 3]
    unique, place = torch.unique(vertex, return_inverse=True)
    total = torch.zeros(len(unique), 3, device=corner.device)
    total.index_add_(0, place.flatten(), face[:, None].expand(-1, 3, -1).reshape(-1, 3))
    return functional.normalize(total, dim=1)[place]  # [K, 3, 3]


def encode_normal(normal: torch.Tensor) -> torch.Tensor:
    """Unit normals `[..., 3]` to the published colours in [0, 1]: x, -z, y."""
    return torch.stack([normal[..., 0], -normal[..., 2], normal[..., 1]], -1) * 0.5 + 0.5


def encode_position(position: torch.Tensor) -> torch.Tensor:
    """Points `[..., 3]` of the painting frame to the published colours in [0, 1]: x, -z, y."""
    turned = torch.stack([position[..., 0], -position[..., 2], position[..., 1]], -1)
    return turned / DIAMETER + 0.5
