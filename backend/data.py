# SPDX-License-Identifier: GPL-3.0-or-later
"""What one stage hands to the next. Read this file first.

Frames: right-handed, Y up, front faces +Z, object inside [-1, 1]^3. Image row 0 is the top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """The object of each reference picture, cut out, centred and squared.

    Attributes:
        pixels: `[V, H, W, 4]` float32 in [0, 1], sRGB with straight alpha.
        view_labels: One per view: 0 front, 1 left, 2 back, 3 right.
        warnings: Sentences for the user, e.g. that no plain background was found.
    """

    pixels: FloatArray
    view_labels: tuple[int, ...] = (0,)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tokens:
    """Condition tokens of the picture, and the null tokens for guidance.

    Attributes:
        condition: `[B, L, D]`.
        null: `[B, L, D]`, what the denoiser saw in training when the picture was dropped.
    """

    condition: torch.Tensor
    null: torch.Tensor


@dataclass(frozen=True, slots=True)
class Latents:
    """A sampled shape.

    Attributes:
        values: `[B, N, C]`, in the denoiser's scale (the decoder divides by the scale factor).
    """

    values: torch.Tensor


@dataclass(frozen=True, slots=True)
class Field:
    """Samples of a scalar over space, positive inside, surface at `level`.

    Attributes:
        values: `[R+1, R+1, R+1]` float32, indexed x, y, z ("ij").
        box_min: Lowest corner of the box, per axis.
        box_max: Highest corner of the box, per axis.
        level: The value on the surface.
    """

    values: FloatArray
    box_min: tuple[float, float, float]
    box_max: tuple[float, float, float]
    level: float = 0.0


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles, counter-clockwise seen from outside.

    Attributes:
        vertices: `[P, 3]` float32, Y up, front +Z.
        faces: `[F, 3]` int32.
        uv: `[F, 3, 2]` float32, origin bottom left, or None.
    """

    vertices: FloatArray
    faces: IntArray
    uv: FloatArray | None = None
