# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking of views whose truth is known: a quality to beat, not values to match."""

from dataclasses import dataclass

import numpy as np
import torch

from backend.config import BakeConfig
from backend.data import Mesh, PaintedViews, Texture
from backend.progress import Progress
from backend.render.camera import align_corners, fit_mesh_for_painting, painting_camera
from backend.texture.bake import bake_texture
from tests.parity.cases import Case, find_cases, golden_folder, load_case

PREFIXES = ("paint_bake",)


@dataclass(frozen=True)
class Parts:
    """One bake, whose tensors may be spread over several files.

    Attributes:
        mesh: In the painting frame, its UVs in our convention.
        views: `[V, S, S, 3]` uint8.
        truth: `[T, T, 3]` float, 0..255.
        is_covered: `[T, T]` bool, where the truth is known.
        is_trusted: `[T, T]` bool, what the reference saw.
    """

    mesh: Mesh
    views: torch.Tensor
    truth: torch.Tensor
    is_covered: torch.Tensor
    is_trusted: torch.Tensor


def base_name(name: str) -> str:
    return name.replace("_views", "")


def gather(case: Case) -> Parts:
    tensors: dict[str, torch.Tensor] = {}
    for name in find_cases(golden_folder()):
        if base_name(name) == base_name(case.name):
            tensors |= load_case(name).tensors
    size = case.config["texture_size"]
    faces = tensors["faces"].numpy()
    # The reference puts texel i at i / (size - 1), we at (i + 0.5) / size.
    uv = (tensors["uv"].numpy() * (size - 1) + 0.5) / size
    mesh = Mesh(tensors["vertices"].numpy(), faces, uv[faces].astype(np.float32))
    truth = tensors["truth"].double()
    is_covered = truth.sum(2) > 0
    assert int(is_covered.sum()) == case.config["reference_quality"]["covered_texels"]
    is_trusted = tensors["trusted"] > 0
    return Parts(fit_mesh_for_painting(mesh)[0], tensors["views"], truth, is_covered, is_trusted)


def bake(parts: Parts, config: dict) -> Texture:
    size = config["view_size"]
    angles = zip(config["azims"], config["elevs"], strict=True)
    cameras = tuple(align_corners(painting_camera(*pair), size) for pair in angles)
    weights = tuple(float(weight) for weight in config["view_weights"])
    painted = PaintedViews(cameras, parts.views.float() / 255, weights)
    settings = BakeConfig(config["texture_size"], facing_power=config["bake_exp"])
    return bake_texture(parts.mesh, painted, settings, Progress())


def psnr(texture: Texture, truth: torch.Tensor, mask: torch.Tensor) -> float:
    """Peak signal to noise in dB over some texels."""
    stored = torch.round(torch.from_numpy(texture.base_colour).double() * 255)
    return float(10 * torch.log10(255**2 / (stored - truth)[mask].square().mean()))


def check(case: Case) -> None:
    parts = gather(case)
    texture = bake(parts, case.config)
    best = case.config["reference_quality"]
    trusted = parts.is_covered & parts.is_trusted
    for name, mask in (
        ("psnr_merged_on_trusted", trusted),
        ("psnr_final_on_all_covered", parts.is_covered),
        ("psnr_final_on_covered_untrusted", parts.is_covered & ~parts.is_trusted),
    ):
        reached = psnr(texture, parts.truth, mask)
        assert reached > best[name], f"{case.name}: {name} is {reached:.2f}, not {best[name]:.2f}"
    assert texture.coverage[parts.is_covered.numpy()].all()
