# SPDX-License-Identifier: GPL-3.0-or-later
import math

import numpy as np
import pytest
import torch

from backend.data import Mesh
from backend.errors import CancelledError
from backend.progress import Progress
from backend.render.camera import (
    STANDARD_VIEWS_DEG,
    fit_mesh_for_painting,
    orbit_camera,
    painting_camera,
    pixel_centres,
    pixels_to_screen,
    unproject,
)
from backend.render.maps import decode_normals, decode_positions
from backend.render.views import (
    ConditioningConfig,
    RenderConfig,
    reduce_maps,
    render_conditioning,
    render_views,
)
from tests.unit.render.made_meshes import make_ball, make_box

CPU = torch.device("cpu")
PERSPECTIVE = orbit_camera(40, 25, 2.0, fov_deg=45)


def render(mesh, cameras, size=64, **settings):
    return render_views(mesh, cameras, RenderConfig(size, **settings), Progress(), CPU)


def test_ball_is_seen_as_a_ball_from_every_standard_view():
    cameras = [painting_camera(*pair) for pair in STANDARD_VIEWS_DEG]
    views = render(make_ball(), cameras, 96)
    radius = pixels_to_screen(pixel_centres(96, CPU), 96).norm(dim=-1) * 0.6  # [H, W]
    assert views.mask[:, radius < 0.570].all() and not views.mask[:, radius > 0.5751].any()
    depth = 1.45 - (0.575**2 - radius.square()).clamp(min=0).sqrt()
    inner = radius < 0.5
    assert (views.depth - depth)[:, inner].abs().max() < 2e-3
    facing = (0.575**2 - radius.square()).clamp(min=0).sqrt() / 0.575
    assert (views.facing - facing)[:, inner].abs().max() < 0.06
    position, normal = decode_positions(views.position), decode_normals(views.normal)
    away = inner & (radius > 0.1)  # the poles' vertices are not shared
    assert (position / 0.575 - normal)[:4, inner].abs().max() < 0.01
    assert (position / 0.575 - normal)[4:, away].abs().max() < 0.01
    assert (position[:, inner].norm(dim=-1) - 0.575).abs().max() < 2e-3


@pytest.mark.parametrize("camera", [painting_camera(130, -20), PERSPECTIVE])
def test_maps_of_a_pixel_agree_with_each_other(camera):
    mesh = fit_mesh_for_painting(make_box([-1, -0.3, -0.6], [1, 0.5, 0.4]))[0]
    views = render(mesh, [camera])
    seen = views.mask[0]
    position = decode_positions(views.position)[0][seen]
    screen = pixels_to_screen(pixel_centres(64, CPU), 64)
    world = unproject(screen[None], views.depth.nan_to_num(posinf=1.0), [camera])[0]
    assert seen.sum() > 800
    assert (world[seen] - position).abs().max() < 1e-5
    corner = torch.from_numpy(mesh.vertices[mesh.faces])[views.triangle[0][seen]]  # [N, 3, 3]
    blended = torch.einsum("nk,nkc->nc", views.barycentric[0][seen], corner)
    assert (blended - position).abs().max() < 1e-5
    assert (views.barycentric[0][seen].sum(1) - 1).abs().max() < 1e-5


def test_nothing_is_white_infinitely_far_and_not_facing():
    views = render(make_box([-0.1] * 3, [0.1] * 3), [painting_camera(0, 0)])
    empty = ~views.mask
    assert empty.any() and views.mask.any()
    assert (views.normal[empty] == 1).all() and (views.position[empty] == 1).all()
    assert views.depth[empty].isinf().all() and views.depth[~empty].isfinite().all()
    assert not views.facing[empty].any() and not views.barycentric[empty].any()


def test_a_face_seen_from_behind_is_drawn_but_does_not_face():
    mesh = Mesh(
        np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0, 0.5, 0]], dtype=np.float32),
        np.array([[0, 1, 2]], dtype=np.int32),
    )
    views = render(mesh, [painting_camera(0, 0), painting_camera(180, 0)])
    assert views.mask.sum((1, 2)).min() > 500
    assert (views.facing[0][views.mask[0]] - 1).abs().max() < 1e-6 and not views.facing[1].any()


def test_camera_inside_a_room_sees_the_wall_in_front_and_nothing_of_what_is_behind():
    """Every wall but the front one reaches behind the camera, so all are cut."""
    room = make_box([-1, -1, -1], [1, 1, 1])
    views = render(room, [orbit_camera(0, 0, 0.5, fov_deg=90)])
    screen = pixels_to_screen(pixel_centres(64, CPU), 64)
    reach = screen.abs().amax(-1)  # of the ray at depth 1
    depth = torch.minimum(torch.tensor(1.5), 1 / reach)
    assert (views.depth[0] - depth).abs().max() < 1e-5
    world = unproject(screen[None], views.depth, views.cameras)[0]
    corner = torch.from_numpy(room.vertices[room.faces])[views.triangle[0]]  # [H, W, 3, 3]
    blended = torch.einsum("hwk,hwkc->hwc", views.barycentric[0], corner)
    assert (blended - world).abs().max() < 1e-5
    assert (world[..., 2] < 0.5).all() and (world.abs().amax(-1) - 1).abs().max() < 1e-5


def test_wire_thinner_than_a_pixel_is_an_unbroken_line():
    for angle in (0.0, 0.3, 0.9, math.pi / 2):
        along = np.array([math.cos(angle), math.sin(angle), 0]) * 0.5
        side = np.array([-math.sin(angle), math.cos(angle), 0]) * 1e-4
        corner = np.array([-along - side, along - side, along + side, -along + side])
        mesh = Mesh(corner.astype(np.float32), np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32))
        views = render(mesh, [painting_camera(0, 0)], 256)
        length = 256 / 1.2 * np.abs(along).max() * 2
        columns = views.mask[0].any(0 if angle < math.pi / 4 else 1).sum().item()
        assert columns == pytest.approx(length, abs=1.5)
        missed = render(mesh, [painting_camera(0, 0)], 256, has_thin_parts=False)
        assert missed.mask.sum() < 0.5 * views.mask.sum()


def test_thin_parts_add_nothing_to_the_outline_of_solid_shapes():
    box = make_box([-0.4, -0.3, -0.2], [0.4, 0.3, 0.2])
    cameras = [painting_camera(*pair) for pair in STANDARD_VIEWS_DEG]
    for mesh in (box, make_ball(120)):
        solid, thin = (render(mesh, cameras, 128, has_thin_parts=flag) for flag in (False, True))
        changed = (solid.mask != thin.mask).sum() / solid.mask.sum()
        assert changed < 1e-3


def test_mesh_without_faces_gives_empty_views():
    mesh = Mesh(np.zeros((0, 3), dtype=np.float32), np.zeros((0, 3), dtype=np.int32))
    assert not render(mesh, [painting_camera(0, 0)]).mask.any()


def test_views_can_be_cancelled():
    progress = Progress(is_cancelled=lambda: True)
    with pytest.raises(CancelledError):
        render_views(make_ball(6), [painting_camera(0, 0)], RenderConfig(16), progress, CPU)


def test_reduced_maps_are_antialiased_and_stay_in_range():
    views = render(make_ball(), [painting_camera(0, 0)], 128)
    maps = reduce_maps(views, 32)
    for values in (maps.normal, maps.position, maps.alpha):
        assert values.min() >= 0 and values.max() <= 1
    assert maps.normal.shape == (1, 32, 32, 3) and maps.alpha.shape == (1, 32, 32)
    area = math.pi * (0.575 / 1.2 * 32) ** 2
    assert maps.alpha.sum().item() == pytest.approx(area, rel=0.01)
    soft = (maps.alpha > 0.1) & (maps.alpha < 0.9)
    assert soft.sum() > 30


def test_conditioning_equals_reduced_views_and_places_corners_as_published():
    config = ConditioningConfig(size_px=32, supersample=4, is_corner_aligned=False)
    cameras = [painting_camera(0, 0), painting_camera(90, 0)]
    maps = render_conditioning(make_ball(), cameras, config, Progress(), CPU)
    expected = reduce_maps(render(make_ball(), cameras, 128), 32)
    for name in ("normal", "position", "alpha"):
        assert torch.equal(getattr(maps, name), getattr(expected, name))
    aligned = render_conditioning(
        make_ball(), cameras, ConditioningConfig(32, 4, True), Progress(), CPU
    )
    ratio = (aligned.alpha.sum() / maps.alpha.sum()).sqrt()
    assert ratio.item() == pytest.approx(127 / 128, abs=1e-3)
