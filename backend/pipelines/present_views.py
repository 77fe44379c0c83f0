# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what is on a mesh already into views of it: what is kept, and what is painted so far."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..data import Camera, PaintedViews, PreparedImage, Texture
from ..render.camera import STANDARD_VIEWS_DEG, painting_camera
from ..render.views import RenderConfig, render_views
from ..texture.show import show_texture
from .painting_scene import Scene, show_present, uv_of


def add_present_texture(scene: Scene, references: PreparedImage) -> PreparedImage:
    """Append the mesh with its present texture, seen from the front."""
    size = references.pixels.shape[1]
    camera = painting_camera(*STANDARD_VIEWS_DEG[0])
    views = render_views(scene.mesh, [camera], RenderConfig(size), scene.progress, scene.device)
    shown = show_present(scene, views)[..., :3]
    pixels = torch.cat([torch.where(views.mask[..., None], shown, 1.0), views.mask[..., None]], -1)
    stacked = np.concatenate([references.pixels, pixels.cpu().numpy().astype(np.float32)])
    return replace(references, pixels=stacked, view_labels=(*references.view_labels, 0))


def find_kept(scene: Scene, cameras: Sequence[Camera], weights: tuple[float, ...]) -> PaintedViews:
    """The present texture where it is kept, as the cameras see it."""
    size = scene.networks.defaults.view_size
    views = render_views(scene.mesh, cameras, RenderConfig(size), scene.progress, scene.device)
    is_free = views.mask
    if scene.target.face_mask is not None:
        allowed = torch.from_numpy(scene.target.face_mask).to(scene.device)
        is_free = is_free & allowed[views.triangle.clamp(min=0)]
    if scene.target.texel_mask is not None:
        mask = torch.from_numpy(scene.target.texel_mask).float()[..., None]
        is_free = is_free & (show_texture(views, uv_of(scene.mesh), mask)[..., 0] > 0.5)
    colour = show_present(scene, views)[..., :3]
    return PaintedViews(tuple(cameras), colour, weights, views.mask & ~is_free)


def find_present(
    scene: Scene, cameras: Sequence[Camera], weights: tuple[float, ...], draft: Texture
) -> PaintedViews:
    """What is painted already, as the cameras see it; texels that no view saw are free."""
    size = scene.networks.defaults.view_size
    views = render_views(scene.mesh, cameras, RenderConfig(size), scene.progress, scene.device)
    seen = torch.from_numpy(draft.seen.astype(np.float32))[..., None]
    stacked = torch.cat([torch.from_numpy(draft.base_colour), seen], dim=-1)  # [T, T, 4]
    shown = show_texture(views, uv_of(scene.mesh), stacked)
    mask = views.mask & (shown[..., 3] > 0.5)
    colour = shown[..., :3]
    if scene.target.is_masked and scene.target.base_texture is not None:
        kept = find_kept(scene, cameras, weights)
        if kept.mask is not None:
            colour = torch.where(kept.mask[..., None], kept.colour, colour)
            mask = mask | kept.mask
    return PaintedViews(tuple(cameras), colour, weights, mask)
