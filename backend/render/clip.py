# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns triangles that reach behind a camera into the parts in front of it."""

import torch

NEAR_SHARE = 0.01
"""Near plane of a perspective camera, as a share of the depth of the farthest point."""


def near_plane(depth: torch.Tensor, is_orthographic: bool) -> float:
    """Where to cut: nothing nearer than this depth is drawn.

    Args:
        depth: `[...]` depths of the mesh's points.
        is_orthographic: Whether the rays are parallel, so that only what is behind must go.
    """
    farthest = depth.max().item()
    return (1e-9 if is_orthographic else NEAR_SHARE) * max(farthest, 0.0)


def clip_near(
    corners: torch.Tensor, near: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Cut triangles at the near plane.

    Args:
        corners: `[F, 3, 3]` in camera space, looking down -Z.
        near: Depth of the plane.

    Returns:
        Corners `[K, 3, 3]` of the parts in front, the triangle `[K]` int64 that each is a part of,
        and each part's corners as blends of that triangle's `[K, 3, 3]`: None if nothing was cut.

    Source: Sutherland and Hodgman 1974, "Reentrant Polygon Clipping", for one plane.
    """
    above = -corners[..., 2] - near  # [F, 3]
    is_front = above >= 0
    count = is_front.sum(1)  # [F]
    whole = torch.nonzero(count == 3).squeeze(1)
    if ((count == 0) | (count == 3)).all():
        return corners[whole], whole, None
    tips = _cut(above, is_front, torch.nonzero(count == 1).squeeze(1), is_tip=True)
    stumps = _cut(above, is_front, torch.nonzero(count == 2).squeeze(1), is_tip=False)
    unit = torch.eye(3, device=corners.device, dtype=corners.dtype).expand(len(whole), 3, 3)
    face = torch.cat([whole, tips[0], stumps[0]])
    blend = torch.cat([unit, tips[1], stumps[1]])  # [K, 3, 3]
    return blend @ corners[face], face, blend


def _cut(
    above: torch.Tensor, is_front: torch.Tensor, face: torch.Tensor, is_tip: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The parts of triangles with one corner in front (tips) or two: face `[K]`, blend `[K, 3, 3]`.

    The lone corner is a, the next ones b and c. A tip is (a, ab, ac); what is left without one is
    the two triangles (ab, b, c) and (ab, c, ac).
    """
    lone = is_front[face] if is_tip else ~is_front[face]  # [N, 3]
    a = lone.int().argmax(1)  # [N]
    order = (a[:, None] + torch.arange(3, device=a.device)) % 3  # [N, 3]
    unit = torch.eye(3, device=above.device, dtype=above.dtype)[order]  # [N, 3, 3]
    height = torch.gather(above[face], 1, order).abs()  # [N, 3]
    crossing = []
    for other in (1, 2):
        share = height[:, other] / (height[:, 0] + height[:, other])  # of a
        crossing.append(share[:, None] * unit[:, 0] + (1 - share)[:, None] * unit[:, other])
    ab, ac = crossing
    if is_tip:
        return face, torch.stack([unit[:, 0], ab, ac], 1)
    first = torch.stack([ab, unit[:, 1], unit[:, 2]], 1)  # [N, 3, 3]
    second = torch.stack([ab, unit[:, 2], ac], 1)
    return torch.cat([face, face]), torch.cat([first, second])
