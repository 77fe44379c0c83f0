# SPDX-License-Identifier: GPL-3.0-or-later
import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.config import JobConfig, overlay
from backend.errors import CancelledError, EmptyFieldError, InputError
from backend.models.hunyuan3d.config import ShapeVAEConfig
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from backend.pipelines.image_to_shape import generate_shape
from backend.progress import Progress, Report
from tests.worker.tiny_worker import RADIUS, load_tiny

CONFIG = overlay(JobConfig(), {"resolution": 64, "target_faces": 3000})
STAGES = ["prepare", "encode", "sample", "compare", "decode", "mesh"]


@pytest.fixture
def image() -> np.ndarray:
    pixels = np.zeros((48, 48, 4), np.float32)
    pixels[8:40, 12:36] = (0.2, 0.5, 0.8, 1.0)
    return pixels


def tiny(dtype: torch.dtype = torch.float32):
    return load_tiny("maquette-mini", torch.device("cpu"), dtype)


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def test_ball_comes_out_closed_outward_and_of_its_volume(image):
    reports: list[Report] = []
    progress = Progress(reports.append)
    result = generate_shape([image], (0,), CONFIG, tiny(), progress)
    mesh = result.mesh
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count == 2).all()
    assert len(mesh.vertices) - len(count) + len(mesh.faces) == 2
    volume = 4 / 3 * np.pi * RADIUS**3
    assert signed_volume(mesh.vertices, mesh.faces) == pytest.approx(volume, rel=0.01)
    assert len(mesh.faces) <= 3000
    assert list(progress.seconds) == STAGES
    assert list(dict.fromkeys(report.stage for report in reports)) == STAGES
    assert [r.step for r in reports if r.stage == "sample"][-4:] == [1, 2, 3, 4]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_networks_of_every_dtype_pass_all_stages(image, dtype):
    config = ShapeVAEConfig(num_latents=8, embed_dim=4, width=16, heads=2, num_decoder_layers=1)
    torch.manual_seed(0)
    vae = ShapeVAE(config).to(dtype).eval()
    networks = replace(tiny(dtype), decoder=vae)
    progress = Progress()
    with contextlib.suppress(EmptyFieldError):  # what random weights make may have no surface
        generate_shape([image], (0,), CONFIG, networks, progress)
    assert list(progress.seconds) == STAGES


def test_opaque_picture_with_busy_ground_leaves_a_warning():
    noise = np.random.default_rng(0).random((48, 48, 4), np.float32)
    noise[..., 3] = 1
    result = generate_shape([noise], (0,), CONFIG, tiny(), Progress())
    assert len(result.warnings) == 1
    assert result.warnings[0].endswith(".")


def test_second_view_for_a_model_of_one_is_an_input_error(image):
    with pytest.raises(InputError):
        generate_shape([image, image], (0, 2), CONFIG, tiny(), Progress())


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_is_seen_in_every_stage(image, stage):
    seen: list[str] = []
    progress = Progress(lambda report: seen.append(report.stage), lambda: stage in seen)
    with pytest.raises(CancelledError):
        generate_shape([image], (0,), CONFIG, tiny(), progress)
    assert seen[-1] == stage
    assert seen.count(stage) == 1
