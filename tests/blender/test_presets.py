# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: the shipped ones are those of the command line, saved ones are Blender's own."""

import functools
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.config import NOT_IN_PRESETS, PRESETS, flatten, load_preset
from tests.blender.test_panels import Layout

ONE_PROCESS = True


def settings_of(bpy, addon):
    return addon.properties.to_settings(bpy.context.scene.maquette)


@pytest.fixture
def saved_folder(bpy):
    """Where Blender keeps saved presets; emptied, as tests of this file share it."""
    folder = Path(bpy.utils.user_resource("SCRIPTS", path="presets/maquette", create=True))
    assert folder.is_relative_to(os.environ["BLENDER_USER_RESOURCES"])
    for path in folder.iterdir():
        path.unlink()
    return folder


@pytest.mark.parametrize("name", PRESETS)
def test_shipped_preset_sets_what_the_command_line_gets(bpy, addon, name):
    panel = bpy.context.scene.maquette
    panel.steps, panel.resolution, panel.smoothing = 99, 333, 7
    assert bpy.ops.maquette.apply_preset(name=name) == {"FINISHED"}
    expected = flatten(load_preset(name))
    shown = settings_of(bpy, addon)
    assert shown == expected | {key: shown[key] for key in NOT_IN_PRESETS}


def test_shipped_preset_leaves_what_is_made(bpy, addon):
    panel = bpy.context.scene.maquette
    panel.model, panel.texture, panel.seed, panel.front_deg = "hunyuan3d-2", "none", 5, 90.0
    panel.size_m = 3.0
    bpy.ops.maquette.apply_preset(name="draft")
    assert (panel.model, panel.texture, panel.seed) == ("hunyuan3d-2", "none", 5)
    assert (panel.front_deg, panel.size_m) == (90.0, 3.0)
    assert panel.resolution == load_preset("draft").field_.resolution


def test_saved_preset_brings_back_every_setting_but_the_seed(bpy, addon, saved_folder):
    panel = bpy.context.scene.maquette
    panel.model, panel.steps, panel.border_ratio, panel.seed = "hunyuan3d-2", 33, 0.25, 77
    assert bpy.ops.maquette.add_preset(name="Fine Props") == {"FINISHED"}
    wanted = settings_of(bpy, addon)
    (path,) = saved_folder.glob("*.py")
    panel.model, panel.steps, panel.border_ratio = "maquette-mini", 1, 0.0
    panel.seed, panel.front_deg = 5, 45.0
    run = bpy.ops.script.execute_preset
    assert run(filepath=str(path), menu_idname="MAQUETTE_PT_presets") == {"FINISHED"}
    assert settings_of(bpy, addon) == wanted | {"seed": 5, "front_deg": 45.0}


def test_saved_preset_can_be_deleted(bpy, addon, saved_folder):
    bpy.ops.maquette.add_preset(name="Mine")
    assert list(saved_folder.iterdir())
    assert bpy.ops.maquette.add_preset(name="Mine", remove_name=True) == {"FINISHED"}
    assert not list(saved_folder.iterdir())


def draw_list(bpy):
    """The panel of presets, drawn on a layout that writes down the operators' properties."""
    layout = Layout(bpy)
    layout.buttons = []
    draw_operator = layout.operator

    def operator(name, text=None, **words):
        button = draw_operator(name, text, **words)
        layout.buttons.append((name, text, button))
        return button

    layout.operator = operator
    panel = bpy.types.MAQUETTE_PT_presets
    menu = SimpleNamespace(layout=layout, bl_idname=panel.__name__)
    menu.path_menu = functools.partial(bpy.types.Menu.path_menu, menu)
    panel.draw(menu, bpy.context)
    return layout


def test_list_shows_shipped_presets_then_saved_ones(bpy, addon, saved_folder):
    bpy.ops.maquette.add_preset(name="Mine")
    buttons = draw_list(bpy).buttons
    shipped = [button.name for name, _, button in buttons if name == "maquette.apply_preset"]
    saved = [text for name, text, _ in buttons if name == "script.execute_preset"]
    assert shipped == list(PRESETS) and saved == ["Mine"]
    assert [name for name, _, _ in buttons][-1] == "maquette.add_preset"


def test_list_without_saved_presets_names_no_missing_folder(bpy, addon, saved_folder):
    saved_folder.rmdir()
    layout = draw_list(bpy)
    assert layout.words == []
    assert {name for name, _, _ in layout.buttons} == {
        "maquette.apply_preset",
        "maquette.add_preset",
    }


def test_every_shipped_preset_has_a_tooltip_of_its_own(bpy, addon):
    describe = bpy.types.Operator.bl_rna_get_subclass_py("MAQUETTE_OT_apply_preset").description
    texts = {describe(bpy.context, SimpleNamespace(name=name)) for name in PRESETS}
    assert len(texts) == len(PRESETS) and not any(text.endswith(".") for text in texts)


def test_values_of_other_versions_are_left_out_and_named(bpy, addon):
    panel = bpy.context.scene.maquette
    values = {"steps": 12, "colour_depth": 3, "model": "gone-model", "resolution": 10**6}
    unknown = addon.properties.from_settings(panel, values)
    assert unknown == ["colour_depth", "model", "resolution"] and panel.steps == 12
    assert panel.model == "maquette-mini" and panel.resolution == 128
