# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifications: what is run, and that nothing waits for it."""

import json
import sys
import time
from pathlib import Path

import pytest

from backend.client.notify import Notifier, notification_command

TEXT = '"; rm -rf $HOME `id` <b>&amp;</b> \\'


def test_linux_takes_the_text_as_text():
    command = notification_command("Maquette", TEXT, "linux")
    assert command[:4] == ["notify-send", "--app-name=Maquette", "--", "Maquette"]
    assert command[4:] == ['"; rm -rf $HOME `id` &lt;b&gt;&amp;amp;&lt;/b&gt; \\']


def test_macos_takes_the_text_as_an_argument_of_the_script():
    command = notification_command("Maquette", TEXT, "darwin")
    assert command[0] == "osascript" and command[-2:] == ["Maquette", TEXT]
    assert not any("rm" in word for word in command[:-1])


def test_windows_has_none():
    assert notification_command("Maquette", TEXT, "win32") == []


@pytest.fixture
def notify_send(tmp_path, monkeypatch):
    """A `notify-send` that writes its words down and then hangs; its file."""
    program, words = tmp_path / "notify-send", tmp_path / "words.json"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys, time, pathlib\n"
        f"pathlib.Path({str(words)!r}).write_text(json.dumps(sys.argv[1:]))\ntime.sleep(60)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return words


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux has it")
def test_a_hanging_command_is_not_waited_for_and_ended_at_the_end(notify_send):
    notifier = Notifier()
    start = time.monotonic()
    assert notifier.show("Maquette", TEXT)
    assert time.monotonic() - start < 2
    while not (notify_send.exists() and notify_send.read_text()):
        assert time.monotonic() - start < 20
        time.sleep(0.02)
    assert json.loads(notify_send.read_text())[-1] == notification_command("", TEXT, "linux")[-1]
    (process,) = notifier._running
    notifier.close()
    assert process.returncode is not None


def test_without_the_command_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not Notifier().show("Maquette", TEXT)
    assert list(Path(tmp_path).iterdir()) == []
