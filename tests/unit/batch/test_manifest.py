# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that says where each job stands, whole, cut off and damaged."""

import os
from dataclasses import replace

import pytest

from backend.batch.manifest import (
    DONE,
    FAILED,
    RUNNING,
    STOPPED,
    ListHeader,
    Manifest,
    Record,
    read_manifest,
)
from backend.errors import MaquetteError

HEADER = ListHeader("d" * 8, "jobs.csv", 3, "0.1.0", "2026-01-01T00:00:00+00:00")
RECORDS = [
    Record("a", RUNNING, "jobs.csv:2", {"image_front": "1"}, "s", outputs={"a.glb": ""}),
    Record("a", DONE, "jobs.csv:2", {"image_front": "1"}, "s", 3, "m", {"a.glb": "2"}, {"x": 0.5}),
    Record("ä \udcff", RUNNING, outputs={"b.glb": ""}),
    Record("ä \udcff", FAILED, code="input", error="Na\nin.", hint="So.", outputs={"b.glb": ""}),
]


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    manifest = read_manifest(tmp_path / "manifest.jsonl")
    manifest.begin(HEADER, is_resumed=False)
    for record in RECORDS:
        manifest.add(record)
    return manifest


def test_last_line_about_a_job_counts(manifest):
    read = read_manifest(manifest.path)
    assert read.header == HEADER
    assert read.records == {"a": RECORDS[1], "ä \udcff": RECORDS[3]} == manifest.records
    assert read.outputs == {"a.glb", "b.glb"}


def test_no_file_says_nothing(tmp_path):
    read = read_manifest(tmp_path / "no.jsonl")
    assert (read.header, read.records, read.files) == (None, {}, {})


def test_file_cut_at_any_byte_keeps_its_whole_lines_and_can_be_gone_on_with(manifest):
    content = manifest.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == 10]
    for size in sorted({*range(0, len(content), 7), *ends[:-1], *(end - 1 for end in ends)}):
        manifest.path.write_bytes(content[:size])
        read = read_manifest(manifest.path)
        num_whole = sum(end <= size for end in ends)
        expected = {record.name: record for record in RECORDS[: max(num_whole - 1, 0)]}
        assert read.records == expected
        assert (read.header == HEADER) == (num_whole > 0)
        read.begin(HEADER, is_resumed=True, kept=read.records)
        read.add(Record("new", DONE))
        again = read_manifest(manifest.path)
        assert again.records == expected | {"new": Record("new", DONE)}
        assert again.header == HEADER


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"\0\0\0\0", b"\xff\xfe", b"{}", b"[]", b"3", b'{"kind": "job"}', b"[" * 99_999),
        b'{"kind": "job", "name": "a", "state": "done", "outputs": ["a.glb"]}',
        b'{"kind": "job", "name": "a", "state": "done", "seed": "3"}',
        b'{"kind": "job", "name": ["a"], "state": "done"}',
        b'{"kind": "list", "digest": 3}',
        b'{"kind": "later"}',
    ],
)
def test_damaged_line_changes_nothing(line, manifest):
    with manifest.path.open("ab") as file:
        file.write(line + b"\n")
    read = read_manifest(manifest.path)
    assert (read.header, read.records) == (HEADER, manifest.records)


def test_fields_of_later_versions_are_passed_over(manifest):
    text = manifest.path.read_text().replace('"state":', '"later": [1], "state":')
    manifest.path.write_text(text)
    assert read_manifest(manifest.path).records == manifest.records


def test_new_run_forgets_results_but_not_which_files_are_its_own(manifest):
    manifest.add_file("library.blend", "5")
    manifest.begin(replace(HEADER, digest="e"), is_resumed=False)
    read = read_manifest(manifest.path)
    assert read.header is not None and read.header.digest == "e"
    assert {record.state for record in read.records.values()} == {STOPPED}
    assert read.outputs == {"a.glb", "b.glb"}
    assert read.records["a"].inputs == {}
    assert read.files == {"library.blend": "5"} == manifest.files


def test_resumed_run_forgets_what_it_does_not_keep(manifest):
    manifest.add_file("library.blend", "5")
    manifest.begin(HEADER, is_resumed=True, kept={"a"})
    read = read_manifest(manifest.path)
    assert read.records["a"] == RECORDS[1]
    assert read.records["ä \udcff"] == Record("ä \udcff", STOPPED, outputs={"b.glb": ""})
    assert read.files == {"library.blend": "5"}


def test_line_for_which_there_is_no_room_is_taken_back(manifest, monkeypatch):
    before = manifest.path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
    with pytest.raises(MaquetteError, match="cannot be written"):
        manifest.add(Record("c", DONE))
    assert manifest.path.read_bytes() == before
    assert "c" not in manifest.records


def test_every_line_is_flushed_to_the_disk_before_add_returns(manifest, monkeypatch):
    synced = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    manifest.add(Record("c", DONE))
    assert synced == [manifest.path.stat().st_size]
