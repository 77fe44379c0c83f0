# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what happens in a batch into lines: sentences for people, or JSON objects for programs."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from .manifest import DONE, FAILED, Record
from .rows import ListError

_STAGE_INTERVAL_S = 5.0
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Planned:
    """The list was read: how many jobs it has, and how many of them are finished already."""

    jobs: int
    finished: int


@dataclass(frozen=True, slots=True)
class Refused:
    """An error in the list; nothing is done."""

    place: str
    message: str
    hint: str

    @classmethod
    def of_error(cls, error: ListError) -> "Refused":
        """The event of an error."""
        return cls(error.place, error.message, error.hint)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A job was finished by an earlier run, and is whole."""

    name: str


@dataclass(frozen=True, slots=True)
class Started:
    """A job was begun: the how manieth of how many, and for the how manieth time."""

    name: str
    number: int
    of: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Progressed:
    """A job went on; `seconds_left` is an estimate for the stage, or None."""

    name: str
    stage: str
    step: int
    of: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A job ended; `seconds_left` is an estimate for the rest of the batch, or None."""

    record: Record
    number: int
    of: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The batch ended: how many jobs are done, of these by earlier runs, failed, and left."""

    done: int
    skipped: int
    failed: int
    left: int
    seconds: float
    report: str


Event = Planned | Refused | Skipped | Started | Progressed | Ended | Finished
OnEvent = Callable[[Event], None]
_NAMES: dict[type, str] = {
    Planned: "plan",
    Refused: "refused",
    Skipped: "skip",
    Started: "start",
    Progressed: "progress",
    Ended: "end",
    Finished: "finish",
}


def encode_event(event: Event) -> str:
    """One JSON object on one line, ASCII only; a job's record lies flat in its `end`."""
    body = asdict(event)
    body = body.pop("record", {}) | body
    return json.dumps({"event": _NAMES[type(event)], **body}, allow_nan=False)


class Narrator:
    """Tells people what happens, and of stages only as often as it helps.

    Args:
        say: Takes a line.
        stage_texts: Name of a stage -> what to call it.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        stage_texts: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._stage_texts = stage_texts
        self._clock = clock
        self._prefix = ""
        self._stage = ""
        self._last_s = 0.0

    def tell(self, event: Event) -> None:
        """Say what is worth a line."""
        if isinstance(event, Planned):
            kept = f", {event.finished} of them finished already" if event.finished else ""
            self._put(f"{count(event.jobs, 'job')}{kept}.")
        elif isinstance(event, Started):
            width = len(str(event.of))
            self._prefix = f"[{event.number:>{width}}/{event.of}] {event.name}:"
            self._stage = ""
            if event.attempt > 1:
                self._put(f"{self._prefix} the worker ended, trying again ...")
            elif event.number == 1:
                self._put(f"{self._prefix} starting the worker ...")
        elif isinstance(event, Progressed):
            self._tell_stage(event)
        elif isinstance(event, Ended):
            self._put(f"{self._prefix} {_describe_end(event)}")
        elif isinstance(event, Finished):
            self._put(_describe_finish(event))

    def _tell_stage(self, event: Progressed) -> None:
        is_due = self._clock() - self._last_s >= _STAGE_INTERVAL_S
        if is_due and event.stage != self._stage:
            text = self._stage_texts.get(event.stage, event.stage.capitalize())
            self._put(f"{self._prefix} {text} ...")
            self._stage = event.stage

    def _put(self, line: str) -> None:
        self._say(line)
        self._last_s = self._clock()


def count(number: int, word: str) -> str:
    """A number with its noun: 1 job, 2 jobs."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def describe_time(seconds: float) -> str:
    """A time to wait, no finer than an estimate is."""
    if seconds < _MINUTE_S:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / _MINUTE_S)
    return f"{minutes} min" if minutes < _MINUTE_S else f"{minutes // 60} h {minutes % 60} min"


def _describe_end(event: Ended) -> str:
    record = event.record
    left = ""
    if event.seconds_left is not None and event.number < event.of:
        left = f" About {describe_time(event.seconds_left)} left."
    if record.state == DONE:
        what = f"done in {record.total_s:.1f} s, {record.faces} faces, seed {record.seed}."
        return f"{what}{left}" + "".join(f" Note: {text}" for text in record.warnings)
    if record.state == FAILED:
        return f"failed. {record.error} {record.hint}".strip() + left
    return "stopped."


def _describe_finish(event: Finished) -> str:
    parts = [f"{event.done} done" + (f" ({event.skipped} earlier)" if event.skipped else "")]
    if event.failed:
        parts.append(f"{event.failed} failed")
    if event.left:
        parts.append(f"{event.left} left, go on with --resume")
    return f"{', '.join(parts)}; {describe_time(event.seconds)}. Report: {event.report}"
