# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a picture of a mesh into the camera that took it."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..data import Camera, FloatArray, Mesh
from ..progress import Progress
from .camera import orbit_camera, pixel_centres
from .match_picture import Picture, measure_overlap, read_picture, score_poses
from .splat import Poses, SurfacePoints, project_points, splat, spread_points

LABEL_AZIMUTHS_DEG = (0.0, 90.0, 180.0, 270.0)
"""Of the pictures' labels front, left, back, right."""
_AZIMUTHS_DEG = tuple(range(-60, 61, 10))
_ELEVATIONS_DEG = tuple(range(-20, 61, 10))
_STRENGTHS = (0.12, 0.4)
"""Of the perspective: a long lens and a short one."""
_FARTHEST_TURN_DEG = 75.0
_ELEVATION_RANGE_DEG = (-35.0, 70.0)
_STRENGTH_RANGE = (0.03, 0.85)
_LIKELY_STRENGTH = 0.28
_STRENGTH_SPREAD = 0.2
_NUM_CANDIDATES = 6
_APART_DEG = 18.0
"""Candidates closer to a better one than this are left out."""
_COARSE_CUES = 0.25
_REFINED_CUES = 0.1
"""Weights of what is within the outline: little once outlines have met as well as they can."""
_TURN_COST = 0.02
"""Of a radian away from the label's side: of views that look alike, the plainer one is meant."""
_STEPS = (0.03, 0.03, 0.04, 0.01, 0.006, 0.006)
"""Changes by which derivatives are taken, see `Poses.to_vectors`."""
_DAMPING = 0.03
_PRIOR = 0.02
_MARGIN = 1.04


@dataclass(frozen=True, slots=True)
class AlignConfig:
    """How hard the camera is looked for.

    Attributes:
        coarse_px: Edge of the pictures in the first search over all directions.
        medium_px: The same where the best directions are refined.
        fine_px: The same where the best one is.
        coarse_points: Points of the surface in the first search.
        medium_points: The same later.
        fine_points: The same at the end.
        rounds: Steps of each refinement.
        least_agreement: Overlap of the outlines below which the picture shows something else.
    """

    coarse_px: int = 48
    medium_px: int = 80
    fine_px: int = 192
    coarse_points: int = 10_000
    medium_points: int = 30_000
    fine_points: int = 150_000
    rounds: int = 6
    least_agreement: float = 0.75


@dataclass(frozen=True, slots=True)
class AlignedCamera:
    """The camera that took a picture, as far as it can be told.

    Attributes:
        camera: Looks at the mesh's middle; its own picture shows the mesh as large as it fits.
        agreement: Shared part of both outlines' areas, 0..1.
        is_found: Whether they agree well enough to believe it.
        azimuth_deg: Where it stands.
        elevation_deg: Where it stands.
        scale: Shares of the given picture's edge per share of the camera's own.
        shift: Where the upper left corner of the camera's own picture lies in the given one,
            right and down, in shares of its edge.
    """

    camera: Camera
    agreement: float
    is_found: bool
    azimuth_deg: float
    elevation_deg: float
    scale: float
    shift: tuple[float, float]


def find_camera(
    mesh: Mesh,
    pixels: FloatArray,
    label: int,
    config: AlignConfig,
    progress: Progress,
    device: torch.device,
) -> AlignedCamera:
    """Find from where a picture shows a mesh: all directions coarsely, then the best ones finely.

    Args:
        mesh: In the painting frame: centred, 1.15 in diameter.
        pixels: `[H, H, 4]` float32 in [0, 1], sRGB with straight alpha; the object cut out and all
            within, the camera upright.
        label: 0 front, 1 left, 2 back, 3 right: the side that the picture is taken from, roughly.
        config: How hard to look.
        progress: Asked for a cancel between the steps.
        device: Where to compute.

    Returns:
        The best camera, whether it can be believed or not.

    Raises:
        CancelledError: The user cancelled the job.

    Source: analysis by synthesis; damped least squares after Marquardt 1963.
    """
    coarse, medium, fine = (
        (read_picture(pixels, size, device), spread_points(mesh, count, device))
        for size, count in (
            (config.coarse_px, config.coarse_points),
            (config.medium_px, config.medium_points),
            (config.fine_px, config.fine_points),
        )
    )
    poses = _frame(coarse[1], _all_directions(label, device), coarse[0])
    score = score_poses(*coarse, poses, _COARSE_CUES) - _cost_of_turn(poses, label)
    poses = poses.take(_choose_apart(poses, score))
    progress.step(1, 3)
    poses = _refine(*medium, poses, label, config.rounds)
    score = score_poses(*medium, poses, _REFINED_CUES) - _cost_of_turn(poses, label)
    best = score.argmax()
    progress.step(2, 3)
    pose = _refine(*fine, poses.take(best[None]), label, config.rounds)
    agreement = float(measure_overlap(fine[0], splat(fine[1].place, pose, config.fine_px) >= 0))
    progress.step(3, 3)
    return _to_camera(mesh, pose, agreement, agreement >= config.least_agreement)


def warp_picture(pixels: FloatArray, aligned: AlignedCamera, size_px: int) -> torch.Tensor:
    """Resample a picture into that of the camera found for it.

    Args:
        pixels: `[H, H, 4]` float32 in [0, 1], the picture given to `find_camera`, of any size.
        aligned: The camera.
        size_px: Pixels per side S.

    Returns:
        `[S, S, 4]` float32 on the CPU; transparent beyond the given picture.
    """
    picture = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]  # [1, 4, H, H]
    weighted = torch.cat([picture[:, :3] * picture[:, 3:], picture[:, 3:]], 1)
    wanted = max(1, round(size_px / aligned.scale))
    if wanted < picture.shape[-1]:  # smaller: average, or fine patterns would flicker
        weighted = functional.interpolate(
            weighted, size=(wanted, wanted), mode="bicubic", antialias=True, align_corners=False
        )
    place = pixel_centres(size_px, weighted.device) / size_px  # [S, S, 2]
    grid = (place * aligned.scale + torch.tensor(aligned.shift)) * 2 - 1
    found = functional.grid_sample(weighted, grid[None], mode="bicubic", align_corners=False)
    colour, alpha = found[0, :3], found[0, 3:].clamp(0, 1)
    straight = torch.where(alpha > 1e-3, colour / alpha.clamp(min=1e-3), torch.ones_like(colour))
    return torch.cat([straight.clamp(0, 1), alpha]).permute(1, 2, 0)  # [S, S, 4]


def _all_directions(label: int, device: torch.device) -> Poses:
    """A grid of directions and perspectives."""
    start = LABEL_AZIMUTHS_DEG[label]
    grid = torch.cartesian_prod(
        torch.deg2rad(torch.tensor(_AZIMUTHS_DEG) + start),
        torch.deg2rad(torch.tensor(_ELEVATIONS_DEG, dtype=torch.float32)),
        torch.tensor(_STRENGTHS),
    ).to(device)  # [V, 3]
    one = torch.ones(len(grid), device=device)
    azimuth, elevation, strength = grid.unbind(1)
    return Poses(azimuth, elevation, strength, one, torch.zeros(len(grid), 2, device=device))


def _frame(points: SurfacePoints, poses: Poses, picture: Picture) -> Poses:
    """The same directions, the object placed and scaled to the box of the picture's."""
    place = project_points(points.place, poses)[..., :2]  # [V, N, 2]
    low, high = place.amin(1), place.amax(1)  # [V, 2]
    scale = poses.scale * picture.extent.amax() / (high - low).amax(1)
    middle = (low + high) / 2 - poses.shift
    shift = picture.middle - middle * (scale / poses.scale)[:, None]
    return Poses(poses.azimuth, poses.elevation, poses.strength, scale, shift)


def _cost_of_turn(poses: Poses, label: int) -> torch.Tensor:
    """What poses `[V]` lose for standing aside of where the label says."""
    return _TURN_COST * (poses.azimuth - math.radians(LABEL_AZIMUTHS_DEG[label])).abs()


def _choose_apart(poses: Poses, score: torch.Tensor) -> torch.Tensor:
    """Indices of the best poses, none within `_APART_DEG` of a better one."""
    cos_e = torch.cos(poses.elevation)
    axis = torch.stack(
        [
            cos_e * torch.sin(poses.azimuth),
            torch.sin(poses.elevation),
            cos_e * torch.cos(poses.azimuth),
        ],
        1,
    )  # [V, 3]
    left, chosen = score.clone(), []
    for _ in range(_NUM_CANDIDATES):
        best = left.argmax()
        if not torch.isfinite(left[best]):
            break
        chosen.append(best)
        near = (axis @ axis[best]) > math.cos(math.radians(_APART_DEG))
        left = left.masked_fill(near, -torch.inf)
    return torch.stack(chosen)


def _refine(
    picture: Picture, points: SurfacePoints, poses: Poses, label: int, rounds: int
) -> Poses:
    """Let outlines meet, each pose by itself: damped least squares on blurred silhouettes."""
    vectors = poses.to_vectors()  # [V, 6]
    count, device = len(vectors), vectors.device
    step = torch.tensor(_STEPS, device=device)
    error, residual = _compare(picture, points, vectors)
    damping = torch.full((count, 1), _DAMPING, device=device)
    for _ in range(rounds):
        moved = (vectors[:, None] + torch.diag(step)).flatten(0, 1)  # [V * 6, 6]
        _, other = _compare(picture, points, moved)
        slope = (other.view(count, 6, -1) - residual[:, None]) / step[:, None]  # [V, 6, M]
        matrix = slope @ slope.transpose(1, 2)  # [V, 6, 6]
        scale = matrix.diagonal(dim1=1, dim2=2).clamp(min=1e-6)
        matrix = matrix + torch.diag_embed(scale * damping)
        target = -torch.einsum("vkm,vm->vk", slope, residual)
        trial = _limit(vectors + torch.linalg.solve(matrix, target), label)
        new_error, new_residual = _compare(picture, points, trial)
        is_better = new_error < error
        vectors = torch.where(is_better[:, None], trial, vectors)
        residual = torch.where(is_better[:, None], new_residual, residual)
        error = torch.where(is_better, new_error, error)
        damping = damping * torch.where(is_better, 0.4, 6.0)[:, None]
    return Poses.from_vectors(vectors)


def _compare(
    picture: Picture, points: SurfacePoints, vectors: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared error `[V]` and residuals `[V, M]`: silhouettes, and how likely the lens is."""
    poses = Poses.from_vectors(vectors)
    seen = splat(points.place, poses, picture.size) >= 0  # [V, S, S]
    gap = (picture.blur(seen.float()) - picture.outline).flatten(1)  # [V, S * S]
    odd = (poses.strength - _LIKELY_STRENGTH) / _STRENGTH_SPREAD * _PRIOR * picture.size**0.5
    residual = torch.cat([gap, odd[:, None]], 1)
    return residual.square().sum(1), residual


def _limit(vectors: torch.Tensor, label: int) -> torch.Tensor:
    """Keep poses where pictures are taken from."""
    start, reach = math.radians(LABEL_AZIMUTHS_DEG[label]), math.radians(_FARTHEST_TURN_DEG)
    azimuth = vectors[:, 0].clamp(start - reach, start + reach)
    elevation = vectors[:, 1].clamp(*map(math.radians, _ELEVATION_RANGE_DEG))
    strength = vectors[:, 2].clamp(*_STRENGTH_RANGE)
    return torch.cat([torch.stack([azimuth, elevation, strength], 1), vectors[:, 3:]], 1)


def _to_camera(mesh: Mesh, pose: Poses, agreement: float, is_found: bool) -> AlignedCamera:
    """The pose as a camera whose picture just holds the mesh."""
    points = torch.from_numpy(mesh.vertices).to(pose.scale.device)
    place = project_points(points, pose)[0, :, :2] - pose.shift[0]  # [P, 2]
    edge = 2 * float(place.abs().max()) * _MARGIN  # of the camera's picture, in the given one's
    strength, scale = float(pose.strength[0]), float(pose.scale[0])
    azimuth, elevation = (math.degrees(float(x[0])) for x in (pose.azimuth, pose.elevation))
    tangent = edge / scale * strength  # at distance 1: 1 / strength is the distance to the origin
    fov_deg = 2 * math.degrees(math.atan(tangent / 2))
    camera = orbit_camera(azimuth, elevation, 1 / strength, fov_deg=fov_deg)
    column, row = (float(x) - edge / 2 for x in pose.shift[0])
    return AlignedCamera(camera, agreement, is_found, azimuth, elevation, edge, (column, row))
