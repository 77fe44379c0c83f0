# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's first minutes in a real window: Generate, progress, Cancel, Re-Texture, a queue."""

from tests.gui.workbench import SESSION, Workbench


def test_picture_becomes_an_object_by_mouse(workbench: Workbench):
    window = workbench.window
    workbench.choose_picture("armchair.png")
    workbench.hold("sample")
    window.click_button("maquette.generate")
    workbench.wait_for_text("Sampling the shape, 3 s left")
    workbench.hold("bake")
    workbench.wait_for_text("Baking the texture, 1 s left")
    workbench.go_on()
    workbench.wait_until_idle()
    assert workbench.names() == ["Cube", "armchair"]
    assert window.ask("result = bpy.context.object.name") == "armchair"
    window.move(*window.find_box("VIEW_3D", "WINDOW").centre)
    window.press("ctrl+z")
    window.wait_for("[o.name for o in bpy.context.scene.objects if o.type == 'MESH'] == ['Cube']")


def test_cancel_stops_the_job_and_keeps_the_scene(workbench: Workbench):
    window = workbench.window
    workbench.choose_picture()
    workbench.hold("sample")
    window.click_button("maquette.generate")
    window.wait_for(f"{SESSION}.status.stage == 'sample'")
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
    workbench.open_panel("Re-Texture Selected")
    window.click_button("maquette.retexture")
    window.wait_for("len(bpy.data.objects['Cube'].material_slots) == 2")
    window.click_button("maquette.restore_material")
    window.wait_for("len(bpy.data.objects['Cube'].material_slots) == 1")
    window.move(*window.find_box("VIEW_3D", "WINDOW").centre)
    window.press("ctrl+z")
    window.wait_for("len(bpy.data.objects['Cube'].material_slots) == 2")


def test_queue_of_three_goes_on_while_the_artist_models(workbench: Workbench):
    window = workbench.window
    workbench.choose_picture()
    workbench.hold("sample")
    generate = window.find_button("maquette.generate")
    for number in (1, 2, 3):
        window.click(*generate)
        window.wait_for(f"len({SESSION}.jobs.entries) == {number}")
    workbench.wait_for_text("(2 more)")
    entries = f"[e.state for e in {SESSION}.jobs.entries]"
    assert window.ask(f"result = {entries}") == ["running", "waiting", "waiting"]
    # Meanwhile: move the cube by its key, and look whether it moves.
    window.move(*window.find_box("VIEW_3D", "WINDOW").centre)
    window.press("g", "x", "3", "Return")
    window.wait_for("abs(bpy.data.objects['Cube'].location.x - 3) < 1e-5")
    # The last one is cancelled by the button in its row.
    row = workbench.find_row(2)
    window.click(*row)
    window.wait_for(f"{entries} == ['running', 'waiting', 'cancelled']")
    workbench.go_on()
    workbench.wait_until_idle()
    assert window.ask(f"result = {entries}") == ["done", "done", "cancelled"]
    assert workbench.names() == ["Cube", "armchair", "armchair.001"]


def test_error_is_told_with_its_remedy_and_can_be_closed(workbench: Workbench):
    window = workbench.window
    workbench.choose_picture()
    workbench.fail("device_memory", "There is not enough memory for this job.", "Use Draft.")
    window.click_button("maquette.generate")
    workbench.wait_until_idle()
    workbench.wait_for_text("There is not enough")
    workbench.wait_for_text("Free Memory")
    assert workbench.names() == ["Cube"]
    window.click_button("maquette.clear_error")
    window.wait_for(f"not {SESSION}.status.error")
