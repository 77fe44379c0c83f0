# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting objects that are there: nothing changes but slots, an image and perhaps a UV map."""

import hashlib
import math

import numpy as np
import pytest
from PIL import Image

from tests.blender.painting_worker import WARNING
from tests.blender.test_generate import TINY, is_idle, poll_until
from tests.blender.test_texture import PAINTER, nodes_of

ONE_PROCESS = True


@pytest.fixture
def ready(bpy, addon, use_worker, picture):
    """The painting worker, a chosen picture and a small texture."""
    use_worker(PAINTER)
    settings = bpy.context.scene.maquette
    settings.image, settings.texture_size = picture, 512
    return settings


def repaint(bpy):
    assert bpy.ops.maquette.retexture() == {"FINISHED"}


def add(bpy, kind, **words):
    getattr(bpy.ops.mesh, f"primitive_{kind}_add")(**words)
    return bpy.context.object


def select(bpy, *objects):
    for obj in bpy.context.selected_objects:
        obj.select_set(False)
    for obj in objects:
        obj.select_set(True)
    bpy.context.view_layer.objects.active = objects[0]


def drop_uv_maps(mesh):
    while mesh.uv_layers:
        mesh.uv_layers.remove(mesh.uv_layers[0])


def add_material(bpy, mesh, name, colour=(1.0, 0.0, 0.0, 1.0)):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes_of(material)["BSDF_PRINCIPLED"].inputs["Base Color"].default_value = colour
    mesh.materials.append(material)
    return material


def array(collection, name, width, dtype=np.float32):
    values = np.empty(len(collection) * width, dtype)
    collection.foreach_get(name, values)
    return values.reshape(-1, width)


def indices_of(mesh):
    return array(mesh.polygons, "material_index", 1, np.int32).ravel()


def uv_of(mesh, name):
    return array(mesh.uv_layers[name].uv, "vector", 2)


def image_of(material):
    return nodes_of(material)["TEX_IMAGE"].image


def paint_at(addon, obj, polygon, material=None):
    """The painted colour in the middle of a polygon, as 0..1 in the worker's axes."""
    material = material or obj.data.materials[obj.data.polygons[polygon].material_index]
    pixels = addon.image.read_pixels(image_of(material))
    loops = list(obj.data.polygons[polygon].loop_indices)
    u, v = uv_of(obj.data, nodes_of(material)["UVMAP"].uv_map)[loops].mean(axis=0)
    size = len(pixels)
    return pixels[int((1 - v) * size), int(u * size), :3] / 255


def sent(addon, rank=-1):
    """The arrays that the worker got, of the job of that rank."""
    paths = sorted(addon.job_folder.glob("*/sent.npz"), key=lambda path: path.stat().st_mtime_ns)
    with np.load(paths[rank]) as arrays:
        return dict(arrays)


# -- what must stay -----------------------------------------------------------------------------

WIDTHS = {"FLOAT_VECTOR": "vector", "FLOAT2": "vector", "FLOAT_COLOR": "color"}
WIDTHS |= {"BYTE_COLOR": "color", "INT32_2D": "value", "INT16_2D": "value"}


def layers_of(mesh):
    """Every attribute of a mesh but the faces' slots -> a hash of its values."""
    found = {}
    for layer in mesh.attributes:
        if layer.name == "material_index":
            continue
        values = [getattr(item, WIDTHS.get(layer.data_type, "value")) for item in layer.data]
        text = repr([tuple(v) if hasattr(v, "__len__") else v for v in values])
        key = (layer.name, layer.domain, layer.data_type)
        found[key] = hashlib.sha256(text.encode()).hexdigest()
    return found


def hash_object(obj):
    """Everything of an object that painting must not touch, name -> comparable."""
    mesh = obj.data
    keys = mesh.shape_keys.key_blocks if mesh.shape_keys else ()
    return layers_of(mesh) | {
        "polygons": [tuple(p.vertices) for p in mesh.polygons],
        "smooth": [p.use_smooth for p in mesh.polygons],
        "edges": [(tuple(e.vertices), e.use_seam, e.use_edge_sharp) for e in mesh.edges],
        "normals": [tuple(n.vector) for n in mesh.corner_normals],
        "custom normals": mesh.has_custom_normals,
        "groups": [[(g.group, g.weight) for g in v.groups] for v in mesh.vertices],
        "group names": [g.name for g in obj.vertex_groups],
        "shape keys": [(k.name, k.value, [tuple(p.co) for p in k.data]) for k in keys],
        "modifiers": [(m.name, m.type, m.show_viewport) for m in obj.modifiers],
        "matrix": [tuple(row) for row in obj.matrix_world],
        "parent": obj.parent,
        "uv maps": [(u.name, u.active, u.active_render, u.active_clone) for u in mesh.uv_layers],
        "colours": mesh.color_attributes.active_color_name,
        "selection": (obj.select_get(), [p.select for p in mesh.polygons]),
        "mesh": (mesh.name, mesh.users),
        "custom": {k: v for k, v in [*obj.items(), *mesh.items()] if k != "maquette"},
    }


def assignment_of(obj):
    slots = [(s.link, s.material.name if s.material else None) for s in obj.material_slots]
    of_mesh = [m.name if m else None for m in obj.data.materials]
    return slots, of_mesh, indices_of(obj.data).tolist(), obj.active_material_index


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


# -- where the paint lands ----------------------------------------------------------------------


def assert_paint_fits(addon, obj, atol=0.35):
    """The worker's colour on each polygon tells the polygon's place: x, z up, and -y front."""
    points = np.array([obj.matrix_world @ v.co for v in obj.data.vertices])
    low, high = points.min(axis=0), points.max(axis=0)
    for polygon in obj.data.polygons:
        x, y, z = ((points[list(polygon.vertices)].mean(axis=0) - low) / (high - low)).tolist()
        expected = np.array([x, z, 1 - y])
        np.testing.assert_allclose(paint_at(addon, obj, polygon.index), expected, atol=atol)


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


# -- what is painted ----------------------------------------------------------------------------


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


# -- masks and present colours ------------------------------------------------------------------


def test_only_selected_faces_are_painted(bpy, addon, ready):
    obj = add(bpy, "cube")
    red = add_material(bpy, obj.data, "Red")
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode="OBJECT")
    obj.data.polygons[1].select = obj.data.polygons[4].select = True
    bpy.ops.object.mode_set(mode="EDIT")
    ready.retexture_mask = "selection"
    assert bpy.ops.maquette.retexture(wait=False) == {"FINISHED"}
    poll_until(addon, lambda: addon.session.current().is_waiting_to_place)
    assert list(obj.data.materials) == [red]
    bpy.ops.object.mode_set(mode="OBJECT")
    poll_until(addon, is_idle(addon))
    assert addon.session.current().status.error == ""
    assert indices_of(obj.data).tolist() == [0, 1, 0, 0, 1, 0]
    assert obj.data.materials[0] == red
    polygons = np.repeat(np.arange(6), 2)
    np.testing.assert_array_equal(sent(addon)["face_mask"], np.isin(polygons, (1, 4)))
    bpy.ops.maquette.restore_material()
    assert indices_of(obj.data).tolist() == [0] * 6 and list(obj.data.materials) == [red]


def test_bare_faces_beside_a_selection_stay_bare(bpy, addon, ready):
    obj = add(bpy, "cube")
    for polygon in obj.data.polygons:
        polygon.select = polygon.index == 2
    ready.retexture_mask = "selection"
    repaint(bpy)
    assert obj.data.materials[0] is None and indices_of(obj.data).tolist() == [0, 0, 1, 0, 0, 0]
    bpy.ops.maquette.restore_material()
    assert not obj.material_slots


def test_selection_without_faces_is_told(bpy, addon, ready):
    obj = add(bpy, "cube")
    obj.data.polygons.foreach_set("select", np.zeros(6, bool))
    ready.retexture_mask = "selection"
    with pytest.raises(RuntimeError, match="No face is selected"):
        bpy.ops.maquette.retexture()


def test_transparent_parts_are_painted_and_opaque_ones_stay(bpy, addon, ready, tmp_path):
    """A texture whose right half is erased; on a map that overlaps, so that it must be moved."""
    pixels = np.full((64, 64, 4), (0, 160, 80, 255), np.uint8)
    pixels[:, 32:, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "old.png")
    obj = add(bpy, "grid", x_subdivisions=8, y_subdivisions=8)
    material = add_material(bpy, obj.data, "Old")
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(str(tmp_path / "old.png"))
    shader = nodes_of(material)["BSDF_PRINCIPLED"]
    material.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    ready.retexture_mask, ready.uv = "alpha", "new"
    counts = {kind: len(getattr(bpy.data, kind)) for kind in ("scenes", "objects", "meshes")}
    repaint(bpy)
    assert counts == {kind: len(getattr(bpy.data, kind)) for kind in counts}
    x = np.array([polygon.center.x for polygon in obj.data.polygons])
    assert (indices_of(obj.data)[x > 0] == 1).all()
    assert (indices_of(obj.data)[x < -0.3] == 0).all()
    for polygon in obj.data.polygons:
        if polygon.center.x > 0.3:
            seen = paint_at(addon, obj, polygon.index)
            assert abs(seen[0] - (polygon.center.x + 1) / 2) < 0.2 and seen[1] < 0.05
    new = obj.data.materials[1]
    left = next(p.index for p in obj.data.polygons if p.center.x < -0.8)
    np.testing.assert_allclose(paint_at(addon, obj, left, new) * 255, (0, 160, 80), atol=1.01)


@pytest.mark.parametrize("kind", ["image", "attribute"])
def test_painted_mask_decides(bpy, addon, ready, kind):
    obj = add(bpy, "grid", x_subdivisions=8, y_subdivisions=8)
    add_material(bpy, obj.data, "Blue", (0.0, 0.0, 1.0, 1.0))
    if kind == "image":
        ready.mask_image = bpy.data.images.new("mask", 32, 32)
        white = np.zeros((32, 32, 4), np.float32)
        white[:16] = 1.0  # rows count from the bottom
        ready.mask_image.pixels.foreach_set(white.ravel())
    else:
        mask = obj.data.attributes.new("where", "FLOAT", "POINT")
        values = [float(v.co.y < 0.01) for v in obj.data.vertices]
        mask.data.foreach_set("value", values)
        ready.mask_attribute = "where"
    ready.retexture_mask = kind
    repaint(bpy)
    y = np.array([polygon.center.y for polygon in obj.data.polygons])
    assert (indices_of(obj.data)[y < 0] == 1).all()
    assert (indices_of(obj.data)[y > 0.3] == 0).all()
    new = obj.data.materials[1]
    low = next(p.index for p in obj.data.polygons if p.center.y < -0.8)
    high = next(p.index for p in obj.data.polygons if p.center.y > 0.8)
    assert paint_at(addon, obj, low, new)[2] > 0.8  # painted: the front is -Y
    np.testing.assert_allclose(paint_at(addon, obj, high, new), (0, 0, 1), atol=0.01)


def test_mask_picture_needs_a_map_to_lie_on(bpy, addon, ready):
    drop_uv_maps(add(bpy, "cube").data)
    ready.retexture_mask, ready.mask_image = "image", ready.image
    with pytest.raises(RuntimeError, match="no UV map for the mask picture"):
        bpy.ops.maquette.retexture()


def test_present_colours_of_all_materials_are_sent(bpy, addon, ready):
    """Shaders with a colour, one behind a mix, a material without nodes, and an empty slot."""
    obj = add(bpy, "cube")
    add_material(bpy, obj.data, "Red", (1.0, 0.0, 0.0, 1.0))
    add_material(bpy, obj.data, "Grey", (0.2140411, 0.2140411, 0.2140411, 1.0))  # sRGB 0.5
    obj.data.materials.append(bpy.data.materials.new("No Nodes"))
    obj.data.materials[2].use_nodes = False
    obj.data.materials[2].diffuse_color = (0.0, 0.0, 1.0, 1.0)
    obj.data.materials.append(None)
    mixed = add_material(bpy, obj.data, "Mixed", (0.0, 1.0, 0.0, 1.0))
    mix, glass = (mixed.node_tree.nodes.new(f"ShaderNode{n}") for n in ("MixShader", "BsdfGlass"))
    links, nodes = mixed.node_tree.links, nodes_of(mixed)
    links.new(nodes["BSDF_PRINCIPLED"].outputs["BSDF"], mix.inputs[1])
    links.new(glass.outputs["BSDF"], mix.inputs[2])
    links.new(mix.outputs["Shader"], nodes["OUTPUT_MATERIAL"].inputs["Surface"])
    obj.data.polygons.foreach_set("material_index", np.array([0, 1, 2, 3, 4, 1], np.int32))
    colours = [(255, 0, 0), (128,) * 3, (0, 0, 255), (231,) * 3, (0, 255, 0), (128,) * 3]
    if obj.data.materials[2].use_nodes:  # Blender 5 cannot turn them off: they count, and are grey
        colours[2] = (231,) * 3
    before = hash_object(obj), assignment_of(obj)[2]
    ready.keep_colours = True
    repaint(bpy)
    (path,) = addon.job_folder.glob("mesh-*/base.png")
    base = np.asarray(Image.open(path))
    uv = uv_of(obj.data, "UVMap")
    assert before[0] == hash_object(obj) and before[1] != assignment_of(obj)[2]
    for polygon, colour in zip(obj.data.polygons, colours, strict=True):
        u, v = uv[list(polygon.loop_indices)].mean(axis=0)
        found = base[int((1 - v) * 512), int(u * 512), :3]
        np.testing.assert_allclose(found, colour, atol=1)


# -- what happens meanwhile ---------------------------------------------------------------------


def state_of(bpy):
    """What a refused result must not change."""
    objects = {obj.name: (hash_object(obj), assignment_of(obj)) for obj in bpy.data.objects}
    return objects, sorted(bpy.data.materials.keys()), sorted(bpy.data.images.keys())


def remove(bpy, obj):
    bpy.data.objects.remove(obj)


def subdivide(bpy, obj):
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.subdivide()
    bpy.ops.object.mode_set(mode="OBJECT")


def drop_map(bpy, obj):
    obj.data.uv_layers.remove(obj.data.uv_layers[0])


def move_uv(bpy, obj):
    obj.data.uv_layers[0].uv[0].vector = (0.9, 0.9)


@pytest.mark.parametrize("change", [remove, subdivide, drop_map, move_uv])
def test_result_for_a_changed_object_is_refused(bpy, addon, ready, change):
    other, obj = add(bpy, "cube", location=(4, 0, 0)), add(bpy, "cube")
    select(bpy, obj, other)
    ready.retexture_atlas, ready.uv = "shared", "keep"
    assert bpy.ops.maquette.retexture(wait=False) == {"FINISHED"}
    change(bpy, obj)
    before = state_of(bpy)
    poll_until(addon, is_idle(addon))
    status = addon.session.current().status
    assert ("is gone" if change is remove else "was edited while") in status.error and status.hint
    assert state_of(bpy) == before


def test_renamed_and_moved_object_is_painted(bpy, addon, ready):
    obj = add(bpy, "cube")
    bpy.ops.maquette.retexture(wait=False)
    obj.name, obj.location.x = "Other", 7.0
    obj.data.vertices[0].co.z += 0.1
    poll_until(addon, is_idle(addon))
    assert addon.session.current().status.error == ""
    assert obj.data.materials[0].name == "Cube"


def test_one_undo_takes_the_paint_off(bpy, addon, ready):
    bpy.context.preferences.edit.use_global_undo = True
    obj = add(bpy, "cylinder")
    drop_uv_maps(obj.data)
    add_material(bpy, obj.data, "Former")
    bpy.ops.ed.undo_push(message="before")
    before = assignment_of(obj), hash_object(obj)
    repaint(bpy)
    bpy.ops.ed.undo()
    obj = bpy.data.objects["Cylinder"]
    assert (assignment_of(obj), hash_object(obj)) == before
    bpy.ops.ed.redo()
    obj = bpy.data.objects["Cylinder"]
    assert len(obj.data.materials) == 2 and "Maquette" in obj.data.uv_layers
    bpy.ops.maquette.restore_material()
    assert assignment_of(obj) == before[0]


def test_one_failed_job_of_several_is_told_and_the_others_are_applied(
    bpy, addon, use_worker, ready
):
    use_worker(f"{PAINTER} fails")
    objects = [add(bpy, "cube", location=(x, 0, 0)) for x in (0, 5, 9)]
    select(bpy, *objects)
    with pytest.raises(RuntimeError, match="It failed"):
        bpy.ops.maquette.retexture()
    assert [len(obj.data.materials) for obj in objects] == [1, 0, 1]


def test_what_cannot_be_painted_is_told(bpy, addon, ready, tmp_path):
    empty = bpy.data.objects.new("Empty mesh", bpy.data.meshes.new("Empty mesh"))
    bpy.context.collection.objects.link(empty)
    select(bpy, empty)
    with pytest.raises(RuntimeError, match="'Empty mesh' has no faces"):
        bpy.ops.maquette.retexture()
    flat = add(bpy, "cube")
    flat.scale = (0, 0, 0)
    bpy.context.view_layer.update()
    with pytest.raises(RuntimeError, match="no size or no place"):
        bpy.ops.maquette.retexture()
    bpy.ops.object.delete()
    with pytest.raises(RuntimeError, match="Select the mesh objects"):
        bpy.ops.maquette.retexture()


def test_linked_mesh_is_told(bpy, addon, ready, tmp_path):
    path = str(tmp_path / "library.blend")
    add(bpy, "cube")
    bpy.data.libraries.write(path, {bpy.context.object.data})
    with bpy.data.libraries.load(path, link=True) as (there, here):
        here.meshes = there.meshes
    obj = bpy.data.objects.new("Linked", here.meshes[0])
    bpy.context.collection.objects.link(obj)
    select(bpy, obj)
    with pytest.raises(RuntimeError, match="linked from another file"):
        bpy.ops.maquette.retexture()
    assert not addon.session.current().is_running


def test_large_mesh_is_read_and_painted(bpy, addon, ready):
    """Ninety thousand quads: what must not take Python loops."""
    obj = add(bpy, "grid", x_subdivisions=300, y_subdivisions=300)
    groups = addon.submission.group_objects([obj], False, False)
    folder = addon.job_folder
    folder.mkdir()
    choices = addon.submission.Choices("new", 512)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    made = addon.submission.prepare_repaint(groups[0], "Large", choices, depsgraph, folder)
    with np.load(made.mesh_path) as arrays:
        assert len(arrays["faces"]) == 180_000 and arrays["uv"].shape == (180_000, 3, 2)
    Image.new("RGB", (8, 8)).save(folder / "flat.png")
    addon.retexture.apply_repaint(made, made.mesh_path, folder / "flat.png")
    assert len(obj.data.materials) == 1 and "Maquette" in obj.data.uv_layers


@pytest.mark.parametrize("mask", ["selection", "alpha"])
def test_real_worker_paints_with_tiny_networks(bpy, addon, use_worker, ready, mask):
    """What this side writes is what the worker reads, and the other way round."""
    use_worker(TINY)
    obj = add(bpy, "cylinder", vertices=8)
    add_material(bpy, obj.data, "Red", (1.0, 0.0, 0.0, 1.0))
    drop_uv_maps(obj.data)
    for polygon in obj.data.polygons:
        polygon.select = polygon.center.x > 0
    ready.retexture_mask, ready.further_views, ready.paint_steps = mask, 0, 1
    ready.texture = "paint"
    if mask == "alpha":
        red = nodes_of(obj.data.materials[0])
        texture = obj.data.materials[0].node_tree.nodes.new("ShaderNodeTexImage")
        texture.image = bpy.data.images.new("clear", 8, 8, alpha=True)
        texture.image.pixels.foreach_set(np.zeros(256, np.float32))
        links = obj.data.materials[0].node_tree.links
        links.new(texture.outputs["Color"], red["BSDF_PRINCIPLED"].inputs["Base Color"])
    before = hash_object(obj)
    repaint(bpy)
    image = image_of(obj.data.materials[1])
    assert tuple(image.size) == (512, 512) and "Maquette" in obj.data.uv_layers
    painted = indices_of(obj.data) == 1
    expected = [mask != "selection" or polygon.center.x > 0 for polygon in obj.data.polygons]
    assert painted.tolist() == expected
    assert len(np.unique(addon.image.read_pixels(image)[..., 0])) > 10
    after = hash_object(obj)
    assert {k for k in before if after[k] != before[k]} == {"uv maps"}
