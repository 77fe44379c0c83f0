# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to objects between asking for paint and its coming."""

import numpy as np
import pytest
from PIL import Image

from tests.blender.retexture_objects import (
    add,
    add_material,
    assignment_of,
    drop_uv_maps,
    hash_object,
    repaint,
    select,
)
from tests.blender.test_generate import is_idle, poll_until
from tests.blender.test_texture import PAINTER

ONE_PROCESS = True


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
