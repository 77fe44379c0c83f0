# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns any mesh into the same mesh with a UV map for one texture."""

from dataclasses import replace

import numpy as np

from ..config import UnwrapConfig
from ..data import Mesh
from ..progress import Progress
from .charts import cut_charts, describe_surface
from .divide import divide_charts
from .flatten import flatten_charts
from .pack import pack_charts
from .uv_check import check_uv

_STEPS = 3
_GAP_SIZE = 1024  # texture that the gap between charts is given for


def unwrap_mesh(mesh: Mesh, config: UnwrapConfig, progress: Progress) -> Mesh:
    """Give a mesh a UV map: few charts, hardly stretched, never overlapping, spaced for a texture.

    The surface may be open, in pieces, non-manifold or degenerate.

    Args:
        mesh: F faces; a UV map that it has is replaced.
        config: How far apart charts are.
        progress: Told, and asked for a cancel, after each of the three steps.

    Returns:
        The same vertices and faces with `uv` `[F, 3, 2]` in [0, 1]. All charts have the same
        number of texels per area and run counter-clockwise seen from outside. The gap is kept
        unless there are so many charts that it would take most of the texture.

    Raises:
        CancelledError: The user cancelled the job.
    """
    if not len(mesh.faces):
        return replace(mesh, uv=np.zeros((0, 3, 2), np.float32))
    surface = describe_surface(mesh)
    cuts = cut_charts(surface)
    progress.step(1, _STEPS)
    layout = divide_charts(surface, flatten_charts(surface, cuts))
    progress.step(2, _STEPS)
    uv = pack_charts(layout, config.chart_gap_px / _GAP_SIZE)
    progress.step(3, _STEPS)
    return replace(mesh, uv=uv[layout.corners].astype(np.float32))


def can_hold_texture(mesh: Mesh) -> bool:
    """Whether a mesh has a UV map that a texture can be baked into, see `check_uv`."""
    return check_uv(mesh).is_usable
