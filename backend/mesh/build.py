# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a field into a clean mesh within the face budget."""

import logging
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from ..config import MeshConfig
from ..data import Field, Mesh
from ..errors import EmptyFieldError
from ..progress import Progress
from .clean import clean_mesh
from .extract import extract_surface
from .simplify import simplify_mesh
from .smooth import smooth_mesh

_LOG = logging.getLogger(__name__)
_STEPS = 3
_FEWEST_CELLS = 8


def build_mesh(
    field: Field, config: MeshConfig, progress: Progress, *, default_smoothing: int = 0
) -> Mesh:
    """Extract, clean, smooth and simplify the surface of a field.

    A surface too intricate for the budget is taken again from a field of half the resolution.

    Args:
        field: `[R+1, R+1, R+1]` samples, positive inside.
        config: Face budget and the size of loose pieces to remove.
        progress: Told, and asked for a cancel, after each of the three steps.
        default_smoothing: Rounds of smoothing where the config leaves them to the model.

    Returns:
        A closed mesh of at most `config.target_faces` faces, without degenerate faces, each edge
        shared by exactly two faces, faces counter-clockwise seen from outside.

    Raises:
        EmptyFieldError: The field never crosses its level.
        WeightsError: The field holds values that are not finite.
        CancelledError: The user cancelled the job.
    """
    rounds = default_smoothing if config.smoothing < 0 else config.smoothing
    while True:
        mesh = extract_surface(field)
        progress.step(1, _STEPS)
        mesh = smooth_mesh(clean_mesh(mesh, config.floater_ratio), rounds)
        progress.step(2, _STEPS)
        mesh = simplify_mesh(mesh, config.target_faces)
        progress.step(3, _STEPS)
        if len(mesh.faces) <= config.target_faces:
            return clean_mesh(mesh, config.floater_ratio)  # crumbs torn off thin parts
        _LOG.info("%d faces left of %s cells", len(mesh.faces), field.values.shape)
        field = _coarser(field)


def _coarser(field: Field) -> Field:
    """The field on half as many cells, smoothed first.

    Raises:
        EmptyFieldError: Hardly a cell is left.
    """
    num_cells = np.array(field.values.shape) - 1
    if num_cells.min() < _FEWEST_CELLS:
        raise EmptyFieldError(
            "The shape is too intricate for so few faces.", "Raise the number of target faces."
        )
    ratio = (num_cells // 2 + 1) / (num_cells + 1)
    values = zoom(gaussian_filter(field.values, 1.0), ratio, order=1)  # corners stay in place
    return replace(field, values=values)
