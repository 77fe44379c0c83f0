# SPDX-License-Identifier: GPL-3.0-or-later
"""What rendering costs: z-buffer, all maps of a view, and the choice of views, by mesh size.

Run: `python -m benchmarks.rasterize [--faces 20000 100000 1000000] [--sizes 1024 2048 4096]`.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from backend.data import Camera, Mesh
from backend.progress import Progress
from backend.render.camera import (
    STANDARD_VIEWS_DEG,
    fit_mesh_for_painting,
    orbit_camera,
    painting_camera,
)
from backend.render.coverage import CoverageConfig, candidate_cameras, choose_views
from backend.render.rasterize import find_nearest, split_visible, unpack, weights_at
from backend.render.views import (
    ConditioningConfig,
    RenderConfig,
    Surface,
    make_surface,
    project_surface,
    render_conditioning,
    render_views,
)
from benchmarks.measure import ROOT, measure, print_table, write_results

CAMERAS = {
    "orthographic": painting_camera(30, 20),
    "perspective": orbit_camera(30, 20, 2.0, fov_deg=40),
}
LARGEST_CHOICE = 100_000


def make_knot(num_faces: int) -> Mesh:
    """A knotted, rippled tube of about this many faces, which hides parts of itself."""
    around = max(int((num_faces / 24) ** 0.5), 3)
    along = num_faces // (2 * around)
    t, angle = np.meshgrid(
        np.arange(along) / along * 2 * np.pi, np.arange(around) / around * 2 * np.pi, indexing="ij"
    )
    ring = 2 + np.cos(3 * t)
    centre = np.stack([ring * np.cos(2 * t), ring * np.sin(2 * t), np.sin(3 * t)], -1)
    ahead = np.roll(centre, -1, 0) - np.roll(centre, 1, 0)
    side = np.cross(ahead, [0.3, 0.2, 1.0])
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    other = np.cross(side, ahead)
    other /= np.linalg.norm(other, axis=-1, keepdims=True)
    radius = (0.5 + 0.05 * np.sin(40 * t) * np.cos(5 * angle))[..., None]
    points = centre + radius * (np.cos(angle)[..., None] * side + np.sin(angle)[..., None] * other)
    at = np.arange(along * around).reshape(along, around)
    right, down = np.roll(at, -1, 1), np.roll(at, -1, 0)
    both = np.roll(right, -1, 0)
    faces = np.stack([np.stack([at, down, both], -1), np.stack([at, both, right], -1)])
    mesh = Mesh(points.reshape(-1, 3).astype(np.float32), faces.reshape(-1, 3).astype(np.int32))
    return fit_mesh_for_painting(mesh)[0]


def steps_of(surface: Surface, camera: Camera, size: int) -> dict[str, Callable[[], Any]]:
    """The parts of rendering one view, to be timed alone."""
    screen = project_surface(surface, camera, size)
    view = torch.zeros(len(screen.corners), dtype=torch.int64, device=screen.corners.device)
    nearest = partial(find_nearest, screen.corners, view, 1, (size, size))
    buffer = nearest(has_thin_parts=True)

    def find_weights() -> None:
        for pixel in split_visible(buffer):
            weights_at(screen.corners, unpack(buffer[pixel])[0], pixel, (size, size))

    return {
        "project": partial(project_surface, surface, camera, size),
        "z-buffer": partial(nearest, has_thin_parts=False),
        "z-buffer, thin parts": partial(nearest, has_thin_parts=True),
        "barycentrics": find_weights,
    }


def row_of(
    step: str, mesh: Mesh, camera: str, size: int, function: Callable[[], Any], repeats: int
) -> dict[str, Any]:
    """Time a step and make a row of the table of it."""
    start = time.process_time()
    cost = measure(function, repeats)
    busy = (time.process_time() - start) / (repeats + 1)
    return {
        "step": step,
        "camera": camera,
        "faces": len(mesh.faces),
        "size_px": size,
        "seconds": cost.seconds,
        "cpu_seconds": busy,  # what the step costs when other programs slow the machine down
        "peak_mb": cost.peak_mb,
        "peak_gpu_mb": cost.peak_gpu_mb,
    }


def run_views(mesh: Mesh, size: int, device: torch.device, repeats: int) -> list[dict[str, Any]]:
    """Time one view of one mesh, whole and in parts."""
    surface, rows = make_surface(mesh, device), []
    for name, camera in CAMERAS.items():
        render = partial(render_views, mesh, [camera], RenderConfig(size), Progress(), device)
        steps = {"one view, all maps": render}
        if name == "orthographic":
            steps |= steps_of(surface, camera, size)
        rows += [row_of(k, mesh, name, size, f, repeats) for k, f in steps.items()]
    return rows


def run_stages(mesh: Mesh, device: torch.device) -> list[dict[str, Any]]:
    """Time what a painting job does before it paints."""
    cameras = [painting_camera(*angles) for angles in STANDARD_VIEWS_DEG]
    config, every = ConditioningConfig(), CoverageConfig(target_share=1.0)
    maps = partial(render_conditioning, mesh, cameras, config, Progress(), device)
    choice = partial(choose_views, mesh, cameras, candidate_cameras(), every, Progress(), device)
    return [
        row_of("six conditioning maps", mesh, "orthographic", 2048, maps, 1),
        row_of("choice of views", mesh, "orthographic", every.size_px, choice, 1),
    ]


def main() -> None:
    """Measure every size and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, nargs="+", default=[20_000, 100_000, 1_000_000])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048, 4096])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--name", default="rasterize", help="name of the results file")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    device, rows = torch.device(arguments.device), []
    for num_faces in arguments.faces:
        mesh = make_knot(num_faces)
        for size in arguments.sizes:
            rows += run_views(mesh, size, device, arguments.repeats)
        if num_faces <= LARGEST_CHOICE:
            rows += run_stages(mesh, device)
    print_table(rows)
    print(write_results(arguments.name, rows, device=str(device)).relative_to(ROOT))


if __name__ == "__main__":
    main()
