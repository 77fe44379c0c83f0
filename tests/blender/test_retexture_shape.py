# SPDX-License-Identifier: GPL-3.0-or-later
"""What is painted: evaluated, broken, linked and instanced meshes, one or several."""

import math

import numpy as np
import pytest

from tests.blender.painting_worker import WARNING
from tests.blender.retexture_objects import (
    add,
    add_material,
    assert_paint_fits,
    hash_object,
    image_of,
    indices_of,
    paint_at,
    repaint,
    select,
    sent,
    uv_of,
)
from tests.blender.test_texture import nodes_of

ONE_PROCESS = True


def test_world_decides_the_front(bpy, addon, ready):
    """A parented, turned, mirrored and far object: front is the world's -Y, faces look outwards."""
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.collection.objects.link(parent)
    parent.rotation_euler, parent.location = (0, 0, math.pi / 2), (1e5, -2e5, 40)
    obj = add(bpy, "cube", size=2)
    obj.scale = (-3, 1, 0.5)
    obj.parent = parent
    bpy.context.view_layer.update()
    repaint(bpy)
    arrays = sent(addon)
    vertices, faces = arrays["vertices"], arrays["faces"]
    # 3 along the parent's X, which is the world's Y and the worker's -Z.
    np.testing.assert_allclose(np.abs(vertices), [[1, 0.5, 3]] * 8, atol=0.02)
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(12, rel=0.02)
    assert_paint_fits(addon, obj)


def test_evaluated_places_are_painted_where_faces_stay(bpy, addon, ready):
    obj = add(bpy, "cube")
    obj.shape_key_add(name="Basis")
    key = obj.shape_key_add(name="Tall", from_mix=False)
    for vertex in range(8):
        key.data[vertex].co.z *= 5
    key.value = 1.0
    repaint(bpy)
    np.testing.assert_allclose(np.ptp(sent(addon)["vertices"], axis=0), [2, 10, 2], atol=1e-5)


def test_subdivided_mesh_is_painted_on_the_same_map(bpy, addon, ready):
    obj = add(bpy, "cube")
    obj.modifiers.new("Subdivision", "SUBSURF").levels = 2
    before = uv_of(obj.data, "UVMap")
    repaint(bpy)
    assert len(sent(addon)["faces"]) == 6 * 16 * 2
    np.testing.assert_array_equal(uv_of(obj.data, "UVMap"), before)
    assert [u.name for u in obj.data.uv_layers] == ["UVMap"] and len(obj.data.polygons) == 6
    assert addon.session.current().status.notes == (WARNING,)


def test_mirrored_half_is_painted_without_the_modifier(bpy, addon, ready):
    """Both halves share their UVs: painting both would overlap."""
    obj = add(bpy, "cube", location=(2, 0, 0))
    bpy.ops.object.transform_apply(location=True)
    obj.modifiers.new("Mirror", "MIRROR")
    repaint(bpy)
    assert len(sent(addon)["faces"]) == 12
    assert any("without its modifiers" in n for n in addon.session.current().status.notes)


def test_broken_meshes_are_painted(bpy, addon, ready):
    """Loose vertices and edges, three faces at an edge, a face twice, one without an area."""
    corners = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1), (90, 90, 90)]
    faces = [(0, 1, 2, 3), (0, 1, 4), (0, 1, 5), (1, 0, 5), (2, 2 - 1, 1 - 1)]
    mesh = bpy.data.meshes.new("broken")
    mesh.from_pydata([*corners, (80, 0, 0)], [(6, 7)], faces)
    obj = bpy.data.objects.new("broken", mesh)
    bpy.context.collection.objects.link(obj)
    select(bpy, obj)
    before = hash_object(obj)
    repaint(bpy)
    assert np.abs(sent(addon)["vertices"]).max() <= 1.0  # loose ones do not count
    after = hash_object(obj)
    ours = {"uv maps"}
    assert {k: v for k, v in after.items() if k in before and k not in ours} == {
        k: v for k, v in before.items() if k not in ours
    }
    assert (indices_of(mesh) == 0).all() and len(mesh.materials) == 1


def test_instances_without_faces_of_their_own_are_no_shape(bpy, addon, ready):
    """Geometry nodes that replace the mesh by instances: the mesh itself is painted."""
    obj = add(bpy, "cube")
    group = bpy.data.node_groups.new("Away", "GeometryNodeTree")
    for kind in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Mesh", in_out=kind, socket_type="NodeSocketGeometry")
    enter, leave, instance = (
        group.nodes.new(kind)
        for kind in ("NodeGroupInput", "NodeGroupOutput", "GeometryNodeGeometryToInstance")
    )
    group.links.new(enter.outputs[0], instance.inputs[0])
    group.links.new(instance.outputs[0], leave.inputs[0])
    obj.modifiers.new("Away", "NODES").node_group = group
    repaint(bpy)
    assert len(sent(addon)["faces"]) == 12
    assert any("without its modifiers" in n for n in addon.session.current().status.notes)


def test_linked_duplicates_stay_linked_and_are_painted_once(bpy, addon, ready):
    first = add(bpy, "cube")
    add_material(bpy, first.data, "Former")
    second = first.copy()
    bpy.context.collection.objects.link(second)
    second.location.x = 5
    select(bpy, second, first)
    repaint(bpy)
    assert first.data == second.data and first.data.users == 2
    assert len(list(addon.job_folder.glob("*/sent.npz"))) == 1
    assert len(first.data.materials) == 2
    select(bpy, first)
    bpy.ops.maquette.restore_material()
    assert [s.material.name for s in second.material_slots] == ["Former"]
    select(bpy, second)
    with pytest.raises(RuntimeError, match="Select an object that was painted"):
        bpy.ops.maquette.restore_material()


def test_each_object_gets_a_texture_of_its_own(bpy, addon, ready):
    objects = [add(bpy, "cube", location=(x, 0, 0)) for x in (0, 5, 9)]
    select(bpy, *objects)
    repaint(bpy)
    images = {image_of(obj.data.materials[0]).name for obj in objects}
    assert len(images) == 3
    for obj in objects:
        assert_paint_fits(addon, obj)


def test_shared_atlas_is_one_image_on_one_material(bpy, addon, ready):
    cube, ball = add(bpy, "cube"), add(bpy, "ico_sphere", subdivisions=2, location=(4, 0, 0))
    select(bpy, cube, ball)
    ready.retexture_atlas = "shared"
    repaint(bpy)
    (material,) = {slot.material for obj in (cube, ball) for slot in obj.material_slots}
    assert material.name == "red disc" and len(addon.session.current().status.notes) >= 1
    name = nodes_of(material)["UVMAP"].uv_map
    assert name == "Maquette" and all(name in obj.data.uv_layers for obj in (cube, ball))
    corners = [addon.surface.read_surface(obj.data, obj) for obj in (cube, ball)]
    uv = np.concatenate(
        [uv_of(obj.data, name)[s.loops] for obj, s in zip((cube, ball), corners, strict=True)]
    )
    assert addon.uv.measure_overlap(uv) < 0.002
    # Colours run over both: the cube is left of the ball.
    left = [paint_at(addon, cube, p.index)[0] for p in cube.data.polygons]
    right = [paint_at(addon, ball, p.index)[0] for p in ball.data.polygons]
    assert max(left) < 0.45 and min(right) > 0.55
