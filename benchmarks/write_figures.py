# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns results files into the tables of README.md and MODEL_CARD.md: no figure is typed by hand.

    python -m benchmarks.write_figures

A table stands between `<!-- figures: NAME -->` and `<!-- end -->`; what was there is replaced.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "backend" / "weights" / "embedded" / "MODEL_CARD.md")
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def read(name: str) -> dict[str, Any]:
    """One results file."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def source(name: str, content: dict[str, Any]) -> str:
    """Where the figures come from: script, machine, date."""
    return f"`benchmarks/results/{name}.json`: {content['processor']}, {content['date'][:10]}."


def shape_quality() -> str:
    """Autoencoder, pictures and baselines on the validation props."""
    return score_table("shape_quality_*.json", "asset_sheet.json")


def quantisation() -> str:
    """The shipped 8-bit weights beside those of training, on a part of the validation props."""
    return score_table("quantisation_*.json")


def score_table(*patterns: str) -> str:
    """The rows of all results files of `shape_quality.py` and `asset_sheet.py` so named."""
    files = [file for pattern in patterns for file in sorted(RESULTS.glob(pattern))]
    lines = [
        "| Answer | Shapes | F-score 0.05 | Chamfer-L1 | Solid IoU mean / median | Of centres |",
        "|---|---|---|---|---|---|",
    ]
    notes = []
    for file in files:
        content = read(file.stem)
        for row in content["rows"]:
            cells = (row["what"], row["shapes"], f"{row['fscore']:.3f}", f"{row['chamfer']:.3f}")
            # Older files know the IoU of the cells' centres only.
            both = [f"{row[key]:.3f}" for key in ("iou", "iou_median") if key in row]
            cells += (" / ".join(both) or "-",)
            cells += (f"{row['iou_centres']:.3f}" if "iou_centres" in row else "-",)
            lines.append("| " + " | ".join(map(str, cells)) + " |")
        notes.append(source(file.stem, content) + f" Resolution {content['resolution']}.")
    return "\n".join([*lines, "", *notes]) + "\n"


def generate_time() -> str:
    """Seconds and memory of the command line."""
    content = read("generate_time")
    lines = [
        "| Example | Seconds in all | Sampling | Decoding | Peak memory MiB |",
        "|---|---|---|---|---|",
    ]
    for row in content["rows"]:
        cells = (row["picture"], row["wall_s"], row["sample_s"], row["decode_s"], row["peak_mib"])
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    note = f"Medians of {content['repeats']} runs, two processor cores, no GPU. "
    return "\n".join([*lines, "", note + source("generate_time", content)]) + "\n"


def device_agreement() -> str:
    """How far the assets of a processor and of a GPU are apart."""
    content = read("device_agreement")
    lines = [
        "| Example | Compared | Distance, mean | 99 of 100 | Colour, mean | 95 of 100 |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['picture']} | {row['what']} | {row['distance_mean']:.4f} "
        f"| {row['distance_99']:.4f} | {row['colour_mean']:.3f} | {row['colour_95']:.3f} |"
        for row in content["rows"]
    ]
    note = f"{content['gpu']}. " + source("device_agreement", content)
    return "\n".join([*lines, "", note]) + "\n"


def unwrap() -> str:
    """How full the UV map's square is, and how long making it takes."""
    content = read("unwrap")
    lines = [
        "| Mesh | Faces | Charts | Packed | Processor seconds | Angle stretch, 99 of 100 |",
        "|---|---|---|---|---|---|",
    ]
    for row in content["rows"]:
        packed = f"{row['packed']:.0%}" + (
            f" of {row['at_most']:.0%} possible" if row["at_most"] < 1 else ""
        )
        cells = (
            row["mesh"],
            row["faces"],
            row["charts"],
            packed,
            f"{row['processor_seconds']:.1f}",
        )
        lines.append("| " + " | ".join(map(str, cells)) + f" | {row['angle_stretch_99']:.2f} |")
    gap = f"{content['gap_px_at_1024']:g} px of a texture of 1024 between charts. "
    return "\n".join([*lines, "", gap + source("unwrap", content)]) + "\n"


def confidence() -> str:
    """How good results are, by what the product says of how far they can be believed."""
    content = read("confidence")
    rows = content["rows"]
    lines = [
        "| Confidence | " + " | ".join(row["confidence"] for row in rows) + " |",
        "|---|" + "---|" * len(rows),
        "| F-score 0.05 | " + " | ".join(f"{row['fscore']:.2f}" for row in rows) + " |",
        "| Solid IoU | " + " | ".join(f"{row['iou']:.2f}" for row in rows) + " |",
    ]
    note = f" {sum(row['shapes'] for row in rows)} pictures, resolution {content['resolution']}."
    return "\n".join([*lines, "", source("confidence", content) + note]) + "\n"


def camera_fit() -> str:
    """How well the cameras of pictures are found, and how much of their light is taken off."""
    content = read("camera_fit")
    row = content["summary"]
    lines = [
        "| Pictures | Error, median | Within 10° | Light's spread, before | After | Seconds |",
        "|---|---|---|---|---|---|",
        f"| {row['shapes']} | {row['error_deg_median']:.1f}° | {row['share_close']:.0%} "
        f"| {row['light_median']:.2f} | {row['light_left_median']:.2f} "
        f"| {row['cpu_seconds_median']:.1f} |",
    ]
    return "\n".join([*lines, "", source("camera_fit", content)]) + "\n"


def paint_quality() -> str:
    """Painted true meshes and what else could be done with their pictures."""
    content = read("paint_quality")
    lines = [
        "| Answer | Props | PSNR dB | SSIM | Histogram | Hidden colour | Holes |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['what']} | {row['shapes']} | {row['psnr']:.1f} | {row['ssim']:.3f} "
        f"| {row['histogram']:.3f} | {row['hidden_colour']:.3f} | {row['holes']:.0%} |"
        for row in content["rows"]
    ]
    return "\n".join([*lines, "", source("paint_quality", content)]) + "\n"


def cutout_quality() -> str:
    """How well objects are told from floor, wall and shadows."""
    content = read("cutout_quality")
    lines = [
        "| Cut | Pictures | Overlap mean / median | Wrong, nothing said | With a warning |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['what']} | {row['pictures']} | {row['overlap']:.2f} / {row['overlap_median']:.2f} "
        f"| {row['wrong_untold']:.0%} | {row['warned']:.0%} |"
        for row in content["rows"]
    ]
    return "\n".join([*lines, "", source("cutout_quality", content)]) + "\n"


def bake_round_trip() -> str:
    """What the bake loses of true views."""
    content = read("bake_round_trip")
    row = content["summary"]
    lines = [
        "| Props | PSNR dB, mean | Lowest | Holes | Views |",
        "|---|---|---|---|---|",
        f"| {row['shapes']} | {row['psnr_mean']:.1f} | {row['psnr_lowest']:.1f} "
        f"| {row['holes_mean']:.3%} | {row['views_mean']:.1f} |",
    ]
    return "\n".join([*lines, "", source("bake_round_trip", content)]) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "shape_quality": shape_quality,
    "quantisation": quantisation,
    "generate_time": generate_time,
    "device_agreement": device_agreement,
    "unwrap": unwrap,
    "camera_fit": camera_fit,
    "confidence": confidence,
    "paint_quality": paint_quality,
    "bake_round_trip": bake_round_trip,
    "cutout_quality": cutout_quality,
}


def fill(text: str) -> str:
    """The page with every table made anew."""
    return BLOCK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main() -> None:
    """Rewrite the pages."""
    for page in PAGES:
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")
        print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
