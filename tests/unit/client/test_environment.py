# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from backend.client import environment
from backend.client.environment import (
    REQUIRED_MODULES,
    check_environment,
    find_models_folder,
    find_python,
    worker_command,
    worker_environment,
)
from backend.errors import SetupError


def write_script(path: Path, text: str) -> Path:
    """An executable that stands for a Python."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def nothing_set(monkeypatch, tmp_path):
    """No variable names a Python, and no environment lies beside the package."""
    monkeypatch.delenv("MAQUETTE_PYTHON", raising=False)
    monkeypatch.setattr(environment, "PACKAGE_ROOT", tmp_path)
    return tmp_path


def test_preference_wins_over_variable_and_variable_over_developer_tree(nothing_set, monkeypatch):
    with pytest.raises(SetupError, match="not set up"):
        find_python()
    beside = environment.python_of_venv(nothing_set / ".venv")
    beside.parent.mkdir(parents=True)
    beside.touch()
    assert find_python() == beside
    monkeypatch.setenv("MAQUETTE_PYTHON", sys.executable)
    assert find_python() == Path(sys.executable)
    other = nothing_set / "python"
    other.touch()
    assert find_python(str(other)) == other


def test_named_python_that_does_not_exist_is_said_and_not_replaced(nothing_set, monkeypatch):
    with pytest.raises(SetupError, match=r"preferences does not exist: .*gone"):
        find_python(str(nothing_set / "gone"))
    monkeypatch.setenv("MAQUETTE_PYTHON", str(nothing_set / "lost"))
    with pytest.raises(SetupError, match=r"MAQUETTE_PYTHON does not exist: .*lost") as caught:
        find_python()
    assert "preferences" in caught.value.hint


def test_workers_environment_has_no_setting_of_the_calling_python(monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/blender/python")
    monkeypatch.setenv("PYTHONPATH", "/blender/scripts")
    monkeypatch.setenv("KEPT", "1")
    variables = worker_environment()
    assert "PYTHONHOME" not in variables
    assert variables["PYTHONPATH"] == str(environment.PACKAGE_ROOT)
    assert variables["KEPT"] == "1"
    assert os.environ["PYTHONHOME"] == "/blender/python"


def test_models_folder_is_named_by_a_variable_and_passed_to_the_worker(monkeypatch, tmp_path):
    monkeypatch.setenv("MAQUETTE_MODELS", str(tmp_path))
    assert find_models_folder() == tmp_path
    command = worker_command(Path("python"))
    assert command[command.index("--models-folder") + 1] == str(tmp_path)
    monkeypatch.delenv("MAQUETTE_MODELS")
    assert find_models_folder().is_relative_to(Path.home())


def test_complete_environment_tells_its_versions(monkeypatch):
    monkeypatch.setattr(environment, "REQUIRED_MODULES", {"numpy": "numpy", "PIL": "pillow"})
    state = check_environment(Path(sys.executable))
    assert state.python == Path(sys.executable)
    assert state.versions.keys() == {"python", "numpy", "pillow"}
    assert state.versions["python"] == sys.version.split()[0]


def test_missing_and_broken_packages_are_named(monkeypatch):
    monkeypatch.setattr(
        environment, "REQUIRED_MODULES", {"numpy": "numpy", "no_such_module": "no-such-package"}
    )
    with pytest.raises(SetupError) as caught:
        check_environment(Path(sys.executable))
    assert "no-such-package (ModuleNotFoundError" in caught.value.message
    assert "numpy" not in caught.value.message


def test_required_modules_are_those_that_the_requirements_install_but_for_downloads():
    folder = Path(__file__).resolve().parents[3] / "requirements"
    lines = (folder / "cpu.txt").read_text() + (folder / "common.txt").read_text()
    pinned = {line.split("==")[0] for line in lines.splitlines() if "==" in line}
    assert set(REQUIRED_MODULES.values()) == pinned - {"huggingface_hub"}


@pytest.mark.skipif(sys.platform == "win32", reason="scripts stand for Pythons")
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 1", "does not run"),
        ("echo nonsense", "does not run"),
        ("echo '[]'", "does not run"),
        ("echo 3", "does not run"),
        ("kill -SEGV $$", "does not run"),
        ("exec sleep 30", "did not answer within 0 s"),
        ("""echo '{"versions": {"python": "3.9.2"}, "missing": {}}'""", "3.9.2, too old"),
    ],
)
def test_broken_python_is_a_setup_error_with_a_remedy(tmp_path, script, words):
    python = write_script(tmp_path / "python", script)
    with pytest.raises(SetupError) as caught:
        check_environment(python, timeout_s=0.4 if "sleep" in script else 10)
    assert words in caught.value.message
    assert caught.value.hint


def test_file_that_is_no_program_is_a_setup_error(tmp_path):
    path = tmp_path / "python"
    path.write_text("not a program")
    with pytest.raises(SetupError, match="does not run"):
        check_environment(path)


@pytest.mark.skipif(sys.platform == "win32", reason="scripts stand for Pythons")
def test_chatter_before_the_answer_does_no_harm(tmp_path):
    answer = json.dumps({"versions": {"python": "3.13.0"}, "missing": {}})
    python = write_script(tmp_path / "python", f"echo some library greets\necho '{answer}'")
    assert check_environment(python).versions == {"python": "3.13.0"}
