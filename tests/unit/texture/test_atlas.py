# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import torch

from backend.data import Mesh
from backend.texture import atlas as module
from backend.texture.atlas import find_texels, load_surface
from tests.unit.texture.scenes import CPU, box


def triangle(uv):
    vertices = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]], np.float32)
    faces = np.array([[0, 1, 2]], np.int32)
    return load_surface(Mesh(vertices, faces, np.array([uv], np.float32)), CPU)


def test_texel_centres_inside_lie_on_the_face_at_their_uv():
    texels = find_texels(triangle([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]), 32)
    row, column = texels.index // 32, texels.index % 32
    u, v = (column + 0.5) / 32, 1 - (row + 0.5) / 32
    is_inside = (u >= 0.1) & (v >= 0.1) & (u + v <= 1.0)
    assert torch.equal(texels.is_inside, is_inside) and is_inside.sum() > 250
    expected = torch.stack([(u - 0.1) / 0.8 * 2, (v - 0.1) / 0.8 * 2, torch.zeros_like(u)], 1)
    assert (texels.point - expected)[is_inside].abs().max() < 1e-5
    assert torch.allclose(texels.normal, torch.tensor([0.0, 0.0, 1.0]).expand_as(texels.normal))


def test_touched_texel_shows_the_nearest_point_of_the_chart():
    texels = find_texels(triangle([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]), 32)
    outer = texels.point[~texels.is_inside]
    on_border = torch.stack([outer[:, 0], outer[:, 1], 2 - outer[:, 0] - outer[:, 1]]).abs()
    assert len(outer) > 60 and on_border.amin(0).max() < 1e-5


def test_chart_thinner_than_a_texel_is_kept():
    texels = find_texels(triangle([[0.1, 0.5], [0.9, 0.501], [0.1, 0.502]]), 32)
    columns = set((texels.index % 32).tolist())
    assert columns >= set(range(4, 28))


def test_flat_chart_and_mirrored_chart_are_drawn():
    flat = find_texels(triangle([[0.1, 0.5], [0.9, 0.5], [0.3, 0.5]]), 32)
    assert len(flat.index) > 20 and torch.isfinite(flat.point).all()
    plain = find_texels(triangle([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]), 32)
    turned = find_texels(triangle([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1]]), 32)
    assert torch.equal(plain.index, turned.index)
    assert (plain.point - turned.point[:, [1, 0, 2]]).abs().max() < 1e-5


def test_parts_give_the_same_texels_as_one_pass(monkeypatch):
    surface = load_surface(box(), CPU)
    whole = find_texels(surface, 64)
    monkeypatch.setattr(module, "MAX_CANDIDATES", 300)
    parts = find_texels(surface, 64)
    assert torch.equal(whole.index, parts.index) and torch.equal(whole.face, parts.face)


def test_typical_size_is_the_edge_of_a_texel():
    texels = find_texels(triangle([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]), 32)
    assert abs(texels.size - 2 / (0.8 * 32)) < 1e-6
