# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting objects that are there: nothing changes but slots, an image and perhaps a UV map."""

import numpy as np
import pytest

from tests.blender.retexture_objects import (
    add,
    add_material,
    assignment_of,
    hash_object,
    indices_of,
    repaint,
    select,
)

ONE_PROCESS = True


def make_rich_object(bpy):
    """A cylinder with n-gon caps and quads that has one of everything."""
    obj = add(bpy, "cylinder", vertices=12, rotation=(0.3, 0.2, 1.0), location=(5, -3, 2))
    mesh = obj.data
    mesh.uv_layers.new(name="Second")
    mesh.uv_layers.new(name="Third")
    mesh.uv_layers["Second"].active = True
    mesh.uv_layers["Third"].active_render = True
    for name in "AB":
        add_material(bpy, mesh, name)
    mesh.materials.append(None)
    obj.material_slots[1].link = "OBJECT"
    obj.material_slots[1].material = bpy.data.materials["A"]
    mesh.polygons.foreach_set("material_index", np.arange(len(mesh.polygons), dtype=np.int32) % 3)
    group = obj.vertex_groups.new(name="Bottom")
    group.add([0, 2, 4], 0.25, "REPLACE")
    obj.shape_key_add(name="Basis")
    obj.shape_key_add(name="Wide", from_mix=False).data[0].co.x = 2.0
    obj.modifiers.new("Bend", "SIMPLE_DEFORM")
    for edge in list(mesh.edges)[::3]:
        edge.use_seam = edge.use_edge_sharp = True
    crease = mesh.attributes.new("crease_edge", "FLOAT", "EDGE")
    crease.data[3].value = 0.5
    colours = mesh.color_attributes.new("Tint", "BYTE_COLOR", "CORNER")
    colours.data[1].color = (0.2, 0.4, 0.6, 1.0)
    mesh.polygons.foreach_set("use_smooth", np.arange(len(mesh.polygons)) % 2 == 0)
    rng = np.random.default_rng(0)
    mesh.normals_split_custom_set(rng.normal(size=(len(mesh.loops), 3)).tolist())
    obj["label"], mesh["count"] = "mine", 7
    return obj


@pytest.mark.parametrize("uv", ["auto", "new"])
def test_nothing_of_the_mesh_changes_but_slots_and_one_uv_map(bpy, addon, ready, uv):
    obj = make_rich_object(bpy)
    ready.uv = uv
    before = hash_object(obj)
    if uv == "auto":  # the active map fits: Blender's own unwrap of the cylinder
        assert [u.name for u in obj.data.uv_layers if u.active] == ["Second"]
    repaint(bpy)
    after = hash_object(obj)
    new = {key for key in after if key not in before}
    assert new == ({("Maquette", "CORNER", "FLOAT2")} if uv == "new" else set())
    if uv == "new":
        assert after["uv maps"][:3] == before["uv maps"]
        assert after["uv maps"][3] == ("Maquette", False, False, False)
        after["uv maps"].pop()
    assert {key: after[key] for key in before} == before
    assert len(obj.data.materials) == 4 and (indices_of(obj.data) == 3).all()
    assert obj.material_slots[1].link == "OBJECT"


def test_restore_brings_back_every_slot_and_face(bpy, addon, ready, tmp_path):
    obj = make_rich_object(bpy)
    obj.active_material_index = 1
    before, mesh_before = assignment_of(obj), hash_object(obj)
    repaint(bpy)
    assert assignment_of(obj) != before
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    obj = bpy.context.object
    assert bpy.ops.maquette.restore_material() == {"FINISHED"}
    assert assignment_of(obj) == before
    now = hash_object(obj)
    assert {key: now[key] for key in mesh_before if key != "uv maps"} == {
        key: mesh_before[key] for key in mesh_before if key != "uv maps"
    }
    with pytest.raises(RuntimeError, match="Select an object that was painted"):
        bpy.ops.maquette.restore_material()


def test_painting_twice_keeps_the_first_assignment_and_one_slot(bpy, addon, ready):
    obj = make_rich_object(bpy)
    before = assignment_of(obj)
    repaint(bpy)
    first = obj.data.materials[3]
    ready.front_deg = 90.0
    repaint(bpy)
    assert len(obj.data.materials) == 4 and obj.data.materials[3] != first
    bpy.ops.maquette.restore_material()
    assert assignment_of(obj) == before


def test_object_without_materials_is_restored_to_none(bpy, addon, ready):
    obj = add(bpy, "monkey")
    repaint(bpy)
    assert len(obj.material_slots) == 1
    bpy.ops.maquette.restore_material()
    assert assignment_of(obj) == ([], [], [0] * len(obj.data.polygons), 0)


def test_restore_after_faces_were_removed(bpy, addon, ready):
    """One former slot is enough to know; several are not, and nothing changes then."""
    plain, rich = add(bpy, "cube"), make_rich_object(bpy)
    material = add_material(bpy, plain.data, "Former")
    select(bpy, plain, rich)
    repaint(bpy)
    rich.shape_key_clear()
    for obj in (plain, rich):
        select(bpy, obj)
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.mesh.select_all(action="DESELECT")
        bpy.ops.object.mode_set(mode="OBJECT")
        obj.data.polygons[0].select = True
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.mesh.delete(type="FACE")
        bpy.ops.object.mode_set(mode="OBJECT")
    painted = assignment_of(rich)
    with pytest.raises(RuntimeError, match="other faces than when it was painted"):
        bpy.ops.maquette.restore_material()
    assert assignment_of(rich) == painted
    select(bpy, plain)
    bpy.ops.maquette.restore_material()
    assert list(plain.data.materials) == [material] and indices_of(plain.data).tolist() == [0] * 5
