# SPDX-License-Identifier: GPL-3.0-or-later
import hashlib
import json
import os

import pytest

from backend.batch.files import hash_file, hash_input, hash_values, lock, name_part, place_copy
from backend.errors import InputError


def test_copy_appears_under_its_name_only_when_it_is_whole_and_on_the_disk(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "out.glb"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    seen = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        seen.append((target.read_bytes(), name_part(target).exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    place_copy(source, target)
    assert seen[0] == (b"old", True)
    assert target.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.glb", "source"]


def test_failed_copy_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "out.glb"
    source.write_bytes(b"new")
    target.write_bytes(b"old")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        place_copy(source, target)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.glb", "source"]


def test_part_is_hidden_beside_its_place_and_of_the_same_kind(tmp_path):
    part = name_part(tmp_path / "chair v1.2.blend")
    assert (part.parent, part.name) == (tmp_path, ".chair v1.2.part.blend")


def test_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_digest_of_a_gltf_follows_the_files_that_it_names(tmp_path):
    buffers = [{"uri": "a%20b.bin"}, {"uri": "data:,x"}, {}, {"uri": "gone.bin"}]
    (tmp_path / "m.gltf").write_text(json.dumps({"buffers": buffers}))
    (tmp_path / "a b.bin").write_bytes(b"1")
    before = hash_input(tmp_path / "m.gltf")
    (tmp_path / "a b.bin").write_bytes(b"2")
    assert hash_input(tmp_path / "m.gltf") != before
    (tmp_path / "m.gltf").write_bytes(b"no json")
    assert len(hash_input(tmp_path / "m.gltf")) == 64


def test_digest_of_values_does_not_depend_on_the_order_of_keys():
    assert hash_values({"a": 1, "b": [2]}) == hash_values({"b": [2], "a": 1})
    assert hash_values({"a": 1}) != hash_values({"a": 2})


def test_lock_lets_one_in_and_opens_again(tmp_path):
    path = tmp_path / ".batch" / "lock"
    path.parent.mkdir()
    with lock(path), pytest.raises(InputError, match="Another batch"), lock(path):
        pass
    with lock(path):
        pass


def test_folder_that_knows_no_locks_can_be_used(tmp_path, monkeypatch):
    def refuse(file: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("backend.batch.files._lock", refuse)
    with lock(tmp_path / "lock"):
        pass
