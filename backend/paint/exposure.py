# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a lit picture of a known surface into how strong the light on it is: a network tells."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ..data import Camera


class LightGuesser(Protocol):
    """Tells the light on each pixel of a picture; see `models/maquette/light_guess.py`."""

    @property
    def size_px(self) -> int:
        """Edge of the pictures that it was trained on."""
        ...

    @property
    def filled(self) -> float:
        """Share of that edge that the object fills."""
        ...

    def __call__(self, colour: Tensor, alpha: Tensor, normal: Tensor, /) -> Tensor:
        """Map `[B, 3, H, W]`, `[B, 1, H, W]`, `[B, 3, H, W]` to `[B, 1, H, W]` logarithms."""
        ...


@torch.no_grad()
def guess_exposure(
    colour: Tensor, normals: Tensor, mask: Tensor, camera: Camera, guesser: LightGuesser
) -> float:
    """How much light falls on what a picture shows.

    A dark surface in bright light and a bright one in dim light look alike; which is likelier can
    only be learnt.

    Args:
        colour: `[H, W, 3]` float32 in [0, 1], sRGB.
        normals: `[H, W, 3]`, unit length in the mask, world axes.
        mask: `[H, W]` bool, the pixels that show the surface, at least one.
        camera: That took the picture.
        guesser: The network.

    Returns:
        Natural logarithm of the light, mean over the surface; 0 is light that leaves colours as
        they are.
    """
    turned = normals @ find_level_axes(camera).to(normals).T  # [H, W, 3]
    values = torch.cat([colour, turned, torch.ones_like(colour[..., :1])], -1) * mask[..., None]
    small = _frame(values, mask, guesser.size_px, guesser.filled)  # [1, 7, s, s]
    alpha = small[:, 6:]
    straight = small[:, :6] / alpha.clamp(min=1e-6)
    normal = functional.normalize(straight[:, 3:], dim=1)
    light = guesser(straight[:, :3].clamp(0, 1), alpha, normal)
    return float((light * alpha).sum() / alpha.sum().clamp(min=1e-6))


def find_level_axes(camera: Camera) -> Tensor:
    """Rows `[3, 3]`: to the picture's right, up, and level towards the camera."""
    right = torch.from_numpy(camera.world_to_camera[0, :3]).float() * torch.tensor([1.0, 0.0, 1.0])
    right = functional.normalize(right, dim=0)
    up = torch.tensor([0.0, 1.0, 0.0])
    return torch.stack([right, up, torch.linalg.cross(right, up)])


def _frame(values: Tensor, mask: Tensor, size_px: int, filled: float) -> Tensor:
    """Means `[1, C, s, s]` of the square of `[H, W, C]` of which the mask fills this share."""
    rows, columns = (torch.nonzero(mask.any(axis))[:, 0] for axis in (1, 0))
    (top, bottom), (left, right) = ((int(x[0]), int(x[-1]) + 1) for x in (rows, columns))
    side = max(1, round(max(bottom - top, right - left) / filled))
    top, left = (top + bottom - side) // 2, (left + right - side) // 2
    height, width = mask.shape
    # A negative border cuts off.
    border = (-left, left + side - width, -top, top + side - height)
    square = functional.pad(values.movedim(-1, 0), border)
    return functional.interpolate(square[None], (size_px, size_px), mode="area")
