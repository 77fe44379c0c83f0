# SPDX-License-Identifier: GPL-3.0-or-later
import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("make_venv", ROOT / "packaging/make_venv.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fake_environment(script, monkeypatch, tmp_path, version, packages):
    (tmp_path / "stubs" / "bpy").mkdir(parents=True)
    monkeypatch.setattr(script, "VENV", tmp_path)
    monkeypatch.setattr(script, "installed_packages", lambda: (version, packages))


def all_pins(script):
    """What a complete environment holds, found by asking an empty one."""
    return dict(pin.split("==") for pin in script.missing_packages("cpu") if "==" in pin)


@pytest.mark.parametrize(
    ("version", "numpy", "bpy"), [("3.11", "1.26.4", "4.5.15"), ("3.13", "2.5.5", "5.2.3")]
)
def test_each_python_gets_the_numpy_that_its_blender_needs(
    script, monkeypatch, tmp_path, version, numpy, bpy
):
    fake_environment(script, monkeypatch, tmp_path, version, {})
    pins = all_pins(script)
    assert (pins["numpy"], pins["bpy"]) == (numpy, bpy)


def test_complete_environment_lacks_nothing_and_a_removed_package_is_noticed(
    script, monkeypatch, tmp_path
):
    fake_environment(script, monkeypatch, tmp_path, "3.11", {})
    packages = all_pins(script)
    packages["torch"] += "+cpu"
    monkeypatch.setattr(script, "installed_packages", lambda: ("3.11", packages))
    assert script.missing_packages("cpu") == []
    packages["pillow"] = "1.0"
    assert script.missing_packages("cpu") == ["pillow==13.0.0"]


def test_environment_whose_python_is_gone_counts_as_missing(script, monkeypatch, tmp_path):
    monkeypatch.setattr(script, "PYTHON", tmp_path / "bin" / "python")
    assert script.installed_packages() is None
    assert script.missing_packages("cpu") == [".venv"]


def test_stamp_changes_with_the_requirements(script, monkeypatch, tmp_path):
    for name in ("cpu", "cuda", "dev", "stubs"):
        (tmp_path / f"{name}.txt").write_text("torch==1\n")
    monkeypatch.setattr(script, "REQUIREMENTS", tmp_path)
    before = script.stamp_of("cpu")
    assert before == script.stamp_of("cpu") != script.stamp_of("cuda")
    (tmp_path / "cpu.txt").write_text("torch==2\n")
    assert script.stamp_of("cpu") != before


def test_only_a_python_of_a_supported_version_is_taken(script, monkeypatch):
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setattr(script, "VERSIONS", ("2.7",))
    assert script.find_python() is None
