# SPDX-License-Identifier: GPL-3.0-or-later
import os
import signal
import sys

import pytest

from backend.batch.interrupts import Interrupts


def test_each_time_asks_for_more():
    told = []
    interrupts = Interrupts(lambda: told.append(1))
    assert (interrupts.is_ending, interrupts.is_immediate) == (False, False)
    interrupts.ask()
    assert (interrupts.is_ending, interrupts.is_immediate) == (True, False)
    interrupts.ask()
    assert (interrupts.is_ending, interrupts.is_immediate) == (True, True)
    with pytest.raises(KeyboardInterrupt):
        interrupts.ask()
    assert told == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_is_taken_while_listening_and_given_back():
    before = signal.getsignal(signal.SIGINT)
    interrupts = Interrupts()
    with interrupts.listen():
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.is_ending
    assert signal.getsignal(signal.SIGINT) is before
