# SPDX-License-Identifier: GPL-3.0-or-later
"""Analytic fields that stand in for a network: cheap, exact, positive inside."""

from collections.abc import Callable

import torch

from backend.config import FieldConfig
from backend.data import Field, Latents
from backend.field.decode import decode_field
from backend.progress import Progress

Solid = Callable[[torch.Tensor], torch.Tensor]


class SolidDecoder:
    """A decoder that ignores its latents and counts the points it was asked for."""

    def __init__(self, solid: Solid) -> None:
        self.solid = solid
        self.num_queries = 0
        self.largest_query = 0

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents

    def query(self, points: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        assert points.shape[0] == decoded.shape[0] == 1
        assert points.dtype == torch.float32
        self.num_queries += points.shape[1]
        self.largest_query = max(self.largest_query, points.shape[1])
        return self.solid(points)


def decode(
    solid: Solid, resolution: int, progress: Progress | None = None, **options
) -> tuple[Field, SolidDecoder]:
    decoder = SolidDecoder(solid)
    latents = Latents(torch.zeros(1, 4, 4))
    config = FieldConfig(resolution)
    return decode_field(latents, decoder, config, progress or Progress(), **options), decoder


def ball(radius: float, centre: tuple[float, float, float] = (0, 0, 0)) -> Solid:
    return lambda p: radius - (p - torch.tensor(centre)).norm(dim=-1)


def box(half: tuple[float, float, float], centre: tuple[float, float, float] = (0, 0, 0)) -> Solid:
    def distance(p: torch.Tensor) -> torch.Tensor:
        q = (p - torch.tensor(centre)).abs() - torch.tensor(half)
        return -(q.clamp(min=0).norm(dim=-1) + q.amax(-1).clamp(max=0))

    return distance


def torus(major: float = 0.65, minor: float = 0.25) -> Solid:
    return lambda p: minor - torch.hypot(torch.hypot(p[..., 0], p[..., 2]) - major, p[..., 1])


def rod(start: torch.Tensor, end: torch.Tensor, radius: float) -> Solid:
    def distance(p: torch.Tensor) -> torch.Tensor:
        along = ((p - start) @ (end - start) / (end - start).square().sum()).clamp(0, 1)
        return radius - (p - start - along[..., None] * (end - start)).norm(dim=-1)

    return distance


def wires(radius: float = 0.02) -> Solid:
    generator = torch.Generator().manual_seed(1)
    ends = torch.rand(8, 2, 3, generator=generator) * 1.6 - 0.8
    return union(*(rod(start, end, radius) for start, end in ends))


def waves(frequency: float) -> Solid:
    """Noise-like: a sum of plane waves."""
    generator = torch.Generator().manual_seed(3)
    direction = torch.randn(24, 3, generator=generator) * frequency
    phase = torch.rand(24, generator=generator) * 6.28
    return lambda p: torch.sin(p @ direction.T + phase).sum(-1) / 5 - 0.3


def union(*solids: Solid) -> Solid:
    return lambda p: torch.stack([solid(p) for solid in solids]).amax(0)


def without(solid: Solid, cut: Solid) -> Solid:
    return lambda p: solid(p).minimum(-cut(p))


def saturated(solid: Solid, width: float = 0.02) -> Solid:
    """Like a trained occupancy: flat farther than `width` away from the surface."""
    return lambda p: 10 * torch.tanh(solid(p) / width)


SOLIDS: dict[str, Solid] = {
    "ball": ball(0.8),
    "torus": torus(),
    "thin plate": box((0.8, 0.015, 0.6)),
    "thin saturated plate between the coarse samples": saturated(
        box((0.8, 0.015, 0.6), (0, 0.0315, 0))
    ),
    "wires": wires(),
    "saturated wires": saturated(wires()),
    "needle that no slope foretells": saturated(
        union(ball(0.4), rod(torch.zeros(3), torch.tensor([0.71, 0.83, -0.64]), 0.02)), 0.001
    ),
    "large and tiny blob": union(ball(0.3, (0.5, 0.5, 0.5)), ball(0.05, (-0.6, -0.55, -0.57))),
    "box cut by the border": box((0.5, 0.5, 0.5), (0.8, 0, 0)),
    "inverted ball": lambda p: p.norm(dim=-1) - 0.5,
    "slow waves": waves(5),
    "fast waves": waves(60),
}
