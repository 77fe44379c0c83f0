# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns reference pictures into painted views: finds their cameras and takes their light off."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from ..data import Camera, FloatArray, Mesh, PaintedViews, PreparedImage, Views
from ..paint.exposure import LightGuesser, guess_exposure
from ..paint.unlight import remove_shading
from ..progress import Progress
from ..render.align import AlignConfig, AlignedCamera, find_camera, warp_picture
from ..render.maps import decode_normals
from ..render.views import RenderConfig, make_surface, render_views

PROJECTED_WEIGHT = 100.0
"""Trust in what a picture shows: slanted, it still knows more than a network that sees it well."""
PICTURE_SIZE_PX = 1024
"""Edge of the pictures that are projected onto the mesh."""
SMALLEST_PX = 512
"""Least edge of projected pictures."""
_LEAST_ALPHA = 0.98
_RIM_PX = 2
"""Pixels of the outline, mixed with the background, that are left out; of a picture of 512."""
_SHARP_COSINE = 0.85
"""Faces whose corners' normals lean away by more than this angle's are taken for flat."""
_NAMES = ("front", "left", "back", "right")


@dataclass(frozen=True, slots=True)
class Projection:
    """Pictures whose cameras are found.

    Attributes:
        pictures: `[H, H, 4]` float32 each.
        cameras: As many.
        warnings: Sentences for the user about the other pictures.
    """

    pictures: tuple[FloatArray, ...] = ()
    cameras: tuple[AlignedCamera, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def views_from(self) -> tuple[Camera, ...]:
        """The cameras alone."""
        return tuple(aligned.camera for aligned in self.cameras)


def align_pictures(
    mesh: Mesh, pictures: PreparedImage, progress: Progress, device: torch.device
) -> Projection:
    """Find the camera of each picture.

    Args:
        mesh: In the painting frame.
        pictures: `[R, H, H, 4]`, from any direction near that of their labels.
        progress: Asked for a cancel.
        device: Where to compute.

    Returns:
        The pictures that show this mesh, and a sentence about each that does not.

    Raises:
        CancelledError: The user cancelled the job.
    """
    kept, cameras, warnings = [], [], []
    for pixels, label in zip(pictures.pixels, pictures.view_labels, strict=True):
        found = find_camera(mesh, pixels, label, AlignConfig(), progress, device)
        if found.is_found:
            kept.append(pixels)
            cameras.append(found)
        else:
            warnings.append(
                f"The outlines of the {_NAMES[label]} picture and the mesh differ too much "
                f"({found.agreement:.0%} in common) to carry the picture over; the surface is "
                "painted after it instead."
            )
    return Projection(tuple(kept), tuple(cameras), tuple(warnings))


def project_pictures(
    mesh: Mesh,
    projection: Projection,
    size_px: int,
    progress: Progress,
    device: torch.device,
    guesser: LightGuesser | None,
) -> PaintedViews:
    """Make painted views of pictures.

    Args:
        mesh: In the painting frame.
        projection: At least one picture with its camera.
        size_px: Edge of the views S.
        progress: Told after each view.
        device: Where to compute.
        guesser: Helps to take the light off the pictures; None: it stays in them.

    Returns:
        Colours `[V, S, S, 3]`; the mask leaves out the outlines.

    Raises:
        CancelledError: The user cancelled the job.
    """
    views = render_views(mesh, projection.views_from, RenderConfig(size_px), progress, device)
    normals = find_shading_normals(mesh, views)  # [V, S, S, 3]
    colours, masks = [], []
    for index, (pixels, aligned) in enumerate(
        zip(projection.pictures, projection.cameras, strict=True)
    ):
        warped = warp_picture(pixels, aligned, size_px).to(device)  # [S, S, 4]
        mask = shrink_mask(warped[..., 3] > _LEAST_ALPHA) & views.mask[index]
        colour = warped[..., :3]
        if guesser is not None:
            colour = _take_light_off(colour, normals[index], mask, aligned.camera, guesser)
        colours.append(colour)
        masks.append(mask)
    weights = (PROJECTED_WEIGHT,) * len(colours)
    return PaintedViews(projection.views_from, torch.stack(colours), weights, torch.stack(masks))


def _take_light_off(
    colour: torch.Tensor,
    normals: torch.Tensor,
    mask: torch.Tensor,
    camera: Camera,
    guesser: LightGuesser,
) -> torch.Tensor:
    """One picture `[S, S, 3]` without its light."""
    if not mask.any():
        return colour
    guess = guess_exposure(colour, normals, mask, camera, guesser)
    return remove_shading(colour, normals, mask, guess)


def find_shading_normals(mesh: Mesh, views: Views) -> torch.Tensor:
    """Normals by which light falls on a surface: smooth, but flat on faces beside sharp edges.

    Args:
        mesh: The one that the views show.
        views: V of them.

    Returns:
        `[V, S, S, 3]`, unit length where the mesh is seen.
    """
    surface = make_surface(mesh, views.normal.device)
    corners = surface.vertex_normals[surface.faces]  # [F, 3, 3]
    turn = torch.einsum("fkc,fc->fk", corners, surface.face_normals).amin(1)  # [F]
    seen = views.triangle.clamp(min=0)
    is_smooth = (turn > _SHARP_COSINE)[seen][..., None]
    smooth = decode_normals(views.normal)
    return functional.normalize(torch.where(is_smooth, smooth, surface.face_normals[seen]), dim=-1)


def shrink_mask(mask: torch.Tensor) -> torch.Tensor:
    """A mask `[S, S]` bool without its rim."""
    rim = max(1, round(_RIM_PX * mask.shape[0] / 512))
    outside = functional.pad((~mask).float()[None, None], (rim,) * 4, value=1.0)
    return functional.max_pool2d(outside, 2 * rim + 1, stride=1)[0, 0] == 0


def join_views(painted: PaintedViews, projected: PaintedViews) -> PaintedViews:
    """Painted views, all of whose pixels may be read, and projected ones of the same size."""
    everything = torch.ones(
        painted.colour.shape[:3], dtype=torch.bool, device=painted.colour.device
    )
    parts: Sequence[torch.Tensor] = [
        mask if mask is not None else everything for mask in (painted.mask, projected.mask)
    ]
    return PaintedViews(
        (*painted.cameras, *projected.cameras),
        torch.cat([painted.colour, projected.colour]),
        (*painted.weights, *projected.weights),
        torch.cat(list(parts)),
    )
