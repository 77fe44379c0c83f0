# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from backend.config import EMBEDDED_MODEL, MODELS, PAINT_MODELS
from backend.weights import digest
from backend.weights.catalogue import EMBEDDED_FOLDER, LIGHT_STEM, find_model
from backend.weights.digest import weights_digest
from backend.weights.hub import weights_path

NAME = "hunyuan3d-2"


@pytest.fixture
def weights(tmp_path):
    """A stand-in for downloaded weights, three mebibytes long."""
    path = weights_path(find_model(NAME), tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(3 << 20))
    return path


def test_embedded_weights_have_a_digest_wherever_others_lie(tmp_path):
    found = weights_digest("model", EMBEDDED_MODEL, tmp_path)
    assert len(found) == 64 and int(found, 16)
    assert found == weights_digest("model", EMBEDDED_MODEL, tmp_path / "other")


@pytest.mark.parametrize(
    ("setting", "name"),
    [("model", name) for name in (*MODELS[1:], "no-such-model")]
    + [("paint_model", name) for name in PAINT_MODELS[1:]],
)
def test_weights_that_are_not_there_have_none(tmp_path, setting, name):
    assert weights_digest(setting, name, tmp_path) == ""


@pytest.mark.parametrize("place", [0, (1 << 20) - 1, (2 << 20), (3 << 20) - 1])
def test_a_byte_at_either_end_changes_the_digest(tmp_path, weights, place):
    before = weights_digest("model", NAME, tmp_path)
    content = bytearray(weights.read_bytes())
    content[place] = 1
    weights.write_bytes(content)
    after = weights_digest("model", NAME, tmp_path)
    assert len(before) == len(after) == 64 and before != after


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 2 << 20])
def test_the_size_changes_the_digest(tmp_path, weights, size):
    before = weights_digest("model", NAME, tmp_path)
    weights.write_bytes(bytes(size))
    assert weights_digest("model", NAME, tmp_path) not in ("", before)


@pytest.fixture
def embedded(tmp_path, monkeypatch):
    """A copy of the embedded models' indices, which may be changed."""
    folder = tmp_path / "embedded"
    folder.mkdir()
    for path in EMBEDDED_FOLDER.glob("*.json"):
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(digest, "EMBEDDED_FOLDER", folder)
    return folder


def test_other_weights_of_the_light_network_are_other_weights_of_what_paints(tmp_path, embedded):
    names = [("model", EMBEDDED_MODEL), ("paint_model", PAINT_MODELS[0])]
    before = [weights_digest(*name, tmp_path) for name in names]
    index = embedded / f"{LIGHT_STEM}.json"
    index.write_text(index.read_text(encoding="utf-8").replace('"sha256"', '"sha257"'))
    after = [weights_digest(*name, tmp_path) for name in names]
    assert before[0] == after[0] and before[1] != after[1]
