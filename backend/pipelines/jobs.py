# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a submitted job into its pipeline's run, and the result into files of the job's folder."""

import zipfile
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from ..config import JobConfig
from ..data import Mesh
from ..errors import InputError
from ..mesh.io import TextureFiles, write_glb, write_npz
from ..mesh.read import read_mesh
from ..paint.sample import PaintNetworks
from ..progress import Progress
from ..protocol import KINDS, Result, Submit
from ..texture.picture import encode_png, read_mask, read_texture
from .families import Networks
from .image_to_asset import Asset, generate_asset, texture_target
from .image_to_shape import read_images
from .painted_views import read_painted_views
from .thumbnails import PICTURE_NAME, RESULT_NAME, draw_asset, draw_picture, write_thumbnail
from .uv import Target
from .views_to_texture import bake_views

_NUM_CORNERS = 3
_READ_ERRORS = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)


class Models(Protocol):
    """Where pipelines get their networks; what is loaded already is not loaded again."""

    def load_shape(self, name: str) -> Networks:
        """The networks of a model of `config.MODELS`."""
        ...

    def load_paint(self, name: str) -> PaintNetworks:
        """The networks of a model of `config.PAINT_MODELS`."""
        ...


def models_of(kind: str, config: JobConfig) -> dict[str, str]:
    """The models that a job of one of `protocol.KINDS` uses: setting that names it -> name."""
    models = {"model": config.model} if kind == "generate" else {}
    if kind != "bake" and config.texture.texture == "paint":
        models["paint_model"] = config.paint.paint_model
    return models


def run_job(
    submit: Submit, config: JobConfig, models: Models, progress: Progress, device: torch.device
) -> Asset:
    """Do what was asked for.

    Args:
        submit: The job.
        config: Its settings.
        models: Gives the networks.
        progress: Times the stages, takes reports, asks for a cancel.
        device: Where to compute.

    Raises:
        MaquetteError: The job failed or was cancelled.
    """
    if submit.kind not in KINDS:
        raise InputError(f"There is no kind of job '{submit.kind}'.", f"Use: {', '.join(KINDS)}.")
    if submit.kind == "bake":
        with progress.stage("read"):
            target = read_target(submit)
            painted = read_painted_views(Path(submit.views_folder))
        return bake_views(target, painted, config, progress, device)
    with progress.stage("read"):
        images, labels = read_images(submit.images, submit.view_labels)
        if submit.thumbnail_px > 0:
            small = draw_picture(images[0], submit.thumbnail_px)
            write_thumbnail(small, Path(submit.job_folder) / PICTURE_NAME)
        target = read_target(submit) if submit.kind == "retexture" else None
    if target is None:
        return generate_asset(
            images,
            labels,
            config,
            lambda: models.load_shape(config.model),
            lambda: models.load_paint(config.paint.paint_model),
            progress,
            device,
        )
    done = texture_target(
        target,
        images,
        labels,
        config,
        lambda: models.load_paint(config.paint.paint_model),
        progress,
        device,
    )
    return Asset(done.mesh, done.picture, done.is_new_uv, done.coverage, done.warnings)


def read_target(submit: Submit) -> Target:
    """Read the mesh to texture, and what lies on it.

    Raises:
        InputError: A file is missing or damaged, or does not fit the mesh.
    """
    if not submit.mesh_path:
        raise InputError("There is no mesh to texture.", "Choose a mesh.")
    path, base, texel_mask = Path(submit.mesh_path), None, None
    if path.suffix.lower() == ".npz":
        mesh, face_mask = _read_arrays(path)
    else:
        mesh, face_mask = read_mesh(path), None
    if submit.base_texture_path:
        base = read_texture(Path(submit.base_texture_path))
    if submit.texel_mask_path:
        texel_mask = read_mask(Path(submit.texel_mask_path))
    return Target(mesh, face_mask, base, texel_mask)


def write_result_thumbnail(asset: Asset, submit: Submit, device: torch.device) -> None:
    """Draw the result into the job's folder, `thumbnail_px` wide."""
    small = draw_asset(asset.mesh, asset.picture, submit.thumbnail_px, device)
    write_thumbnail(small, Path(submit.job_folder) / RESULT_NAME)


def write_result(asset: Asset, submit: Submit, config: JobConfig) -> Result:
    """Write the job's files.

    Returns:
        The message for the caller, without times.

    Raises:
        InputError: The folder cannot be written.
    """
    folder = Path(submit.job_folder)
    mesh_path, glb_path, texture_path = folder / "mesh.npz", folder / "mesh.glb", ""
    textures = None
    if asset.picture is not None:
        content = encode_png(asset.picture)
        path = folder / "base_colour.png"
        path.write_bytes(content)
        textures, texture_path = TextureFiles(base_colour=content), str(path)
    write_npz(asset.mesh, mesh_path)
    write_glb(asset.mesh, glb_path, textures=textures, crease_deg=config.mesh.crease_deg)
    return Result(
        job_id=submit.job_id,
        mesh_path=str(mesh_path),
        glb_path=str(glb_path),
        vertices=len(asset.mesh.vertices),
        faces=len(asset.mesh.faces),
        seed=config.sample.seed,
        seconds={},
        warnings=list(asset.warnings),
        texture_path=texture_path,
        texture_size=0 if asset.picture is None else max(asset.picture.shape[:2]),
        is_new_uv=asset.is_new_uv,
        coverage=asset.coverage,
        confidence=None if asset.confidence is None else round(asset.confidence, 3),
    )


def _read_arrays(path: Path) -> tuple[Mesh, np.ndarray | None]:
    """A mesh that the calling side wrote, and the faces to paint.

    Raises:
        InputError: The file is missing, damaged, or no mesh of triangles.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            vertices = np.ascontiguousarray(arrays["vertices"], np.float32)
            faces = np.ascontiguousarray(arrays["faces"], np.int32)
            uv, mask = arrays.get("uv"), arrays.get("face_mask")
    except _READ_ERRORS as error:
        raise InputError(
            f"'{path.name}' is not a mesh file of this extension.", "Start the job again."
        ) from error
    uv = None if uv is None else np.ascontiguousarray(uv, np.float32)
    mesh = Mesh(vertices, faces, uv)
    _check_arrays(mesh, mask)
    return mesh, None if mask is None else mask.astype(bool)


def _check_arrays(mesh: Mesh, mask: np.ndarray | None) -> None:
    """Refuse arrays that do not make a mesh.

    Raises:
        InputError: Says what is wrong.
    """
    vertices, faces, uv = mesh.vertices, mesh.faces, mesh.uv
    problem = ""
    if vertices.ndim != 2 or vertices.shape[1] != _NUM_CORNERS or not np.isfinite(vertices).all():
        problem = "positions that are no numbers in threes"
    elif faces.ndim != 2 or faces.shape[1] != _NUM_CORNERS or not len(faces):
        problem = "no triangles"
    elif faces.min() < 0 or faces.max() >= len(vertices):
        problem = "triangles of vertices that are not there"
    elif uv is not None and (uv.shape != (len(faces), 3, 2) or not np.isfinite(uv).all()):
        problem = "UVs that do not fit its triangles"
    elif mask is not None and mask.shape != (len(faces),):
        problem = "a mask that does not fit its triangles"
    elif mask is not None and not mask.any():
        problem = "no face that is to be painted"
    if problem:
        raise InputError(f"The mesh has {problem}.", "Mend the mesh, or choose another.")
