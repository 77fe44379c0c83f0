# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns views of a mesh, painted and projected, into its texture; and what their steps share."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..config import JobConfig
from ..data import FloatArray, Mesh, PaintedViews, Texture, Views
from ..paint.exposure import LightGuesser
from ..paint.sample import PaintNetworks
from ..paint.upscale import upscale_colours
from ..progress import Progress
from ..render.camera import align_corners, fit_mesh_for_painting
from ..texture.bake import bake_texture
from ..texture.show import show_texture
from .families import load_light_guess
from .projection import SMALLEST_PX, join_views
from .texture_result import texture_size_of
from .uv import Target

_DRAFT_SIZE_PX = 512
"""Texture that tells further views what is painted already."""
_BAKE_SCALE = 2
"""Painted pictures are enlarged so much before baking, which places outlines between pixels."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the steps of one job share.

    Attributes:
        mesh: In the painting frame, with UVs.
        target: What is on the mesh now, on the same UVs.
        networks: The painting model.
        config: The settings.
        device: Where to compute.
        progress: Of the job.
    """

    mesh: Mesh
    target: Target
    networks: PaintNetworks
    config: JobConfig
    device: torch.device
    progress: Progress

    @property
    def is_unlit(self) -> bool:
        """Whether the reference pictures have lost their light to a network."""
        return self.networks.light_remover is not None and self.config.paint.delight == "auto"

    def load_light_guesser(self) -> LightGuesser | None:
        """What helps to take the light off projected pictures; None where it is gone or to stay."""
        if self.is_unlit or self.config.paint.delight != "auto":
            return None
        return load_light_guess(self.device)

    @property
    def bake_px(self) -> int:
        """Edge of the pictures that are baked."""
        enlarged = self.networks.defaults.view_size * _BAKE_SCALE
        return (
            max(enlarged, SMALLEST_PX)
            if self.config.paint.project_reference == "auto"
            else enlarged
        )


def to_painting_frame(mesh: Mesh, config: JobConfig) -> Mesh:
    """The mesh with its chosen front at +Z, in the place and size that painting cameras expect."""
    angle = np.radians(config.paint.front_deg)
    sin, cos = float(np.sin(angle)), float(np.cos(angle))
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    turned = (mesh.vertices.astype(np.float64) @ turn.T).astype(np.float32)
    return fit_mesh_for_painting(replace(mesh, vertices=turned))[0]


def bake_draft(
    scene: Scene, painted: PaintedViews | None, projected: PaintedViews | None
) -> Texture:
    """A small texture of what there is so far."""
    size = min(_DRAFT_SIZE_PX, texture_size_of(scene.target, scene.config))
    with scene.progress.stage("bake"):
        return bake_views(scene, painted, projected, size)


def bake_views(
    scene: Scene, painted: PaintedViews | None, projected: PaintedViews | None, size: int
) -> Texture:
    """Bring what there is to one size, then bake it into a texture."""
    parts: list[PaintedViews] = []
    if painted is not None:
        view_size = scene.networks.defaults.view_size
        is_fine = projected is None and view_size > 2 * size
        parts.append(_enlarge(scene, painted, view_size if is_fine else scene.bake_px))
    if projected is not None:
        parts.append(projected)
    views = parts[0] if len(parts) == 1 else join_views(*parts)
    config = replace(scene.config.bake, texture_size=size)
    return bake_texture(scene.mesh, views, config, scene.progress, device=scene.device)


def _enlarge(scene: Scene, painted: PaintedViews, size: int) -> PaintedViews:
    """Painted views in another size, colours continued beyond the outlines."""
    defaults, mask = scene.networks.defaults, painted.mask
    if mask is None:
        mask = torch.ones(painted.colour.shape[:3], dtype=torch.bool, device=scene.device)
    cameras = painted.cameras
    if defaults.is_corner_aligned:
        rendered = defaults.view_size * defaults.supersample
        cameras = tuple(align_corners(camera, rendered) for camera in cameras)
    return PaintedViews(cameras, upscale_colours(painted.colour, mask, size), painted.weights)


def show_present(scene: Scene, views: Views) -> torch.Tensor:
    """The present texture as cameras see it, `[V, H, W, C]` in 0..1."""
    if scene.target.base_texture is None:
        raise ValueError("there is no present texture")
    texture = torch.from_numpy(scene.target.base_texture.astype(np.float32) / 255)
    return show_texture(views, uv_of(scene.mesh), texture)


def uv_of(mesh: Mesh) -> FloatArray:
    """The mesh's UVs, which `give_uv` has seen to."""
    if mesh.uv is None:
        raise ValueError("the mesh has no UVs")
    return mesh.uv
