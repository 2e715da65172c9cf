"""The tables of a cell's details."""

from __future__ import annotations

import records

from llmbench.output.html.details import grids
from llmbench.output.table import Table
from llmbench.record.record import Conditions, Record

DASH = "\N{EN DASH}"


def grid(record: Record, title: str) -> Table:
    return next(g for g in grids(record) if g.title == title)


def seen(**changes: object) -> Record:
    made = records.understood(records.ok("lora"))
    held = Conditions.model_validate({"samples": 3, **changes})
    train = made.phases["train"].model_copy(update={"conditions": held})
    return made.model_copy(update={"phases": {"train": train}})


def test_phases_have_the_kinds_of_memory_that_were_measured() -> None:
    assert grid(records.ok("lora"), "Phases").header == ("Phase", "Time", "Allocated")
    found = grid(records.understood(records.ok("lora", memory_gib=40)), "Phases")
    assert found.header == ("Phase", "Time", "Allocated", "Outside the allocator")
    assert ("train", "8.0 s", "40.0 GiB", "768 MiB") in found.texts


def test_paged_memory_has_a_column_where_there_is_some() -> None:
    made = records.understood(records.ok("lora"))
    train = made.phases["train"]
    for paged, there in ((0, False), (2**20, True)):
        memory = train.memory.model_copy(update={"paged_bytes": paged})
        phases = {"train": train.model_copy(update={"memory": memory})}
        found = grid(made.model_copy(update={"phases": phases}), "Phases")
        assert ("Paged" in found.header) is there


def test_the_peak_is_taken_apart_as_measured_and_as_predicted() -> None:
    found = grid(records.understood(records.ok("lora", memory_gib=40)), "What the peak is made of")
    assert [(row[0], row[-1]) for row in found.texts] == [
        ("measured", "40.0 GiB"),
        ("predicted", "40.4 GiB"),
    ]


def test_the_gpu_s_conditions_are_there_once_for_phases_that_share_them() -> None:
    found = grid(records.understood(records.ok("lora")), "The GPU")
    assert [row[0] for row in found.texts] == ["load, prepare, train, evaluate, save"]
    assert found.texts[0][1:] == (
        "1,560 to 1,980 MHz, median 1,665",
        "1,980 MHz",
        "58 °C",
        "522 W",
        "software power cap",
        "0",
        "6",
    )


def test_a_steady_clock_is_one_figure_and_what_cannot_be_told_a_dash() -> None:
    steady = seen(clock_mhz=(1980, 1980, 1980), other_processes=2)
    assert grid(steady, "The GPU").texts[0] == (
        "train",
        "1,980 MHz",
        DASH,
        DASH,
        DASH,
        "nothing",
        "2",
        "3",
    )


def test_without_a_gpu_there_are_only_phases() -> None:
    assert [g.title for g in grids(records.ok("lora", device="cpu"))] == ["Phases"]
    assert not grids(records.ended("lora", "skipped", "x"))
