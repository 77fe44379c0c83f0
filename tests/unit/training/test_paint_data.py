# SPDX-License-Identifier: GPL-3.0-or-later
"""What the painting networks train on, on solids with known colours and normals."""

import pytest
import torch

from backend.render.camera import STANDARD_VIEWS_DEG
from tests.unit.training.made_props import SHAPES, write_props
from training.paint_data import (
    draw_recolouring,
    make_paint_entries,
    over_white,
    recolour,
)
from training.paint_views import load_paint_props, render_painting_views
from training.paint_visible import find_seen

CUBE, BALL = list(SHAPES).index("cube"), list(SHAPES).index("ball")
SIZE = 64


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = write_props(tmp_path_factory.mktemp("props"))
    return load_paint_props(folder, "train", torch.device("cpu"))


def views_of(source, shape, matrix=None):
    maps = (torch.eye(3) if matrix is None else matrix)[None]
    angles = torch.tensor(STANDARD_VIEWS_DEG, dtype=torch.float32)[None]
    views = render_painting_views(source, torch.tensor([shape]), maps, angles, SIZE)
    return [x[0].float() / 255 for x in views]


def test_each_view_shows_the_side_that_it_is_named_after(source):
    colour, _, _ = views_of(source, CUBE)
    middle = colour[:, SIZE // 2, SIZE // 2, :3]  # colours are (position + 1) / 2
    sides = [(0, 0, 1), (1, 0, 0), (0, 0, -1), (-1, 0, 0), (0, 1, 0), (0, -1, 0)]
    expected = (torch.tensor(sides, dtype=torch.float32) + 1) / 2
    assert (middle - expected).abs().max() < 0.03


def test_views_are_upright_and_not_mirrored(source):
    colour, _, _ = views_of(source, CUBE)
    for view, across in ((0, 0), (1, 2), (2, 0), (3, 2)):
        mask = colour[view, ..., 3] > 0.99
        rows, columns = torch.nonzero(mask).T
        height = colour[view, rows.min(), SIZE // 2, 1] - colour[view, rows.max(), SIZE // 2, 1]
        assert height > 0.9  # green grows with y
        right = colour[view, SIZE // 2, columns.max(), across]
        left = colour[view, SIZE // 2, columns.min(), across]
        is_growing = view in (0, 3)  # seen from +Z x grows to the right, from -X z does
        assert (right - left > 0.9) if is_growing else (left - right > 0.9)


def test_maps_of_a_ball_hold_its_normals_and_places(source):
    _, normal, position = views_of(source, BALL)
    covered = (position.amin(-1) < 0.999) & (normal.amin(-1) < 0.999)
    inner = covered[0] & (((position[0] - 0.5).norm(dim=-1) - 0.5).abs() < 0.02)
    assert inner.sum() > 0.9 * covered[0].sum()
    # On a sphere of diameter 1 in the map's units the normal is twice the place.
    apart = (normal[0] * 2 - 1) - (position[0] * 2 - 1)
    assert apart[inner].abs().mean() < 0.03


def test_a_mirrored_shape_has_outward_normals(source):
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    _, normal, position = views_of(source, BALL, mirror)
    covered = position[0].amin(-1) < 0.98
    agreement = ((normal[0] * 2 - 1) * (position[0] * 2 - 1)).sum(-1)[covered]
    assert agreement.median() > 0.9


def test_entries_have_two_references_and_the_standard_labels_first(source):
    shapes = torch.tensor([CUBE, BALL, BALL])
    generator = torch.Generator().manual_seed(0)
    entries = make_paint_entries(
        source, shapes, torch.eye(3).expand(3, 3, 3), 32, 2, generator, 4, batch=2
    )
    assert entries.colour.shape == (3, 8, 32, 32, 4)
    assert entries.reference.shape == (3, 2, 32, 32, 4)
    assert entries.label[:, :6].tolist() == [[21, 12, 15, 18, 43, 37]] * 3
    assert (entries.azimuth[:, 0].abs() <= torch.pi / 3 + 1e-6).all()
    assert (entries.reference[..., 3].flatten(2).amax(-1) == 255).all()


def test_recolouring_keeps_greys_grey_and_moves_hues():
    generator = torch.Generator().manual_seed(3)
    change = draw_recolouring(64, generator)
    pixels = torch.zeros(64, 1, 1, 2, 4, dtype=torch.uint8)
    pixels[..., 0, :3], pixels[..., 1, 0] = 120, 200
    found = recolour(pixels, change)
    grey = found[:, 0, 0, 0, :3]
    assert (grey - grey.mean(-1, keepdim=True)).abs().max() < 1e-4
    hue = found[:, 0, 0, 1, :3].argmax(-1)
    assert len(hue.unique()) == 3
    assert found.min() >= 0
    assert found.max() <= 1


def test_what_is_not_covered_is_white():
    pixels = torch.tensor([[[[0.2, 0.4, 0.6, 1.0], [0.2, 0.4, 0.6, 0.0]]]])  # [1, 1, 2, 4]
    found = over_white(pixels)
    assert torch.allclose(found[0, :, 0, 0], torch.tensor([-0.6, -0.2, 0.2]))
    assert torch.equal(found[0, :, 0, 1], torch.ones(3))


def seen_of(source, shape, azimuth, elevation=0.0):
    angles = torch.tensor(STANDARD_VIEWS_DEG, dtype=torch.float32)[None]
    reference = torch.tensor([[[azimuth, elevation]]])
    seen, touched = find_seen(
        source, torch.tensor([shape]), torch.eye(3)[None], angles, reference, SIZE, 4
    )
    return seen[0, :, 0], touched[0]  # [6, h, w] each


def test_a_reference_shows_the_sides_that_face_it(source):
    seen, touched = seen_of(source, CUBE, 45.0)
    shares = [(seen[v] & touched[v]).sum() / touched[v].sum() for v in range(6)]
    # Front and right; of the other sides only latents on the outline, beside the background.
    assert shares[0] > 0.95
    assert shares[1] > 0.95
    assert max(shares[2:]) < 0.05
    assert seen[~touched].all()  # background is always known


def test_a_ball_is_seen_where_it_faces_the_reference(source):
    seen, touched = seen_of(source, BALL, 0.0)
    front, side, back = (float((seen[v] & touched[v]).sum() / touched[v].sum()) for v in (0, 1, 2))
    assert front > 0.65
    assert 0.3 < side < 0.5
    assert back < 0.02
