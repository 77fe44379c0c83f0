# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns method calls into messages to a worker process, and its lines into messages; never blocks.

A daemon thread reads the worker's stdout into a queue that `poll` empties, so the caller (Blender's
main thread) neither waits nor is called from another thread.
"""

import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ..errors import ProtocolError, SetupError, WorkerDiedError
from ..protocol import (
    PROTOCOL_VERSION,
    Cancel,
    ErrorEvent,
    Hello,
    Message,
    Shutdown,
    Submit,
    Unload,
    encode,
    read_messages,
)
from .environment import NO_WINDOW, worker_command, worker_environment

_log = logging.getLogger(__name__)
# Bounded, so that a worker gone mad fills its pipe and not this process's memory.
_INBOX_SIZE = 1024
# Bounds the time of one `poll`: a job says a few dozen lines a second.
_MAX_PER_POLL = 256
_TAIL_BYTES = 4096
_SIGKILL_STATUS = -9  # as `Popen.returncode` gives it; Windows has no such signal


class WorkerProcess:
    """A worker in a process of its own, spoken to over its stdin and stdout.

    Args:
        python: Python of the worker's environment.
        log_path: File that takes the worker's stderr; its folder is made and becomes the worker's
            current folder.
        arguments: Arguments of `backend.worker`, e.g. `["--device", "cpu"]`.
        command: What to run instead of `python -m backend.worker`.
        start_timeout_s: How long the worker may take to say hello; the first start after an
            installation reads gigabytes.
        models_folder: Downloaded models and caches; None takes `environment.find_models_folder`.

    Attributes:
        hello: What the worker said about itself, or None until then.
    """

    def __init__(
        self,
        python: Path,
        log_path: Path,
        arguments: Sequence[str] = (),
        command: Sequence[str] = (),
        start_timeout_s: float = 180.0,
        models_folder: Path | None = None,
    ) -> None:
        self._command = [*(command or worker_command(python, models_folder)), *arguments]
        self._models_folder = models_folder
        self._log_path = log_path
        self._start_timeout_s = start_timeout_s
        self._inbox: queue.Queue[Message | ProtocolError | None] = queue.Queue(_INBOX_SIZE)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self.hello: Hello | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; returns at once, the `Hello` comes through `poll`.

        Raises:
            SetupError: The Python cannot be run or the log file cannot be written.
        """
        try:
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            with self._log_path.open("wb") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=self._log_path.parent,
                    env=worker_environment(self._models_folder),
                    creationflags=NO_WINDOW,
                    start_new_session=sys.platform != "win32",
                )
        except OSError as error:
            raise SetupError(
                f"The worker cannot be started: {error}.",
                "Check the worker's Python and the folders in the preferences.",
            ) from error
        self._started = time.monotonic()
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def poll(self) -> list[Message]:
        """What arrived since the last call; lines that are no messages come as `ErrorEvent`.

        Raises:
            SetupError: The worker ended or stayed silent before it said hello.
            ProtocolError: The worker speaks another version of the protocol.
            WorkerDiedError: The worker ended; all that it said before was handed out.
        """
        messages: list[Message] = []
        for _ in range(min(self._inbox.qsize(), _MAX_PER_POLL)):
            item = self._inbox.get_nowait()
            if item is None:
                self._inbox.put(None)  # stays the last item, so that every later call sees it
                if not messages:
                    raise self._death()
            elif isinstance(item, ProtocolError):
                messages.append(ErrorEvent("", item.code, item.message, item.hint))
            else:
                self._greet(item)
                messages.append(item)
        if self.hello is None and time.monotonic() - self._started > self._start_timeout_s:
            self.kill()
            raise SetupError(
                f"The worker said nothing for {self._start_timeout_s:.0f} s after its start.",
                f"Try again; if it stays, see {self._log_path}.",
            )
        return messages

    def submit(self, job: Submit) -> None:
        """Hand over a job."""
        self._send(job)

    def cancel(self, job_id: str) -> None:
        """Ask the worker to stop that job before its next step."""
        self._send(Cancel(job_id))

    def unload(self) -> None:
        """Ask the worker to free its models."""
        self._send(Unload())

    def shutdown(self, timeout_s: float = 3.0) -> None:
        """End the process: by asking, and after the time limit by killing it."""
        if self._process is None or self._process.stdin is None:
            return
        self._send(Shutdown())
        try:
            self._process.stdin.close()
        except OSError:
            _log.info("the worker had closed its stdin")
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _send(self, message: Message) -> None:
        """Write to the pipe; a dead worker is reported by the next `poll`, not here."""
        if self._process is None or self._process.stdin is None:
            raise WorkerDiedError("The worker was not started.", "Start it first.")
        try:
            self._process.stdin.write(encode(message))
            self._process.stdin.flush()
        except (OSError, ValueError) as error:  # ValueError: we closed the pipe in `shutdown`
            _log.info("not sent, the worker is gone: %s", error)

    def _listen(self, stdout: BinaryIO) -> None:
        """Move what the worker says into the queue, None at its end."""
        try:
            for item in read_messages(stdout):
                self._inbox.put(item)
        except OSError as error:
            _log.warning("reading from the worker failed: %s", error)
        self._inbox.put(None)

    def _greet(self, message: Message) -> None:
        """Keep the worker's hello.

        Raises:
            ProtocolError: It speaks another version.
        """
        if not isinstance(message, Hello):
            return
        if message.protocol != PROTOCOL_VERSION:
            self.kill()
            raise ProtocolError(
                f"The worker speaks protocol {message.protocol}, this side {PROTOCOL_VERSION}.",
                "Install the extension again, then restart Blender.",
            )
        self.hello = message

    def _death(self) -> SetupError | WorkerDiedError:
        """Why the pipe ended, with the last line of the worker's log."""
        self.kill()  # its stdout is closed: whatever still runs there is of no use
        code = self._process.returncode if self._process else None
        last = _last_line(self._log_path)
        because = f" Its last words: {last}." if last else ""
        if self.hello is None:
            return SetupError(
                f"The worker could not start (exit status {code}).{because}",
                f"Check the worker's Python in the preferences; details: {self._log_path}.",
            )
        if code == _SIGKILL_STATUS:
            because = " It was killed, perhaps by the system because memory ran out."
        return WorkerDiedError(
            f"The worker ended unexpectedly (exit status {code}).{because}",
            "The next job starts a new one. If it happens again, try a lower resolution or a "
            f"smaller model; details: {self._log_path}.",
        )


def _last_line(path: Path) -> str:
    """The last line of a text file that is not empty, cut to 200 characters."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "").rstrip(".")
