# SPDX-License-Identifier: GPL-3.0-or-later
"""How good are the shapes? Compares reconstructions and pictures to shape with the true triangles.

    python -m benchmarks.shape_quality --props FOLDER [--limit N] [--seeds 0 1 2] [--resolution R]

F-score 0.05 and Chamfer-L1 compare 10,000 points on the result with 10,000 on the artist's
triangles, both in [-1, 1]^3. Solid IoU compares 48^3 cells, both solids made by one procedure
(`training.fields.solid_occupancy`). The pictures are `renders/validation/*.png` beside the props.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
import trimesh

from backend.client.environment import find_models_folder
from backend.config import FieldConfig, ImageConfig, JobConfig, MeshConfig, SampleConfig
from backend.data import Latents, Mesh
from backend.field.decode import decode_field
from backend.image.io import load_image
from backend.image.prepare import prepare_image
from backend.mesh.build import build_mesh
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from backend.pipelines.families import Networks, load_networks
from backend.pipelines.image_to_shape import generate_shape
from backend.progress import Progress
from backend.weights.load import take_part
from benchmarks import baselines
from benchmarks.contact_sheet import write_sheet
from benchmarks.measure import print_table, write_results
from training.datasets import Props, load_props, make_point_pool, sample_surfaces
from training.export import join_states
from training.fields import solid_occupancy
from training.metrics import fscore_and_chamfer
from training.shape_vae import surface_input

NUM_POINTS = 10_000
Score = tuple[float, float, float]
FAILED: Score = (0.0, 2.0, 0.0)


class Judge:
    """Knows the truth of every validation shape and scores answers against it."""

    def __init__(self, props: Props) -> None:
        self._props = props
        generator = torch.Generator().manual_seed(3)
        every = torch.arange(props.num_shapes)
        self.points = sample_surfaces(props, every, NUM_POINTS, generator)[0]
        self._solids: dict[int, torch.Tensor] = {}

    def solid(self, shape: int) -> torch.Tensor:
        """Occupied cells of the truth."""
        if shape not in self._solids:
            self._solids[shape] = solid_occupancy(self._props.triangles(shape))
        return self._solids[shape]

    def score(self, shape: int, points: torch.Tensor, solid: torch.Tensor) -> Score:
        """F-score, Chamfer-L1 and solid IoU."""
        f, chamfer = fscore_and_chamfer(points, self.points[shape])
        truth = self.solid(shape)
        union = int((truth | solid).sum())
        return f, chamfer, int((truth & solid).sum()) / max(union, 1)

    def score_mesh(self, shape: int, mesh: Mesh) -> Score:
        """The same of a mesh."""
        surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        points, _ = trimesh.sample.sample_surface(surface, NUM_POINTS, seed=0)
        corners = torch.tensor(mesh.vertices[mesh.faces])
        return self.score(
            shape, torch.tensor(points, dtype=torch.float32), solid_occupancy(corners)
        )


def widen_to_trained(networks: Networks, vae: Path, flow: Path) -> None:
    """Put the unquantised weights into the networks."""
    state = join_states(vae, flow)
    for part, network in (
        ("model", networks.denoiser),
        ("vae", networks.decoder),
        ("conditioner", networks.conditioner),
    ):
        if not isinstance(network, torch.nn.Module):
            raise TypeError(part)
        network.load_state_dict(take_part(state, part))


def score_reconstructions(judge: Judge, props: Props, networks: Networks, size: int) -> list[Score]:
    """Encode and decode every shape."""
    vae = networks.decoder
    if not isinstance(vae, ShapeVAE):
        raise TypeError("this model has no encoder")
    pool = make_point_pool(props, 8192, 4096, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    sizes = (vae.config.pc_size, vae.config.pc_sharpedge_size)
    scores = []
    for shape in range(props.num_shapes):
        unit = torch.eye(3)[None]
        with torch.inference_mode():
            surface = surface_input(pool, torch.tensor([shape]), unit, sizes, generator)
            latents = vae.encode(surface)[0] * vae.config.scale_factor
        field = decode_field(Latents(latents), vae, FieldConfig(size), Progress(), box=networks.box)
        mesh = build_mesh(field, MeshConfig(), Progress(), default_smoothing=networks.smoothing)
        scores.append(judge.score_mesh(shape, mesh))
    return scores


def score_pictures(
    judge: Judge, pictures: list[Path], networks: Networks, config: JobConfig, seed: int
) -> tuple[list[Score], list[tuple[Path, np.ndarray, np.ndarray, str]], float]:
    """Run the product on every picture; the scores, the sheet's rows and the mean seconds."""
    config = replace(config, sample=replace(config.sample, seed=seed))
    scores, rows, begin, scoring = [], [], time.perf_counter(), 0.0
    for shape, path in enumerate(pictures):
        result = generate_shape([load_image(path)], (0,), config, networks, Progress())
        start = time.perf_counter()
        score = judge.score_mesh(shape, result.mesh)
        scores.append(score)
        caption = f"{path.stem[-34:]}  F {score[0]:.2f}  IoU {score[2]:.2f}"
        rows.append((path, result.mesh.vertices, result.mesh.faces, caption))
        scoring += time.perf_counter() - start
    return scores, rows, (time.perf_counter() - begin - scoring) / len(pictures)


def score_baselines(
    judge: Judge, props: Props, train: Props, pictures: list[Path]
) -> dict[str, list[Score]]:
    """Mean shape, nearest by picture, nearest by Chamfer distance."""
    average = baselines.make_mean_shape(train, 16)
    descriptors = baselines.describe_training(train)
    points = baselines.sample_training(train)
    every = torch.arange(train.num_shapes)
    dense = sample_surfaces(train, every, 4096, torch.Generator().manual_seed(4))[0]
    found: dict[str, list[Score]] = {
        "mean shape": [],
        "retrieval by picture": [],
        "best retrieval": [],
    }
    for shape, path in enumerate(pictures):
        found["mean shape"].append(judge.score(shape, average.points, average.occupancy))
        prepared = prepare_image([load_image(path)], 64, ImageConfig(), Progress())
        by_picture = baselines.nearest_by_picture(descriptors, torch.tensor(prepared.pixels))
        by_chamfer = baselines.nearest_by_chamfer(points, judge.points[shape])
        for name, index in (("retrieval by picture", by_picture), ("best retrieval", by_chamfer)):
            solid = solid_occupancy(train.triangles(index))
            found[name].append(judge.score(shape, dense[index], solid))
    return found


def summarise(name: str, scores: list[Score]) -> dict[str, str | float]:
    """One row of the table."""
    f, chamfer, iou = zip(*scores, strict=True)
    return {
        "what": name, "shapes": len(scores), "fscore": round(mean(f), 4),
        "chamfer": round(mean(chamfer), 4), "iou": round(mean(iou), 4),
        "iou_median": round(median(iou), 4),
    }  # fmt: skip


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--model", default="maquette-mini")
    parser.add_argument(
        "--trained", type=Path, nargs=2, metavar=("VAE", "FLOW"),
        help="folders of the training runs: their weights instead of the shipped 8-bit ones",
    )  # fmt: skip
    parser.add_argument("--limit", type=int)
    parser.add_argument("--stride", type=int, default=1, help="every n-th validation shape")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--resolution", type=int, default=FieldConfig().resolution)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--guidance", type=float, default=-1.0)
    parser.add_argument("--no-baselines", action="store_true")
    parser.add_argument("--no-reconstructions", action="store_true")
    parser.add_argument("--sheet", type=Path, default=Path("out/shape_quality.png"))
    parser.add_argument("--sheet-shapes", type=int, default=32)
    parser.add_argument("--name", default="shape_quality", help="of the results file")
    return parser.parse_args()


def main() -> None:
    """Measure what the command line asks for, print the table and write the results file."""
    args = parse_arguments()
    device = torch.device("cpu")
    props = load_props(args.props, "validation", device, args.limit, args.stride)
    folder = args.props / "renders" / "validation"
    pictures = [folder / (name.replace("/", "__") + ".png") for name in props.names]
    networks = load_networks(args.model, device, torch.float32, find_models_folder())
    if args.trained:
        widen_to_trained(networks, *args.trained)
    judge = Judge(props)
    config = JobConfig(
        model=args.model,
        sample=SampleConfig(args.steps, args.guidance),
        field_=FieldConfig(args.resolution),
    )
    rows = []
    notes: dict[str, object] = {"resolution": args.resolution, "threads": torch.get_num_threads()}
    if not args.no_baselines:
        train = load_props(args.props, "train", device)
        for name, scores in score_baselines(judge, props, train, pictures).items():
            rows.append(summarise(name, scores))
            print(rows[-1], flush=True)
    if not args.no_reconstructions:
        scores = score_reconstructions(judge, props, networks, args.resolution)
        rows.append(summarise("autoencoder", scores))
        print(rows[-1], flush=True)
    for seed in args.seeds:
        scores, sheet, seconds = score_pictures(judge, pictures, networks, config, seed)
        rows.append(summarise(f"picture to shape, seed {seed}", scores))
        notes[f"seconds_per_shape_seed_{seed}"] = round(seconds, 2)
        print(rows[-1], flush=True)
        if seed == args.seeds[0]:
            step = max(1, len(sheet) // args.sheet_shapes)
            write_sheet(sheet[::step][: args.sheet_shapes], args.sheet)
    print_table(rows)
    print(write_results(args.name, rows, **notes))


if __name__ == "__main__":
    main()
