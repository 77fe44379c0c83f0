# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's first minutes in a real window: Generate, progress, Cancel, Re-Texture."""

from tests.gui.workbench import SESSION, Workbench


def test_picture_becomes_an_object_by_mouse(workbench: Workbench):
    window = workbench.window
    workbench.choose_picture("armchair.png")
    workbench.hold()
    window.click_button("maquette.generate")
    workbench.wait_for_text("Reading the files")
    workbench.go_on()
    window.wait_for(f"{SESSION}.status.stage == 'sample'")
    workbench.hold()
    window.wait_for(f"{SESSION}.status.seconds_left")
    workbench.wait_for_text("Sampling the shape")
    workbench.go_on()
    workbench.wait_until_idle()
    assert workbench.names() == ["Cube", "armchair"]
    assert window.ask("result = bpy.context.object.name") == "armchair"
    workbench.wait_for_text("Generate")


def test_cancel_stops_the_job_and_keeps_the_scene(workbench: Workbench):
    window = workbench.window
    workbench.choose_picture()
    workbench.hold()
    window.click_button("maquette.generate")
    window.wait_for(f"{SESSION}.status.stage == 'read'")
    window.click_button("maquette.cancel")
    workbench.wait_until_idle(5.0)
    assert workbench.names() == ["Cube"]
    workbench.go_on()
    window.click_button("maquette.generate")
    workbench.wait_until_idle()
    assert workbench.names() == ["Cube", "armchair"]


def test_selected_object_is_painted_by_mouse(workbench: Workbench):
    window = workbench.window
    workbench.choose_picture()
    window.click_text("Re-Texture Selected", "panel_title")
    window.click_button("maquette.retexture")
    window.wait_for(f"{SESSION}.is_running")
    workbench.wait_until_idle()
    slots = window.ask(
        "result = [s.material.name for s in bpy.data.objects['Cube'].material_slots]"
    )
    assert len(slots) == 2
    window.click_button("maquette.restore_material")
    window.wait_for("len(bpy.data.objects['Cube'].material_slots) == 1")
    window.move(*window.find_box("VIEW_3D", "WINDOW").centre)
    window.press("ctrl+z")
    window.wait_for("len(bpy.data.objects['Cube'].material_slots) == 2")
