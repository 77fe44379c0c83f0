# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what pip and venv wrote before they failed into one sentence and what to do about it."""

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import MaquetteError, OfflineError, SetupError

_KILLED_STATUS = -9  # as `Popen.returncode` gives it; Windows has no such signal


@dataclass(frozen=True, slots=True)
class _Cause:
    """A known reason: what its output holds, and what is said of it."""

    pattern: re.Pattern[str]
    message: str
    hint: str
    is_offline: bool = False


def _cause(pattern: str, message: str, hint: str, is_offline: bool = False) -> _Cause:
    return _Cause(re.compile(pattern, re.IGNORECASE), message, hint, is_offline)


# The first that is found counts: what is certain comes before what may be a consequence of it.
_CAUSES = (
    _cause(
        r"No space left on device|Errno 28\b|WinError 112\b|not enough space|Disk quota exceeded",
        "The disk is full.",
        "Free some space, or choose an Environment Folder on another disk.",
    ),
    _cause(
        r"DO NOT MATCH THE HASHES",
        "A downloaded package is not the one that was published.",
        "Install again; if it stays, something between you and the package index changes files.",
    ),
    _cause(
        r"Long Path support|WinError 206\b|Errno 36\b|file ?name too long",
        "The path of the environment's folder is too long for this system.",
        "Choose an Environment Folder with a shorter path in the preferences.",
    ),
    _cause(
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "The package index could not prove who it is.",
        "Check the computer's date; behind a company's proxy, tell pip its certificate.",
        is_offline=True,
    ),
    _cause(
        r"407 Proxy Authentication|ProxyError|Tunnel connection failed",
        "The proxy refused the connection.",
        "Check the proxy's address and password in the system's settings, then try again.",
        is_offline=True,
    ),
    _cause(
        r"Failed to establish a new connection|Name or service not known|getaddrinfo failed"
        r"|Temporary failure in name resolution|nodename nor servname|Network is unreachable"
        r"|ConnectTimeout|ReadTimeout|Read timed out|NewConnectionError|Connection refused"
        r"|Connection reset|Connection aborted|RemoteDisconnected|IncompleteRead"
        r"|Connection broken|NameResolutionError|NetworkUnreachable|ConnectionError",
        "The packages could not be downloaded: there is no connection.",
        "Check the network, a proxy or a firewall, then install again.",
        is_offline=True,
    ),
    _cause(
        r"\b(?:4\d\d|5\d\d) (?:Client|Server) Error\b|HTTP error \d{3}",
        "The package index answered with an error.",
        "Try again later; check the index that the preferences or pip's settings name.",
        is_offline=True,
    ),
    _cause(
        r"Permission denied|Errno 13\b|WinError 5\b|Access is denied|Read-only file system"
        r"|Errno 30\b|Operation not permitted",
        "The environment's folder cannot be written.",
        "Check its permissions and virus scanner, and close programs that use the environment.",
    ),
    _cause(
        r"No module named '?(?:venv|ensurepip|pip)\b|ensurepip is not\s+available",
        "This Python cannot make environments.",
        "Choose another Python for the installation; on Debian and Ubuntu, install python3-venv.",
    ),
    _cause(
        r"No matching distribution found|Could not find a version that satisfies"
        r"|is not a supported wheel on this platform|Requires-Python",
        "A package does not exist for this Python or this machine.",
        "Choose Python 3.11, 3.12 or 3.13 of 64 bits for the installation, or another index.",
    ),
    _cause(
        r"MemoryError|Cannot allocate memory",
        "The memory was too small for the installation.",
        "Close other programs, then install again.",
    ),
)


def explain_failure(output: str, status: int | None, log_path: Path) -> MaquetteError:
    """The error that a failed step of an installation becomes.

    Args:
        output: What the step wrote.
        status: Its exit status, or None where it could not be started.
        log_path: File with all of the output.
    """
    for cause in _CAUSES:
        if cause.pattern.search(output):
            kind = OfflineError if cause.is_offline else SetupError
            return kind(cause.message, f"{cause.hint} Details: {log_path}.")
    if status == _KILLED_STATUS:
        return SetupError(
            "The installation was ended from outside.",
            f"Perhaps memory ran out: close other programs and try again. Details: {log_path}.",
        )
    last = _last_words(output)
    because = f" Its last words: {last}." if last else ""
    return SetupError(
        f"The installation failed (exit status {status}).{because}",
        f"Install again; if it stays, the log says more: {log_path}.",
    )


def _last_words(output: str) -> str:
    """The last line that pip calls an error, else the last one; cut to 200 characters."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.upper().startswith("ERROR")]
    return (errors or lines or [""])[-1][:200].rstrip(".")
