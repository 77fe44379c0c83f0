# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh with UVs into its texels: the point of the surface that each of them shows."""

from dataclasses import dataclass

import torch

from ..data import Mesh

MAX_CANDIDATES = 1 << 22
"""Pairs of a face and a texel that are tested at a time; bounds the memory."""
_REACH = 0.7072
"""Half a texel's diagonal: a chart this close to the centre may touch the texel."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A mesh on the device.

    Attributes:
        corners: `[F, 3, 3]` float32, places of each face's corners.
        normals: `[F, 3]` float32, unit, zero for faces without area.
        uv: `[F, 3, 2]` float32.
    """

    corners: torch.Tensor
    normals: torch.Tensor
    uv: torch.Tensor


@dataclass(frozen=True, slots=True)
class Texels:
    """The N texels that a chart covers or touches.

    Attributes:
        index: `[N]` int64, row * T + column, ascending.
        face: `[N]` int64, the face shown.
        point: `[N, 3]` float32, the texel's centre on the face; of a texel that is only touched,
            the nearest point of the chart.
        normal: `[N, 3]` float32, the face's.
        is_inside: `[N]` bool, the centre is inside the chart.
        size: Edge of a typical texel in world units.
    """

    index: torch.Tensor
    face: torch.Tensor
    point: torch.Tensor
    normal: torch.Tensor
    is_inside: torch.Tensor
    size: float

    def take(self, chosen: torch.Tensor) -> "Texels":
        """The texels at some places `[M]`."""
        return Texels(
            self.index[chosen],
            self.face[chosen],
            self.point[chosen],
            self.normal[chosen],
            self.is_inside[chosen],
            self.size,
        )


def load_surface(mesh: Mesh, device: torch.device) -> Surface:
    """Put a mesh with UVs onto a device.

    Raises:
        ValueError: The mesh has no UVs.
    """
    if mesh.uv is None:
        raise ValueError("the mesh has no UVs")
    vertices = torch.as_tensor(mesh.vertices, dtype=torch.float32, device=device)
    faces = torch.as_tensor(mesh.faces, dtype=torch.int64, device=device)
    uv = torch.as_tensor(mesh.uv, dtype=torch.float32, device=device)
    corners = vertices[faces]  # [F, 3, 3]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normals = torch.nn.functional.normalize(torch.linalg.cross(first, second), dim=1)
    return Surface(corners, normals, uv)


def find_texels(surface: Surface, size: int) -> Texels:
    """Find what every texel shows, the texels that a chart only touches included.

    Args:
        surface: Its UVs' origin is at the bottom left; what lies outside of 0..1 is not drawn.
        size: Edge T of the texture in texels.

    Returns:
        The texels. Where charts overlap, the face with the lower index is shown.
    """
    flip = torch.tensor([1.0, -1.0], device=surface.uv.device)
    corners = (surface.uv * flip + (1 - flip) / 2) * size  # [F, 3, 2], columns and rows
    nearest = _nearest_faces(corners, size)  # [T * T]
    index = torch.nonzero(nearest < torch.iinfo(torch.int64).max).squeeze(1)  # [N]
    key = nearest[index]
    face, is_inside = key & 0xFFFFFFFF, (key >> 32) == 0
    centre = torch.stack([index % size + 0.5, index // size + 0.5], 1)  # [N, 2]
    weights = _clamped_weights(corners[face], centre, is_inside)  # [N, 3]
    point = torch.einsum("nk,nkc->nc", weights, surface.corners[face])
    edge = _typical_size(surface.corners, corners)
    return Texels(index, face, point, surface.normals[face], is_inside, edge)


def _typical_size(corners: torch.Tensor, flat: torch.Tensor) -> float:
    """Square root of the whole area in the world over the whole area in texels."""
    sides = corners[:, 1:] - corners[:, :1]  # [F, 2, 3]
    world = torch.linalg.cross(sides[:, 0], sides[:, 1]).norm(dim=1).sum()
    sides = flat[:, 1:] - flat[:, :1]  # [F, 2, 2]
    area = (sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]).abs().sum()
    return float((world / area.clamp(min=1e-12)).sqrt())


def _nearest_faces(corners: torch.Tensor, size: int) -> torch.Tensor:
    """Squared distance (upper half) and index of the nearest face, `[T * T]` int64."""
    device = corners.device
    nearest = torch.full((size * size,), torch.iinfo(torch.int64).max, device=device)
    low = torch.ceil(corners.amin(1) - 0.5 - _REACH).clamp(min=0)  # [F, 2]
    high = torch.floor(corners.amax(1) - 0.5 + _REACH).clamp(max=size - 1.0)
    extent = (high - low + 1).clamp(min=0).long()
    counts = extent[:, 0] * extent[:, 1]  # [F]
    for chunk in _chunks(counts):
        owner = torch.repeat_interleave(chunk, counts[chunk])  # [M]
        start = torch.cumsum(counts[chunk], 0) - counts[chunk]
        local = torch.arange(owner.numel(), device=device)
        local = local - torch.repeat_interleave(start, counts[chunk])
        columns = extent[owner, 0]
        texel = low[owner].long() + torch.stack([local % columns, local // columns], 1)  # [M, 2]
        near = _signed_distances(corners[owner], texel + 0.5).amin(1)  # [M]
        close = torch.nonzero(near >= -_REACH).squeeze(1)
        owner, texel, near = (part[close] for part in (owner, texel, near))
        gap = _border_distances(corners[owner], texel + 0.5)[0].amin(1)  # [M], squared
        gap = torch.where(near >= 0, torch.zeros_like(gap), gap.clamp(min=1e-12))
        touched = torch.nonzero(gap <= _REACH**2).squeeze(1)
        key = (gap.view(torch.int32).to(torch.int64) << 32) | owner
        flat = texel[:, 1] * size + texel[:, 0]
        nearest.scatter_reduce_(0, flat[touched], key[touched], "amin")
    return nearest


def _chunks(counts: torch.Tensor) -> list[torch.Tensor]:
    """Split the faces so that a part has about MAX_CANDIDATES texels to test."""
    drawn = torch.nonzero(counts > 0).squeeze(1)
    if drawn.numel() == 0:
        return []
    part = torch.cumsum(counts[drawn], 0) // MAX_CANDIDATES
    borders = torch.nonzero(part[1:] != part[:-1]).squeeze(1) + 1
    return list(torch.tensor_split(drawn, borders.cpu()))


def _signed_distances(corners: torch.Tensor, point: torch.Tensor) -> torch.Tensor:
    """Distances `[M, 3]` to the lines of a triangle's edges, positive inside."""
    edge = corners.roll(-1, 1) - corners  # [M, 3, 2]
    apart = point[:, None] - corners
    cross = edge[..., 0] * apart[..., 1] - edge[..., 1] * apart[..., 0]  # [M, 3]
    turn = edge[:, 0, 0] * edge[:, 1, 1] - edge[:, 0, 1] * edge[:, 1, 0]  # [M]
    distance = cross / edge.norm(dim=-1).clamp(min=1e-12)
    # A triangle without area has no inside.
    return torch.where(turn[:, None] == 0, -distance.abs() - 1e-6, distance * turn.sign()[:, None])


def _border_distances(
    corners: torch.Tensor, point: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared distance to each edge and the nearest place along it (0..1), each `[M, 3]`."""
    edge = corners.roll(-1, 1) - corners  # [M, 3, 2]
    apart = point[:, None] - corners
    along = ((edge * apart).sum(-1) / (edge * edge).sum(-1).clamp(min=1e-12)).clamp(0, 1)
    return (apart - along[..., None] * edge).square().sum(-1), along


def _clamped_weights(
    corners: torch.Tensor, point: torch.Tensor, is_inside: torch.Tensor
) -> torch.Tensor:
    """Barycentric coordinates `[N, 3]` of the triangle's point nearest to each given one."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    apart = point - corners[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    area = torch.where(area == 0, torch.ones_like(area), area)
    b = (apart[:, 0] * second[:, 1] - apart[:, 1] * second[:, 0]) / area
    c = (first[:, 0] * apart[:, 1] - first[:, 1] * apart[:, 0]) / area
    inner = torch.stack([1 - b - c, b, c], 1).clamp(min=0)  # [N, 3]
    gap, along = _border_distances(corners, point)
    nearest = gap.argmin(1, keepdim=True)  # [N, 1]
    place = along.gather(1, nearest)
    border = torch.zeros_like(inner)
    border.scatter_(1, nearest, 1 - place).scatter_(1, (nearest + 1) % 3, place)
    weights = torch.where(is_inside[:, None], inner, border)
    return weights / weights.sum(1, keepdim=True)
