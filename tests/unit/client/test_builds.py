# SPDX-License-Identifier: GPL-3.0-or-later
import sys
from dataclasses import replace

import pytest

from backend.client import builds
from backend.client.builds import (
    Machine,
    choose_build,
    detect_machine,
    index_address,
    read_driver,
)
from backend.errors import SetupError

INDEX = "file:///wheels/{build}"
LINUX = Machine("linux", "x86_64")
WINDOWS = Machine("windows", "x86_64")
MAC = Machine("darwin", "arm64")


def with_gpu(machine, driver, capability):
    return replace(machine, gpu="GTX", driver=driver, capability=capability)


@pytest.mark.parametrize("machine", [LINUX, WINDOWS])
@pytest.mark.parametrize(
    ("driver", "capability", "name"),
    [
        ((580, 65, 6), (8, 6), "cu130"),
        ((591, 0), (12, 0), "cu130"),
        ((580, 0), (7, 5), "cu130"),
        ((580, 0), (6, 1), "cu126"),  # Pascal: CUDA 13 has dropped it
        ((551, 23), (8, 9), "cu126"),
        ((528, 33), (5, 0), "cu126"),
        ((591, 0), (), "cu130"),  # an nvidia-smi that does not know the capability
        ((527, 0), (8, 6), "cpu"),
        ((572, 0), (12, 0), "cpu"),  # Blackwell needs a newer driver than this one
        ((580, 0), (3, 7), "cpu"),
    ],
)
def test_driver_and_gpu_decide_the_cuda_version(machine, driver, capability, name):
    build = choose_build(with_gpu(machine, driver, capability), INDEX)
    assert build.name == name
    assert build.device == ("cpu" if name == "cpu" else "cuda")
    assert ("Install driver 580 or newer" in build.note) == (name == "cpu")


@pytest.mark.parametrize(
    ("machine", "name", "device"),
    [
        (LINUX, "cpu", "cpu"),
        (WINDOWS, "cpu", "cpu"),
        (MAC, "mps", "mps"),
        (replace(LINUX, has_amd=True), "rocm7.2", "rocm"),
        (replace(WINDOWS, has_amd=True), "cpu", "cpu"),
    ],
)
def test_machines_without_nvidia(machine, name, device):
    build = choose_build(machine, INDEX)
    assert (build.name, build.device, build.note) == (name, device, "")


def test_pips_own_index_has_one_build_for_each_system():
    new = with_gpu(LINUX, (580, 0), (8, 6))
    build = choose_build(new)
    assert (build.name, build.device, build.is_default, build.note) == ("cu130", "cuda", True, "")
    assert choose_build(LINUX).name == "cu130" and choose_build(LINUX).device == "cpu"
    assert "smaller" in choose_build(LINUX).note and choose_build(WINDOWS).note == ""
    windows = choose_build(with_gpu(WINDOWS, (580, 0), (8, 6)))
    assert (windows.name, windows.device) == ("cpu", "cpu") and "cu130" in windows.note
    old = choose_build(with_gpu(LINUX, (550, 0), (8, 6)))
    assert old.device == "cpu" and "cu126" in old.note
    assert choose_build(MAC).is_default


def test_device_may_be_chosen_whatever_the_machine_has():
    assert choose_build(with_gpu(LINUX, (580, 0), (8, 6)), INDEX, "cpu").name == "cpu"
    assert choose_build(LINUX, INDEX, "cuda").name == "cu130"
    assert choose_build(LINUX, INDEX, "rocm").name == "rocm7.2"


@pytest.mark.parametrize(
    "machine", [Machine("darwin", "x86_64"), Machine("linux", "riscv64"), Machine("freebsd", "x86")]
)
def test_machine_without_any_build_is_a_setup_error(machine):
    with pytest.raises(SetupError, match="does not exist for this machine"):
        choose_build(machine, INDEX)


def test_sizes_grow_with_the_build():
    sizes = [choose_build(LINUX, INDEX, device) for device in ("cpu", "cuda", "rocm")]
    assert [s.download_mb for s in sizes] == sorted(s.download_mb for s in sizes)
    assert all(200 <= s.download_mb < s.disk_mb for s in sizes)


def test_address_of_an_index_takes_the_builds_name():
    build = choose_build(LINUX, INDEX)
    assert index_address(" file:///wheels/{build} ", build) == "file:///wheels/cpu"
    assert index_address("file:///wheels", build) == "file:///wheels"
    assert index_address("", build) == ""


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (
            "NVIDIA GeForce RTX 3090, 580.95.05, 8.6\n",
            {"gpu": "NVIDIA GeForce RTX 3090", "driver": (580, 95, 5), "capability": (8, 6)},
        ),
        (
            "A, 551.23, 6.1\nB, 551.23, 8.9\n",
            {"gpu": "A", "driver": (551, 23), "capability": (6, 1)},
        ),
        ("Tesla K80, 470.0, [N/A]", {"gpu": "Tesla K80", "driver": (470, 0), "capability": ()}),
        ("NVIDIA-SMI has failed because it couldn't communicate with the driver", {}),
        ("GTX 680, 470.256.02", {"gpu": "GTX 680", "driver": (470, 256, 2), "capability": ()}),
        ("", {}),
    ],
)
def test_answer_of_the_driver_is_read(answer, fields):
    assert read_driver(answer) == fields


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands for nvidia-smi")
@pytest.mark.parametrize(
    ("script", "driver"),
    [
        ("echo 'RTX, 580.1, 8.6'", (580, 1)),
        ("case $1 in *compute_cap) exit 2;; esac; echo 'GTX, 470.1'", (470, 1)),
        ("exit 9", ()),
        ("exec sleep 20", ()),
    ],
)
def test_this_machine_is_looked_at(monkeypatch, tmp_path, script, driver):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(builds, "_SMI_TIMEOUT_S", 0.5)
    machine = detect_machine()
    assert machine.driver == driver
    assert machine.system in ("linux", "darwin") and machine.processor in ("x86_64", "arm64")
