# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest

from backend.client.install_errors import explain_failure
from backend.errors import OfflineError, SetupError

LOG = Path("install.log")
# What pip 23 to 26 and venv write in each case.
NO_NETWORK = """WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by
'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to
establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/torch/
ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: none)
ERROR: No matching distribution found for torch==2.13.0"""
DISK_FULL = """ERROR: Could not install packages due to an OSError: [Errno 28] No space left on
device"""
NO_BUILD = """ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from
versions: 2.14.0)
ERROR: No matching distribution found for torch==2.13.0"""
HASHES = """ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have
updated the package versions, please update the hashes."""
LONG_PATH = """ERROR: Could not install packages due to an OSError: [Errno 2] No such file or
directory: 'C:\\\\Users\\\\x'
HINT: This error might have occurred since this system does not have Windows Long Path support"""
NO_VENV = """The virtual environment was not created successfully because ensurepip is not
available."""


@pytest.mark.parametrize(
    ("output", "kind", "words", "hint"),
    [
        (NO_NETWORK, OfflineError, "there is no connection", "firewall"),
        ("ReadTimeoutError: Read timed out.", OfflineError, "no connection", "again"),
        ("ProxyError('Cannot connect to proxy.')", OfflineError, "proxy refused", "password"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED]", OfflineError, "who it is", "date"),
        ("ERROR: HTTP error 503 while getting x", OfflineError, "answered with an error", "later"),
        (DISK_FULL, SetupError, "disk is full", "Environment Folder"),
        ("[WinError 112] There is not enough space", SetupError, "disk is full", "space"),
        (HASHES, SetupError, "not the one that was published", "again"),
        ("[Errno 13] Permission denied: '/x'", SetupError, "cannot be written", "permissions"),
        ("[WinError 5] Access is denied", SetupError, "cannot be written", "close programs"),
        (LONG_PATH, SetupError, "too long", "Environment Folder"),
        (NO_VENV, SetupError, "cannot make environments", "python3-venv"),
        ("/usr/bin/python3: No module named venv", SetupError, "cannot make", "another Python"),
        (NO_BUILD, SetupError, "does not exist for this Python", "3.11"),
        ("MemoryError", SetupError, "memory was too small", "Close"),
    ],
)
def test_known_causes_are_told_in_words_with_a_remedy(output, kind, words, hint):
    error = explain_failure(output, 1, LOG)
    assert type(error) is kind
    assert words in error.message and hint in error.hint
    assert error.hint.endswith("Details: install.log.")


def test_unknown_failure_quotes_the_last_error_line():
    error = explain_failure("x\nERROR: something odd.\nmore\n", 3, LOG)
    assert "(exit status 3). Its last words: ERROR: something odd." in error.message
    assert "install.log" in error.hint


def test_killed_from_outside_is_said():
    assert "ended from outside" in explain_failure("Collecting torch", -9, LOG).message
