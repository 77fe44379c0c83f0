# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets, recipes and the history in a real window."""

from tests.gui.workbench import SESSION, Workbench

LINE = "bpy.context.scene.maquette.history[0]"


def test_preset_is_chosen_saved_and_chosen_again_by_mouse(workbench: Workbench):
    window = workbench.window
    window.click_button("bpy.ops.maquette.apply_preset(name='draft')")
    window.wait_for("bpy.context.scene.maquette.resolution == 96")
    window.ask("bpy.ops.maquette.add_preset(name='Mine')")
    window.click_button("bpy.ops.maquette.apply_preset(name='detailed')")
    window.wait_for("bpy.context.scene.maquette.resolution == 256")
    title = window.wait_for(lambda: window.find_text("Settings", "panel_title", window.find_box()))
    box = window.find_box()
    icon = box.left + box.width - int(66 * window.find_scale())  # left of the handle and the tabs
    window.click(icon, title.centre[1])
    window.click_text("Mine")
    window.wait_for("bpy.context.scene.maquette.resolution == 96")


def test_deleted_result_comes_back_by_mouse(workbench: Workbench):
    window = workbench.window
    workbench.choose_picture()
    window.click_button("maquette.generate")
    workbench.wait_until_idle()
    window.move(*window.find_box("VIEW_3D", "WINDOW").centre)
    window.press("Delete")
    window.wait_for("'armchair' not in bpy.data.objects")
    workbench.open_panel("History")
    window.click_button("maquette.bring_back")
    window.wait_for("'armchair' in bpy.data.objects")
    icon = f"{SESSION}.history.thumbnails.icon_of({LINE}.recipe.job_id, {LINE}.thumbnail)"
    assert window.ask(f"result = {icon}") > 0


def test_another_seed_from_the_panel_of_the_object(workbench: Workbench):
    window = workbench.window
    workbench.choose_picture()
    window.click_button("maquette.generate")
    workbench.wait_until_idle()
    workbench.open_panel("How It Was Made")
    window.click_button("maquette.generate_variation")
    workbench.wait_until_idle()
    assert workbench.names() == ["Cube", "armchair", "armchair.001"]
    seeds = window.ask(
        "result = [bpy.data.objects[n].maquette.seed for n in ('armchair', 'armchair.001')]"
    )
    assert seeds[0] == 0 != seeds[1]
