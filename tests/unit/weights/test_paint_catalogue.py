# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting models, which consist of several files, and fetching them."""

import fnmatch
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from backend.config import MODELS, PAINT_MODELS
from backend.errors import ModelMissingError, OfflineError
from backend.progress import Progress
from backend.weights.catalogue import CATALOGUE, PAINT_CATALOGUE, find_paint_model
from backend.weights.hub import fetch_weights, find_weights, has_weights

ENTRY = find_paint_model("hunyuan3d-paint-2")
PUBLISHED = (
    "hunyuan3d-paint-v2-0/model_index.json",
    *(
        f"hunyuan3d-paint-v2-0/unet/{name}"
        for name in ("config.json", "diffusion_pytorch_model.bin")
    ),
    *(
        f"hunyuan3d-paint-v2-0/vae/{name}"
        for name in ("config.json", "diffusion_pytorch_model.bin")
    ),
    "hunyuan3d-paint-v2-0/scheduler/scheduler_config.json",
    "hunyuan3d-paint-v2-0/text_encoder/pytorch_model.bin",
    "hunyuan3d-delight-v2-0/unet/config.json",
    "hunyuan3d-delight-v2-0/unet/diffusion_pytorch_model.safetensors",
    "hunyuan3d-delight-v2-0/vae/config.json",
    "hunyuan3d-delight-v2-0/vae/diffusion_pytorch_model.safetensors",
    "hunyuan3d-delight-v2-0/scheduler/scheduler_config.json",
    "hunyuan3d-delight-v2-0/text_encoder/config.json",
    "hunyuan3d-delight-v2-0/text_encoder/model.safetensors",
    "hunyuan3d-delight-v2-0/tokenizer/vocab.json",
    "hunyuan3d-delight-v2-0/tokenizer/special_tokens_map.json",
    "hunyuan3d-dit-v2-0/model.fp16.safetensors",
)


class FakeHub:
    """Writes the published files that match, all but the ones that are withheld."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.withheld: set[str] = set()
        self.calls: list[str] = []
        names = ["HfHubHTTPError", "EntryNotFoundError", "RepositoryNotFoundError"]
        kinds = {name: type(name, (Exception,), {}) for name in names}
        kinds["LocalEntryNotFoundError"] = type("Local", (kinds["EntryNotFoundError"],), {})
        module = ModuleType("huggingface_hub")
        module.snapshot_download = self.download  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "huggingface_hub", module)
        monkeypatch.setitem(sys.modules, "huggingface_hub.errors", SimpleNamespace(**kinds))

    def download(self, repository: str, allow_patterns: list[str], local_dir: Path) -> None:
        self.calls.append(repository)
        for file in set(PUBLISHED) - self.withheld:
            if any(fnmatch.fnmatch(file, pattern) for pattern in allow_patterns):
                path = local_dir / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")


def fetch(folder: Path, is_online_allowed: bool = True) -> Path:
    return fetch_weights(ENTRY, folder, is_online_allowed, Progress())


def test_catalogue_knows_every_painting_model() -> None:
    assert tuple(PAINT_CATALOGUE) == PAINT_MODELS
    assert [e.name for e in PAINT_CATALOGUE.values() if e.is_embedded] == ["maquette-mini"]
    published = {e.name for e in PAINT_CATALOGUE.values() if e.repository}
    assert not published & set(MODELS)
    embedded = PAINT_CATALOGUE["maquette-mini"]
    assert embedded.file != CATALOGUE["maquette-mini"].file
    with pytest.raises(ModelMissingError, match="maquette-mini"):
        find_paint_model("hunyuan3d-2")


def test_fetch_takes_what_painting_needs_and_nothing_else(monkeypatch, tmp_path: Path) -> None:
    hub = FakeHub(monkeypatch)
    assert not has_weights(ENTRY, tmp_path)
    root = fetch(tmp_path)
    assert (
        root == tmp_path / "Hunyuan3D-2" / "hunyuan3d-paint-v2-0" == find_weights(ENTRY, tmp_path)
    )
    assert has_weights(ENTRY, tmp_path)
    there = {p.relative_to(root.parent).as_posix() for p in root.parent.rglob("*") if p.is_file()}
    assert set(PUBLISHED) - there == {PUBLISHED[0], PUBLISHED[6], PUBLISHED[-1]}
    fetch(tmp_path, is_online_allowed=False)
    assert hub.calls == ["tencent/Hunyuan3D-2"]


def test_broken_download_is_not_taken_for_the_model_and_goes_on(monkeypatch, tmp_path) -> None:
    hub = FakeHub(monkeypatch)
    hub.withheld = {"hunyuan3d-delight-v2-0/unet/diffusion_pytorch_model.safetensors"}
    with pytest.raises(OfflineError, match="did not finish"):
        fetch(tmp_path)
    assert not has_weights(ENTRY, tmp_path)
    hub.withheld = set()
    fetch(tmp_path)
    assert has_weights(ENTRY, tmp_path)


def test_nothing_is_fetched_while_online_access_is_off(monkeypatch, tmp_path) -> None:
    hub = FakeHub(monkeypatch)
    with pytest.raises(OfflineError, match="online access is off"):
        fetch(tmp_path, is_online_allowed=False)
    assert hub.calls == []


def test_model_that_is_not_there_names_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError) as caught:
        find_weights(ENTRY, tmp_path)
    assert "hunyuan3d-paint-v2-0" in caught.value.hint
