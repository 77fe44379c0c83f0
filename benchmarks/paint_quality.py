# SPDX-License-Identifier: GPL-3.0-or-later
"""How good are the textures? Paints true meshes from one lit picture and compares with the truth.

    python -m benchmarks.paint_quality --props FOLDER [--limit N] [--stride N] [--pictures FOLDER]

Each validation prop is shown once, lit, by a camera of its own; the product paints the prop's true
mesh from that picture alone and is not told the camera. Then 12 other views are rendered, unlit,
of the truth (corner colours) and of each answer:

- painted: the product with its painting network, if its weights are there.
- carried over: the product without a network: it finds the camera, takes the light off, fills.
- projection: the picture projected by its true camera, the rest filled over the surface.
- mean colour: the mean of the picture's object.
- ceiling: the bake, fed with true views.

Measures, over the pixels that show the prop: PSNR of sRGB values; SSIM of the views over white;
distance of the colour histograms (first Wasserstein distance, mean of the channels); what the
gradient across UV seams has more than the truth's; the mean colour's error on the sides that the
picture does not show (mean of the channels, of the mean over those pixels in each view); holes.
"""

import argparse
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from PIL import Image
from scipy.stats import wasserstein_distance
from skimage.metrics import structural_similarity

from backend.client.environment import find_models_folder
from backend.config import BakeConfig, JobConfig, UnwrapConfig
from backend.data import Camera, FloatArray, Mesh, PaintedViews, Texture, Views
from backend.errors import ModelMissingError
from backend.mesh.unwrap import unwrap_mesh
from backend.paint.sample import PaintNetworks
from backend.pipelines.families import load_paint_networks
from backend.pipelines.mesh_to_texture import texture_mesh
from backend.pipelines.pictures_to_texture import project_texture
from backend.pipelines.texture_result import TextureResult
from backend.pipelines.uv import Target
from backend.progress import Progress
from backend.render.camera import fit_mesh_for_painting, orbit_camera, unproject
from backend.render.coverage import outside_cameras
from backend.render.views import RenderConfig, render_views
from backend.texture.bake import bake_texture
from benchmarks.bake_round_trip import (
    CPU,
    NUM_TEST_VIEWS,
    choose_cameras,
    find_uv,
    render_texture,
    render_truth,
    share_of_holes,
)
from benchmarks.measure import print_table, write_results
from training.datasets import load_reader

REFERENCE_PX = 512
VIEW_PX = 384
_KEY = (0.5, 0.7, 0.6)
"""Direction to the key light, in the mesh's axes."""


@dataclass(frozen=True, slots=True)
class Score:
    """How one answer fares on one prop; see the module's text."""

    psnr: float
    ssim: float
    histogram: float
    seams: float
    hidden_colour: float
    holes: float


@dataclass(frozen=True, slots=True)
class Case:
    """One prop and its picture.

    Attributes:
        mesh: In the painting frame, with UVs.
        colors: `[F, 3, 3]` sRGB of its corners.
        camera: Of the picture.
        picture: `[H, W, 4]` lit, straight alpha.
        others: The views that are compared.
        truth: `[V, H, W, 3]` of these.
        hidden: `[V, H, W]` bool, what of these the picture does not show.
    """

    mesh: Mesh
    colors: torch.Tensor
    camera: Camera
    picture: torch.Tensor
    others: Views
    truth: torch.Tensor
    hidden: torch.Tensor


def make_case(vertices: FloatArray, faces: np.ndarray, colors: torch.Tensor, index: int) -> Case:
    """Light a prop, show it to a camera that depends on its index, and render the other views."""
    mesh, _, _ = fit_mesh_for_painting(Mesh(vertices, faces))
    mesh = unwrap_mesh(mesh, UnwrapConfig(), Progress())
    random = np.random.default_rng(index)
    azimuth, elevation = random.uniform(-50, 50), random.uniform(0, 35)
    camera = orbit_camera(azimuth, elevation, 1.7, fov_deg=40)
    seen = render_views(mesh, [camera], RenderConfig(REFERENCE_PX), Progress(), CPU)
    picture = light(seen, mesh, render_truth(seen, colors))
    others = render_views(
        mesh, outside_cameras(NUM_TEST_VIEWS), RenderConfig(VIEW_PX), Progress(), CPU
    )
    hidden = find_hidden(others, seen, camera)
    return Case(mesh, colors, camera, picture, others, render_truth(others, colors), hidden)


def light(views: Views, mesh: Mesh, colour: torch.Tensor) -> torch.Tensor:
    """One lit picture `[H, W, 4]`: a key light, a sky and some light from everywhere."""
    corners = torch.from_numpy(mesh.vertices[mesh.faces])
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = torch.nn.functional.normalize(normal, dim=1)[views.triangle[0].clamp(min=0)]
    key = torch.nn.functional.normalize(torch.tensor(_KEY), dim=0)
    level = 0.35 + 0.6 * (normal @ key).clamp(min=0) + 0.15 * (0.5 + 0.5 * normal[..., 1])
    lit = (colour[0].clamp(0, 1) ** 2.2 * level[..., None]).clamp(0, 1) ** (1 / 2.2)
    return torch.cat([lit, views.mask[0].float()[..., None]], -1)


def find_hidden(others: Views, seen: Views, camera: Camera) -> torch.Tensor:
    """Which pixels of the other views show what the picture's camera does not see."""
    size = others.depth.shape[1]
    line = (torch.arange(size) + 0.5) / size * 2 - 1
    screen = torch.stack(torch.meshgrid(line, -line, indexing="xy"), -1)  # [H, W, 2]
    screen = screen.expand(len(others.cameras), -1, -1, -1)
    depth = torch.where(others.mask, others.depth, torch.ones_like(others.depth))
    points = unproject(screen, depth, others.cameras)  # [V, H, W, 3]
    matrix = torch.from_numpy(camera.world_to_camera)
    local = points @ matrix[:, :3].T + matrix[:, 3]
    away = -local[..., 2]
    grid = local[..., :2] / away[..., None] * (2 / camera.width) * torch.tensor([1.0, -1.0])
    depth_there = torch.where(seen.mask, seen.depth, torch.zeros_like(seen.depth))
    found = torch.nn.functional.grid_sample(
        depth_there[None].expand(len(points), -1, -1, -1), grid, mode="nearest", align_corners=False
    )[:, 0]
    return others.mask & (away > found + 0.02)


def paint(case: Case, networks: PaintNetworks, size: int) -> tuple[Mesh, Texture]:
    """The product's answer."""
    config = JobConfig()
    config = replace(config, bake=replace(config.bake, texture_size=size))
    result = texture_mesh(
        Target(case.mesh), [case.picture.numpy()], (0,), config, networks, Progress(), CPU
    )
    return as_texture(result)


def carry_over(case: Case, size: int) -> tuple[Mesh, Texture]:
    """The product's answer without a network."""
    config = JobConfig()
    config = replace(config, bake=replace(config.bake, texture_size=size))
    result = project_texture(
        Target(case.mesh), [case.picture.numpy()], (0,), config, Progress(), CPU
    )
    return as_texture(result)


def as_texture(result: TextureResult) -> tuple[Mesh, Texture]:
    """A finished picture, all of which counts as seen."""
    colour = result.picture[..., :3].astype(np.float32) / 255
    whole = np.ones(colour.shape[:2], bool)
    return result.mesh, Texture(colour, whole, whole)


def project(case: Case, size: int) -> tuple[Mesh, Texture]:
    """The picture by its true camera, the rest filled over the surface."""
    views = PaintedViews((case.camera,), case.picture[None, ..., :3], (1.0,))
    return case.mesh, bake_texture(case.mesh, views, BakeConfig(size), Progress())


def fill_with_mean(case: Case, size: int) -> tuple[Mesh, Texture]:
    """The mean colour of the picture's object everywhere."""
    colour = case.picture[..., :3][case.picture[..., 3] > 0.5].mean(0).numpy()
    whole = np.ones((size, size), bool)
    texture = np.broadcast_to(colour.astype(np.float32), (size, size, 3)).copy()
    return case.mesh, Texture(texture, whole, whole)


def bake_truth(case: Case, size: int) -> tuple[Mesh, Texture]:
    """The bake's ceiling."""
    cameras = choose_cameras(case.mesh)
    views = render_views(case.mesh, cameras, RenderConfig(size), Progress(), CPU)
    painted = PaintedViews(cameras, render_truth(views, case.colors), (1.0,) * len(cameras))
    return case.mesh, bake_texture(case.mesh, painted, BakeConfig(size), Progress())


def score(case: Case, mesh: Mesh, texture: Texture) -> tuple[Score, torch.Tensor]:
    """Compare an answer's views with the truth; also returns the views."""
    found, mask = render_texture(case.others, mesh, texture), case.others.mask
    error = (found - case.truth)[mask].double().square().mean().clamp(min=1e-6)
    similar = [
        structural_similarity(a.numpy(), b.numpy(), channel_axis=-1, data_range=1.0)
        for a, b in zip(found, case.truth, strict=True)
    ]
    pixels, expected = found[mask].numpy(), case.truth[mask].numpy()
    histogram = mean(
        float(wasserstein_distance(pixels[::7, channel], expected[::7, channel]))
        for channel in range(3)
    )
    result = Score(
        float(-10 * torch.log10(error)), float(mean(map(float, similar))), histogram,
        seam_excess(case, mesh, found), hidden_colour_error(case, found),
        share_of_holes(case.others, mesh, texture),
    )  # fmt: skip
    return result, found


def seam_excess(case: Case, mesh: Mesh, found: torch.Tensor) -> float:
    """Mean of how much more neighbouring pixels differ across UV seams than in the truth."""
    uv, mask = find_uv(case.others, mesh), case.others.mask
    both = mask[:, :, 1:] & mask[:, :, :-1]
    jump = (uv[:, :, 1:] - uv[:, :, :-1]).abs().amax(-1) > 0.05
    step, expected = (
        (x[:, :, 1:] - x[:, :, :-1]).abs().mean(-1)[both & jump] for x in (found, case.truth)
    )
    return float((step - expected).mean()) if len(step) else 0.0


def hidden_colour_error(case: Case, found: torch.Tensor) -> float:
    """Error of the mean colour over what the picture does not show, mean of the views."""
    errors = []
    for view in range(len(found)):
        hidden = case.hidden[view]
        if int(hidden.sum()) >= 100:
            apart = found[view][hidden].mean(0) - case.truth[view][hidden].mean(0)
            errors.append(float(apart.abs().mean()))
    return mean(errors) if errors else 0.0


def save_sheet(path: Path, case: Case, rows: list[torch.Tensor]) -> None:
    """The picture, then three views of the truth and of every answer."""
    picture = case.picture[..., :3] * case.picture[..., 3:] + 1 - case.picture[..., 3:]
    lines = [torch.cat(list(row[::4]), 1) for row in (case.truth, *rows)]
    scale = VIEW_PX / REFERENCE_PX
    small = torch.nn.functional.interpolate(
        picture.permute(2, 0, 1)[None], scale_factor=scale, mode="area"
    )[0].permute(1, 2, 0)
    blank = torch.ones_like(small)
    lines = [
        torch.cat([small if number == 0 else blank, line], 1) for number, line in enumerate(lines)
    ]
    sheet = (torch.cat(lines) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(sheet).resize((sheet.shape[1] // 2, sheet.shape[0] // 2)).save(path)


def find_networks() -> PaintNetworks | None:
    """The embedded painting model, or None where its weights are not there."""
    try:
        return load_paint_networks("maquette-mini", CPU, torch.float32, find_models_folder())
    except ModelMissingError as error:
        print(error)
        return None


def main() -> None:
    """Run on the validation props and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--size", type=int, default=1024, help="of the texture")
    parser.add_argument("--pictures", type=Path, help="write comparisons here")
    parser.add_argument("--no-ceiling", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    networks = find_networks()
    props = load_reader(args.props).load(str(args.props / "props_validation.npz.xz"))
    scores: dict[str, list[Score]] = {}
    seconds = []
    for index, prop in enumerate(props[:: args.stride][: args.limit]):
        colors = torch.from_numpy(prop.corner_colors.astype(np.float32) / 255)
        case = make_case(prop.vertices, prop.faces, colors, index)
        start = time.process_time()
        answers = {"carried over": carry_over(case, args.size)}
        seconds.append(time.process_time() - start)
        if networks is not None:
            answers["painted"] = paint(case, networks, args.size)
        answers["projection"] = project(case, args.size)
        answers["mean colour"] = fill_with_mean(case, args.size)
        if not args.no_ceiling:
            answers["ceiling"] = bake_truth(case, args.size)
        pictures = []
        for name, answer in answers.items():
            found, picture = score(case, *answer)
            scores.setdefault(name, []).append(found)
            pictures.append(picture)
            print(f"{prop.name:40.40} {name:12} {found}", flush=True)
        if args.pictures:
            args.pictures.mkdir(parents=True, exist_ok=True)
            save_sheet(args.pictures / f"{prop.name}.png", case, pictures)
    rows = [
        {"what": name, "shapes": len(found)}
        | {key: round(mean(asdict(one)[key] for one in found), 4) for key in asdict(found[0])}
        for name, found in scores.items()
    ]
    print_table(rows)
    write_results(
        "paint_quality", rows, size=args.size, carry_over_cpu_seconds=round(mean(seconds), 1)
    )


if __name__ == "__main__":
    main()
