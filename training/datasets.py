# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a props archive into what training draws from: surface points, signed distances, pictures.

Everything lives on one device and is made there anew for every step: points, augmentation, views.
"""

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from backend.render.camera import camera_axes, project_perspective
from backend.render.rasterize import interpolate, rasterize
from training.fields import BAND, BOX, WALL, signed_distance

SHARP_DEGREES = 30.0


def load_reader(folder: Path) -> ModuleType:
    """Import `props.py`, the archive's own reader, from the props folder."""
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
    """

    names: list[str]
    corners: torch.Tensor
    colors: torch.Tensor
    first: torch.Tensor
    extent: torch.Tensor
    edges: torch.Tensor
    first_edge: torch.Tensor

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
    """Read one split ("train" or "validation") onto the device; every `stride`-th shape, `limit` at most."""
    props = load_reader(folder).load(str(folder / f"props_{split}.npz.xz"))[::stride][:limit]
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
    )


def _sharp_edges(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Edges `[E, 9]` whose faces meet at more than SHARP_DEGREES, or that do not join exactly two faces."""
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, inverse = np.unique(ends, axis=0, return_inverse=True)
    owner = np.tile(normal, (3, 1))
    total = np.zeros((len(unique), 3))
    np.add.at(total, inverse.ravel(), owner)
    count = np.bincount(inverse.ravel(), minlength=len(unique))
    length = np.linalg.norm(total, axis=1)
    # Two unit normals at angle a add up to a vector of length 2 cos(a / 2).
    flat = (count == 2) & (length > 2 * math.cos(math.radians(SHARP_DEGREES) / 2))
    keep = ~flat
    mean = total[keep] / np.maximum(length[keep, None], 1e-6)
    edges = np.concatenate([vertices[unique[keep, 0]], vertices[unique[keep, 1]], mean], 1)
    if (
        len(edges) == 0
    ):  # nothing sharp: any edge stands in, so that the sampler has something to draw
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
    edge = props.corners[:, 1:] - props.corners[:, :1]
    normal = torch.linalg.cross(edge[:, 0], edge[:, 1])
    owner = _draw(normal.norm(dim=1).double(), props.first, shapes, count, generator)  # [B, count]
    u = torch.rand(*owner.shape, 2, device=owner.device, generator=generator)
    root, v = u[..., :1].sqrt(), u[..., 1:]
    a, b, c = props.corners[owner].unbind(2)
    points = (1 - root) * a + root * (1 - v) * b + root * v * c
    return points, F.normalize(normal[owner], dim=-1)


def sample_edges(
    props: Props, shapes: torch.Tensor, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw points uniformly by length on the sharp edges; shapes as for `sample_surfaces`."""
    length = (props.edges[:, 3:6] - props.edges[:, :3]).norm(dim=1).double()
    owner = _draw(length, props.first_edge, shapes, count, generator)
    u = torch.rand(*owner.shape, 1, device=owner.device, generator=generator)
    edge = props.edges[owner]
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
    wanted = low[:, None] + u * (high - low)[:, None]
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
    """Signed distances of all shapes as `[S, R+1, R+1, R+1]` int8; +-127 is +-(BAND - WALL) or beyond."""
    side = resolution + 1
    fields = torch.empty(
        props.num_shapes, side, side, side, dtype=torch.int8, device=props.corners.device
    )
    for shape in range(props.num_shapes):
        field = signed_distance(props.triangles(shape), resolution)
        fields[shape] = (field * (127 / (BAND - WALL))).round().to(torch.int8)
    return fields


def look_up(fields: torch.Tensor, shapes: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Signed distances `[B, Q]` of int8 fields at points `[B, Q, 3]`, trilinear, clipped to the band."""
    side = fields.shape[1]
    where = ((points / BOX + 1) / 2 * (side - 1)).clamp(0, side - 1.001)
    low = where.long()
    part = where - low
    flat = fields.view(-1)
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
    matrix = turn @ torch.diag_embed(scale * flip)
    extent = torch.einsum("bij,bj->bi", matrix.abs(), props.extent[shapes])
    return matrix / extent.amax(1)[:, None, None]


def map_surface(points: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Apply maps `[B, 3, 3]` to points with normals `[B, P, 6]`."""
    moved = torch.einsum("bpi,bji->bpj", points[..., :3], maps)
    normal = torch.einsum("bpi,bij->bpj", points[..., 3:], torch.linalg.inv(maps))
    return torch.cat([moved, F.normalize(normal, dim=-1)], -1)


@dataclass(frozen=True, slots=True)
class Cameras:
    """Angles of V cameras.

    Attributes:
        azimuth: `[V]` radians.
        elevation: `[V]` radians.
        fov: `[V]` radians.
    """

    azimuth: torch.Tensor
    elevation: torch.Tensor
    fov: torch.Tensor


def draw_cameras(count: int, device: torch.device, generator: torch.Generator) -> Cameras:
    """Any camera within azimuth +-60 and elevation -10..40 degrees, field of view 8 to 55 degrees."""
    rand = torch.rand(count, 3, device=device, generator=generator)
    low = torch.tensor([-60.0, -10.0, 8.0], device=device)
    high = torch.tensor([60.0, 40.0, 55.0], device=device)
    angle = torch.deg2rad(low + rand * (high - low))
    return Cameras(angle[:, 0], angle[:, 1], angle[:, 2])


def render_materials(
    props: Props,
    shapes: torch.Tensor,
    maps: torch.Tensor,
    cameras: Cameras,
    size: int,
    border_ratio: float,
    supersample: int = 2,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Render each shape from its camera, framed as image preparation frames it.

    Args:
        props: The shapes.
        shapes: `[V]`.
        maps: `[V, 3, 3]` augmenting maps.
        cameras: V cameras.
        size: Pixels per side.
        border_ratio: Empty share of the picture's side.
        supersample: Samples per pixel and axis.

    Returns:
        Base colour and coverage `[V, size, size, 4]` uint8 (colour straight, sRGB), and view-facing
        world normals `[V, size, size, 3]` int8 in 1/127.
    """
    fine = size * supersample
    count = props.first[shapes + 1] - props.first[shapes]
    view = torch.repeat_interleave(torch.arange(len(shapes), device=shapes.device), count)
    start = torch.cumsum(count, 0) - count
    local = torch.arange(len(view), device=view.device) - start[view]
    triangle = props.first[shapes][view] + local  # [K]
    corner = torch.einsum("kpi,kji->kpj", props.corners[triangle], maps[view])
    axes = camera_axes(cameras.azimuth, cameras.elevation)
    screen = project_perspective(corner, axes[view], cameras.fov[view])  # [K, 3, 3]
    screen = _frame(screen, view, len(shapes), fine, border_ratio)
    fragments = rasterize(screen, view, len(shapes), fine, fine)
    normal = F.normalize(
        torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), dim=1
    )
    away = (normal * axes[view, 2]).sum(1, keepdim=True) < 0
    normal = torch.where(away, -normal, normal)[:, None].expand(-1, 3, -1)
    color = interpolate(torch.cat([props.colors[triangle], normal], 2), fragments, screen[:, :, 2])
    alpha = (fragments.triangle >= 0).float()[..., None]
    image = torch.cat([color * alpha, alpha], -1).permute(0, 3, 1, 2)
    image = F.avg_pool2d(image, supersample).permute(0, 2, 3, 1)  # [V, size, size, 7]
    alpha = image[..., 6:]
    straight = image[..., :6] / alpha.clamp(min=1e-6)
    base = torch.cat([straight[..., :3], alpha], -1)
    return (base * 255).round().to(torch.uint8), (straight[..., 3:] * 127).round().to(torch.int8)


def _frame(
    screen: torch.Tensor, view: torch.Tensor, num_views: int, size: int, border_ratio: float
) -> torch.Tensor:
    """Move and scale each view so that its object's box is centred and leaves the border; rows grow downwards."""
    xy = screen[..., :2]
    index = view[:, None].expand(-1, 2)
    low = torch.full((num_views, 2), 1e9, device=xy.device)
    low = low.scatter_reduce(0, index, xy.amin(1), "amin")
    high = torch.full((num_views, 2), -1e9, device=xy.device)
    high = high.scatter_reduce(0, index, xy.amax(1), "amax")
    scale = size * (1 - border_ratio) / (high - low).amax(1).clamp(min=1e-6)  # [V]
    centred = (xy - ((low + high) / 2)[view][:, None]) * scale[view][:, None, None]
    flip = torch.tensor([1.0, -1.0], device=xy.device)
    return torch.cat([centred * flip + size / 2, screen[..., 2:]], -1)


def shade(
    base: torch.Tensor, normal: torch.Tensor, azimuth: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Light materials differently for every picture: key, fill and sky of random strength and colour.

    Args:
        base: `[B, H, W, 4]` uint8 from `render_materials`.
        normal: `[B, H, W, 3]` int8.
        azimuth: `[B]` camera azimuth in radians; the key light stays on the camera's side.
        generator: Random source.

    Returns:
        `[B, H, W, 4]` float32 in [0, 1], sRGB, straight alpha.
    """
    count, device = len(base), base.device
    rand = torch.rand(count, 12, device=device, generator=generator)[:, :, None, None, None]
    angle = azimuth[:, None, None] + (rand[:, 0, ..., 0] * 2 - 1) * 1.4  # [B, 1, 1]
    height = rand[:, 1, ..., 0] * 1.2 + 0.15
    key = torch.stack(
        [
            torch.cos(height) * torch.sin(angle),
            torch.sin(height),
            torch.cos(height) * torch.cos(angle),
        ],
        -1,
    )  # [B, 1, 1, 3]
    n = normal.float() / 127
    color = base[..., :3].float() / 255
    tint = 0.85 + 0.3 * torch.rand(count, 1, 1, 3, device=device, generator=generator)
    linear = (color * (0.7 + 0.6 * rand[:, 2])).clamp(0, 1) ** 2.2 * tint
    lit = (n * key).sum(-1, keepdim=True).clamp(min=0) * (0.3 + 0.9 * rand[:, 3])
    sky = (0.5 + 0.5 * n[..., 1:2]) * (0.1 + 0.5 * rand[:, 4])
    ambient = 0.1 + 0.4 * rand[:, 5]
    flat = (rand[:, 6] < 0.1).float()  # some pictures are unlit
    light = (lit + sky + ambient) * (1 - flat) + flat
    shaded = (linear * light).clamp(0, 1) ** (1 / 2.2)
    return torch.cat([shaded, base[..., 3:].float() / 255], -1)


def near_and_uniform(
    surface: torch.Tensor, near: int, uniform: int, generator: torch.Generator
) -> torch.Tensor:
    """Query points: around surface points (`[B, P, 6]`, P >= near) and all over the box -> `[B, near + uniform, 3]`."""
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
    outside = (back.abs() > 1.045).any(-1)
    distance = look_up(fields, shapes, back)
    soft = torch.sigmoid(-distance / softness)
    limit = (BAND - WALL) * 0.99
    soft = torch.where(distance > limit, 0.0, torch.where(distance < -limit, 1.0, soft))
    return torch.where(outside, 0.0, soft)
