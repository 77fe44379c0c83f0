# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh and cameras into what each camera sees of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from ..data import Camera, Mesh, Views
from ..progress import Progress
from .camera import (
    align_corners,
    directions_to_camera,
    project_local,
    screen_to_pixels,
    stack_cameras,
    to_camera_space,
    view_depth,
)
from .clip import clip_near, near_plane
from .maps import blend_corners, encode_normals, encode_positions, face_normals, vertex_normals
from .rasterize import find_nearest, split_visible, unpack, weights_at


@dataclass(frozen=True, slots=True)
class RenderConfig:
    """How views are rendered.

    Attributes:
        size_px: Pixels per side.
        has_thin_parts: Whether wires and blades thinner than a pixel are drawn.
    """

    size_px: int = 1024
    has_thin_parts: bool = True


@dataclass(frozen=True, slots=True)
class ConditioningConfig:
    """How the maps that a painting network reads are rendered.

    Attributes:
        size_px: Pixels per side of the maps.
        supersample: Rendered pixels per pixel and axis; the published pipeline has 4.
        is_corner_aligned: Whether the outermost pixel centres lie on the picture's borders, as
            the published renderer places them.
    """

    size_px: int = 512
    supersample: int = 4
    is_corner_aligned: bool = True


@dataclass(frozen=True, slots=True)
class ConditioningMaps:
    """What a painting network is told about the shape.

    Attributes:
        normal: `[V, H, W, 3]` float32 in 0..1, white where there is nothing.
        position: `[V, H, W, 3]` float32 in 0..1, white where there is nothing.
        alpha: `[V, H, W]` float32, covered share of each pixel.
    """

    normal: torch.Tensor
    position: torch.Tensor
    alpha: torch.Tensor


@dataclass(frozen=True, slots=True)
class Surface:
    """A mesh as tensors, with its normals.

    Attributes:
        vertices: `[P, 3]` float32.
        faces: `[F, 3]` int64.
        face_normals: `[F, 3]`.
        vertex_normals: `[P, 3]`.
    """

    vertices: torch.Tensor
    faces: torch.Tensor
    face_normals: torch.Tensor
    vertex_normals: torch.Tensor


def render_views(
    mesh: Mesh,
    cameras: Sequence[Camera],
    config: RenderConfig,
    progress: Progress,
    device: torch.device,
) -> Views:
    """Render what every camera sees.

    Args:
        mesh: In the painting frame: centred, 1.15 in diameter.
        cameras: V of them.
        config: Size of the pictures.
        progress: Told after every view.
        device: Where to render; the result stays there. Devices without float64 (mps) get the
            result of the CPU.

    Returns:
        The views. Memory besides the result is bounded by one view.

    Raises:
        CancelledError: The user cancelled the job.
    """
    surface = make_surface(mesh, rendering_device(device))
    views = _empty_views(cameras, config.size_px, device)
    for index, camera in enumerate(cameras):
        _fill_view(views, index, surface, camera, config)
        progress.step(index + 1, len(cameras))
    return views


def render_conditioning(
    mesh: Mesh,
    cameras: Sequence[Camera],
    config: ConditioningConfig,
    progress: Progress,
    device: torch.device,
) -> ConditioningMaps:
    """Render normal and position maps for a painting network, large at first, then reduced.

    Args:
        mesh: In the painting frame: centred, 1.15 in diameter.
        cameras: V of them.
        config: Size of the maps.
        progress: Told after every view.
        device: Where to render; the result stays there.

    Returns:
        The maps; only one view is held at its full size.

    Raises:
        CancelledError: The user cancelled the job.
    """
    surface = make_surface(mesh, rendering_device(device))
    size = config.size_px * config.supersample
    parts = []
    for index, camera in enumerate(cameras):
        seen_from = align_corners(camera, size) if config.is_corner_aligned else camera
        view = _empty_views([seen_from], size, surface.vertices.device)
        _fill_view(view, 0, surface, seen_from, RenderConfig(size))
        parts.append(reduce_maps(view, config.size_px))
        progress.step(index + 1, len(cameras))
    return ConditioningMaps(
        torch.cat([part.normal for part in parts]).to(device),
        torch.cat([part.position for part in parts]).to(device),
        torch.cat([part.alpha for part in parts]).to(device),
    )


def reduce_maps(views: Views, size_px: int) -> ConditioningMaps:
    """Reduce normal map, position map and mask, antialiased (bicubic, as the published pipeline).

    Args:
        views: V views.
        size_px: Pixels per side afterwards.
    """
    alpha = views.mask[..., None].to(views.normal.dtype)
    stack = torch.cat([views.normal, views.position, alpha], -1).permute(0, 3, 1, 2)
    small = functional.interpolate(
        stack, size=(size_px, size_px), mode="bicubic", antialias=True, align_corners=False
    )
    small = small.clamp(0, 1).permute(0, 2, 3, 1)  # [V, H, W, 7]
    return ConditioningMaps(small[..., :3], small[..., 3:6], small[..., 6])


def rendering_device(device: torch.device) -> torch.device:
    """The device to render on: this one, or the CPU if this one lacks float64."""
    return device if device.type in ("cpu", "cuda") else torch.device("cpu")


def make_surface(mesh: Mesh, device: torch.device) -> Surface:
    """Put a mesh into tensors and compute its normals."""
    vertices = torch.from_numpy(mesh.vertices).to(device)
    faces = torch.from_numpy(mesh.faces).to(device, torch.int64)
    normals = face_normals(vertices, faces)
    return Surface(vertices, faces, normals, vertex_normals(vertices, faces))


@dataclass(frozen=True, slots=True)
class Screen:
    """A mesh as one camera sees it, cut off behind it.

    Attributes:
        corners: `[K, 3, 3]` float64: column, row, nearness; see `rasterize`.
        face: `[K]` int64, the face that each triangle is (a part of).
        blend: `[K, 3, 3]` float64, the triangle's corners as blends of the face's; None if no face
            was cut.
    """

    corners: torch.Tensor
    face: torch.Tensor
    blend: torch.Tensor | None


def project_surface(surface: Surface, camera: Camera, size_px: int) -> Screen:
    """Project a mesh into the pixels of a camera's picture."""
    stacked = stack_cameras([camera], surface.vertices.device, torch.float64)
    local = to_camera_space(surface.vertices.double(), stacked)[0]  # [P, 3]
    near = near_plane(-local[:, 2], camera.is_orthographic)
    corners, face, blend = clip_near(local[surface.faces], near)
    screen = project_local(corners.reshape(1, -1, 3), stacked)[0]  # [K * 3, 3]
    pixel = screen_to_pixels(screen[:, :2], size_px)
    return Screen(torch.cat([pixel, screen[:, 2:]], 1).view(-1, 3, 3), face, blend)


def find_visible(
    surface: Surface, camera: Camera, config: RenderConfig
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Find what a camera sees at the centre of each pixel.

    Args:
        surface: The mesh.
        camera: The camera.
        config: Size of the picture.

    Yields:
        For a part of the pixels that see something: their numbers, row by row, `[N]` int64; the
        visible face `[N]` int64; perspective-correct barycentric coordinates `[N, 3]` float32.
    """
    if len(surface.faces) == 0:
        return
    size = (config.size_px, config.size_px)
    screen = project_surface(surface, camera, config.size_px)
    view = torch.zeros(len(screen.corners), dtype=torch.int64, device=screen.corners.device)
    buffer = find_nearest(screen.corners, view, 1, size, has_thin_parts=config.has_thin_parts)
    for pixel in split_visible(buffer):
        part, _ = unpack(buffer[pixel])  # [N]
        weights = weights_at(screen.corners, part, pixel, size)  # [N, 3]
        if not camera.is_orthographic:
            weights = weights * screen.corners[..., 2].index_select(0, part).float()
            weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-30)
        if screen.blend is not None:
            blend = screen.blend.index_select(0, part).float()  # [N, 3, 3]
            weights = torch.einsum("nk,nkc->nc", weights, blend)  # [N, 3]
        yield pixel, screen.face.index_select(0, part), weights


def _empty_views(cameras: Sequence[Camera], size: int, device: torch.device) -> Views:
    """Views of nothing."""
    shape = (len(cameras), size, size)
    return Views(
        cameras=tuple(cameras),
        triangle=torch.full(shape, -1, dtype=torch.int64, device=device),
        barycentric=torch.zeros(*shape, 3, device=device),
        depth=torch.full(shape, torch.inf, device=device),
        facing=torch.zeros(shape, device=device),
        normal=torch.ones(*shape, 3, device=device),
        position=torch.ones(*shape, 3, device=device),
    )


def _fill_view(
    views: Views, index: int, surface: Surface, camera: Camera, config: RenderConfig
) -> None:
    """Render one view into its place."""
    for pixel, face, weights in find_visible(surface, camera, config):
        corner = surface.faces.index_select(0, face)  # [N, 3]
        point = blend_corners(surface.vertices, corner, weights)  # [N, 3]
        normal = blend_corners(surface.vertex_normals, corner, weights)
        towards = directions_to_camera(point, camera)
        facing = (surface.face_normals.index_select(0, face) * towards).sum(1).clamp(0, 1)
        for target, values in (
            (views.triangle, face),
            (views.barycentric, weights),
            (views.depth, view_depth(point, [camera])[0]),
            (views.facing, facing),
            (views.normal, encode_normals(normal).clamp(0, 1)),
            (views.position, encode_positions(point).clamp(0, 1)),
        ):
            flat = target[index].flatten(0, 1)  # [H * W, ...]
            flat.index_copy_(0, pixel.to(target.device), values.to(target.device))
