from __future__ import annotations

from records import cell, ok
from test_steadiness import STEADY, noise, steps

from llmbench.wording.cautions import cautions, unsteady


def ran(name: str, seconds, **changes):
    made = cell(name, settings={"burn_in_steps": 0})
    return ok(name, cell=made, steps=steps(seconds), **changes)


def test_a_comparison_that_went_well_has_none():
    assert cautions([ran("lora", STEADY), ran("full", STEADY)]) == []


def test_what_else_differs_comes_first():
    other = ran("full", noise(0.3), optimizer="SGD")
    found = cautions([ran("lora", STEADY), other])
    assert found[0].startswith("The methods also differ in the optimiser that ran")
    assert found[1].startswith("Speeds are rough: 1 of 2 runs had unsteady steps; `full` has")


def test_all_that_were_unsteady_share_a_sentence_that_names_the_worst():
    records = [ran(name, noise(0.3)) for name in ("lora", "full", "qlora", "a", "b")]
    (found,) = cautions([*records, ran("worst", noise(0.45))])
    assert "6 of 6 runs had unsteady steps; `worst` has steps that vary by" in found
    assert found.count("vary") == 1


def test_of_several_seeds_it_is_no_warning():
    records = [ran("lora", noise(0.3)), ok("lora", cell=cell("lora", 1), steps=steps(noise(0.3)))]
    assert not cautions(records)
    assert unsteady(records)[0]


def test_names_from_elsewhere_are_cleaned():
    (found,) = cautions([ran("l\x00ora`", noise(0.3))])
    assert "; `l\ufffdora'` has steps that vary" in found


def test_examples_that_were_cut_share_a_sentence_with_the_way_out():
    cut = (
        "17 of 451 training examples lost the end of their input, to fit 512 tokens (--seq-len).",
        "4 of 100 evaluated examples were cut to fit 512 tokens (--seq-len).",  # once
        "It is late.",
    )
    assert cautions([ran(name, STEADY, warnings=cut) for name in ("lora", "full")]) == [
        "17 of 451 training and 4 of 100 evaluated examples lost the end of their input, to fit "
        "512 tokens: no method sees it. Raise --seq-len to keep it. It is late."
    ]
