# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels and menus of inputs and of finished objects draw."""

from types import SimpleNamespace

import pytest

from tests.blender.test_panels import Layout, draw, make_context  # noqa: F401 (a fixture)

ONE_PROCESS = True
FINISH = ("finish_mesh", "finish_game", "finish_asset", "finish_export")


def test_every_remembered_property_is_in_one_panel(bpy, addon, draw):  # noqa: F811
    bpy.ops.mesh.primitive_cube_add()
    finish = bpy.context.scene.maquette.finish
    finish.file_format = "FBX"
    shown = [name for panel in FINISH for name in draw(panel).properties]
    own = {p.identifier for p in finish.bl_rna.properties} - {"rna_type", "name"}
    assert set(shown) == own and len(shown) == len(set(shown))
    finish.file_format = "GLB"
    assert "engine" not in draw("finish_export").properties


def test_operators_and_the_scene_describe_a_property_alike(bpy, addon):
    finish = bpy.context.scene.maquette.finish.bl_rna.properties
    operators = ("reduce_faces", "remesh_voxels", "make_levels", "add_hull", "place_origin")
    operators += ("mark_asset", "export")
    seen = set()
    for name in operators:
        for item in getattr(bpy.ops.maquette, name).get_rna_type().properties:
            if item.identifier != "rna_type":
                seen.add(item.identifier)
                other = finish[item.identifier]
                assert (item.name, item.description) == (other.name, other.description)
                assert item.default == other.default
    assert seen == set(finish.keys()) - {"rna_type", "name"}


def test_finish_is_for_meshes_only(bpy, addon):
    panel = bpy.types.MAQUETTE_PT_finish
    assert not panel.poll(bpy.context)
    bpy.ops.object.empty_add()
    assert not panel.poll(bpy.context)
    bpy.ops.mesh.primitive_cube_add()
    assert panel.poll(bpy.context)


def test_finish_shows_object_and_faces(bpy, addon, draw):  # noqa: F811
    bpy.ops.mesh.primitive_cube_add()
    assert draw("finish").words == ["Cube", "6"]


@pytest.mark.parametrize("view", ["front", "left", "back", "right"])
def test_menu_of_each_side_fills_that_side(bpy, addon, view):
    layout = Layout(bpy)
    menu = getattr(bpy.types, f"MAQUETTE_MT_picture_{view}")
    menu.draw(SimpleNamespace(layout=layout, view=menu.view), make_context(bpy))
    assert {operator.view for operator in layout.made} == {view} and len(layout.made) == 4


def test_context_menu_of_objects_has_the_finish_operators(bpy, addon):
    layout = Layout(bpy)
    bpy.types.MAQUETTE_MT_finish.draw(SimpleNamespace(layout=layout), make_context(bpy))
    assert {"maquette.export", "maquette.mark_asset", "maquette.place_origin"} <= set(
        layout.operators
    )


@pytest.mark.parametrize(
    "name", ["IMAGE_MT_image", "IMAGE_MT_uvs_context_menu", "VIEW3D_MT_object_context_menu"]
)
def test_entries_in_blenders_menus_go_with_the_extension(bpy, addon, name):
    def own():
        functions = getattr(bpy.types, name).draw._draw_funcs
        return [f for f in functions if "maquette" in f.__module__]

    assert len(own()) == 1
    bpy.ops.preferences.addon_disable(module="bl_ext.user_default.maquette")
    assert own() == [] and not hasattr(bpy.types, "MAQUETTE_FH_picture")
    bpy.ops.preferences.addon_enable(module="bl_ext.user_default.maquette")
    assert len(own()) == 1


def test_preview_that_does_not_fit_any_more_is_marked(bpy, addon, draw, picture):  # noqa: F811
    settings = bpy.context.scene.maquette
    settings.image = picture
    assert draw("cutout").words == []
    addon.image.show_in_preview(picture)
    shown = settings.cutout
    shown.image = shown.source = picture
    from bl_ext.user_default.maquette.properties_finish import recipe_of

    shown.recipe = recipe_of(0.15, "auto")
    shown.note = "The background is not plain."
    assert draw("cutout").words == ["The background is not plain."]
    settings.border_ratio = 0.3
    assert draw("cutout").words == ["Out of date"]
    settings.border_ratio = 0.15
    settings.image = bpy.data.images.new("other", 8, 8)
    assert draw("cutout").words == ["Out of date"]
