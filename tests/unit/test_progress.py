# SPDX-License-Identifier: GPL-3.0-or-later
import time

import pytest

from backend.errors import CancelledError
from backend.progress import Progress, Report


def test_stage_reports_its_start_and_every_step_with_an_estimate():
    reports: list[Report] = []
    progress = Progress(reports.append)
    with progress.stage("sample"):
        time.sleep(0.02)
        progress.step(1, 3)
        progress.step(3, 3)
    assert [(r.stage, r.step, r.of) for r in reports] == [
        ("sample", 0, 1),
        ("sample", 1, 3),
        ("sample", 3, 3),
    ]
    assert reports[0].seconds_left is None
    assert reports[1].seconds_left >= 0.04
    assert reports[2].seconds_left == 0


def test_seconds_are_kept_per_stage_added_up_and_in_order():
    progress = Progress()
    for name in ("a", "b", "a"):
        with progress.stage(name):
            time.sleep(0.01)
    assert list(progress.seconds) == ["a", "b"]
    assert progress.seconds["a"] >= 0.02 > progress.seconds["b"] / 2 > 0


def test_seconds_are_kept_when_a_stage_fails():
    progress = Progress()
    with pytest.raises(ValueError, match="x"), progress.stage("a"):
        raise ValueError("x")
    assert progress.seconds["a"] >= 0


def test_cancel_is_seen_at_the_next_step_and_nothing_is_reported_after_it():
    reports: list[Report] = []
    wants_cancel = False
    progress = Progress(reports.append, lambda: wants_cancel)
    with pytest.raises(CancelledError), progress.stage("sample"):
        progress.step(1, 9)
        wants_cancel = True
        progress.step(2, 9)
    assert [report.step for report in reports] == [0, 1]


def test_cancel_before_a_stage_keeps_it_from_starting():
    progress = Progress(is_cancelled=lambda: True)
    with pytest.raises(CancelledError), progress.stage("sample"):
        pytest.fail("the stage ran")
