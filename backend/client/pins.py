# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the files in `requirements/` into pip's command lines, and into what an environment lacks.

Used by the installation inside Blender and by `packaging/make_venv.py`.
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .environment import PACKAGE_ROOT

REQUIREMENTS = PACKAGE_ROOT / "requirements"
_ANY_PYTHON = "3.11"  # torch's pin does not depend on it
# Nothing outside the environment is written (no cache), nothing is asked, nothing is compiled:
# artists have no compiler.
_PIP_OPTIONS = (
    "--no-input",
    "--disable-pip-version-check",
    "--no-cache-dir",
    "--only-binary=:all:",
)


def read_pins(
    name: str, python_version: str, folder: Path = REQUIREMENTS, platform: str = sys.platform
) -> dict[str, str]:
    """The pins of a requirements file and of the files that it includes.

    Args:
        name: File name without suffix, e.g. "cpu".
        python_version: E.g. "3.11"; pins whose marker does not hold for it are left out.
        folder: Where the files are.
        platform: As `sys.platform` has it; the same for pins of other systems.

    Returns:
        Package as registries compare names -> version.
    """
    pins: dict[str, str] = {}
    for line in _lines(folder / f"{name}.txt"):
        if line.startswith("-r "):
            included = line[3:].strip().removesuffix(".txt")
            pins |= read_pins(included, python_version, folder, platform)
            continue
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        package, found, version = requirement.partition("==")
        if found and marker_holds(marker.split("--hash")[0].strip(), python_version, platform):
            pins[normal_name(package)] = version.split()[0]
    return pins


def missing_pins(pins: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """The pins that are not fulfilled, e.g. `["numpy==1.26.4"]`.

    Args:
        pins: Package -> version, as of `read_pins`.
        installed: Package -> version; a local part as in "2.13.0+cpu" does not count.
    """
    have = {normal_name(name): version.partition("+")[0] for name, version in installed.items()}
    return [f"{name}=={version}" for name, version in pins.items() if have.get(name) != version]


def normal_name(package: str) -> str:
    """A package's name as registries compare it, without extras."""
    return package.strip().lower().replace("_", "-").partition("[")[0]


def marker_holds(marker: str, python_version: str, platform: str = sys.platform) -> bool:
    """Whether `python_version OP "X.Y"` or `sys_platform OP "NAME"` holds; an empty one does."""
    if not marker:
        return True
    name, operator, value = (part.strip("\"'") for part in marker.split())
    if name == "sys_platform":
        return (platform == value) == (operator == "==")
    mine, other = (tuple(map(int, text.split("."))) for text in (python_version, value))
    return {"<": mine < other, ">=": mine >= other, "==": mine == other}[operator]


def pins_digest(names: Sequence[str], folder: Path = REQUIREMENTS) -> str:
    """Changes whenever one of the files or of those that they include does; hex."""
    digest = hashlib.sha256()
    for name in names:
        for line in _lines(folder / f"{name}.txt"):
            text = line
            if line.startswith("-r "):
                text = pins_digest([line[3:].strip().removesuffix(".txt")], folder)
            digest.update(f"{text}\n".encode())
    return digest.hexdigest()


def install_commands(
    pip: Sequence[str], names: Sequence[str], index: str, folder: Path = REQUIREMENTS
) -> list[list[str]]:
    """The command lines that install requirements files, in order.

    Args:
        pip: What runs pip, e.g. `[python, "-m", "pip"]`.
        names: Files without suffix; the first one pins torch.
        index: Address of the index that torch alone comes from; empty: from where the rest does.
        folder: Where the files are.
    """
    install = [*pip, "install", *_PIP_OPTIONS]
    commands: list[list[str]] = []
    if index:
        torch = read_pins(names[0], _ANY_PYTHON, folder)["torch"]
        commands.append([*install, "--index-url", index, f"torch=={torch}"])
    files = [word for name in names for word in ("-r", str(folder / f"{name}.txt"))]
    return [*commands, [*install, *files]]


def _lines(path: Path) -> list[str]:
    """The lines of a requirements file, continued ones joined, without comments."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
