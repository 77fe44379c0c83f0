# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's environment in the preferences: its states, its buttons, and what they do."""

import importlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.blender.conftest import MODULE
from tests.blender.test_panels import Layout, make_context
from tests.unit.client.test_install import fake_plan

ONE_PROCESS = True
REPO = "user_default"
MODES = ("look", "clean", "make", "install", "check")


@pytest.fixture
def setup(bpy, addon, monkeypatch, tmp_path):
    """The session's setup, which needs a Python of its own; nothing is installed."""
    bpy.context.preferences.system.use_online_access = True
    addon.preferences.environment_folder = str(tmp_path / "Künstler Ordner")
    addon.preferences.python_path = ""
    module = importlib.import_module(f"{MODULE}.session_worker")
    monkeypatch.setattr(module, "uses_own_python", lambda: False)
    return addon.session.current().setup


@pytest.fixture
def plans(setup, monkeypatch):
    """Makes installations run fake programs; what they were asked for is written down."""
    asked = []

    def use(modes=MODES, words="", waits=False):
        def make(folder, base_python, build, index):
            asked.append(SimpleNamespace(folder=folder, base=base_python, build=build, index=index))
            return fake_plan(folder, modes, words)

        module = importlib.import_module(f"{MODULE}.backend.client.worker_setup")
        monkeypatch.setattr(module, "make_plan", make)
        if not waits:
            setup.folder.parent.mkdir(parents=True, exist_ok=True)
            for name in ("downloaded", "unpacked"):
                (setup.folder.parent / name).touch()
        return asked

    return use


@pytest.fixture
def draw(bpy, setup):
    """Draws the environment's part of the preferences."""

    def run():
        layout = Layout(bpy)
        layout.menu_contents("MAQUETTE_MT_environment")
        return layout

    return run


def poll_until(addon, is_reached):
    end = time.monotonic() + 20
    while not is_reached():
        assert time.monotonic() < end
        addon.handlers.poll_session()
        time.sleep(0.01)


def test_without_an_environment_there_is_one_button(bpy, addon, setup, draw):
    assert setup.state.value == "missing" and draw().properties == []
    assert draw().operators == ["maquette.install_environment"]
    assert "installed once" in " ".join(draw().words)
    layout = Layout(bpy)
    bpy.types.MAQUETTE_PT_queue.draw(SimpleNamespace(layout=layout), make_context(bpy))
    assert "maquette.install_environment" in layout.operators
    bpy.context.scene.maquette.image = bpy.data.images.new("a", 64, 64)
    with pytest.raises(RuntimeError, match="environment is not set up"):
        bpy.ops.maquette.generate()


def test_installing_shows_stages_and_can_be_cancelled(bpy, addon, setup, draw, plans):
    plans(waits=True)
    assert setup.folder.name == "maquette-environment"
    setup.install(Path(sys.executable), SimpleNamespace())
    poll_until(addon, lambda: setup.job.stage == "download" and setup.job.detail)
    assert setup.state.value == "installing" and addon.session.current().is_checking
    shown = draw()
    assert shown.operators == ["maquette.cancel_environment"]
    assert shown.words[0].startswith("Downloading: ") and 0 < shown.factors[0] < 1
    for name in ("install", "repair", "remove", "check"):
        with pytest.raises(RuntimeError, match=r"is being changed|Nothing is installed"):
            getattr(bpy.ops.maquette, f"{name}_environment")()
    assert setup.folder.is_dir()
    assert bpy.ops.maquette.cancel_environment() == {"FINISHED"}
    poll_until(addon, lambda: not setup.is_busy)
    assert setup.state.value == "missing" and not setup.folder.exists()
    assert setup.failure is None
    assert draw().operators == ["maquette.install_environment"]


def test_button_installs_for_this_machine_and_the_worker_then_uses_it(
    bpy, addon, setup, draw, plans
):
    addon.preferences.base_python = sys.executable
    addon.preferences.torch_index = "file:///wheels/{build}"
    asked = plans()
    assert bpy.ops.maquette.install_environment() == {"FINISHED"}
    (wish,) = asked
    assert wish.base == Path(sys.executable) and wish.index == "file:///wheels/{build}"
    assert wish.build.name in ("cpu", "cu126", "cu130", "rocm7.2", "mps")
    assert setup.state.value == "ready" and addon.session.current().setup_error is None
    shown = draw()
    assert shown.words[0] == "Python 3.11.9, Torch 2.13.0, Numpy ?" and shown.words[1] == "GTX"
    buttons = [f"maquette.{name}_environment" for name in ("check", "repair", "remove")]
    assert shown.operators == buttons
    worker = addon.session.make_worker("cpu")
    assert worker._command[0] == str(setup.folder / "bin" / "python")
    models = worker._command[worker._command.index("--models-folder") + 1]
    assert models == bpy.utils.extension_path_user(MODULE, path="models")


def test_environment_of_an_earlier_version_asks_for_repair(bpy, setup, draw, plans):
    plans()
    bpy.ops.maquette.install_environment()
    assert setup.note and setup.note in " ".join(draw().words)  # the fake's digest is another one
    assert setup.state.value == "ready"


def test_blenders_own_python_is_the_default_base(bpy, setup, plans):
    asked = plans()
    bpy.ops.maquette.install_environment()
    assert asked[0].base == Path(sys.executable) and asked[0].index == ""


def test_processor_as_device_takes_the_processors_build(bpy, addon, setup, plans):
    addon.preferences.device = "cpu"
    addon.preferences.torch_index = "file:///wheels/{build}"
    asked = plans()
    bpy.ops.maquette.install_environment()
    assert asked[0].build.name == "cpu"
    addon.preferences.device = "auto"


def test_failure_is_shown_with_its_remedy_and_install_stays(bpy, setup, draw, plans):
    plans(("look", "clean", "make", "fail"), "OSError: [Errno 28] No space left on device")
    with pytest.raises(RuntimeError, match="The disk is full"):
        bpy.ops.maquette.install_environment()
    shown = draw()
    assert "The disk is full." in shown.words and any("Free some" in w for w in shown.words)
    assert shown.operators == ["maquette.install_environment"]
    assert setup.state.value == "missing" and not setup.folder.exists()


def test_broken_environment_offers_repair_and_removal(bpy, addon, setup, draw, plans):
    plans()
    bpy.ops.maquette.install_environment()
    (setup.folder / "bin" / "python").unlink()
    (setup.folder / "bin" / "python").symlink_to("/bin/false")
    bpy.ops.maquette.check_environment()
    assert setup.state.value == "broken" and addon.session.current().setup_error
    shown = draw()
    assert any("does not run" in words for words in shown.words)
    assert {"maquette.repair_environment", "maquette.remove_environment"} <= set(shown.operators)
    assert bpy.ops.maquette.repair_environment() == {"FINISHED"}
    assert setup.state.value == "ready"


def test_half_an_environment_can_be_removed_or_replaced(bpy, addon, setup, draw, plans):
    (setup.folder / "bin").mkdir(parents=True)
    (setup.folder / "bin" / "python").touch()
    addon.preferences.environment_folder = str(setup.folder.parent) + "/"
    assert setup.state.value == "missing" and setup.has_remains
    assert draw().operators[0] == "maquette.install_environment"
    assert "maquette.remove_environment" in draw().operators
    assert bpy.ops.maquette.remove_environment() == {"FINISHED"}
    assert not setup.folder.exists()


def test_remove_deletes_the_environment_and_nothing_else(bpy, setup, draw, plans):
    plans()
    bpy.ops.maquette.install_environment()
    beside = setup.folder.parent / "keep.txt"
    beside.touch()
    assert bpy.ops.maquette.remove_environment() == {"FINISHED"}
    assert beside.exists() and not setup.folder.exists()
    assert setup.state.value == "missing"
    with pytest.raises(RuntimeError, match="Nothing is installed"):
        bpy.ops.maquette.remove_environment()


def test_without_online_access_nothing_is_downloaded(bpy, setup, draw, plans):
    asked = plans()
    bpy.context.preferences.system.use_online_access = False
    with pytest.raises(RuntimeError, match="Allow Online Access"):
        bpy.ops.maquette.install_environment()
    assert not asked
    assert draw().properties == ["use_online_access"]  # the remedy beside the grey button


def test_another_python_can_be_named_instead(bpy, addon, setup, draw, plans, tmp_path):
    asked = plans()
    answer = {"versions": {"python": "3.12.1", "torch": "9.9", "numpy": "2.0"}, "missing": {}}
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    script.chmod(0o755)
    addon.preferences.python_path = str(script)
    assert setup.state.value == "ready" and setup.found is None
    bpy.ops.maquette.check_environment()
    assert draw().words[:2] == ["Python 3.12.1, Torch 9.9, Numpy 2.0", "Processor"]
    with pytest.raises(RuntimeError, match="Another Python is named"):
        bpy.ops.maquette.install_environment()
    assert not asked
    addon.preferences.python_path = str(tmp_path / "gone")
    assert setup.state.value == "broken"
    assert any("does not exist" in words for words in draw().words)


def test_preferences_draw_the_state_and_the_options(bpy, addon, setup):
    layout = Layout(bpy)
    addon.preferences.show_installation = True
    prefs = addon.preferences
    drawn = SimpleNamespace(
        layout=layout,
        bl_rna=prefs.bl_rna,
        show_installation=True,
    )
    kind = type(prefs)
    drawn.draw_worker = lambda column: kind.draw_worker(drawn, column)
    drawn.draw_files = lambda column: kind.draw_files(drawn, column)
    kind.draw(drawn, bpy.context)
    assert layout.operators == ["maquette.install_environment"]
    wanted = {"python_path", "base_python", "environment_folder", "torch_index", "models_folder"}
    assert wanted <= set(layout.properties)


def test_uninstalling_the_extension_removes_everything_that_it_has_written(
    bpy, addon, setup, plans, zip_path
):
    addon.preferences.environment_folder = addon.preferences.job_folder = ""
    user = Path(bpy.utils.extension_path_user(MODULE))
    assert setup.folder == user / "env"
    plans()
    bpy.ops.maquette.install_environment()
    assert addon.session.current().setup.is_installed
    bpy.ops.preferences.addon_disable(module=MODULE)
    repo = [r.module for r in bpy.context.preferences.extensions.repos].index(REPO)
    assert user.is_dir()
    bpy.ops.extensions.package_uninstall(repo_index=repo, pkg_id="maquette")
    assert not user.exists()
    bpy.ops.extensions.package_install_files(
        filepath=str(zip_path), repo=REPO, enable_on_install=True
    )


def test_disabling_ends_a_running_installation(bpy, addon, setup, plans):
    plans(waits=True)
    folder = setup.folder
    setup.install(Path(sys.executable), SimpleNamespace())
    poll_until(addon, lambda: setup.job.stage == "download")
    bpy.ops.preferences.addon_disable(module=MODULE)
    end = time.monotonic() + 10
    while folder.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    bpy.ops.preferences.addon_enable(module=MODULE)
