# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a picture's camera is found, and how much of its light is taken off.

    python -m benchmarks.camera_fit --props FOLDER [--stride N] [--limit N]

Each validation prop is shown once, lit, by a camera of its own that is turned by up to 50 degrees
to the side and raised by up to 35. The product is given the picture and the true mesh, and finds
the camera; the figure is the angle between its direction and the true one. Props that look the
same from several sides cannot be told apart; they count in full.

The light is taken off twice: as the camera was found, and as it truly was. What is left of it is
the spread (standard deviation) of the logarithm of the linear colour over the true one, which a
light that is even over the picture does not change; the error is the mean absolute difference of
sRGB values.
"""

import argparse
import time
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch

from backend.config import ImageConfig
from backend.data import Camera, Mesh
from backend.image.prepare import prepare_image
from backend.paint.unlight import remove_shading
from backend.pipelines.projection import PICTURE_SIZE_PX, find_shading_normals, shrink_mask
from backend.progress import Progress
from backend.render.align import AlignConfig, AlignedCamera, find_camera, warp_picture
from backend.render.camera import fit_mesh_for_painting, orbit_camera
from backend.render.views import RenderConfig, render_views
from backend.texture.colour import srgb_to_linear
from benchmarks.bake_round_trip import CPU, render_truth
from benchmarks.measure import print_table, write_results
from benchmarks.paint_quality import REFERENCE_PX, light
from training.datasets import load_reader

CLOSE_DEG = 10.0
MOST_AZIMUTH_DEG, MOST_ELEVATION_DEG = 50, 35
_DARKEST = 0.01
"""Linear values below this have no meaningful logarithm."""


def judge(mesh: Mesh, colors: torch.Tensor, index: int) -> dict[str, Any]:
    """Find the camera of one prop's picture, and take its light off."""
    random = np.random.default_rng(index)
    azimuth = random.uniform(-MOST_AZIMUTH_DEG, MOST_AZIMUTH_DEG)
    elevation = random.uniform(0, MOST_ELEVATION_DEG)
    camera = orbit_camera(azimuth, elevation, 1.7, fov_deg=40)
    seen = render_views(mesh, [camera], RenderConfig(REFERENCE_PX), Progress(), CPU)
    truth = render_truth(seen, colors)
    picture = light(seen, mesh, truth)
    prepared = prepare_image(
        [picture.numpy()], PICTURE_SIZE_PX, ImageConfig(), Progress(), (0,)
    ).pixels[0]
    start = time.process_time()
    found = find_camera(mesh, prepared, 0, AlignConfig(), Progress(), CPU)
    seconds = time.process_time() - start
    mask = shrink_mask(seen.mask[0])
    unlit = remove_shading(picture[..., :3], find_shading_normals(mesh, seen)[0], mask)
    return {
        "error_deg": round(angle_between(found.camera, camera), 2),
        "agreement": round(found.agreement, 4),
        "is_found": found.is_found,
        "cpu_seconds": round(seconds, 2),
        "light": light_left(picture[..., :3], truth[0], mask),
        "light_left": light_left(unlit, truth[0], mask),
        "light_left_found": light_as_found(mesh, colors, prepared, found),
        "colour_error_lit": colour_error(picture[..., :3], truth[0], mask),
        "colour_error": colour_error(unlit, truth[0], mask),
    }


def light_as_found(
    mesh: Mesh, colors: torch.Tensor, prepared: np.ndarray, found: AlignedCamera
) -> float | None:
    """What is left of the light where the found camera tells the normals; None if not found."""
    if not found.is_found:
        return None
    views = render_views(mesh, [found.camera], RenderConfig(REFERENCE_PX), Progress(), CPU)
    warped = warp_picture(prepared, found, REFERENCE_PX)
    mask = shrink_mask(warped[..., 3] > 0.98) & views.mask[0]
    unlit = remove_shading(warped[..., :3], find_shading_normals(mesh, views)[0], mask)
    return light_left(unlit, render_truth(views, colors)[0], mask)


def angle_between(one: Camera, other: Camera) -> float:
    """Degrees between the directions in which two cameras stand."""
    cosine = one.world_to_camera[2, :3].astype(np.float64) @ other.world_to_camera[2, :3]
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def light_left(colour: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> float:
    """Spread of the logarithm of the colour over the true one, `[H, W, 3]` sRGB both."""
    shown, true = (srgb_to_linear(part[mask]).mean(1) for part in (colour, truth))
    is_clear = (shown > _DARKEST) & (true > _DARKEST)
    ratio = torch.log(shown[is_clear] / true[is_clear])
    return round(float(ratio.std()), 4) if len(ratio) > 1 else 0.0


def colour_error(colour: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> float:
    """Mean absolute difference of sRGB values."""
    return round(float((colour - truth)[mask].abs().mean()), 4)


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row for all props."""
    errors = [row["error_deg"] for row in rows]
    left = [row["light_left_found"] for row in rows if row["light_left_found"] is not None]
    return {
        "shapes": len(rows),
        "error_deg_median": round(median(errors), 2),
        "error_deg_mean": round(mean(errors), 2),
        "share_close": round(mean(error <= CLOSE_DEG for error in errors), 3),
        "share_found": round(mean(row["is_found"] for row in rows), 3),
        "cpu_seconds_median": round(median(row["cpu_seconds"] for row in rows), 2),
        "light_median": round(median(row["light"] for row in rows), 4),
        "light_left_median": round(median(row["light_left"] for row in rows), 4),
        "light_left_found_median": round(median(left), 4) if left else None,
        "colour_error_lit": round(mean(row["colour_error_lit"] for row in rows), 4),
        "colour_error": round(mean(row["colour_error"] for row in rows), 4),
    }


def main() -> None:
    """Run on the validation props, print the table, write results/camera_fit.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--stride", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    props = load_reader(args.props).load(str(args.props / "props_validation.npz.xz"))
    rows = []
    for index, prop in enumerate(props[:: args.stride][: args.limit]):
        mesh, _, _ = fit_mesh_for_painting(Mesh(prop.vertices, prop.faces))
        colors = torch.from_numpy(prop.corner_colors.astype(np.float32) / 255)
        rows.append({"prop": f"{prop.pack}/{prop.name}"} | judge(mesh, colors, index))
        print(rows[-1], flush=True)
    summary = summarise(rows)
    print_table([summary])
    write_results("camera_fit", rows, stride=args.stride, summary=summary)


if __name__ == "__main__":
    main()
