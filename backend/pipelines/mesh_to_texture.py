# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh and reference pictures into the mesh's texture: the list of the stages."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import JobConfig
from ..data import Camera, FloatArray, Mesh, PaintedViews, PreparedImage, Texture, Views
from ..image.prepare import prepare_image
from ..paint.delight import remove_light
from ..paint.sample import PaintNetworks, paint_views
from ..paint.upscale import upscale_colours
from ..progress import Progress
from ..render.camera import (
    STANDARD_VIEWS_DEG,
    align_corners,
    fit_mesh_for_painting,
    painting_camera,
)
from ..render.coverage import CoverageConfig, candidate_cameras, choose_views
from ..render.views import ConditioningConfig, RenderConfig, render_conditioning, render_views
from ..texture.bake import bake_texture
from ..texture.keep import PaintArea, find_paint_area, keep_outside
from ..texture.picture import to_bytes
from ..texture.show import show_texture
from .mirror import add_mirrored
from .projection import (
    SMALLEST_PX,
    Projection,
    align_pictures,
    join_views,
    project_pictures,
)
from .uv import Target, give_uv

STANDARD_WEIGHTS = (1.0, 0.1, 0.5, 0.1, 0.05, 0.05)
_FURTHER_WEIGHT = 0.02
"""Further views repeat what others have painted; only what is new in them should be read."""
_REFERENCE_WEIGHT = 0.9
"""Least trust of a side that has a picture of its own."""
_NUM_CONTEXT_VIEWS = 3
_DRAFT_SIZE_PX = 512
"""Texture that tells further views what is painted already."""
PICTURE_SIZE_PX = 1024
"""Edge of the pictures that are projected onto the mesh."""
_BAKE_SCALE = 2
"""Painted pictures are enlarged so much before baking, which places outlines between pixels."""


@dataclass(frozen=True, slots=True)
class TextureResult:
    """What the pipeline made.

    Attributes:
        mesh: The given mesh, vertices and faces unchanged, with the UV map of the texture.
        picture: `[H, W, 3]` or `[H, W, 4]` uint8, sRGB, row 0 at v = 1.
        is_new_uv: Whether the UV map was made here.
        coverage: See `protocol.Result`.
        warnings: Sentences for the user.
    """

    mesh: Mesh
    picture: NDArray[np.uint8]
    is_new_uv: bool
    coverage: dict[str, float] = field(default_factory=dict[str, float])
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Scene:
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

    @property
    def bake_px(self) -> int:
        """Edge of the pictures that are baked."""
        enlarged = self.networks.defaults.view_size * _BAKE_SCALE
        return (
            max(enlarged, SMALLEST_PX)
            if self.config.paint.project_reference == "auto"
            else enlarged
        )


def texture_mesh(
    target: Target,
    images: Sequence[FloatArray],
    view_labels: Sequence[int],
    config: JobConfig,
    networks: PaintNetworks,
    progress: Progress,
    device: torch.device,
) -> TextureResult:
    """Paint a mesh as the pictures show it.

    Args:
        target: The mesh, and what of it is painted over what.
        images: One `[H, W, 4]` float32 picture in [0, 1] per view, sRGB with straight alpha.
        view_labels: One per view: 0 front, 1 left, 2 back, 3 right.
        config: The settings.
        networks: Of the painting model that `config.paint.paint_model` names.
        progress: Times the stages, takes reports, asks for a cancel.
        device: Where to compute.

    Raises:
        InputError: A picture shows nothing, the mesh has no surface, or its UVs cannot be kept.
        CancelledError: The user cancelled the job.
    """
    with progress.stage("unwrap"):
        mapped = give_uv(target, config, progress, device)
    target = mapped.target
    scene = _Scene(
        to_painting_frame(target.mesh, config), target, networks, config, device, progress
    )
    references = _prepare_references(scene, images, view_labels)
    projection = _find_cameras(scene, references, images, view_labels)
    projected = _project(scene, projection)
    painted = _paint_standard_views(scene, references, view_labels, projected)
    if further := _choose_further_views(scene, painted, projection):
        draft = _bake_draft(scene, painted, projected)
        painted = _paint_further_views(scene, references, painted, draft, further)
    with progress.stage("bake"):
        texture = _bake(scene, painted, projected, texture_size_of(target, config))
    num_views = len(painted.cameras) + len(projection.cameras)
    picture, coverage = finish_picture(scene.mesh, target, texture, num_views, device)
    warnings = (*mapped.warnings, *references.warnings, *projection.warnings)
    return TextureResult(target.mesh, picture, mapped.is_new_uv, coverage, warnings)


def texture_size_of(target: Target, config: JobConfig) -> int:
    """Edge of the baked texture: that of a texture that is partly kept, or the user's choice."""
    if target.is_masked and target.base_texture is not None:
        return max(target.base_texture.shape[:2])
    return config.bake.texture_size


def measure_coverage(texture: Texture, area: PaintArea | None, num_views: int) -> dict[str, float]:
    """Shares of the texels that were to be painted, see `protocol.Result`."""
    inside = texture.coverage if area is None else area.is_free.cpu().numpy()
    seen = float((texture.seen & inside).sum() / max(inside.sum(), 1))
    return {"seen": round(seen, 5), "filled": round(1 - seen, 5), "views": float(num_views)}


def to_painting_frame(mesh: Mesh, config: JobConfig) -> Mesh:
    """The mesh with its chosen front at +Z, in the place and size that painting cameras expect."""
    angle = np.radians(config.paint.front_deg)
    sin, cos = float(np.sin(angle)), float(np.cos(angle))
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    turned = (mesh.vertices.astype(np.float64) @ turn.T).astype(np.float32)
    return fit_mesh_for_painting(replace(mesh, vertices=turned))[0]


def _prepare_references(
    scene: _Scene, images: Sequence[FloatArray], view_labels: Sequence[int]
) -> PreparedImage:
    """The pictures as the painting model reads them."""
    networks, config, progress = scene.networks, scene.config, scene.progress
    with progress.stage("prepare"):
        size = networks.defaults.reference_size
        references = prepare_image(images, size, config.image, progress, tuple(view_labels))
    if networks.light_remover is not None and scene.is_unlit:
        with progress.stage("delight"):
            references = remove_light(
                references, networks.light_remover, config.sample.seed, progress
            )
    if scene.target.base_texture is not None and not scene.target.is_masked:
        with progress.stage("render"):
            references = _add_present_texture(scene, references)
    return references


def _add_present_texture(scene: _Scene, references: PreparedImage) -> PreparedImage:
    """Append the mesh with its present texture, seen from the front."""
    size = references.pixels.shape[1]
    camera = painting_camera(*STANDARD_VIEWS_DEG[0])
    views = render_views(scene.mesh, [camera], RenderConfig(size), scene.progress, scene.device)
    shown = _show(scene, views)[..., :3]
    pixels = torch.cat([torch.where(views.mask[..., None], shown, 1.0), views.mask[..., None]], -1)
    stacked = np.concatenate([references.pixels, pixels.cpu().numpy().astype(np.float32)])
    return replace(references, pixels=stacked, view_labels=(*references.view_labels, 0))


def _find_cameras(
    scene: _Scene,
    references: PreparedImage,
    images: Sequence[FloatArray],
    view_labels: Sequence[int],
) -> Projection:
    """Where the pictures that can be projected were taken from."""
    config, progress = scene.config, scene.progress
    if config.paint.project_reference == "never":
        return Projection()
    with progress.stage("align"):
        if scene.is_unlit:
            count = len(images)  # beyond these is the mesh's present texture
            pictures = PreparedImage(references.pixels[:count], references.view_labels[:count])
        else:
            pictures = prepare_image(
                images, PICTURE_SIZE_PX, config.image, progress, tuple(view_labels)
            )
        return align_pictures(scene.mesh, pictures, progress, scene.device)


def _project(scene: _Scene, projection: Projection) -> PaintedViews | None:
    """The pictures as views, and what they tell of the other side of a symmetric mesh."""
    if not projection.cameras:
        return None
    with scene.progress.stage("align"):
        projected = project_pictures(
            scene.mesh,
            projection,
            scene.bake_px,
            scene.progress,
            scene.device,
            is_lit=not scene.is_unlit,
        )
        return add_mirrored(scene.mesh, projected, scene.progress, scene.device)


def _paint_standard_views(
    scene: _Scene,
    references: PreparedImage,
    view_labels: Sequence[int],
    projected: PaintedViews | None,
) -> PaintedViews:
    """The six standard views, painted together around what the pictures show."""
    cameras = [painting_camera(*angles) for angles in STANDARD_VIEWS_DEG]
    weights = tuple(
        max(weight, _REFERENCE_WEIGHT) if index in view_labels else weight
        for index, weight in enumerate(STANDARD_WEIGHTS)
    )
    known = None
    if projected is not None:
        draft = _bake_draft(scene, None, projected)
        with scene.progress.stage("render"):
            known = _find_present(scene, cameras, weights, draft)
    elif scene.target.is_masked and scene.target.base_texture is not None:
        with scene.progress.stage("render"):
            known = _find_kept(scene, cameras, weights)
    return _paint(scene, references, cameras, weights, known)


def _paint(
    scene: _Scene,
    references: PreparedImage,
    cameras: Sequence[Camera],
    weights: tuple[float, ...],
    known: PaintedViews | None,
) -> PaintedViews:
    """Render what the network is told of the shape, then paint."""
    defaults = scene.networks.defaults
    conditioning = ConditioningConfig(
        defaults.view_size, defaults.supersample, defaults.is_corner_aligned
    )
    with scene.progress.stage("render"):
        maps = render_conditioning(scene.mesh, cameras, conditioning, scene.progress, scene.device)
    with scene.progress.stage("paint"):
        return paint_views(
            references,
            maps,
            cameras,
            scene.networks,
            scene.config.paint,
            scene.progress,
            weights,
            scene.config.sample.seed,
            known,
        )


def _choose_further_views(
    scene: _Scene, painted: PaintedViews, projection: Projection
) -> tuple[Camera, ...]:
    """Views of what neither the painted ones nor the pictures see."""
    if not scene.config.paint.further_views:
        return ()
    coverage = CoverageConfig(max_views=scene.config.paint.further_views)
    with scene.progress.stage("render"):
        choice = choose_views(
            scene.mesh,
            (*painted.cameras, *projection.views_from),
            candidate_cameras(),
            coverage,
            scene.progress,
            scene.device,
        )
    return choice.cameras


def _paint_further_views(
    scene: _Scene,
    references: PreparedImage,
    painted: PaintedViews,
    draft: Texture,
    further: tuple[Camera, ...],
) -> PaintedViews:
    """Paint further views beside the nearest painted ones, and join them with all of these."""
    context = _nearest_views(painted.cameras, further)
    cameras = [*(painted.cameras[index] for index in context), *further]
    weights = tuple(_FURTHER_WEIGHT for _ in further)
    with scene.progress.stage("render"):
        present = _find_present(scene, further, weights, draft)
    chosen = torch.tensor(context, device=painted.colour.device)
    colour = torch.cat([painted.colour[chosen], present.colour])
    whole = torch.ones(colour.shape[:3], dtype=torch.bool, device=colour.device)
    if present.mask is not None:
        whole[len(context) :] = present.mask
    known = PaintedViews(tuple(cameras), colour, (1.0,) * len(cameras), whole)
    new = _paint(scene, references, cameras, known.weights, known)
    masks = [part.mask for part in (painted, new) if part.mask is not None]
    return PaintedViews(
        (*painted.cameras, *further),
        torch.cat([painted.colour, new.colour[len(context) :]]),
        (*painted.weights, *weights),
        torch.cat([masks[0], masks[1][len(context) :]]),
    )


def _nearest_views(painted: Sequence[Camera], further: Sequence[Camera]) -> list[int]:
    """Which painted views look most in the directions of the further ones."""
    axes = np.stack([camera.world_to_camera[2, :3] for camera in painted])  # [V, 3]
    wanted = np.stack([camera.world_to_camera[2, :3] for camera in further])  # [E, 3]
    closeness = (axes @ wanted.T).max(axis=1)  # [V]
    return sorted(np.argsort(-closeness, kind="stable")[:_NUM_CONTEXT_VIEWS].tolist())


def _find_kept(
    scene: _Scene, cameras: Sequence[Camera], weights: tuple[float, ...]
) -> PaintedViews:
    """The present texture where it is kept, as the cameras see it."""
    size = scene.networks.defaults.view_size
    views = render_views(scene.mesh, cameras, RenderConfig(size), scene.progress, scene.device)
    is_free = views.mask
    if scene.target.face_mask is not None:
        allowed = torch.from_numpy(scene.target.face_mask).to(scene.device)
        is_free = is_free & allowed[views.triangle.clamp(min=0)]
    if scene.target.texel_mask is not None:
        mask = torch.from_numpy(scene.target.texel_mask).float()[..., None]
        is_free = is_free & (show_texture(views, _uv_of(scene.mesh), mask)[..., 0] > 0.5)
    colour = _show(scene, views)[..., :3]
    return PaintedViews(tuple(cameras), colour, weights, views.mask & ~is_free)


def _find_present(
    scene: _Scene, cameras: Sequence[Camera], weights: tuple[float, ...], draft: Texture
) -> PaintedViews:
    """What is painted already, as the cameras see it; texels that no view saw are free."""
    size = scene.networks.defaults.view_size
    views = render_views(scene.mesh, cameras, RenderConfig(size), scene.progress, scene.device)
    seen = torch.from_numpy(draft.seen.astype(np.float32))[..., None]
    stacked = torch.cat([torch.from_numpy(draft.base_colour), seen], dim=-1)  # [T, T, 4]
    shown = show_texture(views, _uv_of(scene.mesh), stacked)
    mask = views.mask & (shown[..., 3] > 0.5)
    colour = shown[..., :3]
    if scene.target.is_masked and scene.target.base_texture is not None:
        kept = _find_kept(scene, cameras, weights)
        if kept.mask is not None:
            colour = torch.where(kept.mask[..., None], kept.colour, colour)
            mask = mask | kept.mask
    return PaintedViews(tuple(cameras), colour, weights, mask)


def _bake_draft(
    scene: _Scene, painted: PaintedViews | None, projected: PaintedViews | None
) -> Texture:
    """A small texture of what there is so far."""
    size = min(_DRAFT_SIZE_PX, texture_size_of(scene.target, scene.config))
    with scene.progress.stage("bake"):
        return _bake(scene, painted, projected, size)


def _bake(
    scene: _Scene, painted: PaintedViews | None, projected: PaintedViews | None, size: int
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


def _enlarge(scene: _Scene, painted: PaintedViews, size: int) -> PaintedViews:
    """Painted views in another size, colours continued beyond the outlines."""
    defaults, mask = scene.networks.defaults, painted.mask
    if mask is None:
        mask = torch.ones(painted.colour.shape[:3], dtype=torch.bool, device=scene.device)
    cameras = painted.cameras
    if defaults.is_corner_aligned:
        rendered = defaults.view_size * defaults.supersample
        cameras = tuple(align_corners(camera, rendered) for camera in cameras)
    return PaintedViews(cameras, upscale_colours(painted.colour, mask, size), painted.weights)


def finish_picture(
    mesh: Mesh, target: Target, texture: Texture, num_views: int, device: torch.device
) -> tuple[NDArray[np.uint8], dict[str, float]]:
    """The picture, with what is kept put back, and how much of it was painted.

    Args:
        mesh: That of the target, in the painting frame.
        target: What lies on the mesh, and what of it is painted.
        texture: The baked one.
        num_views: How many views were baked.
        device: Where to compute.

    Returns:
        `[T, T, 3]` or `[T, T, 4]` uint8, and the figures of `measure_coverage`.
    """
    picture = to_bytes(texture.base_colour)
    if not target.is_masked:
        return picture, measure_coverage(texture, None, num_views)
    area = find_paint_area(mesh, len(picture), target.face_mask, target.texel_mask, device)
    if target.base_texture is not None:
        picture = keep_outside(picture, target.base_texture, area)
    return picture, measure_coverage(texture, area, num_views)


def _show(scene: _Scene, views: Views) -> torch.Tensor:
    """The present texture as cameras see it, `[V, H, W, C]` in 0..1."""
    if scene.target.base_texture is None:
        raise ValueError("there is no present texture")
    texture = torch.from_numpy(scene.target.base_texture.astype(np.float32) / 255)
    return show_texture(views, _uv_of(scene.mesh), texture)


def _uv_of(mesh: Mesh) -> FloatArray:
    """The mesh's UVs, which `give_uv` has seen to."""
    if mesh.uv is None:
        raise ValueError("the mesh has no UVs")
    return mesh.uv
