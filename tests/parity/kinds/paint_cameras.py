# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras of the painting pipeline, whose axes are a mirrored form of this project's."""

import torch

from backend.models.hunyuan3d_paint.config import camera_label
from backend.render.camera import camera_axes, fit_sphere, project_orthographic
from tests.parity.cases import PAINT_TOLERANCE, Case

PREFIXES = ("paint_cameras",)
TO_RENDER = torch.tensor([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Mesh axes to the reference's render axes, (x, y, z) -> (-x, z, -y)."""
FLIP = torch.tensor([1.0, -1, 1])
"""The reference counts rows from clip y = -1, at the top."""


def check(case: Case) -> None:
    config, given = case.config, case.tensors
    mesh = given["vertices"]
    centre, scale = fit_sphere(mesh, config["scale_factor"])
    angles = torch.tensor(config["azim_elev"], dtype=torch.float32).deg2rad()
    axes = camera_axes(angles[:, 0], angles[:, 1])  # [V, 3, 3]
    fitted = (mesh - centre) * scale
    near, far, distance = config["near"], config["far"], config["camera_distance"]
    clip = project_orthographic(fitted, axes, config["ortho_scale"], distance, near, far)
    turned = FLIP[:, None] * axes @ TO_RENDER.T
    results = {
        "centre_render": TO_RENDER @ centre,
        "diameter": torch.tensor([config["scale_factor"] / scale]),
        "vertices_render": fitted @ TO_RENDER.T,
        "clip_positions": torch.nn.functional.pad(clip * FLIP, (0, 1), value=1.0)[:, None],
    }
    for name, actual in results.items():
        case.assert_close(name, actual, given[name], PAINT_TOLERANCE)
    rotation = given["world_to_camera"][:, :3, :3]
    case.assert_close("rotation", turned, rotation, PAINT_TOLERANCE)
    labels = [camera_label(*view) for view in config["azim_elev"][:6]]
    assert labels == config["camera_labels_of_first_six"]
