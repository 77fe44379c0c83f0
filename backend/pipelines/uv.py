# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh to texture into one with a UV map that can be painted: its own, or a new one."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import JobConfig
from ..data import FloatArray, Mesh
from ..errors import InputError
from ..mesh.unwrap import unwrap_mesh
from ..mesh.uv_check import check_uv
from ..progress import Progress
from ..texture.keep import carry_over


@dataclass(frozen=True, slots=True)
class Target:
    """A mesh to texture, and what is on it now.

    Attributes:
        mesh: F faces; perhaps with UVs.
        face_mask: `[F]`, the faces to paint, or None for all.
        base_texture: `[H, W, 3]` or `[H, W, 4]` uint8 on the mesh's UVs, row 0 at v = 1, or None.
        texel_mask: `[H, W]` bool on the mesh's UVs, where to paint, or None for everywhere.
    """

    mesh: Mesh
    face_mask: NDArray[np.bool_] | None = None
    base_texture: NDArray[np.uint8] | None = None
    texel_mask: NDArray[np.bool_] | None = None

    @property
    def is_masked(self) -> bool:
        """Whether only a part is painted."""
        return self.face_mask is not None or self.texel_mask is not None


@dataclass(frozen=True, slots=True)
class MappedTarget:
    """A mesh to texture on the UV map that is painted.

    Attributes:
        target: With UVs.
        is_new_uv: Whether they were made here.
        warnings: Sentences for the user, about a map that is not what it should be.
    """

    target: Target
    is_new_uv: bool
    warnings: tuple[str, ...] = ()


_SLIVERS = 0.02
"""Share of a map's area whose overlap is not worth a warning: the artist wants that map."""


def give_uv(
    target: Target, config: JobConfig, progress: Progress, device: torch.device
) -> MappedTarget:
    """Keep the mesh's UV map or make one, as the settings say.

    What lies on the old map is carried over to a new one.

    Args:
        target: The mesh, and what is on it.
        config: `config.texture.uv` decides; "auto" keeps a map that can hold a texture.
        progress: Of the job.
        device: Where to compute.

    Returns:
        The target with UVs.

    Raises:
        InputError: There is no map to keep, or a texture or mask without one.
        CancelledError: The user cancelled the job.
    """
    mesh, choice = target.mesh, config.texture.uv
    warnings: tuple[str, ...] = ()
    if mesh.uv is None:
        _check_no_map_is_needed(target, choice)
    elif choice == "keep":
        reason = check_uv(mesh, _SLIVERS).reason
        return MappedTarget(target, False, (f"{reason} It was kept, as asked.",) if reason else ())
    elif choice == "auto":
        reason = check_uv(mesh).reason
        if not reason:
            return MappedTarget(target, False)
        warnings = (f"{reason} So a new UV map was made.",)
    unwrapped = unwrap_mesh(mesh, config.unwrap, progress)
    fresh = replace(target, mesh=replace(mesh, uv=unwrapped.uv))
    if mesh.uv is not None:
        fresh = _carry_all(fresh, mesh.uv, config.bake.texture_size, device)
    return MappedTarget(fresh, True, warnings)


def _carry_all(target: Target, old_uv: FloatArray, size: int, device: torch.device) -> Target:
    """Bring texture and mask from the old map to the mesh's new one."""
    if target.base_texture is not None:
        carried = carry_over(target.base_texture, old_uv, target.mesh, size, device)
        target = replace(target, base_texture=carried)
    if target.texel_mask is not None:
        grey = np.where(target.texel_mask, np.uint8(255), np.uint8(0))[..., None]
        carried = carry_over(grey, old_uv, target.mesh, size, device)
        target = replace(target, texel_mask=carried[..., 0] > 127)
    return target


def _check_no_map_is_needed(target: Target, choice: str) -> None:
    """Refuse what only makes sense with a UV map.

    Raises:
        InputError: The map is to be kept, or something lies on it.
    """
    if choice == "keep":
        raise InputError(
            "The mesh has no UV map to keep.", "Unwrap it, or let Maquette make a new UV map."
        )
    if target.base_texture is not None or target.texel_mask is not None:
        raise InputError(
            "The mesh has no UV map for its texture or mask.",
            "Unwrap the mesh, or leave the texture and the mask out.",
        )
