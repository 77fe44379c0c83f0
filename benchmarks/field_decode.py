# SPDX-License-Identifier: GPL-3.0-or-later
"""How much coarse-to-fine decoding saves, and what each step from field to mesh costs.

Run: `python -m benchmarks.field_decode [--resolutions 64 128 256 512] [--device cpu]`.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from backend.config import FieldConfig, MeshConfig
from backend.data import Field, Latents, Mesh
from backend.field.decode import FieldDecoder, decode_field
from backend.mesh.build import build_mesh
from backend.mesh.clean import is_closed_manifold
from backend.mesh.extract import extract_surface
from backend.models.hunyuan3d.config import ShapeVAEConfig
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from backend.progress import Progress
from benchmarks.measure import ROOT, measure, print_table, write_results

TARGET_FACES = 20_000
LARGEST_DENSE = 256
NETWORK = "network shaped as a ball"


class ShapedDecoder:
    """Any function of the points as a decoder; optionally pays for a real network's queries."""

    def __init__(
        self, shape: Callable[[torch.Tensor], torch.Tensor], network: ShapeVAE | None = None
    ) -> None:
        self.shape = shape
        self.network = network
        self.num_queries = 0

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents `[1, N, C]` to what `query` needs."""
        return latents if self.network is None else self.network.decode(latents)

    def query(self, points: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        """Field `[1, Q]` at `points` `[1, Q, 3]`."""
        self.num_queries += points.shape[1]
        values = self.shape(points)
        if self.network is None:
            return values
        return values + 1e-3 * torch.tanh(self.network.query(points, decoded))


def ball(points: torch.Tensor) -> torch.Tensor:
    """Signed distance to a ball, positive inside."""
    return 0.7 - points.norm(dim=-1)


def plate(points: torch.Tensor) -> torch.Tensor:
    """A plate 0.03 thick, positive inside."""
    return -(points.abs() - points.new_tensor([0.8, 0.015, 0.6])).amax(dim=-1)


def ring(points: torch.Tensor) -> torch.Tensor:
    """Signed distance to a torus, positive inside."""
    around = torch.hypot(points[..., 0], points[..., 2]) - 0.6
    return 0.25 - torch.hypot(around, points[..., 1])


def run_case(name: str, decoder: ShapedDecoder, latents: Latents, resolution: int) -> dict:
    """Measure one shape at one resolution."""
    config = FieldConfig(resolution)
    decode = partial(_decode, latents, decoder, config)
    sparse = measure(decode, repeats=3 if resolution < LARGEST_DENSE else 1, warm_ups=1)
    decoder.num_queries = 0
    field = decode()
    share = decoder.num_queries / (resolution + 1) ** 3
    surface = extract_surface(field)
    built = measure(partial(build_mesh, field, MeshConfig(TARGET_FACES), Progress()), 1, 0)
    row: dict[str, Any] = {
        "shape": name,
        "resolution": resolution,
        "queried_share": share,
        "seconds": sparse.seconds,
        "dense_seconds": None,
        "largest_difference_voxels": None,
        "peak_mb": sparse.peak_mb,
        "build_seconds": built.seconds,
        "build_peak_mb": built.peak_mb,
        "faces": len(surface.faces),
        "kept_faces": len(built.result.faces),
        "is_closed": is_closed_manifold(built.result.faces),
    }
    if resolution <= LARGEST_DENSE and not (decoder.network and resolution == LARGEST_DENSE):
        dense = measure(partial(decode, is_dense=True), repeats=1, warm_ups=0)
        row["dense_seconds"] = dense.seconds
        row["largest_difference_voxels"] = _difference(surface, dense.result)
    return row


def _decode(
    latents: Latents, decoder: FieldDecoder, config: FieldConfig, is_dense: bool = False
) -> Field:
    """One decode without progress."""
    return decode_field(latents, decoder, config, Progress(), is_dense=is_dense)


def _difference(surface: Mesh, dense: Field) -> float:
    """Largest vertex distance in voxels; infinite if the triangles differ."""
    expected = extract_surface(dense)
    if not np.array_equal(surface.faces, expected.faces):
        return float("inf")
    voxel = (dense.box_max[0] - dense.box_min[0]) / (len(dense.values) - 1)
    return float(np.abs(surface.vertices - expected.vertices).max() / voxel)


def main() -> None:
    """Measure all shapes and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    sizes = ShapeVAEConfig(
        num_latents=256, embed_dim=16, width=256, heads=4, num_decoder_layers=5, scale_factor=1.0
    )
    network = ShapeVAE(sizes).eval().to(arguments.device)
    latents = Latents(torch.randn(1, sizes.num_latents, sizes.embed_dim, device=arguments.device))
    decoders = {
        "ball": ShapedDecoder(ball),
        "plate": ShapedDecoder(plate),
        "ring": ShapedDecoder(ring),
        NETWORK: ShapedDecoder(ball, network),
    }
    rows = []
    for resolution in arguments.resolutions:
        for name, decoder in decoders.items():
            if name == NETWORK and resolution > LARGEST_DENSE and arguments.device == "cpu":
                continue  # minutes
            rows.append(run_case(name, decoder, latents, resolution))
    print_table(rows)
    print(write_results("field_decode", rows).relative_to(ROOT))


if __name__ == "__main__":
    main()
