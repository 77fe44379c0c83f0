# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns any triangles, open or intersecting, into a signed distance with a robust inside.

A voxel nearer than `wall` to a triangle is wall; what cannot be reached from the border without
crossing wall is inside. So the surface stands `wall` outside the artist's triangles, and an open
sheet becomes a plate of twice that thickness.
"""

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

BOX = 1.05
WALL = 0.012
BAND = 0.032
CELLS = 48
_SPLIT_EDGE = 0.08
_MAX_PAIRS = 1 << 24


def signed_distance(
    triangles: torch.Tensor, resolution: int = 256, wall: float = WALL, box: float = BOX
) -> torch.Tensor:
    """Sample the signed distance to the walled solid of a triangle set.

    Args:
        triangles: `[F, 3, 3]` float32 corners inside [-1, 1]^3.
        resolution: Cells R per edge, even.
        wall: Half thickness of the walls.
        box: Half edge of the sampled cube.

    Returns:
        `[R+1, R+1, R+1]` float32, negative inside, indexed x, y, z, right within about BAND of the
        surface and clipped to +-(BAND - wall) elsewhere.

    Raises:
        ValueError: The cells are so large that the flood leaks through the walls.
    """
    distance = unsigned_distance(triangles, resolution, box)
    cell = 2 * box / resolution
    if cell >= 2 * wall:
        raise ValueError(f"cells of {cell:.4f} let the flood leak through walls of {2 * wall:.4f}")
    is_wall = distance < wall
    outside = _outside(is_wall, 2 if cell < wall else 1)
    inside = ~outside & ~is_wall
    inner = _inner_walls(inside, outside, is_wall)
    signed = torch.where(inside | inner, -(distance + wall), distance - wall)
    limit = BAND - wall
    return signed.clamp(-limit, limit)


def unsigned_distance(
    triangles: torch.Tensor, resolution: int, box: float = BOX, band: float = BAND
) -> torch.Tensor:
    """Distance to the nearest triangle at the grid's nodes: exact up to `band`, then `band`.

    Returns:
        `[R+1, R+1, R+1]` float32.
    """
    side = resolution + 1
    cell = 2 * box / resolution
    parts = _split(triangles)
    low = ((parts.amin(1) - band + box) / cell).ceil().clamp(min=0).long()  # [T, 3]
    high = ((parts.amax(1) + band + box) / cell).floor().clamp(max=resolution).long()
    size = (high - low + 1).clamp(min=0)
    counts = size.prod(1)
    grid = torch.full((side**3,), band, device=triangles.device)
    ends = torch.cumsum(counts, 0)
    part = (ends - 1) // _MAX_PAIRS
    borders = (torch.nonzero(part[1:] != part[:-1]).squeeze(1) + 1).cpu()
    for chunk in torch.tensor_split(torch.arange(len(parts), device=grid.device), borders):
        number = counts[chunk]
        owner = torch.repeat_interleave(chunk, number)
        local = torch.arange(owner.numel(), device=grid.device)
        local = local - torch.repeat_interleave(torch.cumsum(number, 0) - number, number)
        sy, sz = size[owner, 1], size[owner, 2]
        index = torch.stack([local // (sy * sz), local // sz % sy, local % sz], 1) + low[owner]
        apart = point_triangle_distance(index * cell - box, parts[owner])
        near = apart < band
        index, apart = index[near], apart[near]
        flat = (index[:, 0] * side + index[:, 1]) * side + index[:, 2]
        grid.scatter_reduce_(0, flat, apart, "amin")
    return grid.view(side, side, side)


def point_triangle_distance(point: torch.Tensor, triangle: torch.Tensor) -> torch.Tensor:
    """Distance of points `[M, 3]` to their triangles `[M, 3, 3]` -> `[M]`.

    Source: the point either projects into the triangle's inside, or is nearest to one of its edges.
    """
    a, b, c = triangle.unbind(1)
    best = _segment_distance2(point, a, b)
    best = torch.minimum(best, _segment_distance2(point, b, c))
    best = torch.minimum(best, _segment_distance2(point, c, a))
    ab, ac, ap = b - a, c - a, point - a
    normal = torch.linalg.cross(ab, ac)
    area2 = (normal * normal).sum(1)
    height = (normal * ap).sum(1)
    v = (torch.linalg.cross(ap, ac) * normal).sum(1)
    w = (torch.linalg.cross(ab, ap) * normal).sum(1)
    within = (v >= 0) & (w >= 0) & (v + w <= area2) & (area2 > 1e-16)
    plane = height * height / area2.clamp(min=1e-16)
    return torch.where(within, plane, best).sqrt()


def solid_occupancy(triangles: torch.Tensor) -> torch.Tensor:
    """Which of the 48^3 cells of [-1, 1]^3 are solid: the measure of solid IoU.

    A cell is solid if its centre is within one cell's width of the surface, or if it cannot be
    reached from outside over centres that are not. Such a wall has no gaps for closed surfaces,
    whatever their slope, and the thinnest plate is two cells thick, so that a plate moved by a part
    of a cell still overlaps itself: walls much thinner than a cell (`centre_occupancy`) give a
    floor tile reproduced to 0.02 an IoU of 0.1. Made for any triangles, so both of the meshes that
    are compared go through it.

    Returns:
        `[48, 48, 48]` bool, indexed x, y, z.
    """
    # Two more centres on each side: the outermost are free whatever the shape.
    distance = unsigned_distance(triangles, CELLS + 3, 1 + 3 / CELLS, 2.1 / CELLS)
    is_solid = ~_outside(distance <= 2 / CELLS, 1)
    return is_solid[2:-2, 2:-2, 2:-2]


def centre_occupancy(triangles: torch.Tensor) -> torch.Tensor:
    """Which of the 48^3 cells of [-1, 1]^3 have a solid centre, by the walls of training.

    Returns:
        `[48, 48, 48]` bool, indexed x, y, z.
    """
    # Nodes 1/96 apart, of which every fourth is a cell's centre: the first at -94/96.
    distance = unsigned_distance(triangles, 200, box=100 / 96, band=WALL * 1.01)
    is_solid = ~_outside(distance < WALL, 1)
    return is_solid[6:195:4, 6:195:4, 6:195:4]


def _segment_distance2(p: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Squared distance of points `[M, 3]` to segments from a to b -> `[M]`."""
    along = b - a
    s = ((p - a) * along).sum(1) / (along * along).sum(1).clamp(min=1e-16)
    apart = p - (a + s.clamp(0, 1)[:, None] * along)
    return (apart * apart).sum(1)


def _split(triangles: torch.Tensor) -> torch.Tensor:
    """Halve triangles at their longest edge until none is longer than the limit."""
    done = []
    while len(triangles):
        edges = (triangles.roll(-1, 1) - triangles).norm(dim=2)  # [T, 3]
        length, longest = edges.max(1)
        small = length <= _SPLIT_EDGE
        done.append(triangles[small])
        triangles, longest = triangles[~small], longest[~small]
        turn = (torch.arange(3, device=triangles.device)[None] + longest[:, None]) % 3
        turned = torch.gather(triangles, 1, turn[:, :, None].expand(-1, -1, 3))
        a, b, c = turned.unbind(1)
        middle = (a + b) / 2
        triangles = torch.cat([torch.stack([a, middle, c], 1), torch.stack([middle, b, c], 1)])
    return torch.cat(done)


def _spread(mask: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """Grow a mask by one node along each axis in turn, inside `free`; both `[1, 1, X, Y, Z]`."""
    for kernel in ((3, 1, 1), (1, 3, 1), (1, 1, 3)):
        mask = functional.max_pool3d(mask, kernel, 1, tuple(k // 2 for k in kernel)) * free
    return mask


def _outside(is_wall: torch.Tensor, step: int) -> torch.Tensor:
    """Flood from the border, first on every `step`-th node, then refined to all."""
    if not is_wall.is_cuda:
        return _outside_by_labels(is_wall)
    kind = torch.float16
    coarse_free = (~is_wall[::step, ::step, ::step]).to(kind)[None, None]
    reached = torch.zeros_like(coarse_free)
    for axis in range(2, 5):
        for end in (0, -1):
            reached.select(axis, end).fill_(1)
    reached = reached * coarse_free
    before = -1.0
    while (now := float(reached.sum(dtype=torch.float64))) != before:
        before = now
        for _ in range(16):
            reached = _spread(reached, coarse_free)
    free = (~is_wall).to(kind)[None, None]
    fine = torch.zeros_like(free)
    fine[..., ::step, ::step, ::step] = reached
    for _ in range(3):
        fine = _spread(fine, free)
    return fine[0, 0] > 0


def _outside_by_labels(is_wall: torch.Tensor) -> torch.Tensor:
    """The same on the CPU: the connected parts of free space that touch the border."""
    parts = np.empty(is_wall.shape, np.int32)
    ndimage.label(~is_wall.numpy(), output=parts)
    border = [parts.take(end, axis).ravel() for axis in range(3) for end in (0, -1)]
    touching = np.unique(np.concatenate(border))
    return torch.from_numpy(np.isin(parts, touching[touching > 0]))


def _inner_walls(
    inside: torch.Tensor, outside: torch.Tensor, is_wall: torch.Tensor
) -> torch.Tensor:
    """The wall nodes nearer to the inside than to the outside."""
    kind = torch.float16 if is_wall.is_cuda else torch.float32
    wall = is_wall.to(kind)[None, None]
    inner, outer = inside.to(kind)[None, None], outside.to(kind)[None, None]
    inner_wall, outer_wall = torch.zeros_like(wall), torch.zeros_like(wall)
    for _ in range(3):
        unknown = wall * (1 - inner_wall) * (1 - outer_wall)
        new_inner = functional.max_pool3d(inner + inner_wall, 3, 1, 1) * unknown
        new_outer = functional.max_pool3d(outer + outer_wall, 3, 1, 1) * unknown
        outer_wall = outer_wall + (new_outer > 0)
        inner_wall = inner_wall + ((new_inner > 0) & (new_outer <= 0))
    return inner_wall[0, 0] > 0
