# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in other languages, scales and themes, in the real window."""

import pytest

from tests.gui.workbench import SESSION, Workbench

TRANSLATIONS = SESSION.removesuffix(".current()").replace("session", "translations")
SPEAK = """
view = bpy.context.preferences.view
view.language = {!r}
view.use_translate_interface = view.use_translate_tooltips = view.use_translate_reports = True
from bpy.app.translations import pgettext_iface, pgettext_tip
result = [pgettext_iface("Picture to Asset"), pgettext_iface("Re-Texture", "Operator"),
          pgettext_tip("Longest side of the new object"), pgettext_iface("Target Faces")]
"""
TITLES = {
    "ko_KR": ("이미지에서 에셋으로", "다시 텍스처링", "목표 페이스 수"),
    "zh_HANS": ("图片转资产", "重绘纹理", "目标面数"),
    "ja_JP": ("画像からアセット", "再テクスチャ", "目標面数"),
}


@pytest.mark.parametrize("language", TITLES)
def test_panel_is_drawn_in_the_language(workbench: Workbench, language: str):
    title, button, setting = TITLES[language]
    found = workbench.window.ask(SPEAK.format(language))
    assert (found[0], found[1], found[3]) == (title, button, setting)
    workbench.wait_for_text(title, "panel_title")
    workbench.wait_for_text(setting)
    workbench.set_picture()
    workbench.fail("input", "The picture is fully transparent.", "")
    workbench.window.click_button("maquette.generate")
    workbench.wait_until_idle()
    told = workbench.window.ask(f"result = {TRANSLATIONS}.localize({SESSION}.status.error)")
    assert told != "The picture is fully transparent." and ord(told[0]) > 0x2E80
    workbench.wait_for_text(told[:8])


def test_narrow_sidebar_keeps_every_button_in_reach(workbench: Workbench):
    workbench.set_picture()
    workbench.narrow_sidebar(100)
    workbench.hold("sample")
    for name in ("maquette.randomize_seed", "maquette.generate"):
        workbench.window.click_button(name)
    workbench.window.wait_for(f"{SESSION}.is_running")
    workbench.window.click_button("maquette.cancel")
    workbench.wait_until_idle(5.0)


def test_large_interface_works_in_a_light_theme(workbench: Workbench):
    window = workbench.window
    window.ask("bpy.context.preferences.view.ui_scale = 1.5")
    workbench.use_light_theme()
    workbench.choose_picture()
    window.click_button("maquette.generate")
    workbench.wait_until_idle()
    assert workbench.names() == ["Cube", "armchair"]
