# SPDX-License-Identifier: GPL-3.0-or-later
import os
import time

import pytest

from backend.client.job_folders import clean_job_folders
from backend.client.queue_file import QueueFile, SavedJob

NOW_S = time.mktime((2026, 5, 1, 12, 0, 0, 0, 0, -1))
DAY_S = 24 * 3600.0


@pytest.fixture
def make(tmp_path):
    """Makes a folder with a file in it, of that age."""

    def run(name, age_s):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "mesh.npz").write_bytes(b"x")
        os.utime(folder, (NOW_S - age_s, NOW_S - age_s))
        return folder

    return run


@pytest.fixture
def make_job(make):
    """Makes a job's folder, named after the time when it was queued."""
    made = iter(range(100))

    def run(age_s):
        queued = time.strftime("%Y%m%d-%H%M%S", time.localtime(NOW_S - age_s - 60))
        return make(f"{queued}-{next(made):06x}", age_s)

    return run


def clean(root, keep=0, max_age_s=0.0, in_use=()):
    return set(clean_job_folders(root, keep, max_age_s, in_use, NOW_S))


def owe(root, *folders):
    """What a program's list of unfinished jobs says."""
    jobs = [SavedJob(f.name, "generate", "a", "", "", {}, {}) for f in folders]
    own = QueueFile(root)
    own.write(jobs)
    return own


def test_the_newest_stay(tmp_path, make_job):
    jobs = [make_job(days * DAY_S) for days in (1, 2, 3, 4, 5)]
    assert clean(tmp_path, keep=2) == set(jobs[2:])
    assert sorted(tmp_path.iterdir()) == sorted(jobs[:2])


def test_old_ones_go(tmp_path, make_job):
    young, old = make_job(29 * DAY_S), make_job(31 * DAY_S)
    assert clean(tmp_path, max_age_s=30 * DAY_S) == {old}
    assert young.is_dir()


def test_without_limits_nothing_goes(tmp_path, make, make_job):
    make_job(1000 * DAY_S)
    make("pictures-abc", 1000 * DAY_S)
    assert clean(tmp_path) == set()


@pytest.mark.parametrize("inside", ["", "mesh.npz"])
def test_what_the_caller_uses_stays(tmp_path, make_job, inside):
    jobs = [make_job(days * DAY_S) for days in (5, 6, 7)]
    assert clean(tmp_path, keep=1, in_use=[jobs[2] / inside]) == {jobs[1]}


@pytest.mark.parametrize("is_alive", [True, False])
def test_what_any_program_owes_stays(tmp_path, make, make_job, is_alive):
    jobs = [make_job(days * DAY_S) for days in (5, 6, 7)]
    mesh = make("mesh-abc", 6 * DAY_S + 1200)
    older = make("mesh-old", 8 * DAY_S)
    own = owe(tmp_path, jobs[1])
    if not is_alive:
        own.close()
    assert clean(tmp_path, max_age_s=DAY_S) == {jobs[0], jobs[2], older}
    assert jobs[1].is_dir() and mesh.is_dir()


def test_what_is_just_being_written_stays(tmp_path, make, make_job):
    jobs = [make_job(60), make_job(120)]
    inputs = make("pictures-abc", 600)
    assert clean(tmp_path, keep=1) == set()
    assert all(path.is_dir() for path in (*jobs, inputs))


def test_inputs_go_with_the_jobs_that_they_were_for(tmp_path, make, make_job):
    make_job(2 * DAY_S)
    old = make_job(5 * DAY_S)
    kept = make("pictures-new", 2 * DAY_S + 120)
    gone = make("pictures-old", 5 * DAY_S + 120)
    assert clean(tmp_path, keep=1) == {old, gone}
    assert kept.is_dir()


def test_nothing_else_is_touched(tmp_path, make, make_job):
    make_job(50 * DAY_S)
    others = [make(name, 50 * DAY_S) for name in ("my renders", "pictures", "20260101", "mesh-a b")]
    (tmp_path / "worker.log").write_text("x", encoding="utf-8")
    link = tmp_path / "20200101-000000-abcdef"
    link.symlink_to(others[0], target_is_directory=True)
    assert len(clean(tmp_path, max_age_s=DAY_S)) == 1
    assert all(path.is_dir() for path in others) and link.exists()
    assert (others[0] / "mesh.npz").is_file() and (tmp_path / "worker.log").is_file()


def test_a_root_that_is_gone_is_no_error(tmp_path):
    assert clean(tmp_path / "none", keep=1, max_age_s=1.0) == set()
