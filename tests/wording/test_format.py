from __future__ import annotations

import pytest
from records import ended, ok, parts, validated

from llmbench import units
from llmbench.record.figure import AFTER_PUBLIC, FIGURES, ranking
from llmbench.record.record import Compiled, Start
from llmbench.wording import figures as formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 KiB"),
        (1536, "2 KiB"),
        (1.5 * 2**20, "1.5 MiB"),
        (250 * 2**20, "250 MiB"),
        (62.3 * 2**30, "62.3 GiB"),
        (2000 * 2**30, "2,000 GiB"),
        (-3 * 2**20, "-3.0 MiB"),
    ],
)
def test_sizes(value, text):
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1500, "1.5K"), (39_976_960, "40M"), (6_738_415_616, "6.74B")],
)
def test_counts(value, text):
    assert units.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (200, "3:20"), (3723, "1:02:03")],
)
def test_clock_times(value, text):
    assert units.clock(value) == text


@pytest.mark.parametrize("figure", [*FIGURES, *AFTER_PUBLIC], ids=lambda f: f.id)
def test_a_measured_figure_has_text_and_an_unmeasured_one_none(figure):
    measured = ok(
        "lora",
        predicted=parts(30),
        start=Start(loaded=2.2),
        compiled=Compiled(seconds=40.0, graphs=4, breaks=0),
    )
    assert formats.figure_text(figure, validated(measured, 3.0, 2.0))
    assert formats.figure_text(figure, ended("lora", "oom", "x")) == ""


def test_a_score_of_zero_is_shown_as_a_score():
    rouge = ranking([ok("lora")])
    assert formats.value_text(rouge, 0.0) == "0.000"
