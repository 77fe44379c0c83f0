# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a Blender window with the built extension for each test, as an artist finds it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.gui.blender_window import (
    ROOT,
    BlenderWindow,
    Display,
    find_folder,
    find_hindrance,
    install_extension,
)
from tests.gui.workbench import Workbench


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of this folder where no window can be opened."""
    own = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    hindrance = find_hindrance(find_folder()) if own else ""
    for item in own if hindrance else ():
        item.add_marker(pytest.mark.skip(reason=hindrance))


@pytest.fixture(scope="session")
def zip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built extension."""
    folder = tmp_path_factory.mktemp("zip")
    build = [sys.executable, str(ROOT / "packaging/build_zip.py"), "--folder", str(folder)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    return next(folder.glob("maquette-*.zip"))


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    """A virtual display, the same for all tests."""
    made = Display(find_folder(), tmp_path_factory.mktemp("display"), (1440, 1000))
    yield made
    made.close()


@pytest.fixture(scope="session")
def installed_home(display: Display, zip_path: Path, tmp_path_factory) -> Path:
    """A user's home in which the extension is installed."""
    install_extension(display, zip_path)
    home = tmp_path_factory.mktemp("installed") / "home"
    shutil.copytree(display.job / "home", home)
    return home


@pytest.fixture
def open_workbench(
    display: Display, installed_home: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., Workbench]]:
    """Starts Blender with a fresh home; a test that fails leaves its last screen in `tmp_path`."""
    opened: list[BlenderWindow] = []

    def open_window(**options) -> Workbench:
        workbench = Workbench.start(display, installed_home, **options)
        opened.append(workbench.window)
        return workbench

    yield open_window
    for window in opened:
        Image.fromarray(display.take_picture()).save(tmp_path / "last_screen.png")
        window.close()


@pytest.fixture
def workbench(open_workbench: Callable[..., Workbench]) -> Workbench:
    """Blender with the sidebar open at the tab Maquette, and a worker that tests can hold."""
    return open_workbench()
