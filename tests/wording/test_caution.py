from __future__ import annotations

from records import cell, ok
from test_steadiness import STEADY, noise, steps

from llmbench.wording.cautions import cautions


def ran(name: str, seconds, **changes):
    made = cell(name, settings={"burn_in_steps": 0})
    return ok(name, cell=made, steps=steps(seconds), **changes)


def test_a_comparison_that_went_well_has_none():
    assert cautions([ran("lora", STEADY), ran("full", STEADY)]) == []


def test_what_else_differs_comes_first():
    other = ran("full", noise(0.3), optimizer="SGD")
    found = cautions([ran("lora", STEADY), other])
    assert found[0].startswith("Cells also differ in the optimiser that ran")
    assert found[1].startswith("`full` has steps that vary by")


def test_cells_with_the_same_cause_share_a_sentence():
    records = [ran(name, noise(0.3)) for name in ("lora", "full", "qlora", "a", "b", "c")]
    (found,) = cautions(records)
    assert found.count("has steps that vary by") == 4
    assert "; 2 more alike. More steps (--steps)" in found


def test_names_from_elsewhere_are_cleaned():
    (found,) = cautions([ran("l\x00ora`", noise(0.3))])
    assert found.startswith("`l\ufffdora'` has steps")
