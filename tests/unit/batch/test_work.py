# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace
from pathlib import Path

import pytest

from backend.batch.files import hash_file, name_part
from backend.batch.manifest import DONE, FAILED, Manifest, Record
from backend.batch.plan import BatchJob
from backend.batch.work import (
    Extra,
    Place,
    begin_record,
    digest_list,
    digest_settings,
    find_strangers,
    hash_inputs,
    is_whole,
    keep_result,
    set_aside,
)
from backend.client.queue import Task
from backend.config import JobConfig, overlay
from backend.errors import InputError, MaquetteError
from backend.protocol import Result


@pytest.fixture
def job(tmp_path: Path) -> BatchJob:
    (tmp_path / "chair.png").write_bytes(b"picture")
    return BatchJob("chair", {"front": tmp_path / "chair.png"}, JobConfig())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "out", version="0.1.0")
    place.make_folders()
    return place


@pytest.fixture
def result(tmp_path: Path) -> Result:
    (tmp_path / "mesh.glb").write_bytes(b"glTF")
    return Result("id", "mesh.npz", str(tmp_path / "mesh.glb"), 3, 1, 0, {"sample": 1.5}, ["Note."])


@pytest.fixture
def record(job: BatchJob, place: Place, result: Result) -> Record:
    """Of the finished job, its files in their places."""
    return keep_result(job, result, begin_record(job, place, 1, hash_inputs(job)), place)


def test_finished_job_is_whole_and_its_record_says_what_it_was_made_of(job, place, record):
    assert is_whole(job, record, place)
    assert (record.state, record.faces, record.seconds) == (DONE, 1, {"sample": 1.5})
    assert record.outputs == {"chair.glb": hash_file(place.folder / "chair.glb")}
    assert record.inputs == {"image_front": hash_file(job.images["front"])}


def change_picture(job, place, record):
    job.images["front"].write_bytes(b"another")
    return job, record


def lose_picture(job, place, record):
    job.images["front"].unlink()
    return job, record


def change_output(job, place, record):
    (place.folder / "chair.glb").write_bytes(b"other")
    return job, record


def lose_output(job, place, record):
    (place.folder / "chair.glb").unlink()
    return job, record


def change_setting(job, place, record):
    return replace(job, config=overlay(job.config, {"seed": 1})), record


def add_view(job, place, record):
    return replace(job, images=job.images | {"back": job.images["front"]}), record


def paint_a_mesh(job, place, record):
    return replace(job, task=Task("retexture", job.images["front"])), record


def fail(job, place, record):
    return job, replace(record, state=FAILED)


def forget(job, place, record):
    return job, None


CHANGES = (change_picture, lose_picture, change_output, lose_output)
CHANGES += (change_setting, add_view, paint_a_mesh, fail, forget)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_job_is_not_whole_after_any_change(change, job, place, record):
    job, record = change(job, place, record)
    assert not is_whole(job, record, place)


def test_job_made_with_more_files_is_whole_and_one_with_fewer_is_not(job, place, result):
    extra = Extra(".blend", lambda job, result, path: path.write_bytes(b"BLENDER"))
    wide = replace(place, extras=[extra])
    record = keep_result(job, result, begin_record(job, wide, 1, hash_inputs(job)), wide)
    assert (place.folder / "chair.blend").read_bytes() == b"BLENDER"
    assert is_whole(job, record, wide) and is_whole(job, record, place)
    fewer = keep_result(job, result, begin_record(job, place, 1, hash_inputs(job)), place)
    assert not is_whole(job, fewer, wide)


def test_changed_result_is_kept_aside_and_an_unchanged_or_unknown_one_is_not(job, place, record):
    path, old = place.folder / "chair.glb", place.folder / "chair.glb.old"
    set_aside(job, record, place)
    assert path.exists() and not old.exists()
    path.write_bytes(b"edited by hand")
    set_aside(job, begin_record(job, place, 1, {}), place)  # a killed run's, perhaps half done
    assert path.exists() and not old.exists()
    set_aside(job, record, place)
    assert not path.exists() and old.read_bytes() == b"edited by hand"


def test_files_of_others_are_strangers_and_own_ones_are_not(job, place, record):
    manifest = Manifest(place.folder / "manifest.jsonl")
    assert find_strangers([job], manifest, place) == ["chair.glb"]
    manifest.records["chair"] = begin_record(job, place, 1, {})
    assert find_strangers([job], manifest, place) == []


def test_list_is_another_with_other_names_settings_or_paths_only(job):
    other = replace(job, name="b")
    digest = digest_list([job, other])
    assert digest_list([other, replace(job, place="list.csv:9")]) == digest
    assert digest_list([job]) != digest
    assert digest_list([job, replace(other, name="c")]) != digest
    assert digest_list([job, replace(other, images={"front": Path("/x.png")})]) != digest
    seeded = replace(other, config=overlay(other.config, {"seed": 2}))
    assert digest_settings(seeded) != digest_settings(other)
    assert digest_list([job, seeded]) != digest


def test_what_a_killed_run_left_is_removed_and_nothing_else(job, place):
    part = name_part(place.folder / "chair.glb")
    keep = place.folder / ".other.part.glb"
    for path in (part, part.with_name(part.name + "@"), keep):
        path.write_bytes(b"half")
    (place.job_root / "id").mkdir(parents=True)
    place.clean_up([job])
    assert [path.name for path in place.folder.glob("*.part*")] == [keep.name]
    assert not place.job_root.exists()


def test_folder_or_file_that_cannot_be_written_is_told_in_words(job, place, result, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        Place(tmp_path / "file").make_folders()
    (place.folder / "chair.glb").mkdir()
    with pytest.raises(MaquetteError, match=r"chair\.glb' cannot be written"):
        keep_result(job, result, begin_record(job, place, 1, {}), place)


def test_input_that_went_away_is_told_by_its_name(job):
    job.images["front"].unlink()
    with pytest.raises(InputError, match=r"'chair\.png' cannot be read"):
        hash_inputs(job)
