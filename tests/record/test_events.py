from __future__ import annotations

import json
from typing import get_args

import pytest

from llmbench.record import events
from llmbench.record.events import Event, Notice, PhaseBegun, StepTaken


@pytest.mark.parametrize(
    "event",
    [
        PhaseBegun(phase="train"),
        StepTaken(step=1, steps=2, loss=None, tokens_per_second=3.5, memory_bytes=4),
        Notice(reason="One.\nAnd another."),
    ],
)
def test_an_event_is_one_line_and_read_as_what_was_written(event):
    line = events.line(event)
    assert line.count(b"\n") == 1
    assert events.read(line) == event


@pytest.mark.parametrize(
    "line",
    [
        b"loading weights...",
        b"[1]",
        b"\xff",
        b'{"loss": 1}',
        b'{"event": "phase"}',
        b'{"event": "phase", "phase": "lunch"}',
        b'{"event": "something else"}',
    ],
)
def test_a_line_that_is_no_event_is_none(line):
    assert events.read(line) is None


def test_what_an_event_does_not_have_is_left_out():
    assert events.read(b'{"event": "start", "cell": "another"}') == events.Started()


def test_every_event_has_a_name_of_its_own():
    names = [kind.model_fields["event"].default for kind in get_args(Event)]
    assert len(set(names)) == len(names)


def test_an_event_names_itself_in_its_line():
    assert json.loads(events.line(events.Started())) == {"event": "start"}
