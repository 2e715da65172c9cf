"""The chart of what peaks are made of."""

from __future__ import annotations

import itertools
import math
import re

import pytest
import records
from markup import marks

from llmbench.analysis.judging import stand
from llmbench.output.html.charts.bars import peak_stacks
from llmbench.output.html.charts.chart import Chart
from llmbench.output.html.page import TEMPLATES
from llmbench.record.record import Record


def charted(*made: Record) -> Chart:
    found = peak_stacks(stand(records.comparison(made)), None)
    assert found
    return found


def test_each_part_is_a_mark_that_tells_its_figure() -> None:
    one = charted(records.understood(records.ok("lora", memory_gib=40)))
    assert len(marks(one)) == 10
    assert "lora: weights 16.0 GiB of 40.0 GiB" in marks(one)
    assert "lora, predicted: activations and the rest 20.2 GiB of 40.4 GiB" in marks(one)
    colours = set(re.findall(r"f-stack\d", str(one.drawing)))
    assert colours == {f"f-stack{n}" for n in range(1, 6)}


def test_the_table_holds_what_the_bars_show() -> None:
    one = charted(records.understood(records.ok("lora", memory_gib=40)))
    assert [row[0] for row in one.table.texts] == ["lora", "lora, predicted"]
    assert [row[-1] for row in one.table.texts] == ["40.0 GiB", "40.4 GiB"]
    assert one.table.header == (
        "Method",
        "Weights",
        "Adapter",
        "Gradients",
        "Optimiser states",
        "Activations and the rest",
        "Together",
    )


def test_a_cell_that_ran_out_of_memory_shows_what_was_predicted_and_what_the_device_has() -> None:
    short = records.ended("full", "oom", "x", predicted=records.parts(150))
    found = charted(short, records.understood(records.ok("lora")))
    assert "150 GiB predicted" in str(found.drawing)
    assert "the device has 140 GiB" in str(found.drawing)
    assert "the device has" not in str(charted(records.understood(records.ok("lora"))).drawing)


def test_what_lies_outside_is_said_below() -> None:
    caption = charted(records.understood(records.ok("lora"))).caption
    assert "Thin bars" in caption
    assert "Outside the allocator, processes held 768 MiB more" in caption


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_without_parts_there_is_no_chart(device: str) -> None:
    assert peak_stacks(stand(records.comparison([records.ok("lora", device=device)])), None) is None


def test_of_many_rows_the_chart_shows_some_and_the_table_all() -> None:
    many = charted(*(records.understood(records.ok(f"lora(r={n})")) for n in range(30)))
    assert len(many.table.texts) == 60
    assert "6 more are in the table only" in many.caption


# Machado, Oliveira and Fernandes (2009), full strength; linear RGB.
SIGHTS = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red cones": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green cones": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "no blue cones": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
APART = 0.12
"""A distance in Oklab that nobody overlooks between two bars; black and white are 1 apart."""


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_colours_of_the_parts_are_told_apart(sight: str) -> None:
    style = (TEMPLATES / "report.css").read_text("utf-8")
    found = re.findall(r"--stack\d: (#[0-9a-f]{6})", style)
    assert len(found) == 10
    for colours in (found[:5], found[5:]):
        seen = [oklab(sight, colour) for colour in colours]
        assert min(math.dist(a, b) for a, b in itertools.combinations(seen, 2)) > APART


def oklab(sight: str, colour: str) -> tuple[float, ...]:
    """The colour as that eye sees it, in Ottosson's Oklab (2020)."""
    coded = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in coded]
    red, green, blue = (max(0.0, v) for v in times(SIGHTS[sight], linear))
    cones = times(
        (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        ),
        (red, green, blue),
    )
    return times(
        (
            (0.2104542553, 0.7936177850, -0.0040720468),
            (1.9779984951, -2.4285922050, 0.4505937099),
            (0.0259040371, 0.7827717662, -0.8086757660),
        ),
        [v ** (1 / 3) for v in cones],
    )


def times(
    matrix: tuple[tuple[float, ...], ...], vector: tuple[float, ...] | list[float]
) -> tuple[float, ...]:
    return tuple(sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix)
