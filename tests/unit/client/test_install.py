# SPDX-License-Identifier: GPL-3.0-or-later
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.client.builds import Build
from backend.client.child_job import Outcome, Step
from backend.client.environment import python_of_venv
from backend.client.install import (
    MARKER,
    Installation,
    Marker,
    Plan,
    Removal,
    Trial,
    check_base_python,
    check_path_length,
    is_current,
    make_plan,
    read_marker,
)
from backend.errors import CancelledError, OfflineError, SetupError

FAKE = Path(__file__).with_name("fake_pip.py")
BUILD = Build("cpu", "cpu", download_mb=290, disk_mb=1100)
MODES = ("look", "clean", "make", "install", "check")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders as on Unix")


class Disk:
    """Free space that the test sets, 10^6 bytes."""

    free = 50000

    def __call__(self, _folder):
        return self.free


def fake_plan(folder, modes=MODES, words=""):
    """An installation of fake programs; `words` go to the last of them."""
    spans = {"install": (0.1, 0.9), "tree": (0.1, 0.9), "fail": (0.1, 0.9), "check": (0.9, 1.0)}
    stages = {"install": "packages", "tree": "packages", "fail": "packages"}
    steps = [
        Step(
            stages.get(mode, mode),
            [sys.executable, str(FAKE), mode, str(folder), *([words] if mode == modes[-1] else [])],
            spans.get(mode, (0.0, 0.1)),
            size_mb=1000 if mode == "install" else 0,
        )
        for mode in modes
    ]
    return Plan(folder, tuple(steps), BUILD, "digest", python_of_venv(folder))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "Künstler Ordner" / "env"


@pytest.fixture
def start(folder):
    """Starts an installation of fake programs; it is ended with the test."""
    jobs = []

    def run(*args, **options):
        job = Installation(fake_plan(folder, *args), folder.parent / "install.log", **options)
        jobs.append(job)
        job.start()
        return job

    yield run
    for job in jobs:
        job.close()


def poll_until(job, is_reached, seconds=20.0):
    end = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < end, (job.stage, job.outcome, job.error)
        job.poll()
        time.sleep(0.005)


def wait_until(is_reached, seconds=20.0):
    end = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def finish(job):
    poll_until(job, lambda: job.is_finished)
    return job.outcome


def allow(folder, *names):
    for name in names:
        (folder.parent / name).touch()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_marker_is_written_last_and_tells_what_was_installed(start, folder):
    job = start()
    poll_until(job, lambda: job.stage == "download" and job.detail)
    assert read_marker(folder) is None
    allow(folder, "downloaded")
    poll_until(job, lambda: job.stage == "unpack")
    assert read_marker(folder) is None
    allow(folder, "unpacked")
    assert finish(job) is Outcome.DONE and job.error is None and job.fraction == 1.0
    versions = {"python": "3.11.9", "torch": "2.13.0"}
    assert read_marker(folder) == Marker("cpu", "cpu", "digest", versions, "GTX")
    assert job.found.versions == versions and job.found.device == "GTX"
    assert sorted(path.name for path in folder.iterdir()) == ["bin", MARKER, "torch.py"]


def test_progress_follows_the_disk_and_never_goes_back(start, folder):
    disk = Disk()
    job = start(free_space_mb=disk)
    seen = []

    def reached(fraction):
        seen.append(job.fraction)
        return job.fraction == pytest.approx(fraction)

    poll_until(job, lambda: job.detail == "scikit-image")
    disk.free = 50000 - 300  # half of the 600 that are to be downloaded: 0.1 + 0.48 / 2
    poll_until(job, lambda: reached(0.34))
    disk.free = 60000  # somebody has emptied the bin
    for _ in range(5):
        job.poll()
        seen.append(job.fraction)
    allow(folder, "downloaded")
    poll_until(job, lambda: job.stage == "unpack")
    disk.free = 60000 - 200  # half of the other 400: 0.58 + 0.32 / 2
    poll_until(job, lambda: reached(0.74))
    assert seen == sorted(seen)


def test_packages_are_named_with_their_sizes_while_they_come(start, folder):
    job = start()
    poll_until(job, lambda: job.stage == "download")
    seen = set()
    follow = job._follow
    job._follow = lambda line: (follow(line), seen.add(job.detail))
    poll_until(job, lambda: job.detail == "scikit-image")
    assert {"torch", "torch, 526.6 MB", "scikit-image"} <= seen


def test_polling_never_waits(start, folder):
    job = start()
    longest = 0.0
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        before = time.perf_counter()
        job.poll()
        longest = max(longest, time.perf_counter() - before)
    assert job.stage == "download" and longest < 0.5


def test_cancel_kills_the_whole_tree_and_leaves_no_half_environment(start, folder):
    job = start(("look", "clean", "make", "tree"))
    pids = folder.parent / "pids"
    poll_until(job, lambda: pids.exists() and pids.read_text())
    child = int(pids.read_text())
    assert is_alive(child)
    job.cancel()
    assert not job.is_finished and job.stage == "clean"
    assert finish(job) is Outcome.CANCELLED
    assert isinstance(job.error, CancelledError)
    assert not folder.exists() and not is_alive(child)


def test_closing_the_program_ends_the_installation_at_once(start, folder):
    job = start(("look", "clean", "make", "tree"))
    pids = folder.parent / "pids"
    poll_until(job, lambda: pids.exists() and pids.read_text())
    job.close()
    assert job.outcome is Outcome.CANCELLED
    wait_until(lambda: not is_alive(int(pids.read_text())) and not folder.exists())


def test_installation_dies_with_the_program_that_started_it(tmp_path):
    """As after `kill -9` of Blender: nobody closes anything."""
    plan = make_plan(tmp_path / "env", Path(sys.executable), BUILD)
    guarded = next(step.command for step in plan.steps if step.stage == "packages")[1:4]
    script = tmp_path / "endless.py"
    script.write_text(
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
        "\ntime.sleep(60)\n"
    )
    command = [sys.executable, *guarded[1:], "endless"]
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time; subprocess.Popen("
            f"{command!r}, stdin=subprocess.PIPE, cwd={str(tmp_path)!r}); time.sleep(60)",
        ]
    )
    pid_file = tmp_path / "pid"
    wait_until(lambda: pid_file.exists() and pid_file.read_text())
    pid = int(pid_file.read_text())
    assert is_alive(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_alive(pid))


def test_half_an_environment_counts_for_nothing_and_is_cleared_away(folder):
    """Killed half-way and started again: the folder is there, the marker is not."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / "old.py").touch()
    assert read_marker(folder) is None
    plan = make_plan(folder, Path(sys.executable), BUILD)
    clean = next(step for step in plan.steps if step.stage == "clean")
    subprocess.run(clean.command, check=True)
    assert not folder.exists() and folder.parent.exists()


def test_repair_takes_the_marker_away_before_it_touches_anything(start, folder):
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    marker = {"build": "cpu", "requirements": "cpu", "pins": "", "versions": {}, "device": ""}
    (folder / MARKER).write_text(json.dumps(marker))
    assert read_marker(folder) is not None
    job = start(("look", "clean", "tree"))
    poll_until(job, lambda: job.stage == "download")
    assert read_marker(folder) is None


@pytest.mark.parametrize(
    ("kind", "words", "message"),
    [
        (OfflineError, "Failed to establish a new connection: [Errno -2]", "no connection"),
        (SetupError, "OSError: [Errno 28] No space left on device", "disk is full"),
        (SetupError, "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the one that was"),
    ],
)
def test_failure_is_told_in_words_and_nothing_is_left(start, folder, kind, words, message):
    job = start(("look", "clean", "make", "fail"), words)
    assert finish(job) is Outcome.FAILED
    assert type(job.error) is kind and message in job.error.message
    assert str(folder.parent / "install.log") in job.error.hint
    assert words in (folder.parent / "install.log").read_text()
    assert not folder.exists()


def test_packages_that_do_not_import_after_all_are_named(start, folder):
    answer = {"versions": {"python": "3.11.9"}, "missing": {"torch": "OSError: libcuda"}}
    job = start(MODES, json.dumps(answer))
    allow(folder, "downloaded", "unpacked")
    assert finish(job) is Outcome.FAILED
    assert "lacks packages: torch (OSError: libcuda)" in job.error.message
    assert read_marker(folder) is None


def test_full_disk_is_noticed_before_the_download(start, folder):
    disk = Disk()
    disk.free = 1500
    job = start(free_space_mb=disk)
    assert finish(job) is Outcome.FAILED
    assert job.error.message == "The disk has 1.5 GB left, and 1.7 GB are needed."
    assert not folder.exists()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"version": [3, 9], "bits": 64, "missing": []}, "3.9 is too old"),
        ({"version": [3, 14], "bits": 64, "missing": []}, "3.14 is too new"),
        ({"version": [3, 11], "bits": 32, "missing": []}, "32 bits"),
        ({"version": [3, 11], "bits": 64, "missing": ["ensurepip"]}, "it lacks ensurepip"),
        ({}, "does not run"),
    ],
)
def test_python_that_cannot_be_the_base_is_refused_before_anything_is_made(
    start, folder, answer, words
):
    with pytest.raises(SetupError) as caught:
        check_base_python(json.dumps(answer))
    assert words in caught.value.message and caught.value.hint
    job = start(("look",), json.dumps(answer))
    assert finish(job) is Outcome.FAILED and words in job.error.message
    assert not folder.exists()


def test_base_python_that_does_not_exist_is_said(folder):
    plan = make_plan(folder, Path("/no/such/python"), BUILD)
    job = Installation(plan, folder.parent / "install.log")
    job.start()
    assert finish(job) is Outcome.FAILED
    assert job.error.message == "The Python for the installation does not run."


def test_folder_that_cannot_be_written_is_a_setup_error(tmp_path):
    (tmp_path / "file").touch()
    job = Installation(fake_plan(tmp_path / "env"), tmp_path / "file" / "install.log")
    with pytest.raises(SetupError, match="cannot be written"):
        job.start()


def test_long_path_is_refused_on_windows_only(tmp_path):
    short, long = Path("C:/m/env"), Path("C:/" + 13 * "Blender/" + "user/env/and/more")
    check_path_length(short, "win32")
    check_path_length(long, "linux")
    with pytest.raises(SetupError, match="too long for Windows"):
        check_path_length(long, "win32")


def test_removal_deletes_that_folder_and_nothing_beside_it(tmp_path):
    folder = tmp_path / "env"
    (folder / "lib" / "deep").mkdir(parents=True)
    (folder / "lib" / "deep" / "file").touch()
    (tmp_path / "jobs").mkdir()
    (tmp_path / "env-2").mkdir()
    job = Removal(folder, tmp_path / "install.log")
    job.start()
    job.cancel()  # changes nothing
    assert finish(job) is Outcome.DONE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["env-2", "install.log", "jobs"]


def test_trial_tells_what_a_python_has_or_that_it_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr("backend.client.environment.REQUIRED_MODULES", {"numpy": "numpy"})
    job = Trial(Path(sys.executable), tmp_path / "check.log")
    job.start()
    assert finish(job) is Outcome.DONE and job.found.versions.keys() == {"python", "numpy"}
    job = Trial(Path("/bin/false"), tmp_path / "check.log")
    job.start()
    assert finish(job) is Outcome.FAILED and "does not run: /bin/false" in job.error.message


def test_plan_writes_no_cache_and_compiles_nothing(folder):
    plan = make_plan(folder, Path("base"), BUILD, "file:///wheels/{build}")
    torch, rest = (step for step in plan.steps if step.stage == "packages")
    for step in (torch, rest):
        assert {"--no-cache-dir", "--only-binary=:all:", "--no-input"} <= set(step.command)
        assert step.command[0] == str(python_of_venv(folder))
    assert torch.command[-3:-1] == ["--index-url", "file:///wheels/cpu"]
    assert torch.command[-1].startswith("torch==")
    assert "--index-url" not in rest.command and rest.command[-1].endswith("cpu.txt")
    assert [step.stage for step in plan.steps[:3]] == ["look", "clean", "make"]
    spans = [step.span for step in plan.steps]
    assert all(low <= high for low, high in spans) and spans == sorted(spans)


def test_temporary_files_go_inside_and_pip_settings_that_point_elsewhere_are_dropped(
    folder, monkeypatch
):
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PYTHONHOME", "/blender")
    command = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    plan = Plan(folder, (Step("look", command, (0, 1)),), BUILD, "", Path("python"))
    job = Installation(plan, folder.parent / "install.log")
    job.start()
    finish(job)
    seen = json.loads((folder.parent / "install.log").read_text().splitlines()[-1])
    assert {seen[name] for name in ("TMPDIR", "TEMP", "TMP")} == {str(folder / "tmp")}
    assert seen["PIP_TARGET"] == "" and seen["PIP_USER"] == "0" and "PYTHONHOME" not in seen


def test_environment_of_other_requirements_is_outdated(tmp_path):
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    (requirements / "cpu.txt").write_text("torch==1\n-r common.txt\n")
    (requirements / "common.txt").write_text("numpy==1\n")
    pins = make_plan(tmp_path, Path("x"), BUILD, requirements=requirements).pins
    marker = Marker("cpu", "cpu", pins, {}, "")
    assert is_current(marker, requirements)
    (requirements / "common.txt").write_text("numpy==2\n")
    assert not is_current(marker, requirements)


def test_damaged_marker_counts_for_nothing(folder):
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    for text in ("", "{", "[]", '{"build": "cpu"}'):
        (folder / MARKER).write_text(text)
        assert read_marker(folder) is None
