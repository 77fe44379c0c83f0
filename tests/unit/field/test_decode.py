# SPDX-License-Identifier: GPL-3.0-or-later
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch

from backend.config import FieldConfig
from backend.data import Field, Latents
from backend.errors import CancelledError
from backend.field.decode import decode_field
from backend.field.grid import MIN_COARSE_CELLS, Refinement, Sampler, level_axes
from backend.field.hierarchical import follow_surface
from backend.mesh.extract import extract_surface
from backend.models.hunyuan3d.config import ShapeVAEConfig
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from backend.progress import Progress, Report
from tests.parity.cases import OWN_FOLDER, find_cases, load_case
from tests.unit.field.solids import SOLIDS, SolidDecoder, ball, decode, torus

VOXEL_TOLERANCE = 1e-4
BOX_MIN, BOX_MAX = (-1.01, -1.01, -1.01), (1.01, 1.01, 1.01)
VAE_CASES = [name for name in find_cases(OWN_FOLDER) if name.startswith("hunyuan2_vae")]


def assert_same_surface(found: Field, reference: Field) -> None:
    """Same triangles, and vertices within a small part of a voxel."""
    mesh, expected = extract_surface(found), extract_surface(reference)
    assert np.array_equal(mesh.faces, expected.faces)
    voxel = (found.box_max[0] - found.box_min[0]) / (found.values.shape[0] - 1)
    assert np.abs(mesh.vertices - expected.vertices).max() <= VOXEL_TOLERANCE * voxel


@pytest.mark.parametrize(
    ("name", "resolution"),
    [(name, resolution) for resolution in (64, 101) for name in SOLIDS]
    + [(name, 96) for name in ("ball", "thin plate")]
    + [(name, 128) for name in SOLIDS if "waves" not in name],
)
def test_surface_is_that_of_the_dense_decode(name: str, resolution: int) -> None:
    found, _ = decode(SOLIDS[name], resolution)
    reference, decoder = decode(SOLIDS[name], resolution, is_dense=True)
    assert decoder.num_queries >= (resolution + 1) ** 3
    assert found.values.shape == (resolution + 1,) * 3
    assert np.array_equal(found.values > 0, reference.values > 0)
    assert_same_surface(found, reference)


@pytest.mark.parametrize("name", ["ball", "thin plate"])
def test_few_queries_at_256_find_the_dense_surface(name: str) -> None:
    found, decoder = decode(SOLIDS[name], 256)
    reference, _ = decode(SOLIDS[name], 256, is_dense=True)
    assert_same_surface(found, reference)
    assert decoder.num_queries < 0.15 * 257**3


def test_surface_at_another_level_and_box() -> None:
    found, _ = decode(torus(), 64, level=-0.1, box=1.2)
    reference, _ = decode(torus(), 64, level=-0.1, box=1.2, is_dense=True)
    assert found.level == -0.1
    assert found.box_max == (1.2, 1.2, 1.2)
    assert_same_surface(found, reference)


def golden_vae(name: str) -> tuple[ShapeVAE, Latents, np.ndarray]:
    case = load_case(name)
    vae = ShapeVAE(ShapeVAEConfig(**case.config)).eval()
    vae.load_state_dict(case.weights())
    shift = case.tensors.get("bias_shift")
    if shift is not None:
        with torch.no_grad():
            vae.geo_decoder.output_proj.bias -= shift
    grid = case.tensors.get("grid_dense_32")
    latents = Latents(case.tensors["latents"])
    return vae, latents, np.empty(0) if grid is None else grid[0].numpy()


@pytest.mark.parametrize("name", VAE_CASES)
def test_surface_of_the_golden_autoencoder_is_that_of_the_dense_decode(name: str) -> None:
    vae, latents, _ = golden_vae(name)
    config = FieldConfig(64)
    found = decode_field(latents, vae, config, Progress())
    reference = decode_field(latents, vae, config, Progress(), is_dense=True)
    assert np.array_equal(found.values > 0, reference.values > 0)
    assert_same_surface(found, reference)


def test_grid_of_the_golden_autoencoder_matches() -> None:
    vae, latents, grid = golden_vae("hunyuan2_vae")
    found = decode_field(latents, vae, FieldConfig(32), Progress())
    assert np.abs(found.values - grid).max() <= 2e-4 * np.abs(grid).max()


def test_surface_is_followed_from_one_known_cell() -> None:
    expected = decode(torus(), 64, is_dense=True)[0].values
    inside = expected > 0
    crossed = np.argwhere(inside[:-1, :-1, :-1] & ~inside[1:, 1:, 1:])[0]
    seed = tuple(slice(start, start + 2) for start in crossed)
    values = np.full_like(expected, -1)  # as if nothing had been found anywhere else
    is_known = np.zeros(values.shape, bool)
    values[seed], is_known[seed] = expected[seed], True
    sampler = Sampler(torus(), 1.01, 64, 4096, Progress())
    follow_surface(values, is_known, 0.0, sampler, np.arange(65))
    assert np.array_equal(values > 0, inside)
    assert np.array_equal(values[is_known], expected[is_known])
    assert_same_surface(Field(values, BOX_MIN, BOX_MAX), Field(expected, BOX_MIN, BOX_MAX))


@pytest.mark.parametrize("resolution", [64, 65, 96, 127, 200, 384, 512])
def test_levels_are_nested_and_end_at_every_sample(resolution: int) -> None:
    axes = level_axes(resolution)
    assert np.array_equal(axes[-1], np.arange(resolution + 1))
    assert len(axes[0]) > MIN_COARSE_CELLS
    for coarse, fine in pairwise(axes):
        assert np.isin(coarse, fine).all()
        assert (coarse[0], coarse[-1]) == (0, resolution)


@pytest.mark.parametrize("resolution", [64, 101])
def test_interpolation_is_exact_on_a_linear_field(resolution: int) -> None:
    coarse, fine = level_axes(resolution)[-2:]
    step = Refinement.between(coarse, fine)
    x, y, z = np.meshgrid(coarse, coarse, coarse, indexing="ij")
    values = (x + 2 * y - 3 * z).astype(np.float32)
    for plane in (0, 1, len(fine) - 2, len(fine) - 1):
        expected = fine[plane] + 2 * fine[:, None] - 3 * fine
        assert np.allclose(step.interpolate_plane(values, plane), expected, atol=1e-3)


def test_queries_keep_to_the_chunk_size() -> None:
    _, decoder = decode(ball(0.8), 64, chunk_size=1024)
    assert decoder.largest_query == 1024


def test_progress_rises_to_its_end() -> None:
    reports: list[Report] = []
    decode(ball(0.8), 128, Progress(reports.append))
    shares = [report.step / report.of for report in reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 10


def test_cancel_stops_within_one_chunk() -> None:
    decoder = SolidDecoder(ball(0.8))
    progress = Progress(is_cancelled=lambda: decoder.num_queries >= 3072)
    latents = Latents(torch.zeros(1, 4, 4))
    with pytest.raises(CancelledError):
        decode_field(latents, decoder, FieldConfig(128), progress, chunk_size=1024)
    assert decoder.num_queries == 3072


def test_more_than_one_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        latents = Latents(torch.zeros(2, 4, 4))
        decode_field(latents, SolidDecoder(ball(0.8)), FieldConfig(64), Progress())


LARGEST = """
import resource
from backend.mesh.extract import extract_surface
from tests.unit.field.solids import ball, decode
field, decoder = decode(ball(0.8), 512)
mesh = extract_surface(field)
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(decoder.num_queries / 513**3, len(mesh.faces), peak_mb)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
def test_memory_at_512_is_bounded() -> None:
    out = subprocess.run([sys.executable, "-c", LARGEST], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    share, num_faces, peak_mb = map(float, out.stdout.split())
    assert share < 0.08
    assert num_faces > 1_500_000
    assert peak_mb < 2500
