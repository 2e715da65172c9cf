from __future__ import annotations

import random

import pytest
from records import cell, ok

from llmbench.analysis.statistics.crossed import crossed
from llmbench.analysis.statistics.interval import mean_interval
from llmbench.analysis.statistics.quality import (
    paired_differences,
    quality_interval,
    quality_verdicts,
)
from llmbench.analysis.statistics.verdict import sign_flip_p
from llmbench.record.arm import Arm
from llmbench.record.record import DataRef, Example, Record


def record(composition: str, scores: dict[str, float], seed: int = 0) -> Record:
    examples = tuple(
        Example(id=i, references=("x",), prediction="x", new_tokens=1, scores={"rougeL": s})
        for i, s in scores.items()
    )
    return ok(composition, cell=cell(composition, seed), examples=examples)


def scored(composition: str, *seeds: dict[str, float]) -> Arm:
    return Arm(tuple(record(composition, s, n) for n, s in enumerate(seeds)))


def test_no_scores_have_no_interval():
    assert quality_interval(Arm((ok("lora", quality=None),)), "rougeL") is None
    assert quality_interval(Arm((ok("lora"),)), "no-such-score") is None


def test_with_one_seed_the_interval_is_over_the_examples():
    scores = {"a": 0.2, "b": 0.9, "c": 0.4}
    assert quality_interval(scored("lora", scores), "rougeL") == mean_interval([0.2, 0.9, 0.4])


def test_with_several_seeds_it_is_over_both():
    seeds = ({"a": 0.2, "b": 0.9}, {"a": 0.4, "b": 0.9}, {"a": 0.3, "b": 0.7})
    found = quality_interval(scored("lora", *seeds), "rougeL")
    assert found == crossed([[0.2, 0.9], [0.4, 0.9], [0.3, 0.7]]).interval(0.05)


def test_a_seed_that_failed_and_an_example_that_one_lacks_are_left_out():
    held = scored("lora", {"a": 0.5, "b": 0.25}, {"b": 0.75, "a": 0.5, "c": 0.1})
    failed = ok("lora", cell=cell("lora", 2), status="diverged")
    found = quality_interval(Arm((*held.records, failed)), "rougeL")
    assert found.estimate == pytest.approx(0.5)


def test_differences_are_taken_example_by_example_and_seed_by_seed():
    one = scored("lora", {"a": 0.5, "b": 0.25, "only-here": 0.9}, {"a": 0.75, "b": 0.5})
    other = scored("full", {"b": 0.75, "a": 0.25, "only-there": 0.1}, {"b": 0.25, "a": 0.25})
    assert paired_differences(one, other, "rougeL") == [[0.25, -0.5], [0.5, 0.25]]


def test_cells_of_other_seeds_are_left_out_or_paired_in_their_order():
    one, other = (record(c, {"a": s}, n) for c, s, n in (("lora", 0.5, 3), ("full", 0.25, 4)))
    assert paired_differences(Arm((one,)), Arm((other,)), "rougeL") == [[0.25]]
    both = Arm((other, record("full", {"a": 0.0}, 3)))
    assert paired_differences(Arm((one,)), both, "rougeL") == [[0.5]]


def test_examples_of_other_data_are_never_paired():
    other = DataRef(name="other.jsonl", examples=24, sha256="deadbeef" * 8)
    there = Arm((ok("full", cell=cell("full", eval_data=other)),))
    assert paired_differences(Arm((ok("lora"),)), there, "rougeL") == []


def words_of(verdicts):
    return {name.partition(".")[0]: v.word for name, v in verdicts.items()}


def test_verdicts_tell_better_from_worse_from_chance():
    draw = random.Random(4)
    full = {str(i): draw.uniform(0.3, 0.6) for i in range(60)}
    arms = [
        scored("full", full),
        scored("lora", {i: s + 0.1 + draw.gauss(0, 0.02) for i, s in full.items()}),
        scored("qlora", {i: s - 0.1 + draw.gauss(0, 0.02) for i, s in full.items()}),
        scored("base", {i: s + draw.gauss(0, 0.1) for i, s in full.items()}),
    ]
    assert words_of(quality_verdicts(arms, arms[0], "rougeL")) == {
        "lora": "better",
        "qlora": "worse",
        "base": "undecided",
    }


def test_a_verdict_carries_the_difference_and_its_corrected_p_value():
    full = {str(i): 0.5 for i in range(30)}
    arms = [
        scored("full", full),
        scored("lora", {i: s + (0.1 if int(i) % 3 else 0.2) for i, s in full.items()}),
        scored("qlora", full),
    ]
    verdict = quality_verdicts(arms, arms[0], "rougeL")["lora.llama.s0"]
    assert verdict.difference.estimate == pytest.approx(0.4 / 3)
    assert verdict.difference.low > 0
    assert verdict.p_value == pytest.approx(2 * sign_flip_p([0.1] * 20 + [0.2] * 10))


def test_an_arm_without_scores_gets_no_verdict():
    reference = scored("full", {"a": 0.5, "b": 0.6})
    bare = Arm((ok("lora", quality=None),))
    assert quality_verdicts([reference, bare], reference, "rougeL") == {}


def test_with_few_examples_nothing_is_distinguishable():
    reference = scored("full", {"a": 0.1, "b": 0.1, "c": 0.1})
    other = scored("lora", {"a": 0.9, "b": 0.8, "c": 0.9})
    assert words_of(quality_verdicts([reference, other], reference, "rougeL")) == {
        "lora": "undecided"
    }
