# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference pictures from the viewport, a drop and an Image Editor, and the cut-out's preview."""

import time

from tests.gui.workbench import PREFERENCES, Workbench

IMAGE = "bpy.context.scene.maquette.image"
# Plays the program that cuts out pictures, which needs packages that Blender's folder has not.
CUTTER = """#!/bin/sh
while [ "$1" != --out ]; do shift; done
while [ ! -e /job/go ]; do sleep 0.05; done
cp /job/home/chest.png "$2"
echo '{"warnings": ["The background is not plain."]}'
"""


def test_viewport_becomes_the_picture(workbench: Workbench):
    window = workbench.window
    window.click_text("Take Picture From")
    window.wait_for(lambda: window.find_text("Last Render"))  # the menu is drawn
    time.sleep(0.5)
    window.click_text("3D Viewport")
    window.wait_for(f"{IMAGE} is not None", 60.0)
    window.ask(
        "import numpy as np\n"
        f"image = {IMAGE}\n"
        "kept.alpha = np.array(image.pixels).reshape(image.size[1], image.size[0], 4)[..., 3]"
    )
    # The cube alone, framed, before a transparent ground; overlays are there as before.
    share, corner = window.ask("result = [float(kept.alpha.mean()), float(kept.alpha[0, 0])]")
    assert 0.4 < share < 0.9 and corner == 0.0
    assert max(window.ask(f"result = list({IMAGE}.size)")) == 1024
    assert window.ask("result = find_region()['area'].spaces.active.overlay.show_overlays")


def test_dropped_picture_is_offered_to_maquette(workbench: Workbench):
    window = workbench.window
    centre = window.find_box("VIEW_3D", "WINDOW").centre
    window.move(*centre)
    # What Blender calls when a file is dropped; no program here can drop one.
    window.ask(
        "with bpy.context.temp_override(**find_region('VIEW_3D', 'WINDOW')):\n"
        "    bpy.ops.wm.drop_import_file('INVOKE_DEFAULT', directory='/job/home',"
        " files=[{'name': 'chest.png'}])"
    )
    window.move(centre[0] + 3, centre[1])
    window.click_text("Load Maquette Reference")
    window.wait_for(f"{IMAGE} is not None and {IMAGE}.name == 'chest.png'")
    assert workbench.names() == ["Cube"]


def test_image_editor_gives_its_picture_on_a_right_click(workbench: Workbench):
    window = workbench.window
    window.ask(
        "area = find_region('VIEW_3D', 'WINDOW')['area']\n"
        "area.type = 'IMAGE_EDITOR'\n"
        "area.spaces.active.image = bpy.data.images.load('/job/home/barrel.png')"
    )
    time.sleep(0.5)
    window.click(*window.find_box("IMAGE_EDITOR", "WINDOW").centre, button=3)
    window.click_text("Use as Maquette Reference")
    window.click_text("Left")
    window.wait_for("bpy.context.scene.maquette.image_left is not None")


def test_cut_out_is_made_while_blender_goes_on(workbench: Workbench):
    window = workbench.window
    script = window.display.job / "cutter.sh"
    script.write_text(CUTTER, encoding="utf-8")
    script.chmod(0o755)
    window.ask(f"{PREFERENCES}.python_path = '/job/cutter.sh'")
    workbench.choose_picture("armchair.png")
    workbench.open_panel("Cut-Out")
    window.click_button("maquette.preview_cutout")
    # It waits, and Blender does not: the cube is moved meanwhile.
    window.move(*window.find_box("VIEW_3D", "WINDOW").centre)
    window.press("g", "x", "3", "Return")
    window.wait_for("abs(bpy.data.objects['Cube'].location.x - 3) < 1e-5")
    assert window.ask("result = bpy.context.scene.maquette.cutout.image is None")
    (window.display.job / "go").touch()
    try:
        window.wait_for("bpy.context.scene.maquette.cutout.image is not None")
        name = window.ask("result = bpy.context.scene.maquette.cutout.image.name")
        assert name == "armchair cut-out"
        workbench.wait_for_text("The background is not plain.")
    finally:
        (window.display.job / "go").unlink()
