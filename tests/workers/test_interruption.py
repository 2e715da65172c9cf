from __future__ import annotations

import os
import signal

import pytest

from llmbench.errors import Stop
from llmbench.plugin.launcher import Launcher
from llmbench.workers import signals
from llmbench.workers.signals import Ending, heeded


class Idle(Launcher):
    """Counts what it is told."""

    id, summary = "idle", ""

    def __init__(self):
        self.interrupted = self.closed = 0

    def run(self, job, log, on_event):
        return 0

    def interrupt(self):
        self.interrupted += 1

    def close(self):
        self.closed += 1


def test_ctrl_c_interrupts_the_running_cell_and_is_told():
    launcher = Idle()
    with signals.interruptions(launcher) as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped()
    assert (launcher.interrupted, launcher.closed) == (1, 0)


def test_being_asked_to_terminate_is_an_interruption_too():
    launcher = Idle()
    with signals.interruptions(launcher) as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped()


def test_a_terminal_that_is_closed_is_an_interruption_however_often_it_says_so():
    launcher = Idle()
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
    try:
        closed_twice(launcher)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (launcher.interrupted, launcher.closed) == (1, 0)


def closed_twice(launcher):
    with signals.interruptions(launcher) as stopped:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        assert stopped()


def test_a_run_that_is_to_outlive_its_terminal_does():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.interruptions(Idle()) as stopped:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stopped()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_ctrl_c_ends_everything():
    launcher = Idle()

    def twice():
        with signals.interruptions(launcher):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert (launcher.interrupted, launcher.closed) == (1, 1)


def test_afterwards_ctrl_c_does_what_it_did_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with signals.interruptions(Idle()):
        pass
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def ask(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_before_the_first_cell_the_end_comes_at_once(number):
    with pytest.raises(Stop), heeded(Ending().handle):
        ask(number)


def test_a_report_is_written_to_its_end_unless_asked_twice():
    ending = Ending()
    ending.writing = True
    with heeded(ending.handle):
        ask(signal.SIGTERM)
        assert ending.count == 1
        with pytest.raises(Stop):
            ask(signal.SIGINT)


def test_a_terminal_that_is_closed_leaves_the_report_be():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    ending = Ending()
    ending.writing = True
    try:
        with heeded(ending.handle):
            ask(signal.SIGINT, signal.SIGHUP, signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ending.count == 1
