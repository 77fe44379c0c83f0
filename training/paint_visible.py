# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns shapes and their reference cameras into what of each painting view the references show.

The product carries its pictures over to the mesh before it paints, so the network learns to
continue what is known. References are taken for parallel views of the same directions, which
see nearly the same.
"""

import torch
from torch import Tensor
from torch.nn import functional

from backend.render.camera import camera_axes
from backend.render.rasterize import interpolate, rasterize
from training.paint_views import DEPTH_OFFSET, WIDTH, PaintProps, fit_corners
from training.pictures import triangles_of

_LEAST_COSINE = 0.2
"""Of the angle between a surface and the direction from which a reference still shows it."""
_BIAS = 0.012
"""A surface this much behind what a reference sees is still what it sees; painting frame."""


@torch.no_grad()
def find_seen(
    source: PaintProps,
    shapes: Tensor,
    maps: Tensor,
    angles: Tensor,
    reference: Tensor,
    size: int,
    factor: int,
) -> tuple[Tensor, Tensor]:
    """Find the latents of the painting views that each reference shows entirely.

    Args:
        source: The shapes.
        shapes: `[B]`.
        maps: `[B, 3, 3]` augmenting maps.
        angles: `[B, W, 2]` degrees, azimuth and elevation of the painting views.
        reference: `[B, R, 2]` degrees, of the reference pictures.
        size: Pixels per side.
        factor: Pixels per latent and axis.

    Returns:
        `[B, W, R, h, w]` bool, every pixel of the latent's is seen or background; and
        `[B, W, h, w]` bool, the object touches the latent's pixels.
    """
    count, views, pictures = len(shapes), angles.shape[1], reference.shape[1]
    triangle, owner = triangles_of(source.props, shapes)
    corner = torch.einsum("kpi,kji->kpj", source.props.corners[triangle], maps[owner])  # [K, 3, 3]
    corner = fit_corners(corner, owner, count)
    radians = torch.deg2rad(torch.cat([angles, reference], 1))  # [B, A, 2]
    total = views + pictures
    axes = camera_axes(radians[..., 0].flatten(), radians[..., 1].flatten())  # [B*A, 3, 3]
    view = owner[:, None] * total + torch.arange(total, device=owner.device)  # [K, A]
    local = torch.einsum("kpi,kwji->kwpj", corner, axes[view])  # [K, A, 3, 3]
    screen = _to_screen(local, size).flatten(0, 1)  # [K*A, 3, 3]
    fragments = rasterize(screen, view.flatten(), count * total, size, size)
    face = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    face = functional.normalize(face, dim=1)[:, None].expand(-1, 3, -1)
    values = torch.cat([corner, face], 2)[:, None].expand(-1, total, -1, -1).flatten(0, 1)
    image = interpolate(values, fragments).unflatten(0, (count, total))  # [B, A, size, size, 6]
    depth = fragments.inverse_depth.unflatten(0, (count, total))
    covered = depth[:, :views] > 0
    seen = [
        _is_seen(image[:, :views], axes.unflatten(0, (count, total))[:, row], depth[:, row], size)
        for row in range(views, total)
    ]
    whole = torch.stack(seen, 2) | ~covered[:, :, None]  # [B, W, R, size, size]
    missing = functional.max_pool2d((~whole).float().flatten(0, 2)[:, None], factor)[:, 0]
    touched = functional.max_pool2d(covered.float().flatten(0, 1)[:, None], factor)[:, 0]
    return (
        (missing == 0).unflatten(0, (count, views, pictures)),
        (touched > 0).unflatten(0, (count, views)),
    )


def _to_screen(local: Tensor, size: int) -> Tensor:
    """Points in the axes of a parallel camera `[..., 3]` -> pixels and inverse depth."""
    flip = torch.tensor([1.0, -1.0], device=local.device)
    pixels = (local[..., :2] * flip / WIDTH + 0.5) * size
    return torch.cat([pixels, local[..., 2:] + DEPTH_OFFSET], -1)


def _is_seen(image: Tensor, axes: Tensor, depth: Tensor, size: int) -> Tensor:
    """Whether pixels show what a camera sees.

    Args:
        image: `[B, W, H, H, 6]`, point and face normal of each pixel.
        axes: `[B, 3, 3]` of the camera.
        depth: `[B, H, H]` its inverse depths.
        size: Pixels per side.

    Returns:
        `[B, W, H, H]` bool.
    """
    screen = _to_screen(torch.einsum("bwijc,bdc->bwijd", image[..., :3], axes), size)
    # Each corner of a triangle may be wound either way; thin parts are seen from both sides.
    slope = torch.einsum("bwijc,bc->bwij", image[..., 3:], axes[:, 2]).abs()
    place = (screen[..., :2] / size * 2 - 1).flatten(1, 2)  # [B, W*H, H, 2]
    nearest = functional.grid_sample(depth[:, None], place, mode="nearest", align_corners=False)
    nearest = nearest[:, 0].unflatten(1, image.shape[1:3])
    return (screen[..., 2] > nearest - _BIAS / slope.clamp(min=0.3)) & (slope > _LEAST_COSINE)
