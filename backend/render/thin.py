# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns triangles that may fall between pixel centres into lines of pixels, so that none is lost.

Pixel centres miss parts of a wire or of a blade seen from its edge. Such a triangle is drawn along
its longest edge, wherever none of the pixel centres beside that line shows anything as near: an
unbroken surface covers one of them, and stays as it is.
"""

import torch

from .spans import expand, longest_edges

THINNEST_SAFE_PX = 1.0
"""A triangle at least this high cannot pass between pixel centres for long."""

ROUNDING = 1e-6
"""Relative error of the buffer's nearness."""


def find_thin(
    corners: torch.Tensor, is_drawn: torch.Tensor, size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the triangles to draw as lines.

    Args:
        corners: `[K, 3, 3]`: column, row, nearness.
        is_drawn: `[K]` bool, those in front of the camera.
        size: Rows and columns of the picture.

    Returns:
        The thin triangles `[N]` int64 and the length of their lines in steps `[N]`.
    """
    height, width = size
    _, length, area = longest_edges(corners)  # [K]
    limit = torch.tensor([width, height], device=corners.device)
    low, high = corners[..., :2].amin(1), corners[..., :2].amax(1)  # [K, 2]
    is_inside = ((high >= 0) & (low < limit)).all(1)
    is_thin = is_drawn & is_inside & (area < THINNEST_SAFE_PX * length)
    chosen = torch.nonzero(is_thin).squeeze(1)
    _, _, first, last = _lines(corners[chosen].double(), size)
    return chosen, (last - first + 1).clamp(min=1).long()


def find_line_pixels(
    corners: torch.Tensor,
    view: torch.Tensor,
    part: torch.Tensor,
    num_steps: torch.Tensor,
    buffer: torch.Tensor,
    size: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Walk along the longest edges of thin triangles.

    Args:
        corners: `[K, 3, 3]`: column, row, nearness.
        view: `[K]` int64.
        part: `[N]` int64, the thin triangles.
        num_steps: `[N]` from `find_thin`.
        buffer: `[V * H * W]`, what is seen at the pixel centres: nearness and owner.
        size: Rows and columns of the picture.

    Returns:
        Triangle, flat pixel and nearness (float32) of each step that must be drawn, `[M]` each.
    """
    height, width = size
    start, end, first, last = _lines(corners[part].double(), size)  # [N, 3], [N]
    index, number = expand(num_steps)  # [M]
    start, end = start[index], end[index]  # [M, 3]: along, across, nearness
    share = (first[index] + number + 0.5 - start[:, 0]) / (end[:, 0] - start[:, 0])
    is_short = (last < first)[index]  # between two steps: its middle stands for it
    share = torch.where(is_short, torch.full_like(share, 0.5), share).clamp(0, 1)
    place = torch.lerp(start, end, share[:, None])  # [M, 3]
    near, own = place[:, 2], torch.floor(place[:, :2])
    other = 2 * torch.floor(place[:, :2] - 0.5) + 1 - own
    other[:, 0] = torch.where(is_short, other[:, 0], own[:, 0])
    is_steep = _is_steep(corners[part])[index]
    base = view[part][index] * height
    is_open, target = torch.ones_like(is_steep), base
    for along, across in ((own, own), (own, other), (other, own), (other, other)):
        column = torch.where(is_steep, across[:, 1], along[:, 0]).long()
        row = torch.where(is_steep, along[:, 0], across[:, 1]).long()
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        pixel = (base + row.clamp(0, height - 1)) * width + column.clamp(0, width - 1)
        if across is along is own:
            is_open, target = inside, pixel
        kept = torch.nonzero(is_open & inside).squeeze(1)
        is_hidden = _is_hidden(corners, buffer[pixel[kept]], near[kept])
        is_open = is_open.index_put((kept,), ~is_hidden)
    kept = torch.nonzero(is_open).squeeze(1)
    return part[index[kept]], target[kept], near[kept].float()


def _is_steep(corners: torch.Tensor) -> torch.Tensor:
    """Whether the longest edge `[N]` runs more along the rows' axis than along a row."""
    start, _, _ = longest_edges(corners)
    item = torch.arange(len(start), device=start.device)
    side = (corners[item, (start + 1) % 3] - corners[item, start]).abs()  # [N, 3]
    return side[:, 1] > side[:, 0]


def _lines(
    corners: torch.Tensor, size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Both ends `[N, 3]` of the longest edges: along, across, nearness; first and last step `[N]`.

    A step is a pixel centre along the line; where the line holds none, last < first.
    """
    edge, _, _ = longest_edges(corners)
    item = torch.arange(len(edge), device=edge.device)
    ends = torch.stack([corners[item, edge], corners[item, (edge + 1) % 3]])  # [2, N, 3]
    is_steep = _is_steep(corners)
    ends = torch.where(is_steep[:, None], ends[..., [1, 0, 2]], ends)
    limit = torch.where(is_steep, size[0], size[1])
    first = torch.ceil(ends[..., 0].amin(0) - 0.5).clamp(min=0)
    last = torch.minimum(torch.floor(ends[..., 0].amax(0) - 0.5), limit - 1.0)
    return ends[0], ends[1], first, last


def _is_hidden(corners: torch.Tensor, seen: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """Whether what a pixel centre shows is as near as a point up to a pixel away `[M]`."""
    owner = (seen & 0xFFFFFFFF) - 1  # [M]
    surface = (seen >> 32).to(torch.int32).view(torch.float32)
    near = near * (1 - ROUNDING)
    is_hidden = (owner >= 0) & (surface >= near)
    close = torch.nonzero((owner >= 0) & ~is_hidden).squeeze(1)
    corner = corners[owner[close]].double()  # [N, 3, 3]
    (bx, by, bz), (cx, cy, cz) = ((corner[:, k] - corner[:, 0]).unbind(1) for k in (1, 2))
    area = (bx * cy - by * cx).abs().clamp(min=1e-300)
    slope = ((bz * cy - by * cz).abs() + (bx * cz - bz * cx).abs()) / area
    extent = corner[..., 2].amax(1) - corner[..., 2].amin(1)
    reach = surface[close] + torch.minimum(slope, extent)
    return is_hidden.index_put((close,), reach >= near[close])
