from __future__ import annotations

import random

import pytest
from records import cell, ok

from llmbench.analysis.statistics.crossed import crossed
from llmbench.analysis.statistics.interval import few_interval
from llmbench.analysis.statistics.quality import (
    all_differences,
    base_verdicts,
    paired_differences,
    quality_interval,
)
from llmbench.record.record import DataRef, Example, Record
from llmbench.record.variant import Variant


def record(composition: str, scores: dict[str, float], seed: int = 0) -> Record:
    examples = tuple(
        Example(id=i, references=("x",), prediction="x", new_tokens=1, scores={"rougeL": s})
        for i, s in scores.items()
    )
    return ok(composition, cell=cell(composition, seed), examples=examples)


def scored(composition: str, *seeds: dict[str, float]) -> Variant:
    return Variant(tuple(record(composition, s, n) for n, s in enumerate(seeds)))


def test_no_scores_have_no_interval():
    assert quality_interval(Variant((ok("lora", quality=None),)), "rougeL") is None
    assert quality_interval(Variant((ok("lora"),)), "no-such-score") is None


def test_with_one_seed_the_interval_is_over_the_examples():
    scores = {"a": 0.2, "b": 0.9, "c": 0.4}
    assert quality_interval(scored("lora", scores), "rougeL") == few_interval([0.2, 0.9, 0.4])


def test_with_several_seeds_it_is_over_both():
    seeds = ({"a": 0.2, "b": 0.9}, {"a": 0.4, "b": 0.9}, {"a": 0.3, "b": 0.7})
    found = quality_interval(scored("lora", *seeds), "rougeL")
    assert found == crossed([[0.2, 0.9], [0.4, 0.9], [0.3, 0.7]]).interval(0.05)


def test_a_seed_that_failed_and_an_example_that_one_lacks_are_left_out():
    held = scored("lora", {"a": 0.5, "b": 0.25}, {"b": 0.75, "a": 0.5, "c": 0.1})
    failed = ok("lora", cell=cell("lora", 2), status="diverged")
    found = quality_interval(Variant((*held.records, failed)), "rougeL")
    assert found.estimate == pytest.approx(0.5)


def test_differences_are_taken_example_by_example_and_seed_by_seed():
    one = scored("lora", {"a": 0.5, "b": 0.25, "only-here": 0.9}, {"a": 0.75, "b": 0.5})
    other = scored("full", {"b": 0.75, "a": 0.25, "only-there": 0.1}, {"b": 0.25, "a": 0.25})
    assert paired_differences(one, other, "rougeL") == [[0.25, -0.5], [0.5, 0.25]]


def test_cells_of_other_seeds_are_never_paired():
    one, other = (record(c, {"a": s}, n) for c, s, n in (("lora", 0.5, 3), ("full", 0.25, 4)))
    assert paired_differences(Variant((one,)), Variant((other,)), "rougeL") == []
    both = Variant((other, record("full", {"a": 0.0}, 3)))
    assert paired_differences(Variant((one,)), both, "rougeL") == [[0.5]]


def test_examples_of_other_data_are_never_paired():
    other = DataRef(name="other.jsonl", examples=24, sha256="deadbeef" * 8)
    there = Variant((ok("full", cell=cell("full", eval_data=other)),))
    assert paired_differences(Variant((ok("lora"),)), there, "rougeL") == []


def several(composition: str, scores: dict[str, float], off: float, spread: float) -> Variant:
    """Three seeds of these scores, moved."""
    draw = random.Random(composition)
    return scored(
        composition,
        *({i: s + off + draw.gauss(0, spread) for i, s in scores.items()} for _ in range(3)),
    )


def test_all_pairs_are_judged_on_the_examples_that_all_have():
    full = {str(i): 0.3 + 0.01 * i for i in range(60)}
    variants = [
        several("full", full, 0.0, 0.02),
        several("lora", full, 0.1, 0.02),
        several("qlora", {**full, "more": 0.9}, 0.0, 0.1),
    ]
    found = all_differences(variants, "rougeL")
    first, second, third = (variant.id for variant in variants)
    assert found.examples == 60
    assert found.verdict(second, first).word == "better"
    assert found.verdict(first, second).word == "worse"
    assert found.verdict(third, first).word == "undecided"


def test_a_variant_without_scores_is_in_no_pair():
    reference = scored("full", {"a": 0.5, "b": 0.6})
    bare = Variant((ok("lora", quality=None),))
    assert all_differences([reference, bare], "rougeL") is None


def test_of_one_example_nothing_is_told():
    variants = [scored(name, {"a": 0.5}, {"a": 0.6}) for name in ("full", "lora")]
    assert all_differences(variants, "rougeL") is None


def test_the_base_is_held_against_every_variant_whatever_its_seeds():
    full = {str(i): 0.3 + 0.01 * i for i in range(60)}
    variants = [several(name, full, 0.1, 0.05) for name in ("full", "lora")]
    base = scored("base", full)
    found = base_verdicts(variants, base, "rougeL")
    assert {found[variant.id].word for variant in variants} == {"better"}
    assert found[variants[0].id].difference.estimate == pytest.approx(0.1, abs=0.02)
    assert {found[variant.id].turned.word for variant in variants} == {"worse"}
    other = DataRef(name="other.jsonl", examples=24, sha256="deadbeef" * 8)
    elsewhere = Variant((ok("base", cell=cell("base", eval_data=other)),))
    assert base_verdicts(variants, elsewhere, "rougeL") == {}
