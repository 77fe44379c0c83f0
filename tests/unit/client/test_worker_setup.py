# SPDX-License-Identifier: GPL-3.0-or-later
import json
import sys
import time
from pathlib import Path

import pytest

from backend.client import environment, worker_setup
from backend.client.builds import Build
from backend.client.environment import python_of_venv
from backend.client.install import MARKER, make_plan
from backend.client.worker_setup import OUTDATED_NOTE, SetupState, WorkerSetup
from tests.unit.client.test_install import fake_plan

BUILD = Build("cpu", "cpu", download_mb=290, disk_mb=1100)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders as on Unix")


class Wishes:
    """What the preferences say."""

    def __init__(self, folder):
        self.folder, self.python = folder, ""


@pytest.fixture
def wishes(tmp_path, monkeypatch):
    monkeypatch.delenv("MAQUETTE_PYTHON", raising=False)
    monkeypatch.setattr(environment, "PACKAGE_ROOT", tmp_path)
    return Wishes(tmp_path / "user" / "env")


@pytest.fixture
def setup(wishes):
    made = WorkerSetup(wishes.folder.parent, lambda: wishes.folder, lambda: wishes.python)
    yield made
    made.close()


def make_environment(folder, pins=None):
    """A complete environment, as an installation leaves it."""
    python = python_of_venv(folder)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    pins = pins or make_plan(folder, Path("x"), BUILD).pins
    marker = {"build": "cpu", "requirements": "cpu", "pins": pins, "device": "GTX"}
    (folder / MARKER).write_text(json.dumps(marker | {"versions": {"python": "3.11.9"}}))


def finish(setup):
    end = time.monotonic() + 20
    while setup.is_busy:
        assert time.monotonic() < end
        setup.poll()
        time.sleep(0.01)


def test_states_from_nothing_to_ready_and_back(setup, wishes, monkeypatch):
    assert setup.state is SetupState.MISSING and not setup.has_remains
    assert "not set up" in setup.error.message
    modes = ("look", "clean", "make", "check")
    monkeypatch.setattr(worker_setup, "make_plan", lambda folder, *_: fake_plan(folder, modes))
    setup.install(Path(sys.executable), BUILD)
    assert setup.state is SetupState.INSTALLING and "being changed" in setup.error.message
    finish(setup)
    assert setup.state is SetupState.READY and setup.error is None
    assert setup.find_python() == setup.installed_python == python_of_venv(wishes.folder)
    assert setup.found.device == "GTX" and setup.found.versions["torch"] == "2.13.0"
    setup.remove()
    assert setup.state is SetupState.REMOVING
    finish(setup)
    assert setup.state is SetupState.MISSING and not setup.is_installed
    assert list(wishes.folder.parent.iterdir()) == []


def test_installed_environment_is_known_at_the_next_start(setup, wishes):
    make_environment(wishes.folder)
    assert setup.state is SetupState.READY and setup.note == ""
    assert setup.found.versions == {"python": "3.11.9"}


def test_environment_of_another_version_works_and_says_so(setup, wishes):
    make_environment(wishes.folder, "other pins")
    assert setup.state is SetupState.READY and setup.note == OUTDATED_NOTE


def test_environment_that_another_blender_is_making_or_has_left_half_counts_as_missing(
    setup, wishes
):
    make_environment(wishes.folder)
    (wishes.folder / MARKER).unlink()
    assert setup.state is SetupState.MISSING and setup.has_remains


def test_named_python_comes_first_and_is_looked_up_when_the_name_changes(setup, wishes):
    make_environment(wishes.folder)
    wishes.python = sys.executable
    assert setup.find_python() == Path(sys.executable) and setup.found is None
    wishes.python = "/gone"
    assert setup.state is SetupState.BROKEN and "does not exist" in setup.error.message
    wishes.python = ""
    assert setup.state is SetupState.READY and setup.found is not None


def test_folder_may_be_changed(setup, wishes, tmp_path):
    make_environment(tmp_path / "other")
    assert setup.state is SetupState.MISSING
    wishes.folder = tmp_path / "other"
    assert setup.state is SetupState.READY
    assert setup.installed_python == python_of_venv(tmp_path / "other")


def test_check_finds_what_is_broken_and_a_later_one_that_it_is_mended(setup, wishes, monkeypatch):
    make_environment(wishes.folder)
    monkeypatch.setattr(environment, "REQUIRED_MODULES", {"no_such": "no-such"})
    setup.check()
    assert setup.state is SetupState.CHECKING
    finish(setup)
    assert setup.state is SetupState.BROKEN and "no-such" in setup.error.message
    monkeypatch.setattr(environment, "REQUIRED_MODULES", {"numpy": "numpy"})
    setup.check()
    finish(setup)
    assert setup.state is SetupState.READY and "numpy" in setup.found.versions


def test_looking_at_the_state_reads_the_disk_once(setup, wishes, monkeypatch):
    make_environment(wishes.folder)
    read, looks = worker_setup.read_marker, []
    monkeypatch.setattr(worker_setup, "read_marker", lambda f: (looks.append(f), read(f))[1])
    for _ in range(5):
        _ = setup.state, setup.note, setup.found, setup.has_remains, setup.error
    assert looks == [wishes.folder]


def test_worker_in_the_same_process_needs_no_environment(wishes):
    setup = WorkerSetup(wishes.folder.parent, lambda: wishes.folder, lambda: "", lambda: False)
    assert setup.state is SetupState.READY and setup.error is None
