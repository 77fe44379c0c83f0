# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns augmented shapes into training pictures: any camera, light, colours and small movements."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from backend.render.camera import camera_axes, project_perspective
from backend.render.rasterize import interpolate, rasterize
from training.datasets import Props


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
    """Cameras within azimuth +-60, elevation -10..40 and field of view 8..55 degrees."""
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
    triangle, view = _triangles_of(props, shapes)
    corner = torch.einsum("kpi,kji->kpj", props.corners[triangle], maps[view])  # [K, 3, 3]
    axes = camera_axes(cameras.azimuth, cameras.elevation)  # [V, 3, 3]
    screen = project_perspective(corner, axes[view], cameras.fov[view])  # [K, 3, 3]
    screen = _frame(screen, view, len(shapes), fine, border_ratio)
    fragments = rasterize(screen, view, len(shapes), fine, fine)
    normal = _facing_normals(corner, axes[view, 2])[:, None].expand(-1, 3, -1)  # [K, 3, 3]
    values = torch.cat([props.colors[triangle], normal], 2)  # [K, 3, 6]
    color = interpolate(values, fragments, screen[:, :, 2])  # [V, fine, fine, 6]
    alpha = (fragments.triangle >= 0).float()[..., None]
    image = torch.cat([color * alpha, alpha], -1).permute(0, 3, 1, 2)  # [V, 7, fine, fine]
    image = functional.avg_pool2d(image, supersample).permute(0, 2, 3, 1)  # [V, size, size, 7]
    straight = image[..., :6] / image[..., 6:].clamp(min=1e-6)
    base = torch.cat([straight[..., :3], image[..., 6:]], -1)
    return (base * 255).round().to(torch.uint8), (straight[..., 3:] * 127).round().to(torch.int8)


def _triangles_of(props: Props, shapes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The triangles of these shapes, one view each: index `[K]` and view `[K]`."""
    count = props.first[shapes + 1] - props.first[shapes]  # [V]
    view = torch.repeat_interleave(torch.arange(len(shapes), device=shapes.device), count)  # [K]
    start = torch.cumsum(count, 0) - count
    local = torch.arange(len(view), device=view.device) - start[view]
    return props.first[shapes][view] + local, view


def _facing_normals(corner: torch.Tensor, backward: torch.Tensor) -> torch.Tensor:
    """Unit normals `[K, 3]` of triangles, turned towards the camera."""
    normal = functional.normalize(
        torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), dim=1
    )
    is_away = (normal * backward).sum(1, keepdim=True) < 0
    return torch.where(is_away, -normal, normal)


def _frame(
    screen: torch.Tensor, view: torch.Tensor, num_views: int, size: int, border_ratio: float
) -> torch.Tensor:
    """Centre each view's object and scale it to leave the border -> pixels, rows downwards."""
    xy = screen[..., :2]  # [K, 3, 2]
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
    """Light materials with a key light, sky and ambient light of random strength and colour.

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
    level = torch.cos(height)
    key = [level * torch.sin(angle), torch.sin(height), level * torch.cos(angle)]
    n = normal.float() / 127
    color = base[..., :3].float() / 255
    tint = 0.85 + 0.3 * torch.rand(count, 1, 1, 3, device=device, generator=generator)
    linear = (color * (0.7 + 0.6 * rand[:, 2])).clamp(0, 1) ** 2.2 * tint
    lit = (n * torch.stack(key, -1)).sum(-1, keepdim=True).clamp(min=0) * (0.3 + 0.9 * rand[:, 3])
    sky = (0.5 + 0.5 * n[..., 1:2]) * (0.1 + 0.5 * rand[:, 4])
    ambient = 0.1 + 0.4 * rand[:, 5]
    is_unlit = (rand[:, 6] < 0.1).float()
    light = (lit + sky + ambient) * (1 - is_unlit) + is_unlit  # [B, H, W, 1]
    shaded = (linear * light).clamp(0, 1) ** (1 / 2.2)
    return torch.cat([shaded, base[..., 3:].float() / 255], -1)


def swap_channels(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Exchange red, green and blue at random in two of five pictures `[B, H, W, 4]`."""
    count, device = len(image), image.device
    order = torch.rand(count, 3, device=device, generator=generator).argsort(1)
    is_swapped = torch.rand(count, 1, device=device, generator=generator) < 0.4
    order = torch.where(is_swapped, order, torch.arange(3, device=device))  # [B, 3]
    index = order[:, None, None].expand(-1, *image.shape[1:3], -1)  # [B, H, W, 3]
    return torch.cat([torch.gather(image[..., :3], 3, index), image[..., 3:]], -1)


def jitter(image: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn, zoom and move pictures `[B, H, W, 4]` a little -> premultiplied `[B, 4, H, W]`."""
    colour, alpha = image[..., :3], image[..., 3:]
    flat = torch.cat([colour * alpha, alpha], -1).permute(0, 3, 1, 2)  # [B, 4, H, W]
    rand = torch.rand(len(image), 5, device=image.device, generator=generator) * 2 - 1
    angle, zoom = rand[:, 0] * 0.08, 1 + 0.06 * rand[:, 1]
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    move = rand[:, 2:4] * 0.05
    theta = torch.stack([cos, -sin, move[:, 0], sin, cos, move[:, 1]], 1).view(-1, 2, 3)
    grid = functional.affine_grid(theta, list(flat.shape), align_corners=False)  # [B, H, W, 2]
    return functional.grid_sample(flat, grid, align_corners=False)
