# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from backend.texture.atlas import find_texels, load_surface
from backend.texture.cells import build_pyramid, group_mean, interpolate_cells
from backend.texture.solve import solve_screened
from tests.unit.texture.scenes import CPU, box, join


def pyramid_of(mesh, size=64, texels_per_cell=3.0):
    texels = find_texels(load_surface(mesh, CPU), size)
    return texels, build_pyramid(texels, texels_per_cell * texels.size)


def dense(cells):
    count = len(cells.key)
    values = (cells.conductance.numpy(), (cells.first.numpy(), cells.second.numpy()))
    return csr_matrix(values, shape=(count, count))


def test_links_cross_uv_seams_and_join_the_whole_surface():
    _, pyramid = pyramid_of(box())
    assert connected_components(dense(pyramid.levels[0]))[0] == 1


def test_links_are_symmetric_and_agree_with_the_matrix():
    _, pyramid = pyramid_of(box())
    for cells in pyramid.levels:
        matrix = dense(cells)
        assert abs(matrix - matrix.T).max() == 0
        assert np.array_equal(cells.matrix.to_dense().numpy(), matrix.toarray())
        assert np.allclose(cells.degree[:, 0], matrix.sum(1).A1)


def test_two_sides_of_a_thin_wall_are_far_apart():
    texels, pyramid = pyramid_of(box((0.8, 0.8, 0.002)), 128)
    cells = pyramid.levels[0]
    front = cells.normal[:, 2] > 0.9
    back = cells.normal[:, 2] < -0.9
    assert front.sum() > 300 and back.sum() > 300
    crossing = (front[cells.first] & back[cells.second]).sum()
    middle = texels.point[:, :2].abs().amax(1) < 0.35
    inner = torch.zeros(len(cells.key), dtype=torch.bool)
    inner[pyramid.cell[middle]] = True
    assert (front[cells.first] & back[cells.second] & inner[cells.first]).sum() == 0
    assert crossing < 0.1 * front.sum()


def test_separate_pieces_meet_on_a_coarse_level():
    mesh = join(box((0.3, 0.3, 0.3), (-0.3, 0, 0)), box((0.3, 0.3, 0.3), (0.3, 0, 0)))
    _, pyramid = pyramid_of(mesh)
    assert connected_components(dense(pyramid.levels[0]))[0] == 2
    assert connected_components(dense(pyramid.levels[-1]))[0] == 1


def test_interpolation_repeats_a_linear_function():
    texels, pyramid = pyramid_of(box(), 128)
    every = torch.ones(len(texels.index))
    mean, _ = group_mean(texels.point, every, pyramid.cell, len(pyramid.levels[0].key))
    blended = interpolate_cells(pyramid, mean, texels.point, texels.normal)
    error = (blended - texels.point).norm(dim=1)
    assert error.mean() < 0.35 * pyramid.size and error.max() < 1.2 * pyramid.size


def test_solver_agrees_with_a_direct_one():
    _, pyramid = pyramid_of(box())
    cells = pyramid.levels[0]
    generator = torch.Generator().manual_seed(0)
    screen = torch.rand(len(cells.key), generator=generator) * 0.01
    source = torch.randn(len(cells.key), 2, generator=generator)
    found = solve_screened(
        pyramid, screen, source, torch.zeros_like(source), max_steps=200, tolerance=1e-6
    )
    matrix = dense(cells).astype(np.float64)
    system = csr_matrix(np.diag(matrix.sum(1).A1 + screen.numpy())) - matrix
    expected = spsolve(system.tocsc(), source.double().numpy())
    assert np.abs(found.numpy() - expected).max() < 1e-3 * np.abs(expected).max()


def test_solver_converges_in_few_steps_on_many_cells():
    _, pyramid = pyramid_of(box(), 256, 2.0)
    cells = pyramid.levels[0]
    held = torch.zeros(len(cells.key))
    held[::500] = 1e4
    source = held[:, None] * torch.arange(len(held))[:, None] / len(held)
    found = solve_screened(pyramid, held, source, torch.zeros_like(source), max_steps=40)
    residual = (cells.degree + held[:, None]) * found - cells.matrix @ found - source
    assert len(held) > 8_000 and residual.norm() <= 2e-4 * source.norm()
