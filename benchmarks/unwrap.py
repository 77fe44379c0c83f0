# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the UV unwrap takes, and how good its maps are: packing, overlap, stretch, charts.

    python -m benchmarks.unwrap --props FOLDER

FOLDER holds props.py and props_validation.npz.xz; without it only made shapes are measured.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh

from backend.config import MeshConfig, UnwrapConfig
from backend.data import Field, Mesh
from backend.mesh.build import build_mesh
from backend.mesh.unwrap import unwrap_mesh
from backend.mesh.uv_check import check_uv, count_cover
from backend.progress import Progress
from benchmarks.measure import measure, print_table, write_results
from tests.unit.mesh.uv_measures import chart_labels, stretch_of
from training.fields import BOX, signed_distance

FINE = 4096
RESOLUTION = 160
NOISE = 0.0015  # of a generated field, in units of the box's half edge


def made_meshes() -> Iterator[tuple[str, Mesh]]:
    """Scanned-like shapes: round, with rough surfaces."""
    yield "rough ball", roughen(trimesh.creation.icosphere(subdivisions=6), 0.002)
    ring = trimesh.creation.torus(0.65, 0.3, major_sections=300, minor_sections=166)
    yield "rough ring", roughen(ring, 0.001)
    ring = trimesh.creation.torus(0.65, 0.3, major_sections=700, minor_sections=357)
    yield "rough ring, large", roughen(ring, 0.0004)


def roughen(mesh: trimesh.Trimesh, amount: float) -> Mesh:
    """Move vertices along their normals by normally distributed amounts."""
    normals = np.asarray(mesh.vertex_normals)
    shift = amount * np.random.default_rng(0).standard_normal((len(normals), 1))
    vertices = (mesh.vertices + normals * shift).astype(np.float32)
    return Mesh(np.asarray(vertices), np.asarray(mesh.faces, dtype=np.int32))


def prop_meshes(folder: Path, number: int) -> Iterator[tuple[str, Mesh]]:
    """Artists' meshes as they are, and as a generator with some noise would give them."""
    sys.path.insert(0, str(folder))
    from props import load  # type: ignore[import-not-found]

    props = sorted(load(folder / "props_validation.npz.xz"), key=lambda prop: -len(prop.faces))
    chosen = [props[i] for i in np.linspace(0, len(props) - 1, number).astype(int)]
    for prop in chosen:
        yield prop.name, Mesh(prop.vertices, prop.faces)
    for prop in chosen[: (number + 1) // 2]:
        triangles = torch.from_numpy(prop.vertices[prop.faces])
        values = -signed_distance(triangles, RESOLUTION).numpy()
        noise = np.random.default_rng(0).standard_normal(values.shape).astype(np.float32)
        field = Field(values + NOISE * noise, (-BOX,) * 3, (BOX,) * 3)
        yield f"{prop.name}, generated", build_mesh(field, MeshConfig(), Progress())


def judge(name: str, mesh: Mesh, config: UnwrapConfig, repeats: int) -> dict[str, Any]:
    """Time the unwrap of one mesh and measure its map."""
    run = measure(lambda: unwrap_timed(mesh, config), repeats, warm_ups=1)
    unwrapped, processor_seconds = run.result
    check = measure(lambda: check_uv(unwrapped), repeats, warm_ups=0)
    uv = unwrapped.uv
    assert uv is not None
    cover = count_cover(uv, FINE)
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    is_clear = area > 1e-9 * area.sum()
    ratio, density = stretch_of(Mesh(mesh.vertices, mesh.faces[is_clear]), uv[is_clear])
    return {
        "mesh": name,
        "faces": len(mesh.faces),
        "seconds": round(run.seconds, 3),
        "processor_seconds": round(processor_seconds, 3),
        "peak_mb": round(run.peak_mb),
        "check_seconds": round(check.seconds, 3),
        "charts": int(chart_labels(mesh.faces, uv).max()) + 1,
        "packed": round(float((cover > 0).mean()), 4),
        "at_most": round(find_bound(corners, area.sum() / 2), 4),
        "overlap": float((cover > 1).sum() / max((cover > 0).sum(), 1)),
        "angle_stretch_mean": round(ratio.mean(), 4),
        "angle_stretch_99": round(ratio.quantile(0.99), 3),
        "area_stretch_1": round(density.quantile(0.01), 3),
        "area_stretch_99": round(density.quantile(0.99), 3),
    }


def unwrap_timed(mesh: Mesh, config: UnwrapConfig) -> tuple[Mesh, float]:
    """The mesh with its map, and the processor time that took, whatever else the machine does."""
    start = time.process_time()
    return unwrap_mesh(mesh, config, Progress()), time.process_time() - start


def find_bound(corners: np.ndarray, area: float) -> float:
    """Packing that no map without stretch exceeds: the longest edge must fit into the square."""
    longest = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2).max()
    return min(1.0, 2 * area / float(longest) ** 2)


def main() -> None:
    """Measure all meshes, print the table, write results/unwrap.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, help="folder with props.py and the archives")
    parser.add_argument("--number", type=int, default=6, help="props to take, spread over sizes")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    config = UnwrapConfig()
    meshes = list(made_meshes())
    if options.props:
        meshes += prop_meshes(options.props, options.number)
    rows = [judge(name, mesh, config, options.repeats) for name, mesh in meshes]
    print_table(rows)
    write_results("unwrap", rows, gap_px_at_1024=config.chart_gap_px, grid=FINE)


if __name__ == "__main__":
    main()
