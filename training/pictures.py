# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns augmented shapes into training pictures: any camera, light, colours and small movements."""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from backend.render.camera import camera_axes, project_perspective
from backend.render.rasterize import interpolate, rasterize
from training.datasets import Props
from training.variations import from_luma_chroma, to_luma_chroma, turn_chroma


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
    triangle, view = triangles_of(props, shapes)
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


def triangles_of(props: Props, shapes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
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


def grade(image: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Change hue, saturation, contrast and brightness of whole pictures `[B, H, W, 4]`.

    Args:
        image: Colours in [0, 1] and coverage, which stays.
        strength: 0 changes nothing; at 1 any hue in half of the pictures, saturation and contrast
            up to a factor of 1.6.
        generator: Random source.
    """
    rand = torch.rand(len(image), 5, device=image.device, generator=generator)
    even = (rand * 2 - 1)[:, :, None, None]  # [B, 5, 1, 1]
    luma, chroma = to_luma_chroma(image[..., :3])
    is_turned = (rand[:, 4] < 0.5)[:, None, None]
    angle = torch.where(is_turned, math.pi, 0.15) * even[:, 0] * strength
    chroma = turn_chroma(chroma, angle) * torch.exp(0.47 * strength * even[:, 1])[..., None]
    contrast = torch.exp(0.47 * strength * even[:, 2])
    luma = (luma - 0.5) * contrast + 0.5 + 0.1 * strength * even[:, 3]
    colour = from_luma_chroma(luma, chroma * contrast[..., None]).clamp(0, 1)
    return torch.cat([colour, image[..., 3:]], -1)


def cut_badly(image: torch.Tensor, chance: float, generator: torch.Generator) -> torch.Tensor:
    """Give pictures the outline of a bad cut-out: some lose a rim, some keep one of background.

    Args:
        image: `[B, 4, H, W]` premultiplied.
        chance: Chance of a change; half lose, half keep.
        generator: Random source.

    Returns:
        `[B, 4, H, W]` premultiplied.
    """
    count, device = len(image), image.device
    rand = torch.rand(count, 5, 1, 1, device=device, generator=generator)
    alpha = image[:, 3:]
    wide = functional.max_pool2d(alpha, 3, 1, 1)
    narrow = -functional.max_pool2d(-alpha, 3, 1, 1)
    kept = torch.cat([image[:, :3] + rand[:, 1:4] * (wide - alpha), wide], 1)
    lost = image * (narrow / alpha.clamp(min=1e-6))
    changed = torch.where(rand[:, :1] < chance / 2, kept, lost)
    return torch.where(rand[:, :1] < chance, changed, image)


def erase(image: torch.Tensor, chance: float, generator: torch.Generator) -> torch.Tensor:
    """Cut a rectangle out of some pictures, or paint it over in one colour.

    Args:
        image: `[B, 4, H, W]` premultiplied.
        chance: Chance of a rectangle.
        generator: Random source.

    Returns:
        `[B, 4, H, W]` premultiplied.

    Source: Zhong et al. 2017, "Random Erasing Data Augmentation".
    """
    count, _, height, width = image.shape
    rand = torch.rand(count, 9, 1, 1, device=image.device, generator=generator)
    y = torch.arange(height, device=image.device)[:, None] / height  # [H, 1]
    x = torch.arange(width, device=image.device) / width  # [W]
    near_y = (y - rand[:, 0]).abs() < 0.05 + 0.12 * rand[:, 1]  # [B, H, 1]
    near_x = (x - rand[:, 2]).abs() < 0.05 + 0.12 * rand[:, 3]  # [B, 1, W]
    hit = (near_y & near_x & (rand[:, 4] < chance))[:, None]  # [B, 1, H, W]
    colour = torch.where(rand[:, 5:6] < 0.5, 0.0, rand[:, 6:9])  # [B, 3, 1, 1]
    alpha = image[:, 3:] * (rand[:, 5:6] >= 0.5)
    return torch.where(hit, torch.cat([colour * alpha, alpha], 1), image)


def blur(image: torch.Tensor, chance: float, generator: torch.Generator) -> torch.Tensor:
    """Soften some pictures `[B, 4, H, W]` by a Gaussian of up to 1.2 pixels."""
    rand = torch.rand(len(image), 2, device=image.device, generator=generator)
    sigma = torch.where(rand[:, 0] < chance, 0.3 + 0.9 * rand[:, 1], 0.05)[:, None]
    offset = torch.arange(-3.0, 4.0, device=image.device)
    kernel = torch.exp(-(offset**2) / (2 * sigma**2))  # [B, 7]
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(image.shape[1], 0)
    flat = image.flatten(0, 1)[None]  # [1, B * 4, H, W]
    groups = flat.shape[1]
    flat = functional.conv2d(flat, kernel[:, None, :, None], padding=(3, 0), groups=groups)
    flat = functional.conv2d(flat, kernel[:, None, None, :], padding=(0, 3), groups=groups)
    return flat[0].view_as(image)
