# SPDX-License-Identifier: GPL-3.0-or-later
"""Do a processor and a GPU make the same asset of a picture and a seed?

    python -m benchmarks.device_agreement [--devices cpu cuda:0] [--texture-size N] [PICTURE ...]

Each device runs the command line once a picture. Distances are in halves of the object's longest
side; colours are sRGB in 0..1, each point's against the nearest point's on the other.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.measure import print_table, write_results

PICTURES = [Path("examples") / f"{name}.png" for name in ("armchair", "barrel", "chest")]
POINTS, DENSE = 20_000, 200_000
"""Points that are looked at, and points among which the nearest are sought."""


def generate(picture: Path, device: str, size: int, out: Path) -> trimesh.Trimesh:
    """Run the product and read its mesh."""
    command = [sys.executable, "-m", "backend", "generate", str(picture), "--out", str(out)]
    command += ["--device", device, "--texture-size", str(size), "--seed", "0"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    mesh = trimesh.load(out, force="mesh", process=False)
    assert isinstance(mesh, trimesh.Trimesh)
    return mesh


def sample(
    mesh: trimesh.Trimesh, count: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points `[P, 3]` on the surface and their colours `[P, 3]` in 0..1."""
    points, faces = trimesh.sample.sample_surface(mesh, count, seed=seed)
    weights = trimesh.triangles.points_to_barycentric(mesh.triangles[faces], points)
    uv = (mesh.visual.uv[mesh.faces[faces]] * weights[..., None]).sum(1)
    picture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB")) / 255
    height, width = picture.shape[:2]
    column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    return points, picture[row, column]


def compare(one: trimesh.Trimesh, other: trimesh.Trimesh) -> dict[str, float]:
    """How far two assets are apart, from both sides."""
    scale = 2 / float(np.ptp(one.vertices, axis=0).max())
    distances, colours = [], []
    for here, there in ((one, other), (other, one)):
        (points, colour), (others, its_colour) = sample(here, POINTS, 0), sample(there, DENSE, 1)
        distance, nearest = cKDTree(others).query(points)
        distances.append(distance * scale)
        colours.append(np.abs(colour - its_colour[nearest]).mean(1))
    distance, colour = np.concatenate(distances), np.concatenate(colours)
    return {
        "distance_mean": round(float(distance.mean()), 5),
        "distance_99": round(float(np.quantile(distance, 0.99)), 5),
        "colour_mean": round(float(colour.mean()), 5),
        "colour_95": round(float(np.quantile(colour, 0.95)), 5),
    }


def main() -> None:
    """Read the command line, compare and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path, default=PICTURES)
    parser.add_argument("--devices", nargs=2, default=["cpu", "cuda:0"])
    parser.add_argument("--texture-size", type=int, default=1024)
    args = parser.parse_args()
    first, second = args.devices
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for picture in args.pictures:
            one, other = (
                generate(picture, device, args.texture_size, Path(folder) / f"{number}.glb")
                for number, device in enumerate((first, second))
            )
            pairs = ((f"{first}, {second}", other), (f"{first}, itself", one))
            rows += [
                {"picture": picture.stem, "what": what, **compare(one, mesh)}
                for what, mesh in pairs
            ]
    print_table(rows)
    print(write_results("device_agreement", rows, points=[POINTS, DENSE]))


if __name__ == "__main__":
    main()
