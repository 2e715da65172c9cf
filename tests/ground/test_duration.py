from __future__ import annotations

import pytest

from llmbench import units
from llmbench.config.config import resolve
from llmbench.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("90", 90), ("90s", 90), ("1.5", 1.5), ("10m", 600), ("1h", 3600), ("1h30m", 5400)),
        *((" 2 H 5 min ", 7500), ("1m30", 90), ("0.5h", 1800)),
    ],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert units.read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "soon", "-5", "10 days", "m", "1h2h", "1e3", "nan"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"write seconds"):
        units.read_duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(90, "90 s"), (0.5, "0.5 s"), (600, "10 min"), (5400, "1 h 30 min"), (7200, "2 h")],
)
def test_durations_are_said_exactly(seconds, words):
    assert units.spoken_duration(seconds) == words


@pytest.mark.parametrize(("given", "seconds"), [("10m", 600.0), (90, 90.0), (None, None)])
def test_a_time_limit_is_given_in_a_file_or_on_the_command_line(given, seconds):
    assert resolve([("test", {"cell_timeout": given})]).config.cell_timeout == seconds


@pytest.mark.parametrize("given", ["soon", "0", 0, -1])
def test_a_time_limit_that_cannot_be_is_a_mistake(given):
    with pytest.raises(ConfigError, match="--cell-timeout cannot be"):
        resolve([("test", {"cell_timeout": given})])
