# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a props archive into what training draws from: surface points and signed distances.

Everything lives on one device and is made there anew for every step: points and augmentation.
"""

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from training.fields import BAND, BOX, WALL, signed_distance

SHARP_DEGREES = 30.0


class Shape(Protocol):
    """One shape as the archive's reader returns it; see `props.py`."""

    name: str
    pack: str
    group: str
    vertices: np.ndarray
    faces: np.ndarray
    corner_colors: np.ndarray


def load_reader(folder: Path) -> ModuleType:
    """Import `props.py`, the archive's own reader, from the props folder.

    Raises:
        FileNotFoundError: It is not there.
    """
    spec = importlib.util.spec_from_file_location("props", folder / "props.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder / "props.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(slots=True)
class Props:
    """The triangles of S shapes, end to end.

    Attributes:
        names: `pack/name` of each shape.
        corners: `[T, 3, 3]` float32.
        colors: `[T, 3, 3]` float32 in [0, 1], sRGB.
        first: `[S + 1]` int64, shape s owns triangles first[s]:first[s + 1].
        extent: `[S, 3]` half size of each bounding box, which is centred.
        edges: `[E, 9]` float32: sharp edges as two ends and a normal.
        first_edge: `[S + 1]` int64, as `first`.
        groups: Of each shape the name that it shares with its variants.
    """

    names: list[str]
    corners: torch.Tensor
    colors: torch.Tensor
    first: torch.Tensor
    extent: torch.Tensor
    edges: torch.Tensor
    first_edge: torch.Tensor
    groups: list[str] = field(default_factory=list)

    @property
    def num_shapes(self) -> int:
        """Number of shapes S."""
        return len(self.names)

    def triangles(self, shape: int) -> torch.Tensor:
        """Corners `[F, 3, 3]` of one shape."""
        return self.corners[int(self.first[shape]) : int(self.first[shape + 1])]


def load_props(
    folder: Path, split: str, device: torch.device, limit: int | None = None, stride: int = 1
) -> Props:
    """Read one split onto the device.

    Args:
        folder: Holds `props_<split>.npz.xz` and its reader `props.py`.
        split: "train" or "validation".
        device: Where the tensors live.
        limit: The most shapes.
        stride: Read every `stride`-th shape.
    """
    props = load_reader(folder).load(str(folder / f"props_{split}.npz.xz"))[::stride][:limit]
    return make_props(props, device)


def make_props(props: Sequence[Shape], device: torch.device) -> Props:
    """Join shapes, as the reader returns them, on the device."""
    corners = [p.vertices[p.faces] for p in props]
    edges = [_sharp_edges(p.vertices, p.faces) for p in props]

    def borders(parts: list[np.ndarray]) -> torch.Tensor:
        return torch.tensor(np.cumsum([0] + [len(x) for x in parts]), device=device)

    def joined(parts: list[np.ndarray]) -> torch.Tensor:
        return torch.tensor(np.concatenate(parts), dtype=torch.float32, device=device)

    return Props(
        [f"{p.pack}/{p.name}" for p in props],
        joined(corners),
        joined([p.corner_colors for p in props]) / 255,
        borders(corners),
        joined([np.abs(p.vertices).max(0)[None] for p in props]),
        joined(edges),
        borders(edges),
        [f"{p.pack}/{p.group}" for p in props],
    )


def gather_shapes(props: Props, shapes: torch.Tensor) -> Props:
    """Copy shapes `[B]`, which may repeat, into props of their own."""
    triangle, first = _rows_of(props.first, shapes)
    edge, first_edge = _rows_of(props.first_edge, shapes)
    numbers = shapes.tolist()
    return Props(
        [props.names[s] for s in numbers],
        props.corners[triangle],
        props.colors[triangle],
        first,
        props.extent[shapes],
        props.edges[edge],
        first_edge,
        [props.groups[s] for s in numbers],
    )


def _rows_of(first: torch.Tensor, shapes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows `[K]` of these shapes, one shape after the other, and their new borders."""
    count = first[shapes + 1] - first[shapes]  # [B]
    borders = functional.pad(torch.cumsum(count, 0), (1, 0))  # [B + 1]
    start = torch.repeat_interleave(first[shapes] - borders[:-1], count)  # [K]
    return start + torch.arange(len(start), device=start.device), borders


def hold_out(props: Props, count: int) -> tuple[Props, Props]:
    """Part at least `count` shapes from the rest, spread over all, and variants never apart.

    Returns:
        The rest, and the shapes held out.
    """
    device = props.corners.device
    names = sorted(set(props.groups))
    # Steps by the golden ratio reach every part of the alphabet, so every pack, early.
    order = sorted(range(len(names)), key=lambda k: (k + 1) * 0.6180339887 % 1)
    kept, number = set(), 0
    for k in order:
        if number >= count:
            break
        kept.add(names[k])
        number += props.groups.count(names[k])
    chosen = torch.tensor([group in kept for group in props.groups], device=device)
    rest, apart = torch.nonzero(~chosen)[:, 0], torch.nonzero(chosen)[:, 0]
    return gather_shapes(props, rest), gather_shapes(props, apart)


def _sharp_edges(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Edges `[E, 9]` that bend by more than SHARP_DEGREES, or that do not join two faces."""
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, inverse = np.unique(ends, axis=0, return_inverse=True)
    owner = np.tile(normal, (3, 1))
    total = np.zeros((len(unique), 3))  # [E, 3], sums of the adjoining faces' normals
    np.add.at(total, inverse.ravel(), owner)
    count = np.bincount(inverse.ravel(), minlength=len(unique))
    length = np.linalg.norm(total, axis=1)
    # Two unit normals at angle a add up to a vector of length 2 cos(a / 2).
    flat = (count == 2) & (length > 2 * math.cos(math.radians(SHARP_DEGREES) / 2))
    keep = ~flat
    mean = total[keep] / np.maximum(length[keep, None], 1e-6)
    edges = np.concatenate([vertices[unique[keep, 0]], vertices[unique[keep, 1]], mean], 1)
    if len(edges) == 0:  # any edge stands in, so that the sampler has something to draw
        edges = np.concatenate([corner[:1, 0], corner[:1, 1], normal[:1]], 1)
    return edges.astype(np.float32)


def sample_surfaces(
    props: Props, shapes: torch.Tensor, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw points uniformly by area.

    Args:
        props: The shapes.
        shapes: `[B]` int64.
        count: Points per shape.
        generator: On the props' device.

    Returns:
        Points `[B, count, 3]` and unit normals `[B, count, 3]`.
    """
    edge = props.corners[:, 1:] - props.corners[:, :1]  # [T, 2, 3]
    normal = torch.linalg.cross(edge[:, 0], edge[:, 1])  # [T, 3]
    owner = _draw(normal.norm(dim=1).double(), props.first, shapes, count, generator)  # [B, count]
    u = torch.rand(*owner.shape, 2, device=owner.device, generator=generator)
    root, v = u[..., :1].sqrt(), u[..., 1:]
    a, b, c = props.corners[owner].unbind(2)  # [B, count, 3]
    points = (1 - root) * a + root * (1 - v) * b + root * v * c
    return points, functional.normalize(normal[owner], dim=-1)


def sample_edges(
    props: Props, shapes: torch.Tensor, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw points uniformly by length on the sharp edges; shapes as for `sample_surfaces`."""
    length = (props.edges[:, 3:6] - props.edges[:, :3]).norm(dim=1).double()
    owner = _draw(length, props.first_edge, shapes, count, generator)  # [B, count]
    u = torch.rand(*owner.shape, 1, device=owner.device, generator=generator)
    edge = props.edges[owner]  # [B, count, 9]
    return edge[..., :3] + u * (edge[..., 3:6] - edge[..., :3]), edge[..., 6:]


def _draw(
    weight: torch.Tensor,
    first: torch.Tensor,
    shapes: torch.Tensor,
    count: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draw `[B, count]` owners by weight, each row inside its shape's range."""
    total = torch.cat([weight.new_zeros(1), torch.cumsum(weight + 1e-12, 0)])
    low, high = total[first[shapes]], total[first[shapes + 1]]
    u = torch.rand(len(shapes), count, device=weight.device, generator=generator)
    wanted = low[:, None] + u * (high - low)[:, None]  # [B, count]
    owner = torch.searchsorted(total, wanted, right=True) - 1
    return torch.clamp(owner, first[shapes][:, None], first[shapes + 1][:, None] - 1)


@dataclass(slots=True)
class PointPool:
    """Points drawn once per shape, from which every step takes a random part.

    Attributes:
        surface: `[S, K, 6]` float16 points and normals, uniform.
        sharp: `[S, K2, 6]` float16 the same on sharp edges.
    """

    surface: torch.Tensor
    sharp: torch.Tensor


def make_point_pool(
    props: Props, surface: int, sharp: int, generator: torch.Generator
) -> PointPool:
    """Draw the pool in batches of 64 shapes."""
    parts: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for shapes in torch.arange(props.num_shapes, device=props.corners.device).split(64):
        for k, (draw, count) in enumerate(((sample_surfaces, surface), (sample_edges, sharp))):
            parts[k].append(torch.cat(draw(props, shapes, count, generator), -1).half())
    return PointPool(torch.cat(parts[0]), torch.cat(parts[1]))


def take(
    pool: torch.Tensor, shapes: torch.Tensor, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Take `count` random rows of each shape: `[S, K, C]` -> `[B, count, C]` float32."""
    rows = torch.randint(
        pool.shape[1], (len(shapes), count), device=pool.device, generator=generator
    )
    return pool[shapes[:, None], rows].float()


def make_fields(props: Props, resolution: int) -> torch.Tensor:
    """Signed distances of all shapes `[S, R+1, R+1, R+1]` int8; +-127 is +-(BAND - WALL)."""
    side = resolution + 1
    fields = torch.empty(
        props.num_shapes, side, side, side, dtype=torch.int8, device=props.corners.device
    )
    for shape in range(props.num_shapes):
        field = signed_distance(props.triangles(shape), resolution)
        fields[shape] = (field * (127 / (BAND - WALL))).round().to(torch.int8)
    return fields


def look_up(fields: torch.Tensor, shapes: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Signed distances `[B, Q]` of int8 fields at points `[B, Q, 3]`, trilinear."""
    side = fields.shape[1]
    where = ((points / BOX + 1) / 2 * (side - 1)).clamp(0, side - 1.001)
    low = where.long()
    part = where - low  # [B, Q, 3]
    flat = fields.view(-1)  # [S * (R+1)^3]
    base = ((shapes[:, None] * side + low[..., 0]) * side + low[..., 1]) * side + low[..., 2]
    result = torch.zeros_like(part[..., 0])
    for corner in range(8):
        dx, dy, dz = corner >> 2, corner >> 1 & 1, corner & 1
        weight = torch.ones_like(result)
        for axis, step in enumerate((dx, dy, dz)):
            weight = weight * (part[..., axis] if step else 1 - part[..., axis])
        result += weight * flat[base + (dx * side + dy) * side + dz].float()
    return result * ((BAND - WALL) / 127)


def draw_maps(
    props: Props,
    shapes: torch.Tensor,
    generator: torch.Generator,
    stretch: float,
    turn_chance: float,
) -> torch.Tensor:
    """Draw augmenting maps that keep the box centred and its longest side at 2.

    Args:
        props: The shapes.
        shapes: `[B]`.
        generator: Random source.
        stretch: Each axis is scaled by up to exp(+-stretch).
        turn_chance: Chance of a quarter, half or three-quarter turn about up.

    Returns:
        `[B, 3, 3]` matrices A; a point p goes to A p.
    """
    device, count = shapes.device, len(shapes)
    rand = torch.rand(count, 5, device=device, generator=generator)
    scale = torch.exp((rand[:, :3] * 2 - 1) * stretch)
    flip = torch.ones_like(scale)
    flip[:, 0] = torch.where(rand[:, 3] < 0.5, -1.0, 1.0)
    quarter = torch.randint(1, 4, (count,), device=device, generator=generator)
    quarter = torch.where(rand[:, 4] < turn_chance, quarter, torch.zeros_like(quarter))
    angle = quarter * (math.pi / 2)
    cos, sin = torch.cos(angle).round(), torch.sin(angle).round()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    turn = torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], 1).view(-1, 3, 3)
    matrix = turn @ torch.diag_embed(scale * flip)  # [B, 3, 3]
    extent = torch.einsum("bij,bj->bi", matrix.abs(), props.extent[shapes])
    return matrix / extent.amax(1)[:, None, None]


def map_surface(points: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Apply maps `[B, 3, 3]` to points with normals `[B, P, 6]`."""
    moved = torch.einsum("bpi,bji->bpj", points[..., :3], maps)
    normal = torch.einsum("bpi,bij->bpj", points[..., 3:], torch.linalg.inv(maps))
    return torch.cat([moved, functional.normalize(normal, dim=-1)], -1)


def near_and_uniform(
    surface: torch.Tensor, near: int, uniform: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw query points around the surface and all over the box.

    Args:
        surface: `[B, P, 6]` surface points, P >= near.
        near: Points around the surface, most within 0.012 and some within 0.04.
        uniform: Points all over the box.
        generator: Random source.

    Returns:
        `[B, near + uniform, 3]`.
    """
    count, device = len(surface), surface.device
    noise = torch.randn(count, near, 3, device=device, generator=generator)
    wide = torch.rand(count, near, 1, device=device, generator=generator) < 0.4
    close = surface[:, :near, :3] + noise * torch.where(wide, 0.04, 0.012)
    box = (torch.rand(count, uniform, 3, device=device, generator=generator) * 2 - 1) * 1.02
    return torch.cat([close, box], 1).clamp(-1.04, 1.04)


def labels(
    fields: torch.Tensor,
    shapes: torch.Tensor,
    maps: torch.Tensor,
    points: torch.Tensor,
    softness: float,
) -> torch.Tensor:
    """Soft occupancy `[B, Q]` of the augmented shapes at points `[B, Q, 3]` in augmented space."""
    back = torch.einsum("bqi,bji->bqj", points, torch.linalg.inv(maps))
    outside = (back.abs() > 1.045).any(-1)  # [B, Q]
    distance = look_up(fields, shapes, back)
    soft = torch.sigmoid(-distance / softness)
    limit = (BAND - WALL) * 0.99
    soft = torch.where(distance > limit, 0.0, torch.where(distance < -limit, 1.0, soft))
    return torch.where(outside, 0.0, soft)
