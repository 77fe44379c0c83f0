# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches as processes: whole runs, kills at any moment, Ctrl-C, workers that die."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.worker.driving import ROOT, TIME_LIMIT_S

NUM_PICTURES = 30
CORRUPT = ("picture 07", "picture 21")
GOOD = [f"picture {i:02}" for i in range(NUM_PICTURES) if f"picture {i:02}" not in CORRUPT]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


def start(worker: str, out: Path, *words: object) -> subprocess.Popen[str]:
    """Start a batch as the leader of a process group, as a shell would."""
    command = [sys.executable, str(ROOT / "tests/worker/batch_main.py"), worker]
    log_path = out.parent / f"{out.name}-worker" / "worker.log"
    return subprocess.Popen(
        [*command, str(log_path), "batch", *map(str, words), "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MAQUETTE_MODELS": str(out.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(worker: str, out: Path, *words: object) -> tuple[int, str, str]:
    """Run a batch to its end: exit code, stdout, stderr."""
    process = start(worker, out, *words)
    stdout, stderr = process.communicate(timeout=TIME_LIMIT_S * 4)
    return process.returncode, stdout, stderr


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIME_LIMIT_S
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.005)


def records(out: Path) -> list[dict]:
    """All whole lines about jobs."""
    path = out / "manifest.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [body for line in lines if (body := json.loads(line))["kind"] == "job"]


def last_states(out: Path) -> dict[str, str]:
    return {record["name"]: record["state"] for record in records(out)}


def num_ended(out: Path) -> int:
    return sum(record["state"] in ("done", "failed") for record in records(out))


def has_ended(out: Path, number: int) -> bool:
    return num_ended(out) >= number


def outputs(out: Path) -> dict[str, bytes]:
    """Content of everything that is not hidden, besides manifest, report and logs."""
    return {path.name: path.read_bytes() for path in out.glob("*.glb")}


def leftovers(out: Path) -> list[str]:
    """Files that a run should not have left."""
    parts = [path.name for path in out.rglob("*") if ".part" in path.name]
    return parts + [path.name for path in (out / ".batch/jobs").glob("*")]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty small pictures, two of them cut off."""
    folder = tmp_path_factory.mktemp("list") / "pictures"
    folder.mkdir()
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    for index in range(NUM_PICTURES):
        pixels = np.zeros((48, 48, 4), np.uint8)
        pixels[x**2 + y**2 < 0.3 + index / 60] = (200, 8 * index, 30, 255)
        path = folder / f"picture {index:02}.png"
        Image.fromarray(pixels).save(path)
        if path.stem in CORRUPT:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def undisturbed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the batch makes if nothing happens."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    code, stdout, stderr = run("batch", out, pictures)
    assert (code, stderr) == (1, "")
    assert "28 done, 2 failed" in stdout.splitlines()[-1]
    made = outputs(out)
    assert sorted(made) == [f"{name}.glb" for name in GOOD]
    assert len(set(made.values())) == len(GOOD)
    assert leftovers(out) == []
    return made


def check_finished(out: Path, code: int, undisturbed: dict[str, bytes]) -> None:
    """28 outputs, byte-equal to an undisturbed run's, two reported, nothing else."""
    assert code == 1
    assert outputs(out) == undisturbed
    assert last_states(out) == dict.fromkeys(GOOD, "done") | dict.fromkeys(CORRUPT, "failed")
    failed = [record for record in records(out) if record["state"] == "failed"][-2:]
    assert all("damaged" in record["error"] and record["hint"] for record in failed)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "30 jobs: 28 done, 2 failed" in page
    assert leftovers(out) == []


@POSIX
@pytest.mark.parametrize("moment", range(4))
def test_killed_batches_resume_to_what_an_undisturbed_one_makes(
    moment, pictures, undisturbed, tmp_path
):
    out = tmp_path / "out"
    for kill in range(4):
        wanted = num_ended(out) + 1 + (moment + kill) % 3
        process = start("batch", out, pictures, *(["--resume"] if kill else []))
        wait_until(partial(has_ended, out, wanted))
        time.sleep((7 * moment + 3 * kill) % 11 / 250)  # somewhere in a job: these take 0.02 s
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert outputs(out).items() <= undisturbed.items()  # whole ones or none
    kept = {name: (out / name).stat().st_mtime_ns for name in outputs(out)}
    done = {f"{r['name']}.glb" for r in records(out) if r["state"] == "done"}
    code, stdout, _ = run("batch", out, pictures, "--resume")
    check_finished(out, code, undisturbed)
    again = {name for name in kept if (out / name).stat().st_mtime_ns != kept[name]}
    assert not again & done  # what was finished is not made twice
    assert stdout.startswith("30 jobs, ")


@POSIX
def test_kill_with_the_real_stages_in_the_middle_of_a_list(pictures, tmp_path):
    names = [*GOOD[:8], CORRUPT[0]]
    lines = [json.dumps({"image": str(pictures / f"{name}.png")}) for name in names]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    words = [tmp_path / "list.jsonl", "--no-texture", "--resolution", "64", "--faces", "300"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert run("tiny", whole, *words)[0] == 1
    process = start("tiny", out, *words)
    wait_until(lambda: num_ended(out) >= 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 3 <= num_ended(out) < 8
    assert run("tiny", out, *words, "--resume")[0] == 1
    assert outputs(out) == outputs(whole) and len(outputs(whole)) == 8
    assert last_states(out)[CORRUPT[0]] == "failed"
    sizes = {path.name: path.stat().st_size for path in (out / ".batch/thumbnails").iterdir()}
    assert len(sizes) == 16 and min(sizes.values()) > 500


def test_manifest_cut_at_any_place_resumes_to_the_same(pictures, undisturbed, tmp_path):
    out = tmp_path / "out"
    assert run("batch", out, pictures)[0] == 1
    path = out / "manifest.jsonl"
    content = path.read_bytes()
    for share in (0.1, 0.45, 0.9):
        path.write_bytes(content[: int(len(content) * share)])
        for name in set(GOOD) - last_states(out).keys():
            (out / f"{name}.glb").unlink(missing_ok=True)  # is written after its job's first line
        code, _, stderr = run("batch", out, pictures, "--resume")
        assert stderr == ""
        check_finished(out, code, undisturbed)


def test_resume_makes_anew_what_was_lost_damaged_or_asked_for_otherwise(
    pictures, undisturbed, tmp_path
):
    out, csv = tmp_path / "out", tmp_path / "list.csv"
    rows = [f"{pictures}/{name}.png,{name}," for name in GOOD[:6]]
    csv.write_text("\n".join(["image,name,seed", *rows]))
    assert run("batch", out, csv)[0] == 0
    (out / f"{GOOD[0]}.glb").unlink()
    (out / f"{GOOD[1]}.glb").write_bytes(b"glTF of somebody else")
    rows[2] += "5"
    rows[3] = f"{pictures}/{GOOD[9]}.png,{GOOD[3]},"
    csv.write_text("\n".join(["image,name,seed", *rows]))
    code, stdout, _ = run("batch", out, csv, "--resume", "--json")
    assert code == 0
    events = [json.loads(line) for line in stdout.splitlines()]
    assert [event["name"] for event in events if event["event"] == "start"] == GOOD[:4]
    assert [event["name"] for event in events if event["event"] == "skip"] == GOOD[4:6]
    made = outputs(out)
    for name in (*GOOD[:2], *GOOD[4:6]):
        assert made[f"{name}.glb"] == undisturbed[f"{name}.glb"]
    assert made[f"{GOOD[3]}.glb"] == undisturbed[f"{GOOD[9]}.glb"]
    assert made[f"{GOOD[2]}.glb"] not in undisturbed.values()


@pytest.fixture
def slow_third(pictures: Path, tmp_path: Path) -> Path:
    """The list of all pictures, the third of which takes two seconds."""
    jobs = [{"image": str(path)} for path in sorted(pictures.glob("*.png"))]
    jobs[2] = jobs[2] | {"steps": 200}
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(json.dumps(job) for job in jobs))
    return path


@POSIX
def test_ctrl_c_once_finishes_the_running_job_and_stops(slow_third, undisturbed, tmp_path):
    out = tmp_path / "out"
    process = start("batch", out, slow_third)
    wait_until(lambda: last_states(out).get(GOOD[2]) == "running")
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=TIME_LIMIT_S)
    assert process.returncode == 130
    assert stderr == "Stopping after this job; press Ctrl-C again to stop at once.\n"
    assert "27 left, go on with --resume" in stdout.splitlines()[-1]
    assert last_states(out) == dict.fromkeys(GOOD[:3], "done")
    assert leftovers(out) == []
    code, stdout, _ = run("batch", out, slow_third, "--resume")
    assert stdout.startswith("30 jobs, 3 of them finished already.")
    check_finished(out, code, undisturbed)


@POSIX
def test_ctrl_c_twice_stops_at_once_with_nothing_half_written(slow_third, undisturbed, tmp_path):
    out = tmp_path / "out"
    process = start("batch", out, slow_third)
    wait_until(lambda: last_states(out).get(GOOD[2]) == "running")
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
    process.communicate(timeout=TIME_LIMIT_S)
    assert process.returncode == 130
    assert last_states(out) == {GOOD[0]: "done", GOOD[1]: "done", GOOD[2]: "stopped"}
    assert outputs(out) == {f"{name}.glb": undisturbed[f"{name}.glb"] for name in GOOD[:2]}
    assert leftovers(out) == []
    assert "28 not done yet" in (out / "report.html").read_text(encoding="utf-8")


def test_worker_that_dies_is_started_again_and_its_job_tried_once_more(pictures, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("calm", "deadly", "fragile", "last"):
        (folder / f"{name}.png").write_bytes((pictures / f"{GOOD[0]}.png").read_bytes())
    code, stdout, _ = run("batch", tmp_path / "out", folder, "--json")
    assert code == 1
    events = [json.loads(line) for line in stdout.splitlines()]
    attempts = [(e["name"], e["attempt"]) for e in events if e["event"] == "start"]
    twice = [("deadly", 1), ("deadly", 2), ("fragile", 1), ("fragile", 2)]
    assert attempts == [("calm", 1), *twice, ("last", 1)]
    ends = {e["name"]: e for e in events if e["event"] == "end"}
    assert {name: end["state"] for name, end in ends.items()} == {
        **{"calm": "done", "deadly": "failed", "fragile": "done", "last": "done"}
    }
    assert ends["deadly"]["code"] == "worker_died"
    assert ends["fragile"]["attempts"] == 2
    (folder / "fragile.died").unlink()
    code, stdout, _ = run("batch", tmp_path / "other", folder, "--json", "--retries", 0)
    ends = [json.loads(line) for line in stdout.splitlines()]
    states = {e["name"]: e["state"] for e in ends if e["event"] == "end"}
    assert states["fragile"] == "failed" and states["last"] == "done"


def test_errors_of_the_list_come_all_at_once_before_any_work(pictures, tmp_path):
    csv, out = tmp_path / "list.csv", tmp_path / "out"
    good = pictures / f"{GOOD[0]}.png"
    csv.write_text(f"image,name,seed\n{good},a,1\ngone.png,b,2\n{good},A,x\n{good},c,-1\n")
    code, stdout, stderr = run("batch", out, csv, "--json")
    assert code == 2
    lines = stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"list.csv:{n}" for n in (3, 4, 4, 5)]
    told = [json.loads(line) for line in stdout.splitlines()]
    assert [e["event"] for e in told] == ["refused"] * 4
    assert not out.exists()


def test_folder_of_another_list_is_refused_and_resume_takes_it(pictures, undisturbed, tmp_path):
    out = tmp_path / "out"
    small = tmp_path / "pictures"
    small.mkdir()
    for name in GOOD[:2]:
        (small / f"{name}.png").write_bytes((pictures / f"{name}.png").read_bytes())
    assert run("batch", out, small)[0] == 0
    assert run("batch", out, small)[0] == 0  # the same list may be made anew
    (small / f"{GOOD[2]}.png").write_bytes((pictures / f"{GOOD[2]}.png").read_bytes())
    before = (out / "manifest.jsonl").read_bytes()
    code, stdout, stderr = run("batch", out, small)
    assert (code, stdout) == (2, "")
    assert "another list" in stderr and "--resume" in stderr and stderr.count("\n") == 1
    assert (out / "manifest.jsonl").read_bytes() == before
    code, stdout, _ = run("batch", out, small, "--resume")
    assert code == 0 and stdout.startswith("3 jobs, 2 of them finished already.")
    assert outputs(out) == {f"{name}.glb": undisturbed[f"{name}.glb"] for name in GOOD[:3]}


def test_files_of_others_are_never_written_over(pictures, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{GOOD[3]}.glb").write_bytes(b"mine")
    for words in ([], ["--resume"]):
        code, stdout, stderr = run("batch", out, pictures, *words)
        assert (code, stdout) == (2, "")
        assert f"{GOOD[3]}.glb" in stderr and stderr.count("\n") == 1
    assert outputs(out) == {f"{GOOD[3]}.glb": b"mine"}


def test_two_batches_do_not_write_into_one_folder(pictures, undisturbed, tmp_path):
    out = tmp_path / "out"
    process = start("batch", out, pictures)
    wait_until(lambda: num_ended(out) >= 1)
    code, _, stderr = run("batch", out, pictures, "--resume")
    assert code == 2 and "Another batch" in stderr
    process.communicate(timeout=TIME_LIMIT_S)
    check_finished(out, process.returncode, undisturbed)
