# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation and jobs write, and where: nothing outside the folders that they were given.

The home folder is an empty one here, and the package a copy, so that every new file is seen.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.client.builds import choose_build, detect_machine
from backend.client.environment import PYTHON_FLAGS, worker_environment
from backend.client.pins import read_pins
from backend.client.queue import JobQueue, JobState
from backend.client.worker_process import WorkerProcess
from backend.client.worker_setup import INSTALL_LOG, SetupState, WorkerSetup
from backend.config import JobConfig, overlay

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"steps": 4, "resolution": 64, "target_faces": 2000, "texture_size": 512}
MB = 10**6


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty home folder; temporary files go beside it."""
    folder = tmp_path / "Künstler Heim"
    folder.mkdir()
    (tmp_path / "tmp").mkdir()
    variables = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA")
    for name in variables:
        monkeypatch.setenv(name, str(folder))
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(tmp_path / "tmp"))
    for name in [n for n in os.environ if n.startswith(("MAQUETTE_", "XDG_", "HF_", "TORCH"))]:
        monkeypatch.delenv(name)
    return folder


def files_in(folder: Path) -> set[str]:
    """Everything below a folder, as relative paths."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def tops_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def wait_for(is_reached, poll, seconds=300.0):
    end = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < end
        poll()
        time.sleep(0.05)


def test_job_writes_into_its_folders_only(home, tmp_path, picture, monkeypatch):
    package = tmp_path / "package"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "backend", package / "backend", ignore=ignore)
    before = files_in(package)
    monkeypatch.setattr("backend.client.environment.PACKAGE_ROOT", package)
    user = home / "user"
    worker = WorkerProcess(
        Path(sys.executable),
        user / "jobs" / "worker.log",
        ["--device", "cpu"],
        models_folder=user / "models",
    )
    queue = JobQueue(lambda: worker, user / "jobs")
    try:
        job = queue.submit([picture], ["front"], overlay(JobConfig(), QUICK))
        wait_for(lambda: job.is_finished, queue.poll)
        assert job.state is JobState.DONE, job.error
    finally:
        queue.close()
    assert Path(job.result.texture_path).is_file()
    assert tops_of(home) == {"user"} and tops_of(user) <= {"jobs", "models"}
    assert files_in(package) == before
    assert tops_of(tmp_path / "tmp") == set()
    assert tops_of(tmp_path) == {home.name, "tmp", "package", picture.name}


def find_reason_to_skip(target: Path) -> str:
    """Why pip cannot install here, or an empty string."""
    numpy = read_pins("cpu", "3.11")["numpy"]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--quiet"]
    command += ["--no-cache-dir", "--retries", "0", "--timeout", "10"]
    command += ["--target", str(target), f"numpy=={numpy}"]
    env = os.environ | {"RUSTUP_HOME": str(target)}  # see `child_job`
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    return "" if done.returncode == 0 else f"pip reaches no packages: {done.stderr[-200:]}"


@pytest.mark.timeout(1200)
def test_installed_environment_generates_and_is_removed_without_a_trace(home, tmp_path, capsys):
    if reason := find_reason_to_skip(tmp_path / "target"):
        pytest.skip(reason)
    user = home / "user"
    setup = WorkerSetup(user, lambda: user / "env", lambda: "")
    build = choose_build(detect_machine(), "", "cpu")
    start = time.monotonic()
    setup.install(Path(sys.executable), build)
    wait_for(lambda: not setup.is_busy, setup.poll, 560)
    assert setup.failure is None and setup.state is SetupState.READY
    seconds = time.monotonic() - start
    assert setup.find_python() == setup.installed_python
    assert tops_of(home) == {"user"} and tops_of(user) == {"env", INSTALL_LOG}
    assert tops_of(tmp_path / "tmp") == set()
    size = sum(path.stat().st_size for path in (user / "env").rglob("*") if path.is_file())

    words = [str(ROOT / "examples" / "chest.png"), "--out", str(tmp_path / "chest.glb")]
    words += ["--steps", "4", "--resolution", "64", "--faces", "2000", "--texture-size", "512"]
    done = subprocess.run(
        [str(setup.installed_python), *PYTHON_FLAGS, "-m", "backend", "generate", *words],
        env=worker_environment(user / "models"),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "chest.glb").read_bytes()[:4] == b"glTF"
    assert tops_of(home) == {"user"} and tops_of(user) <= {"env", INSTALL_LOG, "models"}

    setup.remove()
    wait_for(lambda: not setup.is_busy, setup.poll)
    assert setup.state is not SetupState.BROKEN and not (user / "env").exists()
    assert tops_of(user) <= {"models"}
    with capsys.disabled():
        sys.stderr.write(f"\ninstalled in {seconds:.0f} s, {size / MB:.0f} MB\n")
