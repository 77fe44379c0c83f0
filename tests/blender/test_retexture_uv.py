# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the paint lands: in the UV map that is there, or in a new one."""

import numpy as np
import pytest

from tests.blender.painting_worker import WARNING
from tests.blender.retexture_objects import (
    add,
    assert_paint_fits,
    drop_uv_maps,
    image_of,
    repaint,
    sent,
    uv_of,
)
from tests.blender.test_texture import nodes_of

ONE_PROCESS = True


def test_paint_lands_in_the_active_map_that_fits(bpy, addon, ready):
    obj = add(bpy, "cube")
    repaint(bpy)
    assert [u.name for u in obj.data.uv_layers] == ["UVMap"]
    assert nodes_of(obj.active_material)["UVMAP"].uv_map == "UVMap"
    assert image_of(obj.active_material).packed_file is not None
    assert image_of(obj.active_material).colorspace_settings.name == "sRGB"
    assert_paint_fits(addon, obj)
    assert addon.session.current().status.notes == (WARNING,)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda uv: uv * 0 + 0.5, "leaves faces without room"),
        (lambda uv: uv * 2, "outside of the square"),
        (lambda uv: uv % 0.5 * 2, "overlaps itself"),
        (lambda uv: uv * 0.05, "uses hardly any"),
        (lambda uv: uv * np.float32("nan"), "no numbers"),
    ],
)
def test_map_that_cannot_hold_the_paint_is_left_alone(bpy, addon, ready, spoil, reason):
    obj = add(bpy, "grid", x_subdivisions=4, y_subdivisions=4)
    spoiled = spoil(uv_of(obj.data, "UVMap"))
    obj.data.uv_layers["UVMap"].uv.foreach_set("vector", spoiled.ravel())
    repaint(bpy)
    assert [u.name for u in obj.data.uv_layers] == ["UVMap", "Maquette"]
    assert obj.data.uv_layers.active.name == "UVMap" and obj.data.uv_layers["UVMap"].active_render
    np.testing.assert_array_equal(uv_of(obj.data, "UVMap"), spoiled)
    assert nodes_of(obj.active_material)["UVMAP"].uv_map == "Maquette"
    assert any(reason in note for note in addon.session.current().status.notes)


def test_second_painting_uses_the_map_of_the_first(bpy, addon, ready):
    obj = add(bpy, "cube")
    drop_uv_maps(obj.data)
    obj.data.uv_layers.new(name="Zero").uv.foreach_set("vector", np.zeros(48, np.float32))
    repaint(bpy)
    first = uv_of(obj.data, "Maquette")
    repaint(bpy)
    assert [u.name for u in obj.data.uv_layers] == ["Zero", "Maquette"]
    np.testing.assert_array_equal(uv_of(obj.data, "Maquette"), first)


def test_polygons_stay_whole_in_a_new_map(bpy, addon, ready):
    """Within a polygon UVs are an affine image of its shape: no quad or n-gon is torn or folded."""
    obj = add(bpy, "cylinder", vertices=9, depth=3)
    drop_uv_maps(obj.data)
    repaint(bpy)
    uv = uv_of(obj.data, "Maquette")
    assert uv.min() >= 0 and uv.max() <= 1
    for polygon in obj.data.polygons:
        corners = np.array([obj.data.vertices[v].co for v in polygon.vertices])
        _, spread, axes = np.linalg.svd(corners - corners.mean(axis=0))
        assert spread[2] < 1e-5
        flat = np.column_stack([corners @ axes[:2].T, np.ones(len(corners))])
        found, *_ = np.linalg.lstsq(flat, uv[list(polygon.loop_indices)], rcond=None)
        np.testing.assert_allclose(flat @ found, uv[list(polygon.loop_indices)], atol=1e-4)
        stretch = np.linalg.svd(found[:2], compute_uv=False)
        assert stretch[1] > 0.4 * stretch[0]  # the projection turns by 66 degrees at most
    assert_paint_fits(addon, obj)


def test_triangles_get_the_map_that_the_worker_makes(bpy, addon, ready):
    obj = add(bpy, "ico_sphere", subdivisions=2)
    drop_uv_maps(obj.data)
    repaint(bpy)
    assert "uv" not in sent(addon)
    assert [u.name for u in obj.data.uv_layers] == ["Maquette"]
    assert_paint_fits(addon, obj, atol=0.02)


def test_keep_wants_a_map(bpy, addon, ready):
    obj = add(bpy, "cube")
    ready.uv = "keep"
    obj.data.uv_layers["UVMap"].uv.foreach_set("vector", np.full(48, 0.5, np.float32))
    repaint(bpy)
    assert [u.name for u in obj.data.uv_layers] == ["UVMap"]
    drop_uv_maps(obj.data)
    with pytest.raises(RuntimeError, match="has no UV map to keep"):
        bpy.ops.maquette.retexture()


def test_eight_uv_maps_leave_no_room(bpy, addon, ready):
    obj = add(bpy, "cube")
    while len(obj.data.uv_layers) < 8:
        obj.data.uv_layers.new()
    ready.uv = "new"
    with pytest.raises(RuntimeError, match="has 8 UV maps"):
        bpy.ops.maquette.retexture()
