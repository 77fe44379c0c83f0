# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import torch

from backend.progress import Progress
from backend.render.camera import fit_mesh_for_painting, painting_camera
from backend.render.views import RenderConfig, render_views
from backend.texture.show import find_uv, show_texture
from tests.unit.pipelines.boxes import SIDES, make_box, make_texture

ANGLES = {
    **{"front": (0, 0), "left": (90, 0), "back": (180, 0), "right": (270, 0)},
    **{"top": (0, 90), "bottom": (180, -90)},
}


def make_views():
    cameras = [painting_camera(*angles) for angles in ANGLES.values()]
    box = fit_mesh_for_painting(make_box())[0]
    return render_views(box, cameras, RenderConfig(32), Progress(), torch.device("cpu")), box


def test_each_side_shows_its_own_part_of_the_texture():
    views, box = make_views()
    assert box.uv is not None
    shown = show_texture(views, box.uv, torch.from_numpy(make_texture(300)).float())
    for picture, mask, name in zip(shown, views.mask, ANGLES, strict=True):
        assert mask.sum() > 100
        assert (picture[mask] - torch.tensor(SIDES[name][1]).float()).abs().max() < 1
        assert not picture[~mask].any()


def test_top_of_the_texture_is_its_first_row_and_maps_outside_of_the_square_repeat():
    views, box = make_views()
    assert box.uv is not None
    ramp = torch.linspace(1, 0, 256)[:, None, None].expand(-1, 256, 1)  # v, at the texels' centres
    v = find_uv(views, box.uv)[..., 1][views.mask]
    shown = show_texture(views, box.uv, ramp)[..., 0][views.mask]
    assert (shown - v).abs().max() < 0.005
    moved = show_texture(views, box.uv + np.array([2, -1], np.float32), ramp)[..., 0][views.mask]
    assert torch.allclose(moved, shown, atol=1e-4)
