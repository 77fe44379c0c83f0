# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the latents of a shape into a field sampled on a regular grid."""

from typing import Protocol

import torch

from ..config import FieldConfig
from ..data import Field, Latents
from ..progress import Progress
from .dense import sample_dense
from .grid import Sampler
from .hierarchical import sample_hierarchical

BOX = 1.01  # a little more than the object's [-1, 1], so that surfaces do not end at the border
CHUNK_SIZE = 65_536
CPU_CHUNK_SIZE = 2_048  # a chunk's widest activations then stay in the cache


class FieldDecoder(Protocol):
    """What the stage needs of a network, e.g. the decoding half of a shape autoencoder."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Prepare latents `[B, N, C]` for queries: `[B, N, D]`."""
        ...

    def query(self, points: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        """Occupancy logits `[B, Q]` at `points` `[B, Q, 3]`, positive inside."""
        ...


def decode_field(
    latents: Latents,
    decoder: FieldDecoder,
    config: FieldConfig,
    progress: Progress,
    *,
    box: float = BOX,
    level: float = 0.0,
    chunk_size: int | None = None,
    is_dense: bool = False,
) -> Field:
    """Sample a shape's field finely near its surface and interpolate it elsewhere.

    Marching cubes gives the same surface as with every point queried: each cell that the surface
    passes through has all of its corners queried.

    Args:
        latents: One shape, `[1, N, C]`; the points follow it to its device.
        decoder: The network.
        config: Resolution R.
        progress: Told, and asked for a cancel, after every chunk.
        box: Half the edge of the box around the origin.
        level: Field value of the surface.
        chunk_size: Points in one query, which bounds the network's memory; None suits the device.
        is_dense: Query every point: slow, the reference for tests.

    Returns:
        The field, `[R+1, R+1, R+1]` float32.

    Raises:
        CancelledError: The user cancelled the job.
        ValueError: `latents` holds more than one shape.
    """
    if latents.values.shape[0] != 1:
        raise ValueError(f"expected one shape, got latents {tuple(latents.values.shape)}")
    device = latents.values.device
    if chunk_size is None:
        chunk_size = CPU_CHUNK_SIZE if device.type == "cpu" else CHUNK_SIZE
    with torch.inference_mode():
        decoded = decoder.decode(latents.values)  # [1, N, D]

        def query(points: torch.Tensor) -> torch.Tensor:
            return decoder.query(points.to(device)[None], decoded).reshape(-1)  # [Q]

        sampler = Sampler(query, box, config.resolution, chunk_size, progress)
        if is_dense:
            values = sample_dense(sampler, config.resolution)
        else:
            values = sample_hierarchical(sampler, config.resolution, level)
    return Field(values, (-box, -box, -box), (box, box, box), level)
