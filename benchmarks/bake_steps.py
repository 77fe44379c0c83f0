# SPDX-License-Identifier: GPL-3.0-or-later
"""What each step of the bake costs, on a mesh of 100,000 faces and six painted views.

Run: `python -m benchmarks.bake_steps [--faces 100000] [--size 2048] [--device cuda]`.
"""

import argparse
import time
from itertools import pairwise
from statistics import median

import torch

from backend.config import BakeConfig, UnwrapConfig
from backend.data import Mesh, PaintedViews
from backend.mesh.unwrap import unwrap_mesh
from backend.progress import Progress, Report
from backend.render.camera import STANDARD_VIEWS_DEG, fit_mesh_for_painting, painting_camera
from backend.texture.bake import bake_texture
from benchmarks.measure import ROOT, print_table, write_results
from benchmarks.rasterize import make_knot

STEPS = ("texels", "views", "look up", "blend and level seams", "fill", "pad and copy")


def paint_noise(size: int, device: torch.device) -> PaintedViews:
    """Six views of coloured noise, smooth over some pixels."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(len(STANDARD_VIEWS_DEG), 3, 32, 32, generator=generator)
    edges = (size, size)
    colour = torch.nn.functional.interpolate(coarse, edges, mode="bilinear").permute(0, 2, 3, 1)
    cameras = tuple(painting_camera(*angles) for angles in STANDARD_VIEWS_DEG)
    return PaintedViews(cameras, colour.contiguous().to(device), (1.0,) * len(cameras))


def time_steps(mesh: Mesh, views: PaintedViews, size: int, device: torch.device) -> list[float]:
    """Seconds of each step of one bake."""
    times = [0.0]

    def note(_: Report) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    times[0] = time.perf_counter()
    bake_texture(mesh, views, BakeConfig(size), Progress(note), device=device)
    return [after - before for before, after in pairwise(times)]


def main() -> None:
    """Measure and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--name", default="bake_steps", help="name of the results file")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    device = torch.device(args.device)
    mesh = unwrap_mesh(fit_mesh_for_painting(make_knot(args.faces))[0], UnwrapConfig(), Progress())
    views = paint_noise(1024, device)
    time_steps(mesh, views, args.size, device)  # warms up
    runs = [time_steps(mesh, views, args.size, device) for _ in range(args.repeats)]
    rows = [
        {"step": name, "milliseconds": round(1000 * median(values), 1)}
        for name, values in zip(STEPS, zip(*runs, strict=True), strict=True)
    ]
    print_table(rows)
    notes = {"faces": len(mesh.faces), "size": args.size, "views": len(views.cameras)}
    print(write_results(args.name, rows, device=str(device), **notes).relative_to(ROOT))


if __name__ == "__main__":
    main()
