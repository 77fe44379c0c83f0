# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the bake lose anything? Bakes true views of the validation props and compares renders.

    python -m benchmarks.bake_round_trip --props FOLDER [--limit N] [--stride N] [--pictures FOLDER]

Each prop is unwrapped, its true colours (interpolated from the triangles' corners) are rendered
unlit from the six standard views and further ones chosen until its outside is covered, and baked.
Then 12 other views are rendered of the truth and of the baked texture. PSNR is of the sRGB values
over the pixels that show the prop; holes are the share of those whose texel no view has seen.
Neither kind of render is antialiased.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from backend.config import BakeConfig, UnwrapConfig
from backend.data import Camera, Mesh, PaintedViews, Texture, Views
from backend.mesh.unwrap import unwrap_mesh
from backend.progress import Progress
from backend.render.camera import STANDARD_VIEWS_DEG, fit_mesh_for_painting, painting_camera
from backend.render.coverage import (
    CoverageConfig,
    candidate_cameras,
    choose_views,
    outside_cameras,
)
from backend.render.views import RenderConfig, render_views
from backend.texture.bake import bake_texture
from backend.texture.colour import linear_to_srgb, srgb_to_linear
from benchmarks.measure import print_table, write_results
from training.datasets import load_reader

NUM_TEST_VIEWS = 12
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Score:
    """How one prop came out.

    Attributes:
        psnr: dB over the pixels that show the prop, at most 60.
        holes: Share of these pixels whose texel no view has seen.
        views: Views baked.
        seconds: Processor time of the bake.
    """

    psnr: float
    holes: float
    views: int
    seconds: float


def render_truth(views: Views, colors: torch.Tensor) -> torch.Tensor:
    """Pictures `[V, H, W, 3]` of corner colours `[F, 3, 3]`, white where there is nothing."""
    shown = colors[views.triangle.clamp(min=0)]  # [V, H, W, 3, 3]
    picture = torch.einsum("vhwk,vhwkc->vhwc", views.barycentric, shown)
    return torch.where(views.mask[..., None], picture, torch.ones_like(picture))


def find_uv(views: Views, mesh: Mesh) -> torch.Tensor:
    """UVs `[V, H, W, 2]` of what the pixels see."""
    assert mesh.uv is not None
    corners = torch.from_numpy(mesh.uv)[views.triangle.clamp(min=0)]  # [V, H, W, 3, 2]
    return torch.einsum("vhwk,vhwkc->vhwc", views.barycentric, corners)


def render_texture(views: Views, mesh: Mesh, texture: Texture) -> torch.Tensor:
    """Pictures `[V, H, W, 3]` with the 8-bit texture, filtered bilinearly in linear light."""
    stored = torch.round(torch.from_numpy(texture.base_colour) * 255) / 255
    light = srgb_to_linear(stored).permute(2, 0, 1)[None]  # [1, 3, T, T]
    grid = find_uv(views, mesh) * torch.tensor([2.0, -2.0]) + torch.tensor([-1.0, 1.0])
    pictures = [
        functional.grid_sample(light, view[None], padding_mode="border", align_corners=False)[0]
        for view in grid
    ]
    colour = linear_to_srgb(torch.stack(pictures).permute(0, 2, 3, 1))
    return torch.where(views.mask[..., None], colour, torch.ones_like(colour))


def share_of_holes(views: Views, mesh: Mesh, texture: Texture) -> float:
    """Share of the pixels that show a texel which no view has seen."""
    size = texture.seen.shape[0]
    uv = find_uv(views, mesh)[views.mask]  # [M, 2]
    column = (uv[:, 0] * size).long().clamp(0, size - 1)
    row = ((1 - uv[:, 1]) * size).long().clamp(0, size - 1)
    return 1 - float(torch.from_numpy(texture.seen)[row, column].float().mean())


def choose_cameras(mesh: Mesh) -> tuple[Camera, ...]:
    """The six standard views, then those that see most of what is left."""
    standard = tuple(painting_camera(*angles) for angles in STANDARD_VIEWS_DEG)
    config = CoverageConfig(target_share=0.999, max_views=16)
    choice = choose_views(mesh, standard, candidate_cameras(), config, Progress(), CPU)
    return (*standard, *choice.cameras)


def run_prop(mesh: Mesh, colors: torch.Tensor, size: int, picture: Path | None) -> Score:
    """Bake one prop in the painting frame and compare."""
    mesh = unwrap_mesh(mesh, UnwrapConfig(), Progress())
    cameras = choose_cameras(mesh)
    views = render_views(mesh, cameras, RenderConfig(size), Progress(), CPU)
    painted = PaintedViews(cameras, render_truth(views, colors), (1.0,) * len(cameras))
    start = time.process_time()
    texture = bake_texture(mesh, painted, BakeConfig(size), Progress())
    seconds = time.process_time() - start
    others = render_views(
        mesh, outside_cameras(NUM_TEST_VIEWS), RenderConfig(size // 2), Progress(), CPU
    )
    truth, baked = render_truth(others, colors), render_texture(others, mesh, texture)
    error = (truth - baked)[others.mask].double().square().mean().clamp(min=1e-6)
    if picture is not None:
        save_picture(picture, truth, baked)
    holes = share_of_holes(others, mesh, texture)
    return Score(float(-10 * torch.log10(error)), holes, len(cameras), seconds)


def save_picture(path: Path, truth: torch.Tensor, baked: torch.Tensor) -> None:
    """Truth, baked and four times their difference, of four views, one below the other."""
    rows = (truth, baked, ((truth - baked).abs() * 4).clamp(max=1))
    sheet = torch.cat([torch.cat(list(row[:4]), 1) for row in rows])  # [3 H, 4 W, 3]
    Image.fromarray((sheet * 255).round().to(torch.uint8).numpy()).save(path)


def main() -> None:
    """Run on the validation props and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--size", type=int, default=1024, help="of views and texture")
    parser.add_argument("--pictures", type=Path, help="write comparisons here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    props = load_reader(args.props).load(str(args.props / "props_validation.npz.xz"))
    scores, rows = [], []
    for prop in props[:: args.stride][: args.limit]:
        mesh, _, _ = fit_mesh_for_painting(Mesh(prop.vertices, prop.faces))
        colors = torch.from_numpy(prop.corner_colors.astype(np.float32) / 255)
        picture = args.pictures / f"{prop.name}.png" if args.pictures else None
        score = run_prop(mesh, colors, args.size, picture)
        scores.append(score)
        row = {"prop": f"{prop.pack}/{prop.name}", "faces": len(prop.faces)}
        rows.append(row | {"psnr": score.psnr, "holes": score.holes, "views": score.views})
        print(f"{rows[-1]} {score.seconds:.1f} s", flush=True)
    summary = {
        "shapes": len(scores),
        "psnr_mean": mean(score.psnr for score in scores),
        "psnr_lowest": min(score.psnr for score in scores),
        "holes_mean": mean(score.holes for score in scores),
        "views_mean": mean(score.views for score in scores),
        "bake_seconds_median": median(score.seconds for score in scores),
    }
    print_table([summary])
    write_results("bake_round_trip", rows, size=args.size, summary=summary)


if __name__ == "__main__":
    main()
