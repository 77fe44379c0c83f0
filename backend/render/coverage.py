# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what painted views have seen of a mesh into the further views that are worth painting."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..data import Camera, Mesh
from ..progress import Progress
from .camera import (
    directions_to_camera,
    painting_camera,
    project,
    screen_to_pixels,
    view_depth,
)
from .rasterize import find_nearest, unpack
from .views import Surface, make_surface, project_surface, rendering_device

KNOWN_ELEVATIONS_DEG = (0, 20, -20)
"""Where, and straight up and down, the published painting network was trained."""
STEEP_ELEVATIONS_DEG = (45, -45, 65, -65)
AZIMUTH_STEP_DEG = 30
BIAS_PX = 0.75
"""How far behind what a pixel shows a point may lie, in pixels, to count as the same surface."""
STEEPEST = 5.0
"""Slope up to which a surface is followed from the pixel centre to a point beside it."""


@dataclass(frozen=True, slots=True)
class CoverageConfig:
    """When the surface counts as covered.

    Attributes:
        target_share: Stop when this share of the area that is visible from outside is seen.
        max_views: Views to add at most.
        min_facing: Cosine between normal and direction to the camera from which on a place counts
            as seen.
        min_gain: Share of that area that a view must add; less is not worth a view. What many small
            hollows leave unseen is seen bit by bit, so this is a small share of what is missing.
        preference: What an area seen by a view of the second group counts, against 1 in the first;
            the square of it in the third, and so on.
        num_samples: Points on the surface, spread evenly by area.
        num_directions: Directions that decide what is visible from outside, and that are offered
            as views in the last group of candidates.
        num_witnesses: Views other than painted ones that must agree that a place is visible: one
            alone errs now and then where surfaces touch.
        size_px: Pixels per side of the pictures that decide what hides what.
    """

    target_share: float = 0.995
    max_views: int = 40
    min_facing: float = 0.2
    min_gain: float = 0.0003
    preference: float = 0.7
    num_samples: int = 30_000
    num_directions: int = 64
    num_witnesses: int = 2
    size_px: int = 384


@dataclass(frozen=True, slots=True)
class ViewChoice:
    """Which views to add, and what they leave unseen.

    Attributes:
        cameras: The added views, best first.
        seen_shares: Seen share of the area that is visible from outside: of the painted views
            alone, then after each added one.
        unseen_points: `[U, 3]` float32, places visible from outside that no view sees.
        unseen_faces: `[U]` int64, their faces.
        hidden_share: Share of the whole area that cannot be seen from outside.
    """

    cameras: tuple[Camera, ...]
    seen_shares: tuple[float, ...]
    unseen_points: torch.Tensor
    unseen_faces: torch.Tensor
    hidden_share: float


@dataclass(frozen=True, slots=True)
class Samples:
    """Points spread evenly over a surface.

    Attributes:
        points: `[N, 3]` float32.
        faces: `[N]` int64, the face of each.
        normals: `[N, 3]` float32, its normal.
    """

    points: torch.Tensor
    faces: torch.Tensor
    normals: torch.Tensor


def candidate_cameras() -> tuple[tuple[Camera, ...], ...]:
    """Views to choose from, in groups, preferred ones first.

    Returns:
        Directions that the published network knows, then steeper ones.
    """
    azimuths = range(0, 360, AZIMUTH_STEP_DEG)
    known = [painting_camera(a, e) for e in KNOWN_ELEVATIONS_DEG for a in azimuths]
    known += [painting_camera(0, 90), painting_camera(180, -90)]
    steep = [painting_camera(a, e) for e in STEEP_ELEVATIONS_DEG for a in azimuths]
    return tuple(known), tuple(steep)


def outside_cameras(count: int) -> tuple[Camera, ...]:
    """Painting cameras spread evenly over all directions (a Fibonacci spiral)."""
    golden_deg = 180 * (3 - math.sqrt(5))
    heights = (1 - (2 * np.arange(count) + 1) / count).tolist()
    return tuple(
        painting_camera(golden_deg * index % 360, math.degrees(math.asin(height)))
        for index, height in enumerate(heights)
    )


def choose_views(
    mesh: Mesh,
    painted: Sequence[Camera],
    candidates: Sequence[Sequence[Camera]],
    config: CoverageConfig,
    progress: Progress,
    device: torch.device,
) -> ViewChoice:
    """Add the view that sees most of what is unseen, again and again.

    Visible from outside is what a painted view sees, or several of the candidates and of many other
    directions do, facing the camera as much as a view must. These directions are offered as views
    too: whatever is visible can be seen from one of them or of the candidates.

    Args:
        mesh: In the painting frame: centred, 1.15 in diameter.
        painted: The views that there are.
        candidates: Groups of views to choose from, preferred ones first.
        config: When to stop.
        progress: Told after every group of cameras that was looked through.
        device: Where to compute.

    Returns:
        The choice.

    Raises:
        CancelledError: The user cancelled the job.
    """
    surface = make_surface(mesh, rendering_device(device))
    samples = sample_surface(surface, config.num_samples)
    steps = len(candidates) + 2
    seen = see_samples(surface, painted, samples, config).any(0)  # [N]
    progress.step(1, steps)
    directions = outside_cameras(config.num_directions)
    witnesses = see_samples(surface, directions, samples, config, skip=seen)  # [D, N]
    visible = seen | (witnesses.sum(0) >= config.num_witnesses)
    progress.step(2, steps)
    every, views, worth = [], [], []
    if seen.sum() < config.target_share * visible.sum():
        for group, cameras in enumerate(candidates):
            every += cameras
            views.append(see_samples(surface, cameras, samples, config, skip=seen))
            worth += [config.preference**group] * len(cameras)
            progress.step(group + 3, steps)
    offered = torch.cat([*views, witnesses])  # [C, N]
    worth += [config.preference ** max(len(candidates) - 1, 0)] * len(directions)
    visible = visible | (offered.sum(0) >= config.num_witnesses)
    offered &= visible
    chosen, shares, seen = _choose_greedily(offered, worth, visible, seen, config)
    progress.step(steps, steps)
    every += directions
    unseen = torch.nonzero(visible & ~seen).squeeze(1)
    return ViewChoice(
        tuple(every[index] for index in chosen),
        tuple(shares),
        samples.points[unseen].to(device),
        samples.faces[unseen].to(device),
        1 - visible.sum().item() / max(len(visible), 1),
    )


def _choose_greedily(
    offered: torch.Tensor,
    worth: Sequence[float],
    visible: torch.Tensor,
    seen: torch.Tensor,
    config: CoverageConfig,
) -> tuple[list[int], list[float], torch.Tensor]:
    """Choose among views that see samples `[C, N]`, of which some are visible and seen `[N]`.

    Returns:
        The chosen views, the seen shares before and after each, and the samples seen in the end.
    """
    total = max(visible.sum().item(), 1)
    factor = torch.tensor(worth, device=offered.device)  # [C]
    chosen, shares = [], [seen.sum().item() / total]
    while len(offered) and shares[-1] < config.target_share and len(chosen) < config.max_views:
        gain = (offered & ~seen).sum(1)  # [C]
        best = int((gain * factor).argmax())
        if gain[best].item() < max(config.min_gain * total, 1):
            break
        chosen.append(best)
        seen = seen | offered[best]
        shares.append(seen.sum().item() / total)
    return chosen, shares, seen


def sample_surface(surface: Surface, count: int) -> Samples:
    """Spread points evenly by area, the same ones every time.

    Args:
        surface: The mesh.
        count: Number of points N.

    Returns:
        The points; none if the mesh has no area.
    """
    corner = surface.vertices[surface.faces].double()  # [F, 3, 3]
    area = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]).norm(dim=1)
    total = torch.cumsum(area, 0)  # [F]
    if len(total) == 0 or total[-1] == 0:
        count = 0
    index = torch.arange(count, device=area.device, dtype=torch.float64) + 0.5
    face = torch.searchsorted(total, index / max(count, 1) * total[-1:], right=True)
    face = face.clamp(max=max(len(total) - 1, 0))  # [N]
    # The additive recurrence of the plastic number spreads points in two dimensions.
    first, second = index * 0.7548776662466927 % 1, index * 0.5698402909980532 % 1
    is_over = first + second > 1
    first = torch.where(is_over, 1 - first, first)
    second = torch.where(is_over, 1 - second, second)
    weights = torch.stack([1 - first - second, first, second], 1)  # [N, 3]
    points = torch.einsum("nk,nkc->nc", weights, corner[face]).float()
    return Samples(points, face, surface.face_normals[face])


def see_samples(
    surface: Surface,
    cameras: Sequence[Camera],
    samples: Samples,
    config: CoverageConfig,
    skip: torch.Tensor | None = None,
) -> torch.Tensor:
    """Find which samples are seen from which camera.

    Args:
        surface: The mesh that hides them.
        cameras: C cameras.
        samples: N points.
        config: From which angle on a point is seen, and the size of the pictures.
        skip: `[N]` bool, points not to ask about.

    Returns:
        `[C, N]` bool, False for skipped ones.
    """
    asked = torch.ones_like(samples.faces, dtype=torch.bool) if skip is None else ~skip
    seen = asked.new_zeros(len(cameras), len(asked))  # [C, N]
    for index, camera in enumerate(cameras):
        towards = directions_to_camera(samples.points, camera)
        is_facing = (samples.normals * towards).sum(1) >= config.min_facing
        chosen = torch.nonzero(asked & is_facing).squeeze(1)
        if len(chosen):
            points = samples.points[chosen].double()
            seen[index, chosen] = _is_unhidden(surface, camera, points, config.size_px)
    return seen


def _is_unhidden(
    surface: Surface, camera: Camera, points: torch.Tensor, size_px: int
) -> torch.Tensor:
    """Whether nothing lies between points `[N, 3]` of the surface and a camera, `[N]` bool.

    The triangle seen at the nearest pixel centre is followed along its plane to the point itself,
    so that neither a slope nor the size of the pixels lets a surface hide itself.
    """
    corners = project_surface(surface, camera, size_px).corners  # [K, 3, 3]
    view = torch.zeros(len(corners), dtype=torch.int64, device=corners.device)
    buffer = find_nearest(corners, view, 1, (size_px, size_px), has_thin_parts=False)
    screen = project(points, [camera])[0]  # [N, 3]
    place = screen_to_pixels(screen[:, :2], size_px)  # [N, 2]
    inside = ((place >= 0) & (place < size_px)).all(1) & (screen[:, 2] > 0)
    column, row = place.nan_to_num().clamp(0, size_px - 1).long().unbind(1)
    owner, near = unpack(buffer[row * size_px + column])  # [N]
    apart = place - torch.stack([column, row], 1) - 0.5  # [N, 2]
    depth = view_depth(points, [camera])[0]  # [N]
    # Nearness falls with depth at this rate, in the units of both per pixel.
    pixel = camera.width / size_px * (1 if camera.is_orthographic else depth)
    rate = pixel if camera.is_orthographic else pixel / depth.square()
    gradient = _gradients(corners, owner.clamp(min=0)) / _column(rate)
    shown = near + (gradient.clamp(-STEEPEST, STEEPEST) * apart).sum(1) * rate
    return inside & ((owner < 0) | (shown - screen[:, 2] <= BIAS_PX * rate))


def _column(value: torch.Tensor | float) -> torch.Tensor | float:
    """`[N]` as `[N, 1]`; a number stays one."""
    return value[:, None] if isinstance(value, torch.Tensor) else value


def _gradients(corners: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
    """What nearness gains per column and row `[N, 2]` in triangles `[N]`."""
    corner = corners[owner]  # [N, 3, 3]
    (bx, by, bz), (cx, cy, cz) = ((corner[:, k] - corner[:, 0]).unbind(1) for k in (1, 2))
    area = bx * cy - by * cx
    area = torch.where(area == 0, torch.full_like(area, torch.inf), area)
    return torch.stack([bz * cy - by * cz, bx * cz - bz * cx], 1) / area[:, None]
