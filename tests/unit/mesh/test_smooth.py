# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import trimesh

from backend.data import Mesh
from backend.mesh.clean import signed_volume
from backend.mesh.smooth import smooth_mesh


def bumpy_ball(noise: float) -> Mesh:
    ball = trimesh.creation.icosphere(4, 0.8)
    rng = np.random.default_rng(0)
    radius = 1 + noise * rng.standard_normal((len(ball.vertices), 1))
    return Mesh((ball.vertices * radius).astype(np.float32), ball.faces.astype(np.int32))


def roughness(mesh: Mesh) -> float:
    return float(np.linalg.norm(mesh.vertices, axis=1).std())


def test_ten_rounds_more_than_halve_the_bumps() -> None:
    rough = bumpy_ball(0.01)
    assert roughness(smooth_mesh(rough, 10)) < 0.5 * roughness(rough)


def test_volume_and_faces_stay() -> None:
    ball = bumpy_ball(0.0)
    smoothed = smooth_mesh(ball, 20)
    before, after = (signed_volume(m.vertices, m.faces) for m in (ball, smoothed))
    assert abs(after / before - 1) < 0.005
    np.testing.assert_array_equal(ball.faces, smoothed.faces)


def test_zero_rounds_change_nothing() -> None:
    rough = bumpy_ball(0.01)
    assert smooth_mesh(rough, 0) is rough
