# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a running job's steps into progress reports, and a cancel request into an exception."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import CancelledError


@dataclass(frozen=True, slots=True)
class Report:
    """One progress report.

    Attributes:
        stage: Name of the running stage, e.g. "sample".
        step: Steps of the stage done so far, 0..of.
        of: Steps of the stage in all, >= 1.
        seconds_left: Estimate for this stage in seconds, or None while unknown.
    """

    stage: str
    step: int
    of: int
    seconds_left: float | None = None


class Progress:
    """Passed down to every stage, which calls `step` after each unit of work.

    Args:
        on_report: Called with each `Report`; None drops them.
        is_cancelled: Asked at every step; True makes the step raise `CancelledError`.
    """

    def __init__(
        self,
        on_report: Callable[[Report], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._on_report = on_report
        self._is_cancelled = is_cancelled
        self._stage = ""
        self._stage_start = 0.0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Time a stage; its seconds are added up in `seconds[name]`."""
        self._stage, self._stage_start = name, time.perf_counter()
        self.step(0, 1)
        try:
            yield
        finally:
            elapsed = time.perf_counter() - self._stage_start
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed

    def step(self, done: int, of: int) -> None:
        """Report that `done` of `of` steps are finished.

        Raises:
            CancelledError: The user cancelled the job.
        """
        self.check_cancelled()
        if self._on_report is None:
            return
        elapsed = time.perf_counter() - self._stage_start
        left = elapsed / done * (of - done) if done else None
        self._on_report(Report(self._stage, done, of, left))

    def silenced(self) -> "Progress":
        """One for the steps of a step: it reports nothing and can be cancelled as this one."""
        return Progress(is_cancelled=self._is_cancelled)

    def check_cancelled(self) -> None:
        """Raise if the user asked to stop.

        Raises:
            CancelledError: The user cancelled the job.
        """
        if self._is_cancelled is not None and self._is_cancelled():
            raise CancelledError("The job was cancelled.", "Press Generate to start again.")
