# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import torch

from backend.texture.keep import carry_over, find_paint_area, keep_outside
from tests.unit.pipelines.boxes import SIDES, make_box, make_texture, side_of_face, texel_of

CPU = torch.device("cpu")
SIZE = 90


def test_area_of_a_face_mask_is_its_chart_and_the_gap_around_it():
    area = find_paint_area(make_box(), SIZE, side_of_face("left"), None, CPU)
    free, changed = area.is_free.numpy(), area.is_changed.numpy()
    assert free[texel_of("left", SIZE)] and not free[texel_of("front", SIZE)]
    share = (1 / 3 - 0.04) ** 2
    assert abs(free.mean() - share) < 0.015
    assert changed[free].all() and changed.sum() > free.sum()
    others = find_paint_area(make_box(), SIZE, ~side_of_face("left"), None, CPU)
    assert not (changed & others.is_free.numpy()).any()
    assert not (changed & others.is_changed.numpy()).any()


def test_texel_mask_of_another_size_cuts_the_area():
    mask = np.zeros((45, 45), bool)
    mask[:, :8] = True
    area = find_paint_area(make_box(), SIZE, None, mask, CPU)
    assert area.is_free[:, :15].any() and not area.is_free[:, 16:].any()
    both = find_paint_area(make_box(), SIZE, side_of_face("top"), mask, CPU)
    assert not both.is_free.any()


def test_without_masks_every_chart_is_free():
    area = find_paint_area(make_box(), SIZE, None, None, CPU)
    assert all(area.is_free[texel_of(name, SIZE)] for name in SIDES)


def test_kept_texels_are_equal_to_the_byte_and_painted_ones_opaque():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (SIZE, SIZE, 4), np.uint8)
    painted = np.full((SIZE, SIZE, 3), 9, np.uint8)
    area = find_paint_area(make_box(), SIZE, side_of_face("back"), None, CPU)
    changed = area.is_changed.numpy()
    before = base.copy()
    result = keep_outside(painted, base, area)
    assert np.array_equal(base, before)
    assert np.array_equal(result[~changed], base[~changed])
    assert (result[changed] == (9, 9, 9, 255)).all()


def test_base_of_another_shape_decides_the_results():
    base = np.zeros((2 * SIZE, SIZE // 2, 3), np.uint8)
    painted = np.full((SIZE, SIZE, 3), 200, np.uint8)
    area = find_paint_area(make_box(), SIZE, side_of_face("front"), None, CPU)
    result = keep_outside(painted, base, area)
    assert result.shape == base.shape
    assert abs((result[..., 0] == 200).mean() - area.is_changed.float().mean().item()) < 0.01


def test_texture_follows_its_faces_to_another_map():
    box = make_box()
    assert box.uv is not None
    moved = (1 - box.uv)[:, :, ::-1]  # turned about the diagonal
    fresh = replace(box, uv=np.ascontiguousarray(moved))
    carried = carry_over(make_texture(SIZE), box.uv, fresh, SIZE, CPU)
    assert carried.shape == (SIZE, SIZE, 3) and carried.dtype == np.uint8
    for name, (_, colour) in SIDES.items():
        row, column = texel_of(name, SIZE)
        v, u = 1 - (row + 0.5) / SIZE, (column + 0.5) / SIZE
        place = int(u * SIZE), int((1 - v) * SIZE)
        assert tuple(carried[place]) == colour, name
    grey = (128, 128, 128)
    assert not (carried == grey).all(axis=-1).any()  # the gaps continue the charts


def test_gradient_is_carried_over_within_a_level():
    box = make_box()
    assert box.uv is not None
    ramp = np.tile(np.linspace(0, 255, 256).astype(np.uint8)[None, :, None], (256, 1, 1))
    same = carry_over(ramp, box.uv, box, 256, CPU)
    area = find_paint_area(box, 256, None, None, CPU).is_free.numpy()
    inner = area & np.roll(area, 1, 0) & np.roll(area, -1, 0) & np.roll(area, 1, 1)
    inner &= np.roll(area, -1, 1)
    assert np.abs(same[..., 0].astype(int) - ramp[..., 0])[inner].max() <= 1
