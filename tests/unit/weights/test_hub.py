# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue, and fetching with a stand-in for the hub's client."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from backend.config import MODELS
from backend.errors import ModelMissingError, OfflineError, SetupError, WeightsError
from backend.progress import Progress
from backend.weights.catalogue import CATALOGUE, find_model
from backend.weights.hub import fetch_weights, find_weights, weights_path

ENTRY = find_model("hunyuan3d-2")


class FakeHub:
    """Writes the asked file, or fails as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        self.failure: Exception | None = None
        names = ["HfHubHTTPError", "EntryNotFoundError", "RepositoryNotFoundError"]
        kinds = {name: type(name, (Exception,), {}) for name in names}
        kinds["LocalEntryNotFoundError"] = type("Local", (kinds["EntryNotFoundError"],), {})
        self.errors = SimpleNamespace(**kinds)
        module = ModuleType("huggingface_hub")
        module.hf_hub_download = self.download  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "huggingface_hub", module)
        monkeypatch.setitem(sys.modules, "huggingface_hub.errors", self.errors)

    def download(self, repository: str, file: str, local_dir: Path) -> None:
        self.calls.append((repository, file))
        if self.failure:
            raise self.failure
        path = Path(local_dir) / file
        path.parent.mkdir(parents=True)
        path.write_bytes(b"weights")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    return FakeHub(monkeypatch)


def test_catalogue_knows_every_model_and_its_licence() -> None:
    assert tuple(CATALOGUE) == MODELS
    for entry in CATALOGUE.values():
        assert entry.licence
        assert entry.terms
    assert [name for name in MODELS if CATALOGUE[name].is_embedded] == ["maquette-mini"]


def test_unknown_model_is_missing() -> None:
    with pytest.raises(ModelMissingError, match="maquette-mini"):
        find_model("nonsense")


def test_fetched_file_is_found_without_another_download(hub: FakeHub, tmp_path: Path) -> None:
    path = fetch_weights(ENTRY, tmp_path, True, Progress())
    assert path.read_bytes() == b"weights"
    assert hub.calls == [(ENTRY.repository, ENTRY.file)]
    assert fetch_weights(ENTRY, tmp_path, False, Progress()) == path
    assert find_weights(ENTRY, tmp_path) == path
    assert len(hub.calls) == 1


def test_two_models_of_one_repository_do_not_mix(tmp_path: Path) -> None:
    paths = {weights_path(entry, tmp_path) for entry in CATALOGUE.values()}
    assert len(paths) == len(CATALOGUE)


def test_nothing_is_downloaded_while_offline(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match="online access"):
        fetch_weights(ENTRY, tmp_path, False, Progress())
    assert hub.calls == []


def test_absent_weights_say_where_they_belong(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError) as caught:
        find_weights(ENTRY, tmp_path)
    assert "Hunyuan3D-2/hunyuan3d-dit-v2-0/model.fp16.safetensors" in caught.value.hint
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LocalEntryNotFoundError", OfflineError),
        ("HfHubHTTPError", OfflineError),
        ("EntryNotFoundError", ModelMissingError),
        ("RepositoryNotFoundError", ModelMissingError),
    ],
)
def test_failures_of_the_hub_become_our_errors(
    hub: FakeHub, tmp_path: Path, name: str, expected: type[Exception]
) -> None:
    hub.failure = getattr(hub.errors, name)()
    with pytest.raises(expected):
        fetch_weights(ENTRY, tmp_path, True, Progress())


def test_full_disk_is_a_failed_download(hub: FakeHub, tmp_path: Path) -> None:
    hub.failure = OSError(28, "No space left on device")
    with pytest.raises(OfflineError, match="did not finish"):
        fetch_weights(ENTRY, tmp_path, True, Progress())


def test_wrong_digest_deletes_the_file(hub: FakeHub, tmp_path: Path) -> None:
    right = replace(ENTRY, sha256=hashlib.sha256(b"weights").hexdigest())
    path = fetch_weights(right, tmp_path, True, Progress())
    with pytest.raises(WeightsError, match="damaged"):
        fetch_weights(replace(ENTRY, sha256="0" * 64), tmp_path, True, Progress())
    assert not path.exists()


def test_missing_library_is_a_setup_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(SetupError, match="huggingface_hub"):
        fetch_weights(ENTRY, tmp_path, True, Progress())
