# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh and reference pictures into the mesh's texture: the list of the stages."""

from collections.abc import Sequence

import numpy as np
import torch

from ..config import JobConfig
from ..data import Camera, FloatArray, PaintedViews, PreparedImage, Texture
from ..image.prepare import prepare_image
from ..paint.delight import remove_light
from ..paint.sample import PaintNetworks, paint_views
from ..progress import Progress
from ..render.camera import STANDARD_VIEWS_DEG, painting_camera
from ..render.coverage import CoverageConfig, candidate_cameras, choose_views
from ..render.views import ConditioningConfig, render_conditioning
from .families import load_object_guess
from .mirror import add_mirrored
from .painting_scene import Scene, bake_draft, bake_views, to_painting_frame
from .present_views import add_present_texture, find_kept, find_present
from .projection import PICTURE_SIZE_PX, Projection, align_pictures, project_pictures
from .texture_result import TextureResult, finish_picture, texture_size_of
from .uv import Target, give_uv

STANDARD_WEIGHTS = (1.0, 0.1, 0.5, 0.1, 0.05, 0.05)
_FURTHER_WEIGHT = 0.02
"""Further views repeat what others have painted; only what is new in them should be read."""
_REFERENCE_WEIGHT = 0.9
"""Least trust of a side that has a picture of its own."""
_NUM_CONTEXT_VIEWS = 3
_MOST_AT_ONCE = 16
"""Further views that are painted together; memory and time grow with the square of their number."""


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
    scene = Scene(
        to_painting_frame(target.mesh, config), target, networks, config, device, progress
    )
    references = _prepare_references(scene, images, view_labels)
    projection = _find_cameras(scene, references, images, view_labels)
    projected = _project(scene, projection)
    painted = _paint_standard_views(scene, references, view_labels, projected)
    further = _choose_further_views(scene, painted, projection)
    for start in range(0, len(further), _MOST_AT_ONCE):
        draft = bake_draft(scene, painted, projected)
        group = further[start : start + _MOST_AT_ONCE]
        painted = _paint_further_views(scene, references, painted, draft, group)
    with progress.stage("bake"):
        texture = bake_views(scene, painted, projected, texture_size_of(target, config))
    num_views = len(painted.cameras) + len(projection.cameras)
    picture, coverage = finish_picture(scene.mesh, target, texture, num_views, device)
    warnings = (*mapped.warnings, *references.warnings, *projection.warnings)
    return TextureResult(target.mesh, picture, mapped.is_new_uv, coverage, warnings)


def _prepare_references(
    scene: Scene, images: Sequence[FloatArray], view_labels: Sequence[int]
) -> PreparedImage:
    """The pictures as the painting model reads them."""
    networks, config, progress = scene.networks, scene.config, scene.progress
    with progress.stage("prepare"):
        size = networks.defaults.reference_size
        guesser = load_object_guess()
        references = prepare_image(
            images, size, config.image, progress, tuple(view_labels), guesser
        )
    if networks.light_remover is not None and scene.is_unlit:
        with progress.stage("delight"):
            references = remove_light(
                references, networks.light_remover, config.sample.seed, progress
            )
    if scene.target.base_texture is not None and not scene.target.is_masked:
        with progress.stage("render"):
            references = add_present_texture(scene, references)
    return references


def _find_cameras(
    scene: Scene,
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
                images,
                PICTURE_SIZE_PX,
                config.image,
                progress,
                tuple(view_labels),
                load_object_guess(),
            )
        return align_pictures(scene.mesh, pictures, progress, scene.device)


def _project(scene: Scene, projection: Projection) -> PaintedViews | None:
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
            scene.load_light_guesser(),
        )
        return add_mirrored(scene.mesh, projected, scene.progress, scene.device)


def _paint_standard_views(
    scene: Scene,
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
        draft = bake_draft(scene, None, projected)
        with scene.progress.stage("render"):
            known = find_present(scene, cameras, weights, draft)
    elif scene.target.is_masked and scene.target.base_texture is not None:
        with scene.progress.stage("render"):
            known = find_kept(scene, cameras, weights)
    draft = None if projected is None or known is None else known.colour
    return _paint(scene, references, cameras, weights, known, draft)


def _paint(
    scene: Scene,
    references: PreparedImage,
    cameras: Sequence[Camera],
    weights: tuple[float, ...],
    known: PaintedViews | None,
    draft: torch.Tensor | None,
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
            draft,
        )


def _choose_further_views(
    scene: Scene, painted: PaintedViews, projection: Projection
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
    scene: Scene,
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
        present = find_present(scene, further, weights, draft)
    chosen = torch.tensor(context, device=painted.colour.device)
    colour = torch.cat([painted.colour[chosen], present.colour])
    whole = torch.ones(colour.shape[:3], dtype=torch.bool, device=colour.device)
    if present.mask is not None:
        whole[len(context) :] = present.mask
    known = PaintedViews(tuple(cameras), colour, (1.0,) * len(cameras), whole)
    new = _paint(scene, references, cameras, known.weights, known, colour)
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
