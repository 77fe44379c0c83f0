# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a folder of painted pictures and their cameras into views; `docs/views.md` describes it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ..data import Camera, FloatArray, PaintedViews
from ..errors import InputError
from ..render.camera import orbit_camera
from ..texture.picture import read_mask, read_texture

CAMERAS_FILE = "cameras.json"
MAX_VIEWS = 256
_ORBIT = {"azimuth_deg", "elevation_deg", "distance", "target"}
_KEYS = {"file", "kind", "world_to_camera", "width", "fov_deg", "weight", "mask", *_ORBIT}
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class _View:
    """One entry: camera, `[H, H, 3]` colour, `[H, H]` mask or None, trust."""

    camera: Camera
    colour: FloatArray
    mask: np.ndarray | None
    weight: float


def read_painted_views(folder: Path) -> PaintedViews:
    """Read `cameras.json` and the pictures that it names.

    Args:
        folder: Holds them.

    Returns:
        The views in the mesh's own frame, on the CPU, all of the largest picture's size.

    Raises:
        InputError: A file is missing or damaged, or the list says what cannot be.
    """
    entries = _read_list(folder / CAMERAS_FILE)
    views = [_read_view(folder, entry, f"view {n + 1}") for n, entry in enumerate(entries)]
    size = max(len(view.colour) for view in views)
    colour = torch.stack([_resize(torch.from_numpy(view.colour), size) for view in views])
    masks = None
    if any(view.mask is not None for view in views):
        masks = torch.stack([_resize_mask(view.mask, size) for view in views])
    weights = tuple(view.weight for view in views)
    return PaintedViews(tuple(view.camera for view in views), colour, weights, masks)


def _read_list(path: Path) -> list[dict[str, Any]]:
    """The entries of the file, of which there is at least one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"There is no '{CAMERAS_FILE}' in this folder of views.", "See docs/views.md."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{CAMERAS_FILE}' is not valid JSON.", "See docs/views.md.") from error
    views = content.get("views") if isinstance(content, dict) else None
    if not isinstance(views, list) or not 1 <= len(views) <= MAX_VIEWS:
        raise _wrong("the list 'views'", f"must hold 1 to {MAX_VIEWS} views")
    if not all(isinstance(view, dict) for view in views):
        raise _wrong("the list 'views'", "must hold objects")
    return views


def _read_view(folder: Path, entry: Mapping[str, Any], name: str) -> _View:
    if unknown := sorted(entry.keys() - _KEYS):
        raise _wrong(name, f"has an unknown key '{unknown[0]}'")
    pixels = read_texture(_path_of(folder, entry, "file", name))
    if pixels.shape[0] != pixels.shape[1]:
        raise _wrong(name, "has a picture that is not square")
    mask = pixels[..., 3] > 127 if pixels.shape[2] == 4 else None
    if "mask" in entry:
        other = read_mask(_path_of(folder, entry, "mask", name))
        if other.shape != pixels.shape[:2]:
            raise _wrong(name, "has a mask of another size than its picture")
        mask = other if mask is None else mask & other
    weight = _number(entry, "weight", name, default=1.0)
    if weight <= 0:
        raise _wrong(name, "needs a weight above 0")
    colour = pixels[..., :3].astype(np.float32) / 255
    return _View(_read_camera(entry, name), colour, mask, weight)


def _read_camera(entry: Mapping[str, Any], name: str) -> Camera:
    kind = entry.get("kind", "orthographic")
    if kind == "orthographic":
        width = _number(entry, "width", name)
        if width <= 0:
            raise _wrong(name, "needs a width above 0")
    elif kind == "perspective":
        angle = _number(entry, "fov_deg", name)
        if not 0 < angle < 180:
            raise _wrong(name, "needs a 'fov_deg' between 0 and 180")
        width = 2 * math.tan(math.radians(angle) / 2)
    else:
        raise _wrong(name, "needs the kind 'orthographic' or 'perspective'")
    matrix = _read_matrix(entry, name) if "world_to_camera" in entry else _read_orbit(entry, name)
    return Camera(matrix, kind == "orthographic", width)


def _read_matrix(entry: Mapping[str, Any], name: str) -> FloatArray:
    if _ORBIT & entry.keys():
        raise _wrong(name, "has both 'world_to_camera' and angles")
    try:
        matrix = np.array(entry["world_to_camera"], np.float64)
    except (TypeError, ValueError) as error:
        raise _wrong(name, "needs numbers in 'world_to_camera'") from error
    if matrix.shape != (3, 4) or not np.isfinite(matrix).all():
        raise _wrong(name, "needs three rows of four numbers in 'world_to_camera'")
    axes = matrix[:, :3]
    is_rotation = np.abs(axes @ axes.T - np.eye(3)).max() < _TOLERANCE and np.linalg.det(axes) > 0
    if not is_rotation:
        raise _wrong(name, "needs right-handed unit axes at right angles in 'world_to_camera'")
    return matrix.astype(np.float32)


def _read_orbit(entry: Mapping[str, Any], name: str) -> FloatArray:
    """The matrix `[3, 4]` of a camera that looks at its target from a direction."""
    elevation = _number(entry, "elevation_deg", name, default=0.0)
    if not -90 <= elevation <= 90:
        raise _wrong(name, "needs an 'elevation_deg' of -90 to 90")
    distance = _number(entry, "distance", name)
    if distance <= 0:
        raise _wrong(name, "needs a distance above 0")
    matrix = orbit_camera(_number(entry, "azimuth_deg", name), elevation, distance, width=1.0)
    target = entry.get("target", [0, 0, 0])
    try:
        point = np.array(target, np.float64)
    except (TypeError, ValueError) as error:
        raise _wrong(name, "needs three numbers in 'target'") from error
    if point.shape != (3,) or not np.isfinite(point).all():
        raise _wrong(name, "needs three numbers in 'target'")
    placed = matrix.world_to_camera.astype(np.float64)
    placed[:, 3] -= placed[:, :3] @ point
    return placed.astype(np.float32)


def _number(entry: Mapping[str, Any], key: str, name: str, default: float | None = None) -> float:
    """A finite number of an entry."""
    value = entry.get(key, default)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise _wrong(name, f"needs a number for '{key}'")
    return float(value)


def _path_of(folder: Path, entry: Mapping[str, Any], key: str, name: str) -> Path:
    """A file of the folder, and of no other one."""
    value = entry.get(key)
    if not isinstance(value, str) or not value or Path(value).name != value:
        raise _wrong(name, f"needs the name of a file in the folder for '{key}'")
    return folder / value


def _wrong(name: str, problem: str) -> InputError:
    return InputError(f"'{CAMERAS_FILE}': {name} {problem}.", "See docs/views.md.")


def _resize(colour: torch.Tensor, size: int) -> torch.Tensor:
    """`[H, H, 3]` to `[size, size, 3]`."""
    if len(colour) == size:
        return colour
    planes = colour.permute(2, 0, 1)[None]  # [1, 3, H, H]
    wide = functional.interpolate(planes, (size, size), mode="bicubic", align_corners=False)
    return wide[0].permute(1, 2, 0).clamp(0, 1)


def _resize_mask(mask: np.ndarray | None, size: int) -> torch.Tensor:
    """`[H, H]` or None to `[size, size]` bool."""
    if mask is None:
        return torch.ones(size, size, dtype=torch.bool)
    planes = torch.from_numpy(mask)[None, None].float()
    return functional.interpolate(planes, (size, size), mode="nearest")[0, 0] > 0.5
