# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tests in child processes, with a fresh Blender that has only the built extension.

Blender cannot be started twice in a process, and some versions crash or hang when Python ends, so a
child runs one test, writes its reports to a file and leaves without clean-up. Files that say
`ONE_PROCESS = True` share one child, as starting Blender takes longer than most of their tests.
"""

import importlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = "bl_ext.user_default.maquette"
REPORTS, ZIP = "MAQUETTE_TEST_REPORTS", "MAQUETTE_TEST_ZIP"
# Another Python for workers, where that of the tests has Blender but not the worker's packages.
WORKER = "MAQUETTE_TEST_WORKER"
IS_CHILD = REPORTS in os.environ
TIME_LIMIT_S = 240
_zip = pytest.StashKey[Path]()
_known = pytest.StashKey[dict[str, list[pytest.TestReport]]]()


# -- the parent: one child per test ------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if IS_CHILD or not item.path.is_relative_to(Path(__file__).parent):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _reports_of(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _reports_of(item: pytest.Item) -> list[pytest.TestReport]:
    """The reports of a test; those of its file are made together where the file says so."""
    known = item.config.stash.setdefault(_known, {})
    if item.nodeid not in known:
        module = getattr(item, "module", None)
        is_shared = getattr(module, "ONE_PROCESS", False)
        mates = [i for i in item.session.items if i.path == item.path] if is_shared else [item]
        known.update(_run_child(mates))
    return known.pop(item.nodeid)


def _run_child(items: list[pytest.Item]) -> dict[str, list[pytest.TestReport]]:
    config = items[0].config
    tmp_path_factory = config._tmp_path_factory  # type: ignore[attr-defined]
    folder = tmp_path_factory.mktemp("blender")
    reports = folder / "reports.jsonl"
    dropped = ("PYTEST_", "MAQUETTE_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    environment |= {
        REPORTS: str(reports),
        WORKER: os.environ.get(WORKER, sys.executable),
        ZIP: str(_built_zip(config, tmp_path_factory)),
        **({"MAQUETTE_PYTHON": os.environ[WORKER]} if WORKER in os.environ else {}),
        "BLENDER_USER_RESOURCES": str(folder / "user"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-q"]
    start = time.time()
    try:
        done = subprocess.run(
            [*command, f"--basetemp={folder / 'tmp'}", *(item.nodeid for item in items)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
        trouble = f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    except subprocess.TimeoutExpired:
        trouble = f"not finished within {TIME_LIMIT_S} s"
    lines = reports.read_text(encoding="utf-8").splitlines() if reports.exists() else []
    from_json = config.hook.pytest_report_from_serializable
    found = [from_json(config=config, data=json.loads(line)) for line in lines]
    for report in found:
        if isinstance(report.longrepr, list):  # why a test was skipped; JSON knows no tuples
            report.longrepr = tuple(report.longrepr)
    seconds = time.time() - start
    return {item.nodeid: _completed(item, found, trouble, seconds) for item in items}


def _completed(
    item: pytest.Item, found: list[pytest.TestReport], trouble: str, seconds: float
) -> list[pytest.TestReport]:
    """The reports of one test, with a failure added if the child did not come to its end."""
    own = [report for report in found if report.nodeid == item.nodeid]
    if any(report.when == "teardown" for report in own):
        return own
    crash = pytest.TestReport(
        item.nodeid, item.location, {}, "failed", trouble, "call", [], seconds
    )
    return [*(report for report in own if report.when != "call"), crash]


def _built_zip(config: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if _zip not in config.stash:
        folder = tmp_path_factory.mktemp("zip")
        build = [sys.executable, str(ROOT / "packaging/build_zip.py"), "--folder", str(folder)]
        subprocess.run(build, check=True, capture_output=True, text=True)
        config.stash[_zip] = next(folder.glob("maquette-*.zip"))
    return config.stash[_zip]


# -- the child ---------------------------------------------------------------------------------


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if IS_CHILD and _config:
        data = _config[0].hook.pytest_report_to_serializable(config=_config[0], report=report)
        with Path(os.environ[REPORTS]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(data) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    _config.append(config)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    if IS_CHILD:
        sys.stdout.flush()
        os._exit(0)


_config: list[pytest.Config] = []


@pytest.fixture
def zip_path() -> Path:
    return Path(os.environ[ZIP])


@pytest.fixture
def bpy() -> Any:
    """Blender with its factory settings and an empty scene."""
    module = importlib.import_module("bpy")
    module.ops.wm.read_factory_settings(use_empty=True)
    return module


@pytest.fixture
def addon(bpy: Any, zip_path: Path, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """The extension, installed from its zip and enabled; its modules by name."""
    folder = Path(os.environ["BLENDER_USER_RESOURCES"])
    if (folder / "extensions/user_default/maquette").is_dir():  # by an earlier test of the file
        bpy.ops.preferences.addon_enable(module=MODULE)
    else:
        bpy.ops.extensions.package_install_files(
            filepath=str(zip_path), repo="user_default", enable_on_install=True
        )
    names = (
        "session",
        "handlers",
        "command",
        "properties",
        "scene.image",
        "scene.material",
        "scene.preview",
        "scene.asset",
        "scene.retexture",
        "scene.submission",
        "scene.surface",
        "scene.uv",
        "scene.capture",
        "scene.catalogs",
        "scene.export",
        "backend.errors",
        "panels.queue",
    )
    modules = {n.rpartition(".")[2]: importlib.import_module(f"{MODULE}.{n}") for n in names}
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.job_folder = str(tmp_path / "jobs")
    yield SimpleNamespace(**modules, preferences=preferences, job_folder=tmp_path / "jobs")
    if hasattr(bpy.types.Scene, "maquette"):
        bpy.ops.preferences.addon_disable(module=MODULE)


@pytest.fixture
def use_worker(addon: SimpleNamespace, tmp_path: Path) -> Callable[[str], None]:
    """Makes the preferences' Python a script that runs the words given here instead."""

    def use(words: str) -> None:
        script = tmp_path / f"python-{len(list(tmp_path.iterdir()))}"
        root = shlex.quote(str(ROOT))
        python = shlex.quote(os.environ[WORKER])
        run = f"exec env PYTHONPATH={root} {python} {words}"
        script.write_text(f"#!/bin/sh\ncd {root} && {run}\n", encoding="utf-8")
        script.chmod(0o755)
        addon.preferences.python_path = str(script)

    return use


@pytest.fixture
def picture(bpy: Any) -> Any:
    """A generated image data-block: a red disc on a transparent ground, chosen in the scene."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    pixels = np.zeros((64, 64, 4), np.float32)
    pixels[x**2 + y**2 < 0.6] = (0.8, 0.2, 0.1, 1.0)
    image = bpy.data.images.new("red disc.png", 64, 64, alpha=True)
    image.pixels.foreach_set(pixels.ravel())
    return image


@pytest.fixture
def ready(bpy: Any, addon: SimpleNamespace, use_worker: Callable[[str], None], picture: Any) -> Any:
    """The scene's settings with the painting worker, a chosen picture and a small texture."""
    use_worker("tests/blender/painting_worker.py")
    settings = bpy.context.scene.maquette
    settings.image, settings.texture_size = picture, 512
    return settings
