# SPDX-License-Identifier: GPL-3.0-or-later
"""How good are the shapes? Compares reconstructions and pictures to shape with the true triangles.

    python -m benchmarks.shape_quality --props FOLDER [--limit N] [--seeds 0 1 2] [--resolution R]
        [--device cuda] [--jobs N]

F-score 0.05 and Chamfer-L1 compare 10,000 points on the result with 10,000 on the artist's
triangles, both in [-1, 1]^3. Solid IoU compares 48^3 cells, both solids made by one procedure
(`training.fields.solid_occupancy`); beside it stands the IoU of the cells' centres, which is
unstable on thin plates (`centre_occupancy`). The pictures are `renders/validation/*.png` beside
the props. With `--jobs` each of N processes takes every N-th shape; the figures stay the same.
"""

import argparse
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, median

import torch
import trimesh

from backend.client.environment import find_models_folder
from backend.config import FieldConfig, ImageConfig, JobConfig, MeshConfig, SampleConfig
from backend.data import Latents, Mesh
from backend.errors import EmptyFieldError
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
from training.datasets import (
    Props,
    gather_shapes,
    load_props,
    make_point_pool,
    sample_surfaces,
)
from training.export import join_states
from training.fields import centre_occupancy, solid_occupancy
from training.metrics import fscore_and_chamfer
from training.shape_vae import surface_input

NUM_POINTS = 10_000
Score = tuple[float, float, float, float]
Solids = tuple[torch.Tensor, torch.Tensor]
FAILED: Score = (0.0, 2.0, 0.0, 0.0)
AUTOENCODER = "autoencoder"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model made of one validation shape.

    Attributes:
        shape: Its number.
        kind: "autoencoder", or "picture to shape, seed N".
        score: F-score, Chamfer-L1, solid IoU and IoU of the cells' centres.
        seconds: Of making it; scoring not included.
        mesh: What was made; None where the model found no surface.
    """

    shape: int
    kind: str
    score: Score
    seconds: float
    mesh: Mesh | None


class Judge:
    """Knows the truth of every validation shape and scores answers against it."""

    def __init__(self, props: Props) -> None:
        self._props = props
        self.points = torch.cat([_sample(props, shape) for shape in range(props.num_shapes)])
        self._solids: dict[int, Solids] = {}

    def score(self, shape: int, points: torch.Tensor, solids: Solids) -> Score:
        """F-score, Chamfer-L1, solid IoU and IoU of the cells' centres."""
        if shape not in self._solids:
            self._solids[shape] = make_solids(self._props.triangles(shape))
        f, chamfer = fscore_and_chamfer(points, self.points[shape])
        pairs = zip(self._solids[shape], solids, strict=True)
        iou, iou_centres = (
            int((truth & found).sum()) / max(int((truth | found).sum()), 1)
            for truth, found in pairs
        )
        return f, chamfer, iou, iou_centres

    def score_mesh(self, shape: int, mesh: Mesh) -> Score:
        """The same of a mesh."""
        surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        points, _ = trimesh.sample.sample_surface(surface, NUM_POINTS, seed=0)
        corners = torch.tensor(mesh.vertices[mesh.faces])
        return self.score(shape, torch.tensor(points, dtype=torch.float32), make_solids(corners))


def _sample(props: Props, shape: int) -> torch.Tensor:
    """Surface points `[1, K, 3]` of one shape, whatever the others are."""
    generator = torch.Generator().manual_seed(shape)
    return sample_surfaces(props, torch.tensor([shape]), NUM_POINTS, generator)[0]


def make_solids(triangles: torch.Tensor) -> Solids:
    """Both kinds of cells `[48, 48, 48]` of a triangle set."""
    return solid_occupancy(triangles).cpu(), centre_occupancy(triangles).cpu()


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


def reconstruct(props: Props, shape: int, networks: Networks, size: int) -> Mesh:
    """Encode and decode one shape."""
    vae = networks.decoder
    if not isinstance(vae, ShapeVAE):
        raise TypeError("this model has no encoder")
    generator = torch.Generator().manual_seed(shape)
    own = gather_shapes(props, torch.tensor([shape]))
    pool = make_point_pool(own, 8192, 4096, generator)
    sizes = (vae.config.pc_size, vae.config.pc_sharpedge_size)
    unit = torch.eye(3)[None]
    with torch.inference_mode():
        surface = surface_input(pool, torch.tensor([0]), unit, sizes, generator)
        surface = surface.to(vae.latent_anchors.device)
        latents = vae.encode(surface)[0] * vae.config.scale_factor
    field = decode_field(Latents(latents), vae, FieldConfig(size), Progress(), box=networks.box)
    return build_mesh(field, MeshConfig(), Progress(), default_smoothing=networks.smoothing)


def find_pictures(args: argparse.Namespace, props: Props) -> list[Path]:
    """The pictures of the validation shapes."""
    folder = args.props / "renders" / "validation"
    return [folder / (name.replace("/", "__") + ".png") for name in props.names]


def answer_part(args: argparse.Namespace, part: int) -> list[Answer]:
    """All answers of the model for every `args.jobs`-th shape, beginning with the `part`-th."""
    if args.jobs > 1:
        torch.set_num_threads(1)
    props = load_props(args.props, "validation", torch.device("cpu"), args.limit, args.stride)
    networks = load_networks(
        args.model, torch.device(args.device), torch.float32, find_models_folder()
    )
    if args.trained:
        widen_to_trained(networks, *args.trained)
    judge = Judge(props)
    sample = SampleConfig(args.steps, args.guidance)
    config = JobConfig(model=args.model, sample=sample, field_=FieldConfig(args.resolution))
    pictures = find_pictures(args, props)
    answers = []

    def add(shape: int, kind: str, make: Callable[[], Mesh]) -> None:
        begin = time.perf_counter()
        try:
            mesh = make()
        except EmptyFieldError:
            mesh = None
        seconds = time.perf_counter() - begin
        score = judge.score_mesh(shape, mesh) if mesh else FAILED
        answers.append(Answer(shape, kind, score, seconds, mesh))

    for shape in range(part, props.num_shapes, args.jobs):
        if not args.no_reconstructions:
            add(shape, AUTOENCODER, partial(reconstruct, props, shape, networks, args.resolution))
        for seed in args.seeds:
            seeded = replace(config, sample=replace(sample, seed=seed))
            make = partial(answer_picture, pictures[shape], seeded, networks)
            add(shape, f"picture to shape, seed {seed}", make)
    return answers


def answer_picture(picture: Path, config: JobConfig, networks: Networks) -> Mesh:
    """Run the product on one picture."""
    return generate_shape([load_image(picture)], (0,), config, networks, Progress()).mesh


def answer_all(args: argparse.Namespace) -> list[Answer]:
    """The answers for all shapes, in their order."""
    if args.jobs == 1:
        return answer_part(args, 0)
    # Not by forking: a forked process cannot use CUDA.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=context) as pool:
        parts = pool.map(partial(answer_part, args), range(args.jobs))
        return sorted((a for part in parts for a in part), key=lambda answer: answer.shape)


def score_baselines(judge: Judge, train: Props, pictures: list[Path]) -> dict[str, list[Score]]:
    """Mean shape, nearest by picture, nearest by Chamfer distance."""
    average = baselines.make_mean_shape(train, 16)
    cells = (average.solid.cpu(), average.centres.cpu())
    descriptors = baselines.describe_training(train)
    points = baselines.sample_training(train)
    device = train.corners.device
    every = torch.arange(train.num_shapes, device=device)
    dense = sample_surfaces(train, every, 4096, torch.Generator(device).manual_seed(4))[0]
    found: dict[str, list[Score]] = {
        "mean shape": [],
        "retrieval by picture": [],
        "best retrieval": [],
    }
    for shape, path in enumerate(pictures):
        found["mean shape"].append(judge.score(shape, average.points.cpu(), cells))
        prepared = prepare_image([load_image(path)], 64, ImageConfig(), Progress())
        by_picture = baselines.nearest_by_picture(
            descriptors, torch.tensor(prepared.pixels, device=device)
        )
        by_chamfer = baselines.nearest_by_chamfer(points, judge.points[shape].to(device))
        for name, index in (("retrieval by picture", by_picture), ("best retrieval", by_chamfer)):
            solid = make_solids(train.triangles(index))
            found[name].append(judge.score(shape, dense[index].cpu(), solid))
    return found


def summarise(name: str, scores: list[Score]) -> dict[str, str | float]:
    """One row of the table."""
    f, chamfer, iou, iou_centres = zip(*scores, strict=True)
    return {
        "what": name, "shapes": len(scores), "fscore": round(mean(f), 4),
        "chamfer": round(mean(chamfer), 4), "iou": round(mean(iou), 4),
        "iou_median": round(median(iou), 4), "iou_centres": round(mean(iou_centres), 4),
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
    parser.add_argument("--device", default="cpu", help="of the networks and the baselines")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the shapes")
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
    rows = []
    notes: dict[str, object] = {
        "resolution": args.resolution, "device": args.device, "jobs": args.jobs
    }  # fmt: skip
    if not args.no_baselines:
        props = load_props(args.props, "validation", torch.device("cpu"), args.limit, args.stride)
        train = load_props(args.props, "train", torch.device(args.device))
        found = score_baselines(Judge(props), train, find_pictures(args, props))
        rows += [summarise(name, scores) for name, scores in found.items()]
    answers = answer_all(args)
    for kind in dict.fromkeys(answer.kind for answer in answers):
        own = [answer for answer in answers if answer.kind == kind]
        rows.append(summarise(kind, [answer.score for answer in own]))
        if kind != AUTOENCODER:
            notes[f"seconds_per_shape, {kind}"] = round(mean(a.seconds for a in own), 2)
    print_table(rows)
    print(write_results(args.name, rows, **notes))
    if args.seeds:
        draw_sheet(args, [a for a in answers if a.kind.endswith(f"seed {args.seeds[0]}")])


def draw_sheet(args: argparse.Namespace, answers: list[Answer]) -> None:
    """Write the contact sheet of evenly spread answers."""
    props = load_props(args.props, "validation", torch.device("cpu"), args.limit, args.stride)
    pictures = find_pictures(args, props)
    step = max(1, len(answers) // args.sheet_shapes)
    sheet = []
    for answer in answers[::step][: args.sheet_shapes]:
        path, score = pictures[answer.shape], answer.score
        caption = f"{path.stem[-34:]}  F {score[0]:.2f}  IoU {score[2]:.2f}"
        if answer.mesh:
            sheet.append((path, answer.mesh.vertices, answer.mesh.faces, caption))
    write_sheet(sheet, args.sheet)


if __name__ == "__main__":
    main()
