# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip: what it holds, and what enabling and disabling leave behind."""

import gc
import os
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from importlib import metadata

import pytest

from tests.blender.conftest import MODULE, ROOT
from tests.blender.test_generate import FAKE

OPERATORS = ("generate", "randomize_seed", "retexture", "restore_material")
OPERATORS += ("cancel", "clear_error", "unload_models", "move_job", "retry_job", "place_job")
OPERATORS += ("remove_job", "clear_jobs", "queue_again", "discard_unfinished")
OPERATORS += ("apply_preset", "add_preset", "generate_again", "generate_variation")
OPERATORS += ("texture_again", "copy_settings", "bring_back", "forget_result", "clear_history")
OPERATORS += ("install_environment", "repair_environment", "remove_environment")
OPERATORS += ("cancel_environment", "check_environment")
PANELS = ("shape", "views", "settings", "advanced", "texture", "texture_advanced")
PANELS += ("retexture", "queue", "jobs", "worker", "history")


def is_operator(bpy, name):
    try:
        getattr(bpy.ops.maquette, name).get_rna_type()
    except KeyError:
        return False
    return True


def find_traces(bpy):
    """Everything of the extension that Blender still knows."""
    panels = [f"MAQUETTE_PT_{name}" for name in PANELS]
    classes = [*panels, "MAQUETTE_AP_preferences", "MAQUETTE_PG_settings"]
    found = [name for name in classes if hasattr(bpy.types, name)]
    found += [name for name in OPERATORS if is_operator(bpy, name)]
    holders = (bpy.types.Scene, bpy.types.Object, bpy.types.WindowManager)
    found += [f"{holder.__name__}.maquette" for holder in holders if hasattr(holder, "maquette")]
    for kind in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, kind)
        if isinstance(handlers, list):
            found += [f.__name__ for f in handlers if MODULE in getattr(f, "__module__", "")]
    return found


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_zip_holds_only_what_runs(zip_path):
    names = zipfile.ZipFile(zip_path).namelist()
    tops = {name.split("/")[0] for name in names}
    allowed = {"blender_manifest.toml", "operators", "panels", "scene", "backend"}
    allowed |= {"requirements", "locale", "README.md", "LICENSE"} | {
        path.name for path in ROOT.glob("*.py")
    }
    assert tops <= allowed, tops - allowed
    assert {"backend", "blender_manifest.toml", "__init__.py"} <= tops
    assert not [name for name in names if name.endswith((".pyc", ".ipynb")) or "/." in name]
    assert zip_path.stat().st_size <= 45 * 2**20


def test_every_permission_has_a_reason():
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert set(manifest["permissions"]) == {"files", "network", "clipboard"}
    assert all(1 < len(reason) <= 64 for reason in manifest["permissions"].values())
    assert manifest["id"] == "maquette" and manifest["blender_version_min"] == "4.2.0"


def test_enabling_adds_panels_in_the_maquette_tab(bpy, addon):
    for name in PANELS:
        panel = getattr(bpy.types, f"MAQUETTE_PT_{name}")
        assert panel.bl_category == "Maquette" and panel.bl_space_type == "VIEW_3D"
    assert all(is_operator(bpy, name) for name in OPERATORS)


def test_properties_have_the_defaults_and_limits_of_the_settings(bpy, addon):
    from backend.config import JobConfig, flatten, setting_names

    settings = bpy.context.scene.maquette
    assert addon.properties.to_settings(settings) == flatten(JobConfig())
    properties = settings.bl_rna.properties
    for name, (_, item) in setting_names().items():
        assert properties[name].description == item.metadata["text"]
        if item.metadata["min"] is not None:
            assert abs(properties[name].hard_min - item.metadata["min"]) < 1e-6
            assert abs(properties[name].hard_max - item.metadata["max"]) < 1e-6


def test_importing_the_extension_loads_no_torch(bpy, addon):
    assert "torch" not in sys.modules


def test_disabling_leaves_nothing_behind(bpy, addon, use_worker, picture):
    use_worker(f"{FAKE} deaf")
    bpy.context.scene.maquette.image = picture
    bpy.ops.maquette.generate(wait=False)
    queue = addon.session.current().jobs._queue
    end = time.monotonic() + 30
    while queue._worker is None or queue._worker.hello is None:
        assert time.monotonic() < end
        addon.handlers.poll_session()
        time.sleep(0.02)
    pid = queue._worker.hello.pid
    assert bpy.app.timers.is_registered(addon.handlers.poll_session)
    assert is_alive(pid) and find_traces(bpy)

    bpy.ops.preferences.addon_disable(module=MODULE)

    assert find_traces(bpy) == []
    assert not bpy.app.timers.is_registered(addon.handlers.poll_session)
    assert not is_alive(pid)
    time.sleep(0.2)
    assert [t for t in threading.enumerate() if t is not threading.main_thread()] == []


def test_twenty_times_on_and_off(bpy, addon):
    for _ in range(20):
        bpy.ops.preferences.addon_disable(module=MODULE)
        assert find_traces(bpy) == []
        bpy.ops.preferences.addon_enable(module=MODULE)
        assert is_operator(bpy, "generate") and not addon.session.current().is_running
    gc.collect()


@pytest.mark.skipif(
    metadata.version("bpy").startswith("4.2."),
    reason="the module of 4.2 crashes at its end after any property with a get function",
)
def test_blender_ends_cleanly_after_a_job(tmp_path, zip_path):
    script = f"""
import bpy
bpy.ops.extensions.package_install_files(
    filepath={str(zip_path)!r}, repo="user_default", enable_on_install=True)
bpy.context.preferences.addons[{MODULE!r}].preferences.python_path = "/bin/false"
bpy.context.scene.maquette.image = bpy.data.images.new("a", 32, 32)
try:
    bpy.ops.maquette.generate()
except RuntimeError as error:
    assert "could not start" in str(error), error
bpy.ops.preferences.addon_disable(module={MODULE!r})
"""
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path / "other")}
    command = [sys.executable, "-c", script]
    subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)
