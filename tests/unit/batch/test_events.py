# SPDX-License-Identifier: GPL-3.0-or-later
import json

import pytest

from backend.batch.events import (
    Ended,
    Finished,
    Narrator,
    Planned,
    Progressed,
    Skipped,
    Started,
    describe_time,
    encode_event,
)
from backend.batch.manifest import DONE, FAILED, STOPPED, Record


def test_event_is_one_ascii_line_with_its_name_and_the_record_flat():
    record = Record("st\u00fchle\n", DONE, seed=3, outputs={"x": "1"})
    line = encode_event(Ended(record, 2, 5, 7.5))
    assert line.isascii() and "\n" not in line
    body = json.loads(line)
    assert (body["event"], body["name"], body["state"], body["seed"]) == (
        *("end", "st\u00fchle\n", "done", 3),
    )
    assert (body["number"], body["of"], body["seconds_left"]) == (2, 5, 7.5)


def tell(*timed: tuple[float, object]) -> list[str]:
    """What a narrator says of events at certain times."""
    lines: list[str] = []
    now = 0.0
    narrator = Narrator(lines.append, {"sample": "Sampling"}, lambda: now)
    for now, event in timed:  # noqa: B007 (the clock reads it)
        narrator.tell(event)
    return lines


def test_stages_are_told_once_and_only_of_jobs_that_take_their_time():
    lines = tell(
        (0, Started("a", 2, 12, 1)),
        (1, Progressed("a", "load", 0, 1, None)),
        (6, Progressed("a", "sample", 0, 9, None)),
        (7, Progressed("a", "sample", 1, 9, None)),
        (8, Progressed("a", "decode", 0, 1, None)),
        (14, Progressed("a", "decode", 0, 1, None)),
        (15, Ended(Record("a", DONE, total_s=15, faces=8, seed=3), 2, 12, 300)),
    )
    assert lines == [
        "[ 2/12] a: Sampling ...",
        "[ 2/12] a: Decode ...",
        "[ 2/12] a: done in 15.0 s, 8 faces, seed 3. About 5 min left.",
    ]


def test_each_end_is_told_in_its_words():
    start = (0, Started("a", 1, 2, 1))
    failed = Record("a", FAILED, error="No.", hint="Do.")
    assert tell(start, (1, Ended(failed, 1, 2, None)))[-1] == "[1/2] a: failed. No. Do."
    assert tell(start, (1, Ended(Record("a", STOPPED), 1, 2, None)))[-1] == "[1/2] a: stopped."
    noted = Record("a", DONE, warnings=["Look."])
    assert tell(start, (1, Ended(noted, 2, 2, 0)))[-1].endswith("seed 0. Note: Look.")
    assert "trying again" in tell((0, Started("a", 1, 2, 2)))[0]


def test_beginning_and_end_of_a_batch_count_the_jobs():
    assert tell((0, Planned(1, 0)), (0, Skipped("a"))) == ["1 job."]
    assert tell((0, Planned(5, 2))) == ["5 jobs, 2 of them finished already."]
    (line,) = tell((0, Finished(3, 2, 1, 4, 61.0, "/r.html")))
    assert line == (
        "3 done (2 earlier), 1 failed, 4 left, go on with --resume; 1 min. Report: /r.html"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (7260, "2 h 1 min")]
)
def test_times_are_as_fine_as_estimates_are(seconds, text):
    assert describe_time(seconds) == text
