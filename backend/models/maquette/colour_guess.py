# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the known colours of a surface into those of its unknown parts: a kernel that is fitted.

Each unknown part takes a weighted mean of known ones, so that no colour appears which is nowhere
known. What weighs much is near and faces alike: on the same side, or on another one that is its
mirror image or a quarter turn away; at the same height and distance from the upright axis; at the
same height; or, more loosely, anywhere near. How much each of these counts depends on where the
unknown part is and which way it faces. A hundred numbers, fitted by `training/guess.py`.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from ..layers.attention import attention

_SIDES = (
    ((1, 0), (0, 1), 0.0),
    ((-1, 0), (0, 1), -1.0),
    ((1, 0), (0, -1), -2.0),
    ((-1, 0), (0, -1), -2.0),
    ((0, 1), (1, 0), -3.0),
    ((0, -1), (1, 0), -3.0),
    ((0, 1), (-1, 0), -3.0),
    ((0, -1), (-1, 0), -3.0),
)
"""Symmetries of a square seen from above, as rows of what becomes of the two level axes, and the
logarithm of how much each counts before the fit. Left and right are alike most often."""
_LOOSE_BIAS = -6.0
NUM_KERNELS = len(_SIDES) + 3
NUM_GATES = 7
_SMALLEST_SCALE = 0.008
_UNKNOWN = -1e4
_WIDTH = 32
"""Numbers of a query: 20 features, one bias for each kernel, and 1 for the bias of the key."""


class ColourGuess(nn.Module):
    """Gaussian kernels over places and directions, summed, as one attention.

    Places are those of the position map minus 0.5, directions unit normals; both in the order of
    the maps' colours: x, -z, y, so that the third number is the height.
    """

    def __init__(self) -> None:
        super().__init__()
        # Of level and upright differences: of places, then of directions.
        self.side = nn.Parameter(torch.tensor([0.03, 0.03, 0.4, 0.4]).log())
        self.round = nn.Parameter(torch.tensor([0.03, 0.03, 0.4, 0.4]).log())
        self.height = nn.Parameter(torch.tensor([0.03, 0.4, 0.4]).log())
        self.loose = nn.Parameter(torch.tensor([0.2, 0.2, 0.5, 0.5]).log())
        bias = [loss for _, _, loss in _SIDES] + [_LOOSE_BIAS] * 3
        self.bias = nn.Parameter(torch.tensor(bias))
        self.gate = nn.Parameter(torch.zeros(NUM_KERNELS, NUM_GATES))

    def forward(
        self, target: torch.Tensor, source: torch.Tensor, colour: torch.Tensor, share: torch.Tensor
    ) -> torch.Tensor:
        """Guess colours.

        Args:
            target: `[B, M, 6]` places and directions of what is unknown, float32.
            source: `[B, K, 6]` of what may be known.
            colour: `[B, K, 3]` of the sources.
            share: `[B, K]` weight of each source, 0 where nothing is known.

        Returns:
            `[B, M, 3]`; without any known source, a mean of what `colour` holds.
        """
        known = torch.where(share > 0, share.clamp(min=1e-6).log(), _UNKNOWN)  # [B, K]
        blocks = self._features(target)
        lengths = torch.stack([block.square().sum(2) for block in blocks], 2)  # [B, M, 4]
        kind = torch.tensor([0] * len(_SIDES) + [1, 2, 3], device=target.device)
        offset = self.bias + _conditions(target) @ self.gate.T - lengths[..., kind] / 2
        one = torch.ones_like(offset[..., :1])
        query = torch.cat([*blocks, offset, one], 2) * math.sqrt(_WIDTH)  # [B, M, 32]
        side, *others = self._features(source)
        # Both level axes have one scale, so what is scaled may be turned.
        keys = [
            self._key(place, _turn(side, across, along), 0, known)
            for place, (across, along, _) in enumerate(_SIDES)
        ]
        keys += [
            self._key(len(_SIDES) + n, feature, n + 1, known) for n, feature in enumerate(others)
        ]
        key = torch.cat(keys, 1)  # [B, 11 K, 32]
        value = functional.pad(colour, (0, _WIDTH - 3)).repeat(1, NUM_KERNELS, 1)
        return attention(query[:, None], key[:, None], value[:, None])[:, 0, :, :3]

    def _features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Scaled features `[B, N, 6 or 4]` of each kind of kernel."""
        side, turn_free, height, loose = (
            (-scale.clamp(min=math.log(_SMALLEST_SCALE))).exp()
            for scale in (self.side, self.round, self.height, self.loose)
        )
        place, up = x[..., 2:3], x[..., 5:6]  # both along the upright axis
        radius = (x[..., :2].square().sum(-1, keepdim=True) + 1e-6).sqrt()
        outward = (x[..., :2] * x[..., 3:5]).sum(-1, keepdim=True) / radius
        return [
            x * side[[0, 0, 1, 2, 2, 3]],
            torch.cat([radius, place, outward, up], -1) * turn_free,
            torch.cat([place, x[..., 3:5], up], -1) * height[[0, 1, 1, 2]],
            x * loose[[0, 0, 1, 2, 2, 3]],
        ]

    def _key(
        self, place: int, feature: torch.Tensor, kind: int, known: torch.Tensor
    ) -> torch.Tensor:
        """Keys `[B, K, 32]` of one kernel: its features in their own columns, its number, a bias.

        A Gaussian is the exponential of a product, less half of both squared lengths.
        """
        starts = (0, 6, 10, 14, 20)
        key = feature.new_zeros(*feature.shape[:2], _WIDTH)
        key[..., starts[kind] : starts[kind + 1]] = feature
        key[..., starts[4] + place] = 1
        key[..., -1] = known - feature.square().sum(2) / 2
        return key


def _turn(x: torch.Tensor, across: tuple[int, int], along: tuple[int, int]) -> torch.Tensor:
    """The same parts `[B, K, 6]` on another side."""
    a, b, c = x.unflatten(2, (2, 3)).unbind(3)  # [B, K, 2] each
    turned = [across[0] * a + across[1] * b, along[0] * a + along[1] * b, c]
    return torch.stack(turned, 3).flatten(2)


def _conditions(x: torch.Tensor) -> torch.Tensor:
    """What the weights of the kernels depend on, `[B, M, 7]`."""
    normal = functional.normalize(x[..., 3:], dim=-1)
    back, up, height = normal[..., 1], normal[..., 2], 2 * x[..., 2]
    radius = 2 * x[..., :2].norm(dim=-1)
    return torch.stack([up, up.abs(), back, back.abs(), height, radius, height.square()], -1)
