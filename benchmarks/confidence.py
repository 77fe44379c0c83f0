# SPDX-License-Identifier: GPL-3.0-or-later
"""How well does the confidence tell bad shapes from good ones? Calibrates it, too.

    python -m benchmarks.confidence --props FOLDER [--stride N] [--limit N] [--jobs N]
        [--resolution R]

Runs the product on the validation pictures and relates what is known of each result without the
truth (`backend/pipelines/confidence.py`) to its F-score 0.05. The weights of the evidence are
fitted by least squares to the F-score's logit; the table shows the mean scores of the results in
tenths of confidence, each judged by a fit to the other four fifths of the pictures. What the
results file calls `calibration` goes into `backend/pipelines/families.py`.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from backend.client.environment import find_models_folder
from backend.config import FieldConfig, JobConfig
from backend.errors import EmptyFieldError
from backend.image.io import load_image
from backend.pipelines.confidence import Calibration, Evidence
from backend.pipelines.families import load_networks
from backend.pipelines.image_to_shape import generate_shape
from backend.progress import Progress
from benchmarks.measure import print_table, write_results
from benchmarks.shape_quality import Judge, find_pictures
from training.datasets import load_props

FOLDS = 5
TENTHS = 10
MODEL = "maquette-mini"


@dataclass(frozen=True, slots=True)
class Case:
    """One result: its evidence and its scores."""

    shape: int
    evidence: Evidence
    fscore: float
    iou: float


def run_part(args: argparse.Namespace, part: int) -> list[Case]:
    """Every `args.jobs`-th picture, beginning with the `part`-th."""
    torch.set_num_threads(1)
    props = load_props(args.props, "validation", torch.device("cpu"), args.limit, args.stride)
    networks = load_networks(MODEL, torch.device("cpu"), torch.float32, find_models_folder())
    # Any calibration: what is read is the evidence.
    networks = replace(networks, calibration=Calibration(-1.0, 0.0, (0.0, 1.0)))
    config = replace(JobConfig(), field_=FieldConfig(args.resolution))
    judge, pictures, cases = Judge(props), find_pictures(args, props), list[Case]()
    for shape in range(part, props.num_shapes, args.jobs):
        image = load_image(pictures[shape])
        try:
            result = generate_shape([image], (0,), config, networks, Progress())
        except EmptyFieldError:
            continue
        assert result.evidence is not None
        fscore, _, iou, _ = judge.score_mesh(shape, result.mesh)
        cases.append(Case(shape, result.evidence, fscore, iou))
    return cases


def design(cases: list[Case]) -> NDArray[np.float64]:
    """The evidence as `Calibration.score` weighs it, and a constant: `[N, 3]`."""
    by_agreement, by_sharpness = Calibration(1.0, 0.0, ()), Calibration(0.0, 1.0, ())
    return np.array(
        [[by_agreement.score(c.evidence), by_sharpness.score(c.evidence), 1.0] for c in cases]
    )


def fit(cases: list[Case]) -> Calibration:
    """Weights of the evidence, and the limits of the tenths of its weighted sum."""
    matrix = design(cases)
    fscore = np.clip([c.fscore for c in cases], 0.02, 0.98)
    weights, *_ = np.linalg.lstsq(matrix, np.log(fscore / (1 - fscore)), rcond=None)
    scores = matrix[:, :2] @ weights[:2]
    limits = np.quantile(scores, np.linspace(0, 1, TENTHS + 1))
    rounded = tuple(round(float(limit), 4) for limit in limits)
    return Calibration(round(float(weights[0]), 4), round(float(weights[1]), 4), rounded)


def judge_apart(cases: list[Case]) -> NDArray[np.float64]:
    """The score of each case by a fit to the folds that it is not in, `[N]`."""
    scores = np.empty(len(cases))
    for fold in range(FOLDS):
        others = [case for k, case in enumerate(cases) if k % FOLDS != fold]
        calibration = fit(others)
        for k in range(fold, len(cases), FOLDS):
            scores[k] = calibration.score(cases[k].evidence)
    return scores


def main() -> None:
    """Run, print the table and write the results file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--stride", type=int, default=1, help="every n-th validation shape")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the shapes")
    parser.add_argument("--resolution", type=int, default=FieldConfig().resolution)
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.jobs, mp_context=context) as pool:
        parts = list(pool.map(partial(run_part, args), range(args.jobs)))
    cases = sorted((case for part in parts for case in part), key=lambda case: case.shape)
    scores = judge_apart(cases)
    rows = []
    for number, tenth in enumerate(np.array_split(np.argsort(scores), TENTHS)):
        own = [cases[k] for k in tenth]
        rows.append(
            {
                "confidence": f"{number / TENTHS:.1f} to {(number + 1) / TENTHS:.1f}",
                "shapes": len(own),
                "fscore": round(mean(case.fscore for case in own), 4),
                "iou": round(mean(case.iou for case in own), 4),
            }
        )
    print_table(rows)
    calibration = fit(cases)
    correlation = spearmanr(scores, [case.fscore for case in cases]).statistic
    print(calibration, f"rank correlation with F: {correlation:.3f}")
    write_results(
        "confidence", rows, resolution=args.resolution, rank_correlation=round(correlation, 3),
        calibration=[calibration.agreement, calibration.sharpness, list(calibration.scores)],
    )  # fmt: skip


if __name__ == "__main__":
    main()
