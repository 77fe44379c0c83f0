# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what a machine has into the build of PyTorch that runs on it.

The tables of this module are the only place that knows which builds of the pinned PyTorch exist,
which drivers they need and how large they are.
"""

import platform
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import SetupError
from .environment import NO_WINDOW

PYTHONS = ((3, 11), (3, 12), (3, 13))
"""Versions of Python for which all pinned packages exist ready-made."""
INDEX_FIELD = "{build}"
"""In the address of a package index: replaced by the name of the build, e.g. "cu130"."""
_SMI_TIMEOUT_S = 5.0
# Old drivers, which have to be recognised as such, do not know the capability.
_SMI_QUERIES = ("--query-gpu=name,driver_version,compute_cap", "--query-gpu=name,driver_version")
_AMD_DRIVER = Path("/dev/kfd")
_PROCESSORS = {"amd64": "x86_64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides which build runs.

    Attributes:
        system: "linux", "windows" or "darwin".
        processor: "x86_64", "arm64" or another name.
        gpu: Name of the first NVIDIA GPU, or empty.
        driver: Version of NVIDIA's driver, e.g. `(580, 95)`; empty without one.
        capability: Compute capability of the first NVIDIA GPU, e.g. `(8, 6)`; empty if unknown.
        has_amd: Whether there is an AMD GPU with its compute driver.
    """

    system: str
    processor: str
    gpu: str = ""
    driver: tuple[int, ...] = ()
    capability: tuple[int, ...] = ()
    has_amd: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """A build of PyTorch with everything that goes with it.

    Attributes:
        device: "cuda", "rocm", "mps" or "cpu": also the name of the requirements file.
        name: The build's folder in PyTorch's package index, e.g. "cu130".
        download_mb: What is downloaded in all, 10^6 bytes.
        disk_mb: What is on the disk afterwards, 10^6 bytes.
        is_default: Whether pip's default index has this build for the machine.
        note: What the user should know about the choice, or empty.
    """

    device: str
    name: str
    download_mb: int
    disk_mb: int
    is_default: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class _CudaBuild:
    """One row of the table below; capabilities are inclusive."""

    name: str
    min_driver: tuple[int, ...]
    min_capability: tuple[int, ...]
    max_capability: tuple[int, ...]


# PyTorch 2.12 and 2.13, best first. CUDA 13 needs driver 580 and has dropped the GPUs before
# Turing; CUDA 12 runs on every driver from 525 (528 on Windows), but not on Blackwell.
_CUDA_BUILDS = (
    _CudaBuild("cu130", (580,), (7, 5), (99,)),
    _CudaBuild("cu126", (528,), (5, 0), (9, 9)),
)
_ROCM_BUILD = "rocm7.2"
_BEST = {"cuda": _CUDA_BUILDS[0].name, "rocm": _ROCM_BUILD, "cpu": "cpu"}
# (download, disk) in 10^6 bytes, everything included. cpu and cu130 were measured on Linux with
# Python 3.11, mps's download too; the others are estimates.
_SIZES_MB = {
    "cpu": (290, 1270),
    "cu126": (3100, 6500),
    "cu130": (2840, 5400),
    _ROCM_BUILD: (5000, 17000),
    "mps": (210, 900),
}


def detect_machine() -> Machine:
    """Look at this machine; asks NVIDIA's driver through `nvidia-smi`, at most for seconds."""
    processor = platform.machine().lower()
    machine = Machine(
        system=platform.system().lower(),
        processor=_PROCESSORS.get(processor, processor),
        has_amd=_AMD_DRIVER.exists(),
    )
    answers = (read_driver(_ask_driver(query)) for query in _SMI_QUERIES)
    return replace(machine, **next((fields for fields in answers if fields), {}))


def read_driver(answer: str) -> dict[str, str | tuple[int, ...]]:
    """The fields of `Machine` that a line "name, driver[, capability]" of `nvidia-smi` fills.

    Args:
        answer: One line for each GPU; text that is something else fills nothing.
    """
    parts = [part.strip() for part in (answer.splitlines() or [""])[0].split(",")]
    if len(parts) not in (2, 3) or not (driver := _read_version(parts[1])):
        return {}
    return {"gpu": parts[0], "driver": driver, "capability": _read_version("".join(parts[2:]))}


def choose_build(machine: Machine, index: str = "", device: str = "auto") -> Build:
    """The build for a machine.

    Args:
        machine: Where it shall run.
        index: Address of a package index that has the builds of PyTorch; empty: only pip's default
            index is there, which has one build for each system.
        device: "cuda", "rocm" or "cpu" takes a build for that, whatever the machine has.

    Raises:
        SetupError: There is none for this machine.
    """
    if machine.system == "darwin" and machine.processor == "arm64":
        return _build("mps", "mps", is_default=True)
    if machine.processor not in ("x86_64", "arm64") or machine.system not in ("linux", "windows"):
        raise SetupError(
            f"PyTorch does not exist for this machine ({machine.system}, {machine.processor}).",
            "Use another machine; Macs need an Apple processor.",
        )
    wanted = _build(device, _BEST[device]) if device in _BEST else _fitting_build(machine)
    if index:
        return wanted
    return _default_build(machine, wanted)


def index_address(index: str, build: Build) -> str:
    """The index that torch comes from: with the build's name filled in, or empty for pip's own."""
    return index.strip().replace(INDEX_FIELD, build.name)


def _fitting_build(machine: Machine) -> Build:
    """The best build that runs here, if every index could be had."""
    if machine.driver:
        for row in _CUDA_BUILDS:
            capability = machine.capability or row.min_capability
            is_known = row.min_capability <= capability <= row.max_capability
            if is_known and machine.driver >= row.min_driver:
                return _build("cuda", row.name)
        shown = ".".join(map(str, machine.driver))
        newest = ".".join(map(str, _CUDA_BUILDS[0].min_driver))
        note = (
            f"The driver {shown} of '{machine.gpu}' is too old, so the processor is used. Install "
            f"driver {newest} or newer, then press Repair."
        )
        return _build("cpu", "cpu", note=note)
    if machine.has_amd and machine.system == "linux":
        return _build("rocm", _ROCM_BUILD)
    return _build("cpu", "cpu")


def _default_build(machine: Machine, wanted: Build) -> Build:
    """What pip's default index has: CUDA 13 for Linux on x86-64, else the processor's."""
    is_cuda = machine.system == "linux" and machine.processor == "x86_64"
    best = _BEST["cuda" if is_cuda else "cpu"]
    if wanted.name == best:
        return replace(wanted, is_default=True)
    given = _build("cpu", best, is_default=True, note=wanted.note)
    if wanted.device == "cpu":
        note = (
            "pip's default index has only the build for NVIDIA GPUs, which also runs on the "
            "processor. It is smaller from an index with the build cpu, named in the preferences."
        )
        return replace(given, note=wanted.note or note)
    note = (
        "pip's default index has no build for this GPU, so the processor is used. Name an index "
        f"with the build {wanted.name} in the preferences."
    )
    return replace(given, note=note)


def _build(device: str, name: str, is_default: bool = False, note: str = "") -> Build:
    download_mb, disk_mb = _SIZES_MB[name]
    return Build(device, name, download_mb, disk_mb, is_default, note)


def _ask_driver(query: str) -> str:
    """What `nvidia-smi` says, or an empty string where it is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, query, "--format=csv,noheader"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_SMI_TIMEOUT_S,
            creationflags=NO_WINDOW,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _read_version(text: str) -> tuple[int, ...]:
    """The numbers of a version, e.g. `(580, 95, 5)`; empty if it is none."""
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()
