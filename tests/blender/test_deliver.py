# SPDX-License-Identifier: GPL-3.0-or-later
"""Assets with tags and catalogs, and exported files that hold what was exported."""

import uuid

import numpy as np
import pytest

from tests.blender.test_finish import ball, corners_of  # noqa: F401 (a fixture)

ONE_PROCESS = True


def save(bpy, path):
    bpy.ops.wm.save_as_mainfile(filepath=str(path))


def test_asset_has_tags_catalog_and_preview(bpy, addon, ball, tmp_path):  # noqa: F811
    save(bpy, tmp_path / "props.blend")
    assert bpy.ops.maquette.mark_asset(catalog=" Props / Round ", tags="red, toy,,Red") == {
        "FINISHED"
    }
    data = ball.asset_data
    assert [tag.name for tag in data.tags] == ["Maquette", "ball", "maquette-mini", "red", "toy"]
    lines = (tmp_path / "blender_assets.cats.txt").read_text(encoding="utf-8").splitlines()
    assert "VERSION 1" in lines
    assert lines[-1] == f"{uuid.UUID(data.catalog_id)}:Props/Round:Props-Round"
    assert tuple(ball.preview.image_size) == (256, 256)
    pixels = np.empty(256 * 256 * 4, np.float32)
    ball.preview.image_pixels_float.foreach_get(pixels)
    assert pixels.reshape(-1, 4)[:, :3].std() > 0.05  # a picture of something
    assert [s.name for s in bpy.data.scenes] == ["Scene"]
    bpy.ops.maquette.mark_asset(catalog="", tags="late")
    assert data.tags[-1].name == "late" and uuid.UUID(data.catalog_id).int


def test_catalogs_that_are_there_are_kept_and_used(bpy, addon, ball, tmp_path):  # noqa: F811
    known = uuid.uuid4()
    text = f"# mine\n\nVERSION 1\n\n{known}:Props/Round:Props-Round\nno line of a catalog"
    file = tmp_path / "blender_assets.cats.txt"
    file.write_text(text, encoding="utf-8")
    save(bpy, tmp_path / "props.blend")
    bpy.ops.maquette.mark_asset(catalog="Props/Round")
    assert uuid.UUID(ball.asset_data.catalog_id) == known
    assert file.read_text(encoding="utf-8") == text
    bpy.ops.maquette.mark_asset(catalog="Other")
    added = file.read_text(encoding="utf-8")
    assert added.startswith(text + "\n") and added.count("\n") == text.count("\n") + 2
    assert list(addon.catalogs.read_catalogs()) == ["Props/Round", "Other"]
    bpy.ops.wm.save_mainfile()  # Blender writes its own catalogs then
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    assert set(addon.catalogs.read_catalogs()) == {"Props/Round", "Other"}
    obj = bpy.data.objects["ball"]
    assert addon.catalogs.read_catalogs()["Other"] == obj.asset_data.catalog_id


def test_catalogs_of_the_library_around_the_file_count(bpy, addon, ball, tmp_path):  # noqa: F811
    libraries = bpy.context.preferences.filepaths.asset_libraries
    library = libraries.new(name="test", directory=str(tmp_path))
    try:
        (tmp_path / "inner").mkdir()
        save(bpy, tmp_path / "inner/props.blend")
        bpy.ops.maquette.mark_asset(catalog="Props")
        assert (tmp_path / "blender_assets.cats.txt").is_file()
        assert not (tmp_path / "inner/blender_assets.cats.txt").exists()
    finally:
        libraries.remove(library)


def test_catalog_of_an_unsaved_file_is_told(bpy, addon, ball):  # noqa: F811
    with pytest.raises(RuntimeError, match=r"this file is in none\. Save the file first"):
        bpy.ops.maquette.mark_asset(catalog="Props")
    assert ball.asset_data is None
    assert bpy.ops.maquette.mark_asset() == {"FINISHED"}
    assert ball.asset_data is not None and not uuid.UUID(ball.asset_data.catalog_id).int


IMPORTERS = {
    "GLB": lambda bpy, path: bpy.ops.import_scene.gltf(filepath=path),
    "FBX": lambda bpy, path: bpy.ops.import_scene.fbx(filepath=path),
    "OBJ": lambda bpy, path: bpy.ops.wm.obj_import(filepath=path),
    "USD": lambda bpy, path: bpy.ops.wm.usd_import(filepath=path),
}
FILES = {
    "GLB": {"ball.glb"},
    "FBX": {"ball.fbx"},
    "OBJ": {"ball.obj", "ball.mtl", "ball.png"},
    "USD": {"ball.usdc", "ball_textures/ball.png"},
}


def find_image(obj):
    (image,) = {
        node.image.name.partition(".")[0]: node.image
        for slot in obj.material_slots
        for node in slot.material.node_tree.nodes
        if node.type == "TEX_IMAGE"
    }.values()
    return image


@pytest.mark.parametrize("kind", FILES)
def test_exported_file_has_the_texture_and_the_same_bounds(bpy, addon, ball, tmp_path, kind):  # noqa: F811
    ball.scale = (1.0, 2.0, 0.5)
    bpy.ops.maquette.add_hull()
    other = bpy.data.objects.new("other", bpy.data.meshes.new("other"))
    bpy.context.scene.collection.objects.link(other)
    bpy.context.view_layer.update()
    bounds = np.array([corners_of(ball).min(axis=0), corners_of(ball).max(axis=0)])
    wanted = addon.image.read_pixels(find_image(ball))
    num_faces, path_before = len(ball.data.polygons), find_image(ball).filepath_raw
    finish = bpy.context.scene.maquette.finish
    finish.folder, finish.file_format = str(tmp_path / "new/out"), kind

    assert bpy.ops.maquette.export() == {"FINISHED"}
    assert bpy.ops.maquette.export() == {"FINISHED"}  # replaces the first

    folder = tmp_path / "new/out"
    written = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert written == FILES[kind]
    assert list(bpy.context.selected_objects) == [ball] and bpy.context.object == ball
    assert find_image(ball).filepath_raw == path_before and len(bpy.data.images) == 1
    bpy.ops.wm.read_homefile(use_empty=True)
    IMPORTERS[kind](bpy, str(next(folder.glob("ball.*[!l]"))))
    bpy.context.view_layer.update()
    meshes = [obj for obj in bpy.data.objects if obj.type == "MESH"]
    (hull,) = [obj for obj in meshes if obj.name.startswith("UCX_")]
    (obj,) = [obj for obj in meshes if obj != hull]
    assert len(obj.data.polygons) == num_faces and len(hull.data.polygons) <= 64
    again = np.array([corners_of(obj).min(axis=0), corners_of(obj).max(axis=0)])
    np.testing.assert_allclose(again, bounds, atol=1e-4)
    assert np.array_equal(addon.image.read_pixels(find_image(obj)), wanted)
    assert len(obj.data.uv_layers) == 1


def test_modifiers_are_applied_and_objects_go_into_one_file(bpy, addon, ball, tmp_path):  # noqa: F811
    ball.modifiers.new("Decimate", "DECIMATE").ratio = 0.25
    bpy.ops.mesh.primitive_cube_add(location=(9, 0, 0))
    ball.select_set(True)
    bpy.ops.maquette.export(folder=str(tmp_path), one_each=False)
    assert [path.name for path in tmp_path.glob("*.glb")] == ["Cube.glb"]
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "Cube.glb"))
    assert {obj.name for obj in bpy.data.objects} == {"Cube", "ball"}
    assert len(bpy.data.objects["ball"].data.polygons) == pytest.approx(992, abs=4)


def test_levels_of_detail_go_into_one_file(bpy, addon, ball, tmp_path):  # noqa: F811
    bpy.ops.maquette.make_levels()
    levels = [bpy.data.objects[f"ball_LOD{i}"] for i in range(3)]
    counts = [len(level.data.polygons) for level in levels]
    assert bpy.ops.maquette.export(folder=str(tmp_path)) == {"FINISHED"}
    assert [level.hide_get() for level in levels] == [False, True, True]
    assert list(bpy.context.selected_objects) == [levels[0]]
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "ball.glb"))
    found = [len(bpy.data.objects[f"ball_LOD{i}"].data.polygons) for i in range(3)]
    assert found == counts and len(bpy.data.objects) == 3


def test_unity_gets_neither_scale_nor_rotation(bpy, addon, ball, tmp_path):  # noqa: F811
    from io_scene_fbx import parse_fbx

    ball.location = (0, 0, 0)
    factors = {}
    for engine in ("GENERAL", "UNITY"):
        bpy.ops.maquette.export(folder=str(tmp_path / engine), file_format="FBX", engine=engine)
        root, _ = parse_fbx.parse(str(tmp_path / engine / "ball.fbx"), use_namedtuple=True)
        settings = next(e for e in root.elems if e.id == b"GlobalSettings")
        model = next(
            e for e in next(e for e in root.elems if e.id == b"Objects").elems if e.id == b"Model"
        )
        named = {p.props[0]: p.props[4:] for e in settings.elems for p in e.elems}
        own = {p.props[0]: p.props[4:] for e in model.elems if e.elems for p in e.elems}
        factors[engine] = named[b"UnitScaleFactor"][0]
        scale, turn = own.get(b"Lcl Scaling", [1.0] * 3), own.get(b"Lcl Rotation", [0.0] * 3)
        assert max(scale) == pytest.approx(100.0 if engine == "GENERAL" else 1.0)
        assert (max(map(abs, turn)) > 1.0) == (engine == "GENERAL")
    assert factors == {"GENERAL": 1.0, "UNITY": 100.0}


def test_export_without_a_folder_or_into_a_file_is_told(bpy, addon, ball, tmp_path):  # noqa: F811
    with pytest.raises(RuntimeError, match=r"The export has no folder"):
        bpy.ops.maquette.export()
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"The folder cannot be written"):
        bpy.ops.maquette.export(folder=str(tmp_path / "file" / "out"))
    save(bpy, tmp_path / "scene.blend")
    assert bpy.ops.maquette.export() == {"FINISHED"}
    assert (tmp_path / "ball.glb").is_file()


def test_switched_off_exporter_is_told(bpy, addon, ball, tmp_path):  # noqa: F811
    bpy.ops.preferences.addon_disable(module="io_scene_fbx")
    try:
        with pytest.raises(RuntimeError, match=r"FBX exporter is switched off"):
            bpy.ops.maquette.export(folder=str(tmp_path), file_format="FBX")
        assert not list(tmp_path.glob("*.fbx")) and not list(tmp_path.glob(".*"))
    finally:
        bpy.ops.preferences.addon_enable(module="io_scene_fbx")


def test_failed_export_keeps_the_earlier_file(bpy, addon, ball, tmp_path):  # noqa: F811
    (tmp_path / "ball.glb").write_bytes(b"earlier")
    export = addon.export

    def fail(path, _objects, _choices):
        path.write_bytes(b"half")
        raise addon.errors.InputError("It failed.", "Try again.")

    kept, export._WRITERS["GLB"] = export._WRITERS["GLB"], fail
    try:
        with pytest.raises(RuntimeError, match="It failed"):
            bpy.ops.maquette.export(folder=str(tmp_path))
    finally:
        export._WRITERS["GLB"] = kept
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["ball.glb"]
    assert (tmp_path / "ball.glb").read_bytes() == b"earlier"
