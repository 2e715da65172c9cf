from __future__ import annotations

import os
import signal

import pytest

from llmbench.errors import Stop
from llmbench.record.events import Interrupted
from llmbench.workers.signals import Interruption


class Idle:
    """Counts what it is told."""

    def __init__(self):
        self.interrupted = self.closed = 0

    def interrupt(self):
        self.interrupted += 1

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def terminal():
    """A terminal that may be closed: whoever runs the tests may have that ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def ask(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


EACH = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name
)


@EACH
def test_what_runs_is_interrupted_and_that_is_told(number):
    running, heard = Idle(), []
    with Interruption(heard.append) as interruption, interruption.reaching(running):
        assert not interruption.asked
        ask(number)
        assert interruption.asked
    assert (running.interrupted, running.closed) == (1, 0)
    assert heard == [Interrupted()]


def test_a_terminal_that_is_closed_may_say_so_twice():
    running = Idle()
    with Interruption() as interruption, interruption.reaching(running):
        ask(signal.SIGHUP, signal.SIGHUP)
    assert (running.interrupted, running.closed) == (1, 0)


def test_a_run_that_is_to_outlive_its_terminal_does():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interruption() as interruption, interruption.reaching(Idle()):
        ask(signal.SIGHUP)
        assert not interruption.asked


def test_a_second_signal_ends_everything_that_runs():
    running = Idle(), Idle()
    with pytest.raises(Stop), Interruption() as interruption, interruption.reaching(*running):
        ask(signal.SIGINT, signal.SIGTERM)
    assert [(r.interrupted, r.closed) for r in running] == [(1, 1), (1, 1)]


@EACH
def test_before_there_is_anything_to_keep_the_end_comes_at_once(number):
    with pytest.raises(Stop), Interruption():
        ask(number)


def test_what_is_written_afterwards_is_written_to_its_end_unless_asked_twice():
    running = Idle()
    with Interruption() as interruption:
        with interruption.reaching(running):
            pass
        ask(signal.SIGTERM)
        assert interruption.asked
        with pytest.raises(Stop):
            ask(signal.SIGINT)
    assert (running.interrupted, running.closed) == (0, 0)


def test_a_terminal_that_is_closed_lets_the_report_be_written():
    with Interruption() as interruption:
        with interruption.reaching(Idle()):
            ask(signal.SIGINT)
        ask(signal.SIGHUP, signal.SIGHUP)
    assert interruption.asked


def test_afterwards_signals_do_what_they_did_before():
    ends = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = [signal.getsignal(number) for number in ends]
    with Interruption():
        pass
    assert [signal.getsignal(number) for number in ends] == before
