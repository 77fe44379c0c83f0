# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns Ctrl-C into wishes that are looked at where it is safe to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Generator
from types import FrameType

_AFTER_JOB, _AT_ONCE = 1, 2


class Interrupts:
    """How often the user has asked to stop.

    Args:
        on_first: Called at the first time, to say what a second one would do.
    """

    def __init__(self, on_first: Callable[[], None] | None = None) -> None:
        self._on_first = on_first
        self._count = 0

    @property
    def is_ending(self) -> bool:
        """Whether no further job is to be started."""
        return self._count >= _AFTER_JOB

    @property
    def is_immediate(self) -> bool:
        """Whether the running job is not waited for."""
        return self._count >= _AT_ONCE

    def ask(self) -> None:
        """Ask to stop; the third time stops whatever runs, for instance a disk that hangs.

        Raises:
            KeyboardInterrupt: It is the third time.
        """
        self._count += 1
        if self._count == _AFTER_JOB and self._on_first is not None:
            self._on_first()
        if self._count > _AT_ONCE:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def listen(self) -> Generator[None]:
        """Take the process's Ctrl-C while the block runs; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            self.ask()

        former = signal.signal(signal.SIGINT, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, former if former is not None else signal.SIG_DFL)
