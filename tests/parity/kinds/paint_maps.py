# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of the mesh that the painting network is conditioned on.

A pixel centre that lies on an edge, or where two faces have the same depth in the 18 bits of the
reference, may go either way. Such pixels are few and each is proven to be one; elsewhere the maps
must agree.
"""

import numpy as np
import torch

from backend.data import Camera, Mesh, Views
from backend.progress import Progress
from backend.render.camera import (
    align_corners,
    fit_mesh_for_painting,
    fit_sphere,
    painting_camera,
    project,
    screen_to_pixels,
    view_depth,
)
from backend.render.maps import encode_depth
from backend.render.views import RenderConfig, render_views
from tests.parity.cases import PAINT_TOLERANCE, Case

PREFIXES = ("paint_maps",)
LARGEST_SHARE_OF_TIES = 0.01
TIE_PX = 1e-3
DEPTH_STEP = (100 - 0.1) / 2**18
"""What the reference's depth buffer tells apart."""
HALF_STEP = 2**-11
"""Rounding of the stored depth to float16, relative to 1."""


def check(case: Case) -> None:
    views = render(case)
    expected = case.tensors["face_index"].long() - 1  # [V, H, W]
    same = views.triangle == expected
    check_ties(case, views.triangle, expected)
    depth, borders = encode_depth(views.depth)
    case.assert_close("depth_range", borders, case.tensors["depth_range"], PAINT_TOLERANCE)
    difference = (depth - case.tensors["depth"].float()).abs()[same].max().item()
    assert difference <= PAINT_TOLERANCE + HALF_STEP, f"{case.name}: depth: {difference:.3g}"
    for name, values in (("normal", views.normal), ("position", views.position)):
        levels = (values * 255).floor()
        apart = (levels - case.tensors[name].float()).abs().amax(-1)[same]  # [N]
        # Truncation turns a rounding difference into a whole level here and there.
        assert apart.max() <= 1, f"{case.name}: {name} differs by {apart.max()} levels"
        assert (apart > 0).float().mean() <= 0.01, f"{case.name}: {name} is biased"


def render(case: Case) -> Views:
    faces = case.tensors["faces"].numpy().astype(np.int32)
    mesh, _, _ = fit_mesh_for_painting(Mesh(case.tensors["vertices"].numpy(), faces))
    config = RenderConfig(case.config["size"])
    return render_views(mesh, cameras_of(case), config, Progress(), torch.device("cpu"))


def cameras_of(case: Case) -> list[Camera]:
    angles = zip(case.config["azims"], case.config["elevs"], strict=True)
    return [align_corners(painting_camera(*pair), case.config["size"]) for pair in angles]


def check_ties(case: Case, actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Where the faces differ, either one meets the pixel's centre, at the same stored depth."""
    differs = actual != expected  # [V, H, W]
    share = differs.float().sum() / (expected >= 0).float().sum()
    assert share <= LARGEST_SHARE_OF_TIES, f"{case.name}: {share:.2%} of the faces differ"
    vertices = case.tensors["vertices"].double()
    centre, scale = fit_sphere(vertices, case.config["scale_factor"])
    vertices, cameras = (vertices - centre) * scale, cameras_of(case)
    screen = screen_to_pixels(project(vertices, cameras)[..., :2], case.config["size"])
    depth = view_depth(vertices, cameras)  # [V, P]
    for view, row, column in differs.nonzero().tolist():
        pair = [found[view, row, column].item() for found in (actual, expected)]
        met = []
        for face in pair:
            if face >= 0:
                corner = case.tensors["faces"][face].long()
                met.append(meet(screen[view, corner], depth[view, corner], column + 0.5, row + 0.5))
        text = f"{case.name}: faces {pair} at {view, row, column}: {met}"
        assert all(inside > -TIE_PX for inside, _ in met), text
        assert len(met) == 2 or met[0][0] < TIE_PX, text
        assert abs(met[0][1] - met[-1][1]) < 2 * DEPTH_STEP, text


def meet(
    corner: torch.Tensor, depth: torch.Tensor, column: float, row: float
) -> tuple[float, float]:
    """How far inside of a triangle a point is in pixels, and the triangle's depth there."""
    rows = torch.cat([corner.T, torch.ones(1, 3).double()])  # [3, 3]
    point = torch.tensor([column, row, 1.0]).double()
    weights = torch.linalg.solve(rows, point)  # [3]
    edges = (corner.roll(-1, 0) - corner.roll(-2, 0)).norm(dim=1)  # [3], opposite each corner
    inside = (weights * torch.linalg.det(rows).abs() / edges).min()
    return inside.item(), (weights @ depth).item()
