# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.data import Mesh
from backend.errors import CancelledError
from backend.progress import Progress
from backend.render.camera import (
    STANDARD_VIEWS_DEG,
    directions_to_camera,
    orbit_camera,
    painting_camera,
)
from backend.render.coverage import (
    CoverageConfig,
    candidate_cameras,
    choose_views,
    outside_cameras,
    sample_surface,
    see_samples,
)
from backend.render.views import make_surface
from tests.unit.render.made_meshes import make_ball, make_box

CPU = torch.device("cpu")
SMALL = CoverageConfig(num_samples=3000, num_directions=24, size_px=160)
STANDARD = [painting_camera(*pair) for pair in STANDARD_VIEWS_DEG]


def join(*meshes):
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces).astype(np.int32)
    )


def make_shelf():
    """Boards that hide each other's tops and bottoms from every standard view but at the rim."""
    heights = (-0.3, -0.1, 0.1, 0.3)
    boards = [make_box([-0.3, y - 0.02, -0.3], [0.3, y + 0.02, 0.3]) for y in heights]
    return join(*boards)


def is_free(mesh, points, towards):
    """Whether rays `[N]` leave the mesh, by intersecting every face (Cramer's rule)."""
    corner = torch.from_numpy(mesh.vertices[mesh.faces]).double()  # [F, 3, 3]
    first, second = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    free = []
    for point, ray in zip(points.double(), towards.double(), strict=True):
        apart = point + 1e-5 * ray - corner[:, 0]
        across = torch.linalg.cross(ray.expand_as(second), second)
        volume = (first * across).sum(1)
        volume = torch.where(volume.abs() < 1e-14, torch.inf, volume)
        u = (apart * across).sum(1) / volume
        other = torch.linalg.cross(apart, first)
        v, along = other @ ray / volume, (second * other).sum(1) / volume
        free.append(not ((u > 0) & (v > 0) & (u + v < 1) & (along > 1e-5)).any())
    return torch.tensor(free)


@pytest.mark.parametrize(
    "camera",
    [painting_camera(30, 20), painting_camera(100, -65), orbit_camera(200, 30, 2, fov_deg=40)],
)
def test_samples_are_seen_as_rays_see_them(camera):
    mesh = make_shelf()
    surface = make_surface(mesh, CPU)
    samples = sample_surface(surface, 1000)
    towards = directions_to_camera(samples.points, camera)
    expected = is_free(mesh, samples.points, towards)
    expected &= (samples.normals * towards).sum(1) >= SMALL.min_facing
    found = see_samples(surface, [camera], samples, SMALL)[0]
    assert 0.1 < expected.float().mean() < 0.6
    assert (found != expected).float().mean() < 0.01


def test_samples_are_spread_by_area_and_lie_on_their_faces():
    mesh = make_box([-0.5, -0.1, -0.2], [0.5, 0.1, 0.2])
    samples = sample_surface(make_surface(mesh, CPU), 4000)
    corner = torch.from_numpy(mesh.vertices[mesh.faces])  # [F, 3, 3]
    area = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]).norm(dim=1)
    share = torch.bincount(samples.faces, minlength=12) / 4000
    assert (share - area / area.sum()).abs().max() < 1e-3
    apart = ((samples.points - corner[samples.faces, 0]) * samples.normals).sum(1)
    assert apart.abs().max() < 1e-6
    top = samples.points[samples.normals[:, 1] > 0.5]
    counts = torch.histogramdd(top[:, [0, 2]], [5, 4])[0]
    assert counts.min() > 0.8 * counts.mean() and counts.max() < 1.2 * counts.mean()


def test_outside_cameras_leave_no_direction_far_away():
    backward = torch.stack(
        [torch.from_numpy(c.world_to_camera[2, :3]) for c in outside_cameras(64)]
    )
    random = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    nearest = (torch.nn.functional.normalize(random, dim=1) @ backward.T).amax(1)
    assert nearest.min() > np.cos(np.deg2rad(20))


def test_ball_needs_no_more_than_the_standard_views():
    choice = choose_views(make_ball(24), STANDARD, candidate_cameras(), SMALL, Progress(), CPU)
    assert choice.cameras == () and choice.seen_shares[0] > 0.999
    assert choice.hidden_share == 0 and len(choice.unseen_points) == 0


def test_views_are_added_until_the_shelf_is_covered():
    mesh = make_shelf()
    choice = choose_views(mesh, STANDARD, candidate_cameras(), SMALL, Progress(), CPU)
    shares = choice.seen_shares
    assert shares[0] < 0.8 and shares[-1] >= SMALL.target_share
    assert 1 <= len(choice.cameras) == len(shares) - 1 <= SMALL.max_views
    gains = np.diff(shares)
    assert (gains > 0).all() and gains[0] > 0.05
    samples = sample_surface(make_surface(mesh, CPU), SMALL.num_samples)
    found = see_samples(make_surface(mesh, CPU), [*STANDARD, *choice.cameras], samples, SMALL)
    unseen = (1 - shares[-1]) * (1 - choice.hidden_share)
    assert found.any(0).float().mean() == pytest.approx(1 - choice.hidden_share - unseen, abs=1e-6)


def make_slots(tilt_deg, azimuth_deg):
    """Three walls on a floor, turned about X, then about Y: slots open towards one direction."""
    walls = [make_box([x - 0.02, -0.2, -0.3], [x + 0.02, 0.2, 0.3]) for x in (-0.07, 0.0, 0.07)]
    mesh = join(*walls, make_box([-0.09, -0.22, -0.3], [0.09, -0.2, 0.3]))
    tilt, turn = np.deg2rad([tilt_deg, azimuth_deg])
    cos, sin = np.cos([tilt, turn]), np.sin([tilt, turn])
    around_x = np.array([[1, 0, 0], [0, cos[0], -sin[0]], [0, sin[0], cos[0]]])
    around_y = np.array([[cos[1], 0, sin[1]], [0, 1, 0], [-sin[1], 0, cos[1]]])
    return Mesh((mesh.vertices @ (around_y @ around_x).T).astype(np.float32), mesh.faces)


def test_the_directions_that_tell_of_a_hollow_are_offered_as_views():
    """Slots that no standard view looks into, and no other candidates."""
    choice = choose_views(make_slots(30, 50), STANDARD, [], SMALL, Progress(), CPU)
    assert choice.seen_shares[0] < 0.9 and choice.seen_shares[-1] >= SMALL.target_share


@pytest.mark.parametrize("min_gain", [0.002, 0.02])
def test_views_that_add_less_than_the_least_gain_are_not_chosen(min_gain):
    config = replace(SMALL, target_share=1.0, min_gain=min_gain)
    mesh = make_slots(30, 50)
    choice = choose_views(mesh, STANDARD, candidate_cameras(), config, Progress(), CPU)
    more = choose_views(mesh, STANDARD, candidate_cameras(), SMALL, Progress(), CPU)
    assert len(choice.cameras) >= 1 and np.diff(choice.seen_shares).min() >= min_gain
    assert choice.seen_shares[-1] < more.seen_shares[-1]


def test_what_stays_unseen_is_returned():
    config = CoverageConfig(num_samples=3000, num_directions=24, size_px=160, max_views=0)
    choice = choose_views(make_shelf(), STANDARD, candidate_cameras(), config, Progress(), CPU)
    assert choice.cameras == () and len(choice.seen_shares) == 1
    inner = choice.unseen_points[:, [0, 2]].abs().amax(1) < 0.3
    assert len(choice.unseen_points) > 300 and inner.float().mean() > 0.98
    share = len(choice.unseen_points) / 3000
    assert share == pytest.approx((1 - choice.seen_shares[0]) * (1 - choice.hidden_share), abs=1e-4)


def test_cavity_is_hidden_and_not_asked_for():
    inner = make_box([-0.2] * 3, [0.2] * 3)
    mesh = join(make_box([-0.3] * 3, [0.3] * 3), inner)
    choice = choose_views(mesh, STANDARD, candidate_cameras(), SMALL, Progress(), CPU)
    assert choice.cameras == () and choice.seen_shares == (1.0,)
    assert choice.hidden_share == pytest.approx(0.04 / 0.13, abs=1e-3)


def test_a_known_direction_is_preferred_to_a_slightly_better_steep_one():
    """The top is unseen: level views and steep ones both see it, steep ones better."""
    mesh = make_box([-0.3] * 3, [0.3] * 3)
    painted = [
        camera for camera, pair in zip(STANDARD, STANDARD_VIEWS_DEG, strict=True) if pair != (0, 90)
    ]
    known, steep = [painting_camera(30, 20)], [painting_camera(30, 65)]
    best = choose_views(mesh, painted, [known, steep], SMALL, Progress(), CPU)
    assert best.cameras == tuple(known)
    alone = choose_views(mesh, painted, [[], steep], SMALL, Progress(), CPU)
    assert alone.cameras == tuple(steep)


def test_choice_of_views_can_be_cancelled():
    progress = Progress(is_cancelled=lambda: True)
    with pytest.raises(CancelledError):
        choose_views(make_ball(6), STANDARD, candidate_cameras(), SMALL, progress, CPU)


def test_mesh_without_area_is_covered():
    mesh = Mesh(np.zeros((3, 3), dtype=np.float32), np.zeros((1, 3), dtype=np.int32))
    choice = choose_views(mesh, STANDARD, candidate_cameras(), SMALL, Progress(), CPU)
    assert choice.cameras == () and len(choice.unseen_points) == 0


@pytest.mark.parametrize(("num_witnesses", "hidden"), [(1, 0.5), (2, 1.0)])
def test_a_place_is_visible_if_enough_directions_agree(num_witnesses, hidden):
    config = CoverageConfig(
        max_views=0,
        min_facing=0.0,
        num_samples=2000,
        num_directions=1,
        num_witnesses=num_witnesses,
        size_px=128,
    )
    choice = choose_views(make_ball(24), [], [], config, Progress(), CPU)
    assert choice.hidden_share == pytest.approx(hidden, abs=0.04)
    assert len(choice.unseen_points) == pytest.approx(2000 * (1 - hidden), abs=80)
