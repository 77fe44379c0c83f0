# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of painting existing objects share: making, choosing and reading objects."""

import hashlib

import numpy as np

from tests.blender.test_texture import nodes_of


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


def assert_paint_fits(addon, obj, atol=0.35):
    """The worker's colour on each polygon tells the polygon's place: x, z up, and -y front."""
    points = np.array([obj.matrix_world @ v.co for v in obj.data.vertices])
    low, high = points.min(axis=0), points.max(axis=0)
    for polygon in obj.data.polygons:
        x, y, z = ((points[list(polygon.vertices)].mean(axis=0) - low) / (high - low)).tolist()
        expected = np.array([x, z, 1 - y])
        np.testing.assert_allclose(paint_at(addon, obj, polygon.index), expected, atol=atol)
