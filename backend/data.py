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


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera with a square picture.

    Attributes:
        world_to_camera: `[3, 4]` float32; rows right, up, backward, then the translation. The
            camera stands at its own origin and looks down its -Z.
        is_orthographic: Parallel rays; otherwise perspective.
        width: Edge of the square that the picture shows: in world units for an orthographic
            camera, at distance 1 for a perspective one (2 tan(fov / 2)).
    """

    world_to_camera: FloatArray
    is_orthographic: bool
    width: float


@dataclass(frozen=True, slots=True)
class Views:
    """What each camera sees of a mesh; V views, on one device, float32.

    Attributes:
        cameras: V of them.
        triangle: `[V, H, W]` int64, index of the visible face, -1 where there is none.
        barycentric: `[V, H, W, 3]`, perspective-correct, zero where there is none.
        depth: `[V, H, W]`, distance along the view axis, infinite where there is none.
        facing: `[V, H, W]`, cosine between the face's normal and the direction to the camera,
            0..1, zero where there is none.
        normal: `[V, H, W, 3]`, normal map in 0..1, white where there is nothing.
        position: `[V, H, W, 3]`, canonical coordinate map in 0..1, white where there is nothing.
    """

    cameras: tuple[Camera, ...]
    triangle: torch.Tensor
    barycentric: torch.Tensor
    depth: torch.Tensor
    facing: torch.Tensor
    normal: torch.Tensor
    position: torch.Tensor

    @property
    def mask(self) -> torch.Tensor:
        """`[V, H, W]` bool, where the mesh is seen."""
        return self.triangle >= 0


@dataclass(frozen=True, slots=True)
class PaintedViews:
    """Colours of the surface as the cameras see them, unlit.

    Attributes:
        cameras: V of them.
        colour: `[V, H, W, 3]` float32 in [0, 1], sRGB, on any device. What lies outside of the
            mesh's silhouette is never read.
        weights: V relative trusts, > 0; the front view's is the largest.
        mask: `[V, H, W]` bool, the pixels that may be read, or None for all.
    """

    cameras: tuple[Camera, ...]
    colour: torch.Tensor
    weights: tuple[float, ...]
    mask: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Texture:
    """Texture maps of a mesh with UVs. Row 0 is the top, v = 1.

    Attributes:
        base_colour: `[T, T, 3]` float32 in [0, 1], sRGB, padded beyond the charts.
        coverage: `[T, T]` bool, texels inside a chart.
        seen: `[T, T]` bool, the part of these that a view has seen.
    """

    base_colour: FloatArray
    coverage: NDArray[np.bool_]
    seen: NDArray[np.bool_]
