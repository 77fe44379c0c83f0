# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns camera angles into points on the screen: azimuth 0 sits on +Z, a quarter turn on +X."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from ..data import Camera, Mesh
from ..errors import InputError

PAINTING_DIAMETER = 1.15
"""Twice the largest distance from the origin of a mesh that is to be painted."""
PAINTING_WIDTH = 1.2
PAINTING_DISTANCE = 1.45
STANDARD_VIEWS_DEG = ((0, 0), (90, 0), (180, 0), (270, 0), (0, 90), (180, -90))
"""Azimuth and elevation of the six views that the published pipeline paints, in its order."""


def camera_axes(azimuth_rad: torch.Tensor, elevation_rad: torch.Tensor) -> torch.Tensor:
    """Right, up and backward axis of cameras that look at the origin.

    Args:
        azimuth_rad: `[V]`, 0 on +Z, a quarter turn on +X.
        elevation_rad: `[V]`, grows upwards.

    Returns:
        `[V, 3, 3]`, rows right, up, backward (towards the camera), in world axes.
    """
    sin_a, cos_a = torch.sin(azimuth_rad), torch.cos(azimuth_rad)
    sin_e, cos_e = torch.sin(elevation_rad), torch.cos(elevation_rad)
    zero = torch.zeros_like(sin_a)
    right = torch.stack([cos_a, zero, -sin_a], -1)  # [V, 3]
    up = torch.stack([-sin_e * sin_a, cos_e, -sin_e * cos_a], -1)
    backward = torch.stack([cos_e * sin_a, sin_e, cos_e * cos_a], -1)
    return torch.stack([right, up, backward], 1)  # [V, 3, 3]


def project_perspective(
    points: torch.Tensor, axes: torch.Tensor, fov_rad: torch.Tensor, radius: float = math.sqrt(3.0)
) -> torch.Tensor:
    """Project points with a camera far enough away that a sphere of `radius` just fits.

    Args:
        points: `[V, P, 3]` world positions.
        axes: `[V, 3, 3]` from `camera_axes`.
        fov_rad: `[V]` full field of view.
        radius: Radius of the sphere around the origin that must fit.

    Returns:
        `[V, P, 3]`: x right and y up, each in -1..1 inside the picture, and the inverse depth.
    """
    distance = radius / torch.sin(fov_rad / 2)  # [V]
    local = torch.einsum("vpk,vck->vpc", points, axes)  # [V, P, 3]
    inverse = 1 / (distance[:, None] - local[..., 2])  # [V, P]
    scale = inverse / torch.tan(fov_rad / 2)[:, None]
    return torch.stack([local[..., 0] * scale, local[..., 1] * scale, inverse], -1)  # [V, P, 3]


def fit_sphere(points: torch.Tensor, diameter: float) -> tuple[torch.Tensor, float]:
    """The shift and scale that centre a mesh's bounds and give it a certain size.

    Args:
        points: `[P, 3]` world positions, at least two different ones.
        diameter: Twice the largest distance from the origin afterwards.

    Returns:
        Centre `[3]` and scale, for `(points - centre) * scale`.
    """
    low, high = points.aminmax(dim=0)  # [3] each
    centre = (low + high) / 2
    radius = (points - centre).norm(dim=-1).max().item()
    return centre, diameter / (2 * radius)


def project_orthographic(
    points: torch.Tensor, axes: torch.Tensor, width: float, distance: float, near: float, far: float
) -> torch.Tensor:
    """Project points with parallel rays.

    Args:
        points: `[P, 3]` world positions.
        axes: `[V, 3, 3]` from `camera_axes`.
        width: Edge of the square that the picture shows.
        distance: From the camera to the origin.
        near: Distance from the camera at which depth is -1.
        far: Distance from the camera at which depth is 1.

    Returns:
        `[V, P, 3]`: x right and y up, each in -1..1 inside the picture, and the depth, growing away
        from the camera.
    """
    local = torch.einsum("pk,vck->vpc", points, axes)  # [V, P, 3]
    depth = (2 * (distance - local[..., 2]) - far - near) / (far - near)  # [V, P]
    return torch.cat([local[..., :2] * (2 / width), depth[..., None]], -1)  # [V, P, 3]


@dataclass(frozen=True, slots=True)
class CameraTensors:
    """V cameras as tensors on one device.

    Attributes:
        axes: `[V, 3, 3]`, rows right, up, backward, in world axes.
        translation: `[V, 3]`.
        width: `[V]`, see `Camera`.
        is_orthographic: `[V]` bool.
        far: `[V]`, depth at which the nearness of an orthographic camera reaches zero.
    """

    axes: torch.Tensor
    translation: torch.Tensor
    width: torch.Tensor
    is_orthographic: torch.Tensor
    far: torch.Tensor

    def take(self, view: int) -> "CameraTensors":
        """One of them, V = 1."""
        one = slice(view, view + 1)
        return CameraTensors(
            self.axes[one],
            self.translation[one],
            self.width[one],
            self.is_orthographic[one],
            self.far[one],
        )


def stack_cameras(
    cameras: Sequence[Camera], device: torch.device, dtype: torch.dtype = torch.float32
) -> CameraTensors:
    """Put cameras into tensors.

    Args:
        cameras: V of them.
        device: Where the tensors go.
        dtype: Of the floating-point ones.
    """
    rows = [
        np.append(camera.world_to_camera, [camera.width, camera.is_orthographic])
        for camera in cameras
    ]
    numbers = torch.from_numpy(np.stack(rows)).to(device, dtype)  # [V, 14], in one transfer
    matrix, width = numbers[:, :12].view(-1, 3, 4), numbers[:, 12]  # [V, 3, 4], [V]
    # Deep enough for anything near the origin, and close enough to keep float32 exact to 1e-6.
    far = 4 * (matrix[:, :, 3].norm(dim=1) + width)  # [V]
    return CameraTensors(matrix[:, :, :3], matrix[:, :, 3], width, numbers[:, 13] > 0, far)


def orbit_camera(
    azimuth_deg: float,
    elevation_deg: float,
    distance: float,
    *,
    width: float | None = None,
    fov_deg: float | None = None,
) -> Camera:
    """A camera that looks at the origin, upright (straight up and down included).

    Args:
        azimuth_deg: 0 sits on +Z, 90 on +X.
        elevation_deg: Grows upwards; at 90 and -90 the azimuth turns the picture.
        distance: From the camera to the origin.
        width: Edge of the square that an orthographic camera shows, in world units.
        fov_deg: Full field of view of a perspective camera.

    Raises:
        ValueError: Not exactly one of `width` and `fov_deg` is given.
    """
    if (width is None) == (fov_deg is None):
        raise ValueError("give either a width or a field of view")
    angles = torch.tensor([[azimuth_deg, elevation_deg]], dtype=torch.float64).deg2rad()
    axes = camera_axes(angles[:, 0], angles[:, 1])[0].numpy()  # [3, 3]
    matrix = np.concatenate([axes, [[0.0], [0.0], [-distance]]], 1).astype(np.float32)  # [3, 4]
    if width is not None:
        return Camera(matrix, True, width)
    return Camera(matrix, False, 2 * math.tan(math.radians(fov_deg or 0.0) / 2))


def painting_camera(azimuth_deg: float, elevation_deg: float) -> Camera:
    """The camera of the published painting pipeline for a mesh fitted by `fit_mesh_for_painting`.

    Args:
        azimuth_deg: 0 sees the front, 90 the side at +X.
        elevation_deg: Grows upwards.
    """
    return orbit_camera(azimuth_deg, elevation_deg, PAINTING_DISTANCE, width=PAINTING_WIDTH)


def align_corners(camera: Camera, size_px: int) -> Camera:
    """The camera whose outermost pixel centres, not pixel edges, lie on the picture's borders.

    The published renderer puts pixel i at 2i / (size - 1) - 1. In our convention, where pixel
    centres lie at .5 and -1..1 spans whole pixels, that is a slightly wider picture.

    Args:
        camera: In the published convention.
        size_px: Pixels per side, at least 2.
    """
    return replace(camera, width=camera.width * size_px / (size_px - 1))


def fit_mesh_for_painting(mesh: Mesh) -> tuple[Mesh, torch.Tensor, float]:
    """Move a mesh to where the painting cameras look, as large as they expect.

    Args:
        mesh: Anywhere, of any size.

    Returns:
        The mesh, centre `[3]` and scale: fitted = (vertices - centre) * scale.

    Raises:
        InputError: The mesh has no extent.
    """
    if len(mesh.faces) == 0 or np.ptp(mesh.vertices, axis=0).max() == 0:
        raise InputError("The mesh has no surface.", "Choose a mesh that has faces.")
    points = torch.from_numpy(mesh.vertices)
    centre, scale = fit_sphere(points, PAINTING_DIAMETER)
    return replace(mesh, vertices=((points - centre) * scale).numpy()), centre, scale


def to_camera_space(points: torch.Tensor, cameras: CameraTensors) -> torch.Tensor:
    """World points `[P, 3]` to every camera's own axes `[V, P, 3]`: right, up, backward."""
    local = torch.einsum("pk,vck->vpc", points, cameras.axes)  # [V, P, 3]
    return local + cameras.translation[:, None]


def project_local(local: torch.Tensor, cameras: CameraTensors) -> torch.Tensor:
    """Camera-space points `[V, P, 3]` to the screen, see `project`."""
    depth = -local[..., 2]  # [V, P]
    is_parallel = cameras.is_orthographic[:, None]
    is_front = depth > 0
    inverse = 1 / torch.where(is_front, depth, torch.ones_like(depth))
    scale = torch.where(is_parallel, torch.ones_like(inverse), inverse)
    scale = scale * (2 / cameras.width)[:, None]  # [V, P]
    nearness = torch.where(is_parallel, (cameras.far[:, None] - depth).clamp(min=0), inverse)
    nearness = torch.where(is_front, nearness, torch.zeros_like(nearness))
    return torch.cat([local[..., :2] * scale[..., None], nearness[..., None]], -1)  # [V, P, 3]


def project(points: torch.Tensor, cameras: Sequence[Camera]) -> torch.Tensor:
    """Project points with every camera.

    Args:
        points: `[P, 3]` world positions, floating point.
        cameras: V of them.

    Returns:
        `[V, P, 3]`: x right and y up, each in -1..1 inside the picture, and the nearness, which is
        linear on the screen and larger for nearer points: the inverse depth of a perspective
        camera, a constant minus the depth of an orthographic one; 0 for what is behind the camera.
    """
    stacked = stack_cameras(cameras, points.device, points.dtype)
    return project_local(to_camera_space(points, stacked), stacked)


def view_depth(points: torch.Tensor, cameras: Sequence[Camera]) -> torch.Tensor:
    """Distance `[V, P]` of points `[P, 3]` along each camera's axis; negative behind the camera."""
    stacked = stack_cameras(cameras, points.device, points.dtype)
    along = torch.einsum("pk,vk->vp", points, stacked.axes[:, 2])  # [V, P]
    return -along - stacked.translation[:, 2:]


def directions_to_camera(points: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Unit vectors `[P, 3]` from points `[P, 3]` towards a camera (its axis if orthographic)."""
    stacked = stack_cameras([camera], points.device, points.dtype)
    axes, translation = stacked.axes[0], stacked.translation[0]
    if camera.is_orthographic:
        return axes[2].expand_as(points)
    return functional.normalize(-translation @ axes - points, dim=-1)


def unproject(screen: torch.Tensor, depth: torch.Tensor, cameras: Sequence[Camera]) -> torch.Tensor:
    """Find the world points seen at places of the pictures.

    Args:
        screen: `[V, ..., 2]`, x right and y up, in -1..1.
        depth: `[V, ...]`, distance along the view axis.
        cameras: V of them.

    Returns:
        `[V, ..., 3]` world positions.
    """
    stacked = stack_cameras(cameras, screen.device, screen.dtype)
    shape = (-1, *(1,) * (depth.ndim - 1))
    ones = torch.ones_like(depth)
    scale = torch.where(stacked.is_orthographic.view(shape), ones, depth)
    scale = scale * (stacked.width / 2).view(shape)  # [V, ...]
    local = torch.cat([screen * scale[..., None], -depth[..., None]], -1)  # [V, ..., 3]
    local = local - stacked.translation.view(*shape, 3)
    return torch.einsum("v...c,vck->v...k", local, stacked.axes)


def screen_to_pixels(screen: torch.Tensor, size_px: int) -> torch.Tensor:
    """Places `[..., 2]` in -1..1, y up, to columns and rows; pixel centres lie at .5."""
    return torch.stack([screen[..., 0] + 1, 1 - screen[..., 1]], -1) * (size_px / 2)


def pixels_to_screen(pixels: torch.Tensor, size_px: int) -> torch.Tensor:
    """Columns and rows `[..., 2]`, pixel centres at .5, to places in -1..1, y up."""
    flip = torch.tensor([1.0, -1.0], device=pixels.device, dtype=pixels.dtype)
    return (pixels * (2 / size_px) - 1) * flip


def pixel_centres(size_px: int, device: torch.device) -> torch.Tensor:
    """Column and row `[H, W, 2]` float32 of every pixel's centre."""
    line = torch.arange(size_px, device=device, dtype=torch.float32) + 0.5
    rows, columns = torch.meshgrid(line, line, indexing="ij")  # [H, W]
    return torch.stack([columns, rows], -1)  # [H, W, 2]
