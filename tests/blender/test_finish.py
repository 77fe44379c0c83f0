# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of finished objects: lighter meshes, quads, voxels, levels, hulls, origins."""

import numpy as np
import pytest
import trimesh

ONE_PROCESS = True
SIDE_PX = 256


def gradient_pixels(side=SIDE_PX):
    """Red grows with u, green with v: the colour says where on the map a point lies."""
    v, u = np.mgrid[0:side, 0:side] / (side - 1)  # row 0 is the bottom, as Blender keeps it
    return np.stack([u, v, np.full_like(u, 0.5), np.ones_like(u)], axis=-1).astype(np.float32)


@pytest.fixture
def ball(bpy, addon):
    """A textured ball of triangles that says it was made by Maquette."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32, radius=0.5, location=(1, 2, 3))
    obj = bpy.context.object
    obj.name = obj.data.name = "ball"
    triangulate(bpy, obj)
    image = bpy.data.images.new("ball", SIDE_PX, SIDE_PX)
    image.pixels.foreach_set(gradient_pixels().ravel())
    image.pack()
    obj.data.materials.append(addon.material.create_textured_material("ball", image, "UVMap"))
    obj.maquette.picture, obj.maquette.model = "ball.png", "maquette-mini"
    return obj


def triangulate(bpy, obj):
    modifier = obj.modifiers.new("Triangulate", "TRIANGULATE")
    with bpy.context.temp_override(object=obj):
        bpy.ops.object.modifier_apply(modifier=modifier.name)


def corners_of(obj):
    """World positions `[P, 3]`."""
    local = np.empty(len(obj.data.vertices) * 3, np.float32)
    obj.data.vertices.foreach_get("co", local)
    matrix = np.array(obj.matrix_world)
    return local.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def digest(obj):
    uv = np.empty(len(obj.data.loops) * 2, np.float32)
    obj.data.uv_layers[0].uv.foreach_get("vector", uv)
    return len(obj.data.polygons), corners_of(obj).tobytes(), uv.tobytes()


def centre_colours(bpy, addon, obj):
    """Centres of the faces `[F, 3]` about the ball's middle, and what the texture shows there."""
    (material,) = obj.data.materials
    image = next(n.image for n in material.node_tree.nodes if n.type == "TEX_IMAGE")
    name = next(n.uv_map for n in material.node_tree.nodes if n.type == "UVMAP")
    pixels = addon.image.read_pixels(image)[..., :3] / 255.0
    uv = np.empty(len(obj.data.loops) * 2, np.float32)
    obj.data.uv_layers[name].uv.foreach_get("vector", uv)
    uv = uv.reshape(-1, 2)
    side = len(pixels)
    centres, colours = [], []
    for polygon in obj.data.polygons:
        u, v = uv[list(polygon.loop_indices)].mean(axis=0)
        column, row = int(np.clip(u * side, 0, side - 1)), int(np.clip((1 - v) * side, 0, side - 1))
        centres.append(polygon.center)
        colours.append(pixels[row, column])
    return np.array(centres), np.array(colours)


def expected_colours(centres):
    """The gradient at those places of a ball as Blender unwraps it: longitude and latitude."""
    x, y, z = (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
    u = np.arctan2(y, x) / (2 * np.pi) % 1.0
    v = np.arcsin(np.clip(z, -1, 1)) / np.pi + 0.5
    return np.stack([u, v], axis=1)


def colour_errors(bpy, addon, obj, offset):
    """How far the colours that faces show are from their places, off the seam and the poles."""
    centres, colours = centre_colours(bpy, addon, obj)
    wanted = expected_colours(centres)
    wanted[:, 0] = (wanted[:, 0] + offset) % 1.0
    is_plain = (np.abs(wanted[:, 0] - 0.5) < 0.45) & (np.abs(wanted[:, 1] - 0.5) < 0.4)
    return np.abs(colours[:, :2] - wanted)[is_plain].max(axis=1)


def seam_offset(bpy, addon, obj):
    """Where on the ball the map begins, from the original's own faces."""
    centres, colours = centre_colours(bpy, addon, obj)
    wanted = expected_colours(centres)
    is_side = np.abs(wanted[:, 1] - 0.5) < 0.1
    return float(np.median((colours[is_side, 0] - wanted[is_side, 0]) % 1.0))


def test_reduced_copy_has_so_many_faces_and_the_same_texture(bpy, addon, ball):
    before, offset = digest(ball), seam_offset(bpy, addon, ball)
    assert bpy.ops.maquette.reduce_faces(faces=1000) == {"FINISHED"}
    made = bpy.context.object
    assert made.name == "ball_low" and made.select_get() and made.data != ball.data
    assert 950 <= len(made.data.polygons) <= 1000
    assert made.location == ball.location and made.maquette.picture == "ball.png"
    errors = colour_errors(bpy, addon, made, offset)
    assert np.median(errors) < 0.01 and np.quantile(errors, 0.98) < 0.05
    assert digest(ball) == before and ball.hide_get() and ball.hide_render
    assert ball.users_collection == made.users_collection


def test_edges_of_split_vertices_do_not_tear_open(bpy, addon, ball):
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.edge_split()  # as in files for games, where every chart has vertices of its own
    bpy.ops.object.mode_set(mode="OBJECT")
    assert len(ball.data.vertices) > 4 * 1986
    assert bpy.ops.maquette.reduce_faces(faces=1000) == {"FINISHED"}
    mesh = bpy.context.object.data
    assert 950 <= len(mesh.polygons) <= 1000
    uses = np.bincount([e for p in mesh.polygons for e in mesh_edges(mesh, p)])
    assert (uses == 2).all()


def test_reducing_again_does_not_pile_up_names(bpy, addon, ball):
    bpy.ops.maquette.reduce_faces(faces=1000)
    bpy.ops.maquette.reduce_faces(faces=500)
    assert (
        bpy.context.object.name == "ball_low.001" and len(bpy.context.object.data.polygons) <= 500
    )
    with pytest.raises(RuntimeError, match=r"has only \d+ triangles"):
        bpy.ops.maquette.reduce_faces(faces=2000)


def test_panel_settings_count_when_a_button_is_pressed(bpy, addon, ball):
    bpy.context.scene.maquette.finish.faces = 600
    assert bpy.ops.maquette.reduce_faces() == {"FINISHED"}
    assert 550 <= len(bpy.context.object.data.polygons) <= 600
    bpy.context.scene.maquette.finish.faces = 300
    assert bpy.ops.maquette.reduce_faces() == {"FINISHED"}
    assert len(bpy.context.object.data.polygons) <= 300


def test_modifiers_are_applied_to_the_copy_but_armatures_stay(bpy, addon, ball):
    mirror = ball.modifiers.new("Array", "ARRAY")
    mirror.count = 2
    bones = bpy.data.objects.new("bones", bpy.data.armatures.new("bones"))
    ball.modifiers.new("Armature", "ARMATURE").object = bones
    bpy.ops.maquette.reduce_faces(faces=2000)
    made = bpy.context.object
    assert [m.type for m in made.modifiers] == ["ARMATURE"] and len(ball.modifiers) == 2
    assert np.ptp(corners_of(made), axis=0)[0] == pytest.approx(2.0, rel=0.02)


def test_quads_keep_the_map_and_the_shape(bpy, addon, ball):
    before, offset = digest(ball), seam_offset(bpy, addon, ball)
    num_triangles = len(ball.data.polygons)
    assert bpy.ops.maquette.make_quads() == {"FINISHED"}
    made = bpy.context.object
    sides = [len(p.vertices) for p in made.data.polygons]
    assert made.name == "ball_quads" and sides.count(4) > 0.9 * len(sides)
    assert sum(n - 2 for n in sides) == num_triangles
    assert np.array_equal(corners_of(made), corners_of(ball))
    assert colour_errors(bpy, addon, made, offset).max() < 0.02
    assert digest(ball) == before and ball.hide_get()


def test_voxel_copy_is_closed_and_shows_the_same_colours(bpy, addon, ball):
    before, offset = digest(ball), seam_offset(bpy, addon, ball)
    ball.scale = (1.0, 1.0, -1.0)  # mirrored: the rays must not start on the wrong side
    bpy.context.view_layer.update()
    assert bpy.ops.maquette.remesh_voxels(voxels=32, texture_px=512) == {"FINISHED"}
    ball.scale = (1.0, 1.0, 1.0)
    bpy.context.view_layer.update()
    made = bpy.context.object
    mesh = made.data
    assert made.name == "ball_voxels" and made.matrix_world.is_negative
    uses = np.bincount([e for p in mesh.polygons for e in mesh_edges(mesh, p)])
    assert (uses == 2).all()  # two faces at every edge
    radius = np.linalg.norm([v.co for v in mesh.vertices], axis=1)
    assert np.abs(radius - 0.5).max() < 1 / 32
    image = next(n.image for n in mesh.materials[0].node_tree.nodes if n.type == "TEX_IMAGE")
    assert tuple(image.size) == (512, 512) and image.packed_file
    errors = colour_errors(bpy, addon, made, offset)
    assert np.median(errors) < 0.01 and np.quantile(errors, 0.99) < 0.03
    assert digest(ball) == before and len(bpy.data.scenes) == 1
    assert not [m.name for m in bpy.data.meshes if not m.users]


def mesh_edges(mesh, polygon):
    return [mesh.loops[i].edge_index for i in polygon.loop_indices]


def test_voxels_of_a_bare_mesh_stay_bare(bpy, addon):
    bpy.ops.mesh.primitive_monkey_add()
    assert bpy.ops.maquette.remesh_voxels(voxels=24) == {"FINISHED"}
    made = bpy.context.object
    assert len(made.data.polygons) > 100 and not made.data.materials and not made.data.uv_layers
    assert not bpy.data.images


def test_levels_lie_in_one_collection_with_maps_and_materials(bpy, addon, ball):
    before, num = digest(ball), len(ball.data.polygons)
    assert bpy.ops.maquette.make_levels() == {"FINISHED"}
    collection = bpy.data.collections["ball LOD"]
    levels = [collection.objects[f"ball_LOD{i}"] for i in range(3)]
    counts = [len(level.data.polygons) for level in levels]
    assert counts[0] == num
    assert counts[1] == pytest.approx(0.4 * num, rel=0.02)
    assert counts[2] == pytest.approx(0.1 * num, rel=0.05)
    for level in levels:
        assert [u.name for u in level.data.uv_layers] == ["UVMap"]
        assert list(level.data.materials) == list(ball.data.materials)
        assert level.users_collection == (collection,) and level.data != ball.data
        assert np.ptp(corners_of(level), axis=0) == pytest.approx(np.ones(3), rel=0.03)
    assert [level.hide_get() for level in levels] == [False, True, True]
    assert digest(ball) == before and ball.hide_get()


@pytest.mark.parametrize("shape", ["ball", "monkey", "grid", "torus"])
def test_hull_is_convex_and_holds_every_vertex(bpy, addon, shape):
    make = {
        "ball": lambda: bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=5, location=(1, 2, 3)),
        "monkey": lambda: bpy.ops.mesh.primitive_monkey_add(rotation=(1, 2, 3)),
        "grid": lambda: bpy.ops.mesh.primitive_grid_add(),  # flat: has no volume of its own
        "torus": lambda: bpy.ops.mesh.primitive_torus_add(),
    }
    make[shape]()
    obj = bpy.context.object
    obj.scale = (1.0, 2.0, 0.5)
    bpy.context.view_layer.update()
    assert bpy.ops.maquette.add_hull() == {"FINISHED"}
    (hull,) = obj.children
    assert hull.name == f"UCX_{obj.name}" and hull.hide_render and hull.display_type == "WIRE"
    assert bpy.context.object == obj and not obj.hide_get()
    bpy.context.view_layer.update()
    assert 4 <= len(hull.data.polygons) <= 64
    points, corners = corners_of(obj), corners_of(hull)
    size = np.ptp(points, axis=0).max()
    middle = corners.mean(axis=0)
    for polygon in hull.data.polygons:
        a, b, c = corners[list(polygon.vertices)]
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal)
        assert (middle - a) @ normal < 0  # turned outwards
        assert ((points - a) @ normal).max() < 1e-5 * size
        assert ((corners - a) @ normal).max() < 1e-4 * size
    assert (np.ptp(corners, axis=0) <= 1.15 * np.ptp(points, axis=0) + 0.02 * size).all()


@pytest.mark.parametrize("shape", ["ball", "monkey"])
def test_hull_is_not_much_larger_than_the_full_hull(bpy, addon, shape):
    make = bpy.ops.mesh.primitive_ico_sphere_add
    (make(subdivisions=5) if shape == "ball" else bpy.ops.mesh.primitive_monkey_add())
    obj = bpy.context.object
    bpy.ops.maquette.add_hull()
    (hull,) = obj.children
    full = trimesh.convex.convex_hull(corners_of(obj))
    bpy.context.view_layer.update()
    faces = np.array([p.vertices for p in hull.data.polygons])
    assert trimesh.Trimesh(corners_of(hull), faces).volume < 1.15 * full.volume


def test_hull_of_few_corners_fits_exactly(bpy, addon):
    bpy.ops.mesh.primitive_cube_add()
    obj = bpy.context.object
    bpy.ops.maquette.add_hull(hull_name="PLAIN")
    (hull,) = obj.children
    assert hull.name == "Cube_collision" and len(hull.data.polygons) == 12
    np.testing.assert_allclose(np.abs(corners_of(hull)), 1.0, atol=1e-4)


def test_new_hull_replaces_the_earlier_one(bpy, addon, ball):
    bpy.ops.maquette.add_hull(hull_faces=64)
    bpy.ops.maquette.add_hull(hull_faces=20, hull_name="GODOT")
    (hull,) = ball.children
    assert hull.name == "ball-convcolonly" and len(hull.data.polygons) <= 20
    assert len(bpy.data.meshes) == 2


def test_hull_is_hidden_with_its_object(bpy, addon, ball):
    bpy.ops.maquette.add_hull()
    (hull,) = ball.children
    bpy.ops.maquette.reduce_faces(faces=500)
    assert hull.hide_get() and ball.hide_get() and not bpy.context.object.children
    bpy.ops.maquette.add_hull()
    assert [child.name for child in bpy.context.object.children] == ["UCX_ball.001"]


def test_line_of_vertices_is_told(bpy, addon):
    mesh = bpy.data.meshes.new("line")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (2, 0, 0)], [], [(0, 1, 2)])
    obj = bpy.data.objects.new("line", mesh)
    bpy.context.scene.collection.objects.link(obj)
    obj.select_set(True)
    bpy.context.view_layer.objects.active = obj
    with pytest.raises(RuntimeError, match="no surface to collide with"):
        bpy.ops.maquette.add_hull()


@pytest.mark.parametrize("kind", ["BOTTOM", "VOLUME", "BOUNDS"])
def test_origin_moves_and_everything_else_stays(bpy, addon, kind):
    bpy.ops.mesh.primitive_cone_add(vertices=64, depth=4.0, location=(1, 2, 3), rotation=(1, 2, 3))
    obj = bpy.context.object
    for vertex in obj.data.vertices:
        vertex.co.x += 7.0
    obj.scale = (1.0, 3.0, 2.0)
    twin = bpy.data.objects.new("twin", obj.data)
    twin.location = (5, 0, 0)
    child = bpy.data.objects.new("child", None)
    child.parent, child.location = obj, (1, 1, 1)
    for other in (twin, child):
        bpy.context.scene.collection.objects.link(other)
    bpy.context.view_layer.update()
    before = [corners_of(obj), corners_of(twin), np.array(child.matrix_world)]
    assert bpy.ops.maquette.place_origin(origin=kind) == {"FINISHED"}
    bpy.context.view_layer.update()
    after = [corners_of(obj), corners_of(twin), np.array(child.matrix_world)]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
    # Of a cone from -2 to 2 the centre of volume lies a quarter of its height above the ground.
    z = {"BOTTOM": 2.0, "VOLUME": 1.0, "BOUNDS": 0.0}[kind]
    expected = np.array(obj.matrix_world)[:3, :3] @ np.array([7.0, 0.0, -z])
    np.testing.assert_allclose(np.array(obj.location) - (1, 2, 3), expected, atol=1e-2)


def test_one_undo_brings_the_original_back(bpy, addon, ball):
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    for run in (
        lambda: bpy.ops.maquette.reduce_faces("EXEC_DEFAULT", True, faces=500),
        lambda: bpy.ops.maquette.make_levels("EXEC_DEFAULT", True),
        lambda: bpy.ops.maquette.add_hull("EXEC_DEFAULT", True),
    ):
        assert run() == {"FINISHED"} and len(bpy.data.objects) > 1
        bpy.ops.ed.undo()
        (only,) = bpy.data.objects
        assert only.name == "ball" and not only.hide_get() and not only.hide_render


def test_buttons_say_why_they_are_grey(bpy, addon, ball):
    ball.select_set(False)
    for name in ("reduce_faces", "make_quads", "remesh_voxels", "make_levels", "add_hull"):
        with pytest.raises(RuntimeError, match="Select a mesh object"):
            getattr(bpy.ops.maquette, name)()
    ball.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(RuntimeError, match="Only in Object Mode"):
        bpy.ops.maquette.place_origin()
