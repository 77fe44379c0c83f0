# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that outlive their program, which ends cleanly, is killed, or still lives."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backend.client.queue_file import (
    QueueFile,
    SavedJob,
    SavedPicture,
    claim_left_over,
    decode_jobs,
    encode_jobs,
    find_left_over,
)
from backend.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


def make_job(name="chair"):
    return SavedJob(
        f"id-{name}",
        "generate",
        name,
        "kitchen.blend",
        "Scene",
        {"front": SavedPicture("chair.png", "pictures/front.png")},
        {"seed": 7, "guidance": 1.5, "model": "maquette-mini"},
        {"location": [1.0, 2.0, 3.0], "size_m": 0.5},
    )


def test_jobs_come_back_from_their_text_as_they_were():
    jobs = [make_job("chair"), make_job("Stühle 椅子")]
    assert decode_jobs(encode_jobs(jobs)) == jobs
    assert encode_jobs([]) == "" and decode_jobs("") == []


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"version": 1}',
        '{"version": 1, "jobs": [3]}',
        '{"version": 1, "jobs": [{"job_id": "a"}]}',
        "[" * 100_000,
        encode_jobs([make_job()]).replace('"version": 1', '"version": 2'),
        encode_jobs([make_job()]).replace('"id-chair"', "5"),
        encode_jobs([make_job()]).replace('"chair.png"', "null"),
        encode_jobs([make_job()]).replace('{"location": [1.0, 2.0, 3.0], "size_m": 0.5}', "[]"),
    ],
)
def test_foreign_or_damaged_text_is_an_input_error(text):
    with pytest.raises(InputError):
        decode_jobs(text)


def test_paths_are_those_of_pictures_and_result():
    assert make_job().paths == [Path("pictures/front.png")]
    result = {"mesh_path": "a/mesh.npz", "texture_path": "a/base.png"}
    paths = replace(make_job(), result=result).paths
    assert paths == [Path("pictures/front.png"), Path("a/mesh.npz"), Path("a/base.png")]


def test_fields_of_a_later_version_of_the_same_format_are_dropped():
    body = json.loads(encode_jobs([make_job()]))
    body["jobs"][0]["mood"] = "good"
    assert decode_jobs(json.dumps(body)) == [make_job()]


def test_jobs_of_a_living_program_are_not_offered_and_those_of_an_ended_one_are(tmp_path):
    file = QueueFile(tmp_path)
    file.write([make_job()])
    assert find_left_over(tmp_path) == {}
    file.close()
    assert find_left_over(tmp_path) == {file.path: [make_job()]}


def test_jobs_of_a_killed_program_are_offered(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from tests.unit.client.test_queue_file import make_job\n"
        "from backend.client.queue_file import QueueFile\n"
        "file = QueueFile(Path(sys.argv[1])); file.write([make_job()])\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        assert find_left_over(tmp_path) == {}
        child.kill()
    assert list(find_left_over(tmp_path).values()) == [[make_job()]]


def test_only_one_program_gets_left_over_jobs(tmp_path):
    file = QueueFile(tmp_path)
    file.write([make_job()])
    file.close()
    (path,) = find_left_over(tmp_path)
    assert claim_left_over(path) and not claim_left_over(path)
    assert list(tmp_path.iterdir()) == []


def test_without_jobs_nothing_is_left(tmp_path):
    file = QueueFile(tmp_path)
    file.write([make_job()])
    file.write([])
    file.close()
    assert list(tmp_path.iterdir()) == []


def test_damaged_file_hides_no_other(tmp_path):
    for text in ("{", encode_jobs([make_job()]), "\xff"):
        file = QueueFile(tmp_path)
        file.path.write_bytes(text.encode("latin-1"))
        file.close()
    assert list(find_left_over(tmp_path).values()) == [[make_job()]]


def test_folder_that_is_gone_fails_nothing(tmp_path):
    file = QueueFile(tmp_path / "gone")
    file.write([make_job()])
    file.close()
    assert find_left_over(tmp_path / "gone") == {}
