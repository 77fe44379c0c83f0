# SPDX-License-Identifier: GPL-3.0-or-later
"""What do whole results look like? Validation props' pictures, and what the product makes of them.

    python -m benchmarks.asset_sheet --props FOLDER --out FILE.png [--stride N] [--count N]
        [--jobs N]

Each result stands in two lines: the picture and the shape from four sides, then its scores and the
texture from the same sides. The sheet shows the props, so it stays out of the project; the scores
are written like those of the other benchmarks.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from backend.client.environment import find_models_folder
from backend.config import JobConfig
from backend.data import Mesh
from backend.image.io import load_image
from backend.pipelines.families import load_networks, load_paint_networks
from backend.pipelines.image_to_asset import Asset, generate_asset
from backend.progress import Progress
from backend.render.camera import fit_mesh_for_painting, orbit_camera
from backend.render.views import RenderConfig, render_views
from backend.texture.show import show_texture
from benchmarks.contact_sheet import AZIMUTHS_DEG, ELEVATION_DEG, render_sides
from benchmarks.measure import print_table, write_results
from benchmarks.shape_quality import Judge, find_pictures
from training.datasets import load_props

CPU = torch.device("cpu")
CELL_PX = 144
MODEL = "maquette-mini"


@dataclass(frozen=True, slots=True)
class Result:
    """One result.

    Attributes:
        shape: Number of the prop.
        name: Of the prop.
        fscore: At 0.05.
        chamfer: L1.
        iou: Of solid cells.
        confidence: As the product says.
        tile: `[2 S, 5 S, 3]` uint8, its part of the sheet.
    """

    shape: int
    name: str
    fscore: float
    chamfer: float
    iou: float
    confidence: float
    tile: NDArray[np.uint8]


def show_sides(mesh: Mesh, picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The texture, unlit, from four sides: `[S, S, 3]` each."""
    fitted = fit_mesh_for_painting(mesh)[0]
    cameras = [orbit_camera(angle, ELEVATION_DEG, 2.5, fov_deg=30) for angle in AZIMUTHS_DEG]
    views = render_views(fitted, cameras, RenderConfig(CELL_PX), Progress(), CPU)
    assert fitted.uv is not None
    texture = torch.from_numpy(picture[..., :3].astype(np.float32) / 255)
    shown = show_texture(views, fitted.uv, texture)
    shown = torch.where(views.mask[..., None], shown, torch.ones_like(shown))
    return list((shown * 255).round().to(torch.uint8).numpy())


def make_tile(source: Path, asset: Asset, caption: str) -> NDArray[np.uint8]:
    """The two lines of a result."""
    tile = Image.new("RGB", (5 * CELL_PX, 2 * CELL_PX), "white")
    with Image.open(source) as opened:
        picture = opened.convert("RGBA").resize((CELL_PX, CELL_PX))
    tile.paste(picture, (0, 0), picture)
    ImageDraw.Draw(tile).multiline_text((4, CELL_PX + 4), caption, fill="black")
    assert asset.picture is not None
    lines = (
        render_sides(asset.mesh.vertices, asset.mesh.faces, CELL_PX),
        show_sides(asset.mesh, asset.picture),
    )
    for row, line in enumerate(lines):
        for column, pixels in enumerate(line, start=1):
            tile.paste(Image.fromarray(pixels), (column * CELL_PX, row * CELL_PX))
    return np.asarray(tile)


def run_part(args: argparse.Namespace, part: int) -> list[Result]:
    """Every `args.jobs`-th prop, beginning with the `part`-th."""
    torch.set_num_threads(1)
    props = load_props(args.props, "validation", CPU, args.count, args.stride)
    shape_networks = load_networks(MODEL, CPU, torch.float32, find_models_folder())
    paint_networks = load_paint_networks(MODEL, CPU, torch.float32, find_models_folder())
    judge, pictures, results = Judge(props), find_pictures(args, props), list[Result]()
    for shape in range(part, props.num_shapes, args.jobs):
        asset = generate_asset(
            [load_image(pictures[shape])], (0,), JobConfig(),
            lambda: shape_networks, lambda: paint_networks, Progress(), CPU,
        )  # fmt: skip
        fscore, chamfer, iou, _ = judge.score_mesh(shape, asset.mesh)
        name, confidence = props.names[shape].rpartition("/")[2], asset.confidence or 0.0
        caption = f"{shape} {name[:20]}\nF {fscore:.2f}\nIoU {iou:.2f}\nconfidence {confidence:.2f}"
        tile = make_tile(pictures[shape], asset, caption)
        results.append(Result(shape, name, fscore, chamfer, iou, confidence, tile))
        print(caption.replace("\n", ", "), flush=True)
    return results


def main() -> None:
    """Make the results, the sheet and the results file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the sheet, outside the project")
    parser.add_argument("--stride", type=int, default=4)
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--jobs", type=int, default=2, help="processes that share the props")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=context) as pool:
        parts = list(pool.map(partial(run_part, args), range(args.jobs)))
    results = sorted((one for part in parts for one in part), key=lambda one: one.shape)
    tiles = [one.tile for one in results]
    if len(tiles) % 2:
        tiles.append(np.full_like(tiles[0], 255))
    lines = [np.concatenate(pair, 1) for pair in zip(tiles[::2], tiles[1::2], strict=True)]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(lines)).save(args.out)
    rows = [
        {
            "what": "picture to textured mesh", "shapes": len(results),
            **{
                key: round(mean(getattr(one, key) for one in results), 4)
                for key in ("fscore", "chamfer", "iou", "confidence")
            },
            "iou_median": round(median(one.iou for one in results), 4),
        }
    ]  # fmt: skip
    print_table(rows)
    write_results("asset_sheet", rows, resolution=JobConfig().field_.resolution)


if __name__ == "__main__":
    main()
