# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text that an artist may read is in every table, and Blender draws it from there."""

import importlib
import re
import string
from types import SimpleNamespace

import pytest

from tests.blender.conftest import MODULE, ROOT
from tests.blender.ui_texts import read_classes, read_sources

ONE_PROCESS = True
LANGUAGES = ("ja_JP", "ko_KR", "zh_HANS")
SCRIPTS = {"ja_JP": r"[\u3040-\u30ff\u4e00-\u9fff]", "ko_KR": r"[\uac00-\ud7a3]"}
SCRIPTS["zh_HANS"] = r"[\u4e00-\u9fff]"


@pytest.fixture
def translations(addon):
    return importlib.import_module(f"{MODULE}.translations")


@pytest.fixture
def speak(translations, monkeypatch):
    """Lets the extension think that Blender has a language; the module comes without them."""

    def switch(language):
        table = read(translations, language)
        view = SimpleNamespace(use_translate_interface=True)
        fake = SimpleNamespace(
            app=SimpleNamespace(translations=SimpleNamespace(locale=language)),
            context=SimpleNamespace(preferences=SimpleNamespace(view=view)),
        )
        monkeypatch.setattr(translations, "bpy", fake)
        monkeypatch.setattr(translations, "rpt_", lambda text: table.get(text, text))

    return switch


def read(translations, language):
    text = (ROOT / "locale" / f"{language}.po").read_text(encoding="utf-8")
    return translations.read_table(text.splitlines())


def values_in(text):
    return sorted(
        field or "" for _, field, _, _ in string.Formatter().parse(text) if field is not None
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_have_every_text_and_no_other(bpy, addon, translations, language):
    wanted = read_sources() | read_classes(bpy)
    table = read(translations, language)
    missing = {text: wanted[text] for text in wanted.keys() - table.keys()}
    assert not missing, f"{len(missing)} texts are not in locale/{language}.po: {missing}"
    stale = sorted(table.keys() - wanted.keys())
    assert not stale, f"{len(stale)} texts of locale/{language}.po are nowhere: {stale}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_values_and_are_in_the_script_of_the_language(translations, language):
    names = 0
    for text, translated in read(translations, language).items():
        assert values_in(text) == values_in(translated), text
        assert translated.startswith(" ") == text.startswith(" "), text
        if not re.search(SCRIPTS[language], translated):
            names += 1
            assert translated == text or len(text) < 40, (text, translated)
    assert names < 20  # file formats and makers


def test_messages_are_translated_with_their_values(bpy, addon, translations, speak):
    errors = importlib.import_module(f"{MODULE}.backend.errors")
    error = errors.InputError("'Cube {0}' has no faces.", "Select objects that have faces.")
    assert translations.localize(error) == str(error)
    speak("ko_KR")
    assert translations.localize(error) == (
        "'Cube {0}'에 페이스가 없습니다. 페이스가 있는 오브젝트를 선택하세요."
    )
    nested = "The UV map 'UVMap' of 'Cube' overlaps itself: the paint is on a new UV map."
    assert translations.localize(nested) == (
        "UV 맵 'UVMap'('Cube'): 스스로 겹침. 페인트는 새 UV 맵에 있습니다."
    )
    joined = f"{nested} The surface has the picture's mean colour."
    assert translations.localize(joined).endswith(" 표면은 이미지의 평균색입니다.")
    assert translations.localize("No table knows this.") == "No table knows this."
    assert translations.localize("'Cube' has no hands.") == "'Cube' has no hands."


def test_lines_break_where_a_language_allows(translations):
    text = "이미지가 완전히 투명합니다. 오브젝트가 보이는 이미지를 사용하세요."
    lines = translations.wrap(text, 20)
    assert " ".join(lines) == text and len(lines) > 3
    text = "画像は完全に透明です。オブジェクトが写る画像を使ってください。"
    lines = translations.wrap(text, 20)
    assert "".join(lines) == text
    assert all(9 <= len(line) <= 10 and line[0] not in "。、" for line in lines[:-1])
    assert translations.wrap("画像は完全に透明です。", 20) == ["画像は完全に透明で", "す。"]
    assert translations.wrap("a wonderfullylongword b", 8) == ["a", "wonderfullylongword", "b"]


def test_panel_and_reports_speak_the_language(bpy, addon, speak, use_worker, picture):
    use_worker("tests/fake_worker.py")
    speak("ja_JP")
    bpy.context.scene.maquette.image = picture
    bpy.context.scene.maquette.retexture_mask = "image"
    bpy.ops.mesh.primitive_cube_add()
    with pytest.raises(RuntimeError, match="マスク画像が選ばれていません。"):
        bpy.ops.maquette.retexture()
