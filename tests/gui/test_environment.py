# SPDX-License-Identifier: GPL-3.0-or-later
"""The first run in a real window: Install, the dialog that asks, the bar, Cancel."""

from tests.gui.blender_window import is_button
from tests.gui.workbench import SESSION

BELOW_BAR = "You can go on working meanwhile"
SETUP = f"{SESSION}.setup"


def test_install_asks_first_shows_its_progress_and_can_be_cancelled(open_workbench):
    bare = open_workbench(has_worker=False)
    window = bare.window
    window.wait_for(f"{SETUP}.state.value == 'missing'")
    window.ask("bpy.context.preferences.system.use_online_access = True")
    window.click_button("maquette.install_environment")
    window.press("Escape")
    assert window.ask(f"result = {SETUP}.state.value") == "missing"
    window.click_button("maquette.install_environment")
    window.press("Return")
    window.wait_for(f"{SETUP}.state.value == 'installing'")
    window.wait_for(f"{SETUP}.folder.is_dir()")
    sidebar = window.find_box()
    text = window.wait_for(lambda: window.find_text(BELOW_BAR, "widget", sidebar))
    x = sidebar.left + int(sidebar.width * 0.81)  # the small cross at the end of the bar
    heights = range(text.centre[1], text.centre[1] - 60, -6)
    y = next(y for y in heights if is_button(window.name_at(x, y), "maquette.cancel_environment"))
    window.click(x, y)
    window.wait_for(f"{SETUP}.state.value == 'missing'", 60)
    assert not window.ask(f"result = {SETUP}.folder.exists()")
    assert window.ask(f"result = {SETUP}.failure is None")
