# SPDX-License-Identifier: GPL-3.0-or-later
import ast
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from backend.client.environment import REQUIRED_MODULES

ROOT = Path(__file__).parents[2]
# Imported inside a function when a download was asked for; not needed to run jobs.
OPTIONAL_MODULES = {"huggingface_hub"}
DEVICES = ("cpu", "cuda", "rocm", "mps")


def pins_of(name):
    """Package -> its pins in one requirements file and the files that it includes."""
    pins = {}
    for line in (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            pins |= pins_of(line[3:].removesuffix(".txt"))
        elif line and not line.startswith("#"):
            package, version = re.fullmatch(
                r"([\w.-]+(?:\[\w+\])?)==([\w.]+)(?:;.*)?", line
            ).groups()
            pins.setdefault(package, []).append(version)
    return pins


def imported_modules():
    """Top-level names of the foreign packages that `backend/` imports."""
    names = set()
    for path in (ROOT / "backend").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {item.name.partition(".")[0] for item in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names)


@pytest.mark.parametrize("device", DEVICES)
def test_requirements_hold_what_the_worker_imports_and_nothing_else(device):
    needed = set(REQUIRED_MODULES.values()) | OPTIONAL_MODULES
    assert set(pins_of(device)) == needed


def test_check_of_the_environment_knows_every_import():
    assert imported_modules() - OPTIONAL_MODULES == set(REQUIRED_MODULES)


def test_these_tests_run_with_the_pinned_versions():
    for package, versions in pins_of("cpu").items():
        assert metadata.version(package).partition("+")[0] in versions, package
