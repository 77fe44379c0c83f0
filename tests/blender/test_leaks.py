# SPDX-License-Identifier: GPL-3.0-or-later
"""Enabling and disabling, over and over, leaves Blender as it was."""

import gc
import sys
import threading

from tests.blender.conftest import MODULE
from tests.blender.test_generate import FAKE

PLACES = ("Scene", "Object", "WindowManager", "Image", "Material", "Mesh", "Collection")


def count_everything(bpy):
    """What an extension can leave behind, as sorted texts."""
    found = [f"thread {t.name}" for t in threading.enumerate()]
    for kind in dir(bpy.app.handlers):
        listed = getattr(bpy.app.handlers, kind)
        if isinstance(listed, list):
            found += [f"{kind} {f.__module__}.{f.__name__}" for f in listed]
    found += [f"class {name}" for name in dir(bpy.types)]
    # Their subclasses hold every registered class, also those that `dir` leaves out.
    for base in (bpy.types.Operator, bpy.types.Panel, bpy.types.Menu, bpy.types.UIList):
        registered = [cls for cls in base.__subclasses__() if cls.is_registered]
        found += [f"{base.__name__} {cls.__name__}" for cls in registered]
    for name in PLACES:
        properties = getattr(bpy.types, name).bl_rna.properties
        found += [f"{name}.{item.identifier}" for item in properties]
    for configuration in bpy.context.window_manager.keyconfigs:
        for keymap in configuration.keymaps:
            found += [
                f"key {configuration.name}.{keymap.name}.{item.idname}"
                for item in keymap.keymap_items
            ]
    for name in dir(bpy.types):
        draw = getattr(getattr(bpy.types, name), "draw", None)
        for function in getattr(draw, "_draw_funcs", ()):
            found.append(f"drawn in {name}: {function.__module__}.{function.__name__}")
    return sorted(found)


def test_twenty_times_leave_nothing_behind(bpy, addon, use_worker, picture):
    use_worker(FAKE)
    worker, folder = addon.preferences.python_path, addon.preferences.job_folder
    bpy.ops.preferences.addon_disable(module=MODULE)
    before = count_everything(bpy)
    for round_number in range(20):
        bpy.ops.preferences.addon_enable(module=MODULE)
        if round_number % 5 == 0:
            preferences = bpy.context.preferences.addons[MODULE].preferences
            preferences.python_path, preferences.job_folder = worker, folder
            bpy.context.scene.maquette.image = picture
            assert bpy.ops.maquette.generate() == {"FINISHED"}
        bpy.ops.preferences.addon_disable(module=MODULE)
        gc.collect()
    after = count_everything(bpy)
    assert after == before, sorted(set(after) ^ set(before))
    assert not [line for line in after if "maquette" in line.lower()]
    functions = [
        value
        for name, module in sys.modules.items()
        if name.startswith(MODULE)
        for value in vars(module).values()
        if callable(value) and str(getattr(value, "__module__", "")).startswith(MODULE)
    ]
    assert not any(bpy.app.timers.is_registered(function) for function in functions)
