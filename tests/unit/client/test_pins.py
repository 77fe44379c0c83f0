# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from backend.client.pins import (
    install_commands,
    marker_holds,
    missing_pins,
    pins_digest,
    read_pins,
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cpu.txt").write_text(
        "# comment\ntorch==2.13.0; sys_platform != 'win32'\n"
        'torch==2.12.1; sys_platform == "win32"\n-r common.txt\n'
    )
    (tmp_path / "common.txt").write_text(
        'numpy==1.26.4; python_version < "3.13"\nnumpy==2.5.5; python_version >= "3.13"\n'
        "huggingface_hub[cli]==2.4.0 \\\n    --hash=sha256:0123\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("python", "platform", "torch", "numpy"),
    [
        ("3.11", "linux", "2.13.0", "1.26.4"),
        ("3.13", "darwin", "2.13.0", "2.5.5"),
        ("3.12", "win32", "2.12.1", "1.26.4"),
    ],
)
def test_pins_follow_includes_markers_and_hashes(folder, python, platform, torch, numpy):
    pins = read_pins("cpu", python, folder, platform)
    assert pins == {"torch": torch, "numpy": numpy, "huggingface-hub": "2.4.0"}


def test_own_requirements_have_a_torch_for_every_system():
    for name in ("cpu", "cuda"):
        assert read_pins(name, "3.11", platform="linux")["torch"] == "2.13.0"
        assert read_pins(name, "3.11", platform="win32")["torch"] == "2.12.1"
    assert "torch" in read_pins("mps", "3.11", platform="darwin")
    assert "torch" in read_pins("rocm", "3.11", platform="linux")


def test_local_builds_and_spellings_fulfil_a_pin():
    pins = {"torch": "2.13.0", "huggingface-hub": "2.4.0"}
    installed = {"torch": "2.13.0+cpu", "huggingface_hub": "2.4.0"}
    assert missing_pins(pins, installed) == []
    assert missing_pins(pins, {"torch": "2.12.0"}) == ["torch==2.13.0", "huggingface-hub==2.4.0"]


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("", True),
        ('python_version < "3.13"', True),
        ('python_version >= "3.13"', False),
        ("python_version == '3.11'", True),
        ('sys_platform == "win32"', False),
        ('sys_platform != "win32"', True),
    ],
)
def test_markers(marker, holds):
    assert marker_holds(marker, "3.11", "linux") is holds


def test_digest_changes_with_an_included_file_only_where_it_is_included(folder):
    (folder / "other.txt").write_text("six==1\n")
    before = pins_digest(["cpu"], folder), pins_digest(["other"], folder)
    (folder / "common.txt").write_text("numpy==3\n")
    after = pins_digest(["cpu"], folder), pins_digest(["other"], folder)
    assert before[0] != after[0] and before[1] == after[1]


def test_torch_alone_comes_from_its_own_index(folder):
    first, second = install_commands(["pip"], ["cpu", "common"], "file:///wheels", folder)
    assert first[-3:] == ["--index-url", "file:///wheels", "torch==2.13.0"]
    files = [str(folder / f"{name}.txt") for name in ("cpu", "common")]
    assert second[-4:] == ["-r", files[0], "-r", files[1]]
    assert install_commands(["pip"], ["cpu", "common"], "", folder) == [second]
