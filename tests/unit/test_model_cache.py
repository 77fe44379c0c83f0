# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models the worker keeps, by the memory that is free."""

from typing import Any

import pytest
import torch

from backend import devices
from backend.worker import ModelCache


class Loads:
    """A cache whose loaders note what they load."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.cache = ModelCache(self.load, self.load, torch.device("cpu"))

    def load(self, name: str, device: torch.device, dtype: torch.dtype) -> Any:
        self.names.append(name)
        return object()


@pytest.fixture
def loads() -> Loads:
    return Loads()


def set_free_memory(monkeypatch: pytest.MonkeyPatch, megabytes: int) -> None:
    monkeypatch.setattr(devices, "free_memory_mb", lambda device: megabytes)


def alternate(loads: Loads, shape: str, paint: str) -> list[str]:
    """What is loaded while two jobs use both models."""
    for _ in range(2):
        loads.cache.load_paint(paint)
        loads.cache.load_shape(shape)
        loads.cache.load_paint(paint)
    return loads.names


def test_both_models_stay_where_there_is_room(loads, monkeypatch):
    set_free_memory(monkeypatch, 20_000)
    names = alternate(loads, "hunyuan3d-2", "hunyuan3d-paint-2")
    assert names == ["hunyuan3d-paint-2", "hunyuan3d-2"]


def test_one_makes_room_for_the_other_where_there_is_none(loads, monkeypatch):
    set_free_memory(monkeypatch, 5_000)
    names = alternate(loads, "hunyuan3d-2", "hunyuan3d-paint-2")
    shape, paint = "hunyuan3d-2", "hunyuan3d-paint-2"
    assert names == [paint, shape, paint, shape, paint]


def test_embedded_models_need_little_room(loads, monkeypatch):
    set_free_memory(monkeypatch, 2_000)
    assert alternate(loads, "maquette-mini", "maquette-mini") == ["maquette-mini"] * 2


def test_system_that_does_not_tell_its_memory_keeps_both(loads, monkeypatch):
    set_free_memory(monkeypatch, 0)
    assert len(alternate(loads, "hunyuan3d-2", "hunyuan3d-paint-2")) == 2


def test_second_model_of_a_kind_replaces_the_first(loads, monkeypatch):
    set_free_memory(monkeypatch, 20_000)
    first = loads.cache.load_shape("maquette-mini")
    loads.cache.load_shape("hunyuan3d-2")
    assert loads.cache.load_shape("maquette-mini") is not first
    assert len(loads.names) == 3


def test_cleared_cache_is_empty_and_loads_anew(loads, monkeypatch):
    set_free_memory(monkeypatch, 20_000)
    assert loads.cache.is_empty
    loads.cache.load_paint("maquette-mini")
    assert not loads.cache.is_empty
    loads.cache.clear()
    assert loads.cache.is_empty
    loads.cache.load_paint("maquette-mini")
    assert len(loads.names) == 2
