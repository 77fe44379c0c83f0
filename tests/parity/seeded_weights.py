# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that anyone can regenerate: each depends on its parameter's name and shape alone.

A parity case stores a configuration, the parameter names and shapes, inputs and outputs. Fill a
model of that configuration with `seeded_state_dict` and its outputs must match the stored ones.
"""

import zlib

import numpy as np


def seeded_array(name: str, shape: tuple[int, ...], kind: str = "auto") -> np.ndarray:
    """One float32 array for the parameter `name`.

    kind "normal" gives unit normals. "auto" gives what keeps a deep network's activations near
    unit size: matrices and kernels N(0, 1/fan_in); one-dimensional scales 1 + 0.1 N; biases and
    the rest 0.1 N.
    """
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(
        shape, dtype=np.float32
    )
    if kind == "normal":
        return noise
    leaf = name.rsplit(".", 1)[-1]
    if len(shape) >= 2 and leaf == "weight":
        return noise / np.sqrt(np.prod(shape[1:]), dtype=np.float32)
    if leaf in ("weight", "scale", "gamma"):
        return (1 + 0.1 * noise).astype(np.float32)
    return (0.1 * noise).astype(np.float32)


def seeded_state_dict(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Arrays for a whole model: {parameter name: shape} -> {parameter name: float32 array}."""
    return {name: seeded_array(name, tuple(shape)) for name, shape in shapes.items()}
