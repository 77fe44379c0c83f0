# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh to texture into one with a UV map that can be painted: its own, or a new one."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import JobConfig
from ..data import Mesh
from ..errors import InputError
from ..mesh.unwrap import can_hold_texture, unwrap_mesh
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


def give_uv(
    target: Target, config: JobConfig, progress: Progress, device: torch.device
) -> tuple[Target, bool]:
    """Keep the mesh's UV map or make one, as the settings say.

    What lies on the old map is carried over to a new one.

    Args:
        target: The mesh, and what is on it.
        config: `config.texture.uv` decides; "auto" keeps a map that can hold a texture.
        progress: Of the job.
        device: Where to compute.

    Returns:
        The target with UVs, and whether they are new.

    Raises:
        InputError: There is no map to keep, or a texture or mask without one.
        CancelledError: The user cancelled the job.
    """
    mesh, choice = target.mesh, config.texture.uv
    if mesh.uv is None:
        _check_no_map_is_needed(target, choice)
    elif choice == "keep" or (choice == "auto" and can_hold_texture(mesh)):
        return target, False
    unwrapped = unwrap_mesh(mesh, config.unwrap, progress)
    fresh = replace(target, mesh=replace(mesh, uv=unwrapped.uv))
    if mesh.uv is None or fresh.mesh.uv is None:
        return fresh, True
    size = config.bake.texture_size
    if target.base_texture is not None:
        carried = carry_over(target.base_texture, mesh.uv, fresh.mesh, size, device)
        fresh = replace(fresh, base_texture=carried)
    if target.texel_mask is not None:
        grey = np.where(target.texel_mask, np.uint8(255), np.uint8(0))[..., None]
        carried = carry_over(grey, mesh.uv, fresh.mesh, size, device)
        fresh = replace(fresh, texel_mask=carried[..., 0] > 127)
    return fresh, True


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
