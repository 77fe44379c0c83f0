# SPDX-License-Identifier: GPL-3.0-or-later
"""Every golden case found in the folder is checked by the kind that claims its name.

A kind is a module in `tests/parity/kinds/` with `PREFIXES` and `check(case)`; the longest matching
prefix wins. `MAQUETTE_PARITY` names another folder of cases.
"""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from tests.parity.cases import OWN_FOLDER, find_cases, golden_folder, load_case


def find_kinds() -> dict[str, ModuleType]:
    """Name prefix -> module that checks cases of that kind."""
    kinds: dict[str, ModuleType] = {}
    for path in sorted((Path(__file__).parent / "kinds").glob("[!_]*.py")):
        module = importlib.import_module(f"tests.parity.kinds.{path.stem}")
        for prefix in module.PREFIXES:
            assert prefix not in kinds, f"{prefix} is claimed by {path.stem} and {kinds[prefix]}"
            kinds[prefix] = module
    return kinds


def kind_of(name: str, kinds: dict[str, ModuleType]) -> ModuleType | None:
    matching = [prefix for prefix in kinds if name.startswith(prefix)]
    return kinds[max(matching, key=len)] if matching else None


KINDS = find_kinds()


@pytest.mark.parametrize("name", find_cases(golden_folder()))
def test_case_agrees_with_the_reference(name: str) -> None:
    kind = kind_of(name, KINDS)
    if kind is None:
        pytest.skip(f"no kind in this project checks '{name}'")
    kind.check(load_case(name))


def test_there_are_cases() -> None:
    assert find_cases(golden_folder())


def test_every_geometry_case_of_this_project_has_a_kind() -> None:
    names = find_cases(OWN_FOLDER)
    geometry = [name for name in names if name.startswith(("hunyuan2_", "shape21_"))]
    assert len(geometry) >= 13
    assert [name for name in geometry if kind_of(name, KINDS) is None] == []


def test_every_painting_case_of_this_project_has_a_kind() -> None:
    painting = [n for n in find_cases(OWN_FOLDER) if n.startswith(("paint_", "delight_"))]
    networks = {"paint_unet", "paint_vae", "paint_text", "delight_unet"}
    assert {*networks, "paint_sampling", "delight_sampling"} <= set(painting)
    assert [name for name in painting if kind_of(name, KINDS) is None] == []


def test_longest_prefix_wins() -> None:
    short, long = ModuleType("short"), ModuleType("long")
    kinds = {"shape21_": short, "shape21_dit": long}
    assert kind_of("shape21_dit_wide3", kinds) is long
    assert kind_of("shape21_other", kinds) is short
    assert kind_of("hunyuan2_dit", kinds) is None
