"""Several comparisons as one: what is kept, what is said, and what never mixes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import cell, comparison, ended, environment, ok, seven, tried

from llmbench.analysis.judging import stand
from llmbench.analysis.merge import labels, merge
from llmbench.analysis.statistics.quality import paired_differences
from llmbench.output.html.page import render
from llmbench.record.comparison import Comparison
from llmbench.record.record import DataRef, ModelRef
from llmbench.record.variant import Variant

OTHER_DATA = DataRef(name="other.jsonl", examples=24, sha256="deadbeef" * 8)
GPT2 = ModelRef(id="gpt2", weights="pretrained")
RANDOM = ModelRef(id="llama-2-7b", weights="random")
REVISED = ModelRef(id="llama-2-7b", weights="pretrained", revision="f00")


def named(name: str, made: list, **changes) -> Comparison:
    return comparison(made, name=name, **changes)


def seeded(seed: int, *compositions: str):
    return [ok(c, cell=cell(c, seed=seed)) for c in compositions]


def on_other_data(composition: str):
    made = cell(composition, eval_data=OTHER_DATA)
    return ok(composition, cell=made.model_copy(update={"id": f"{made.id}.other"}))


def notices(*made: Comparison) -> str:
    return "\n".join(merge(made).header.notices)


def test_one_comparison_stays_as_it_is():
    whole = seven()
    assert merge([whole]) is whole


def test_all_cells_are_there_in_the_order_of_the_plans():
    found = merge([named("a", seeded(0, "full", "lora")), named("b", seeded(1, "lora", "full"))])
    order = [(r.cell.seed, r.cell.composition) for r in found.records]
    assert order == [(0, "full"), (0, "lora"), (1, "lora"), (1, "full")]
    assert [p.cell.id for p in found.header.plan.cells] == [r.cell.id for r in found.records]


def test_seeds_and_strategies_are_no_difference():
    made = [named("a", seeded(0, "full", "base")), named("b", seeded(1, "lora", "base"))]
    assert merge(made).header.notices == ("Merged from a and b.",)


def test_a_cell_of_both_is_there_once_as_its_newest_attempt_which_is_said():
    old = ok("lora", 0.4, started_at="2026-11-01T00:00:00+00:00")
    new = ok("lora", 0.6, started_at="2026-11-02T00:00:00+00:00")
    for order in ([old, new], [new, old]):
        found = merge([named(n, [r]) for n, r in zip("ab", order, strict=True)])
        assert found.records == (new,)
        shown = f"Only the newest attempt is shown, that of {'ab'[order.index(new)]}."
        assert f"Run in more than one of them: `lora`. {shown}" in found.header.notices


def test_a_newer_failure_wins_over_an_older_success():
    old = ok("lora", started_at="2026-11-01T00:00:00+00:00")
    new = ended("lora", "oom", "No memory.", started_at="2026-11-02T00:00:00+00:00")
    assert merge([named("a", [old]), named("b", [new])]).records == (new,)


def test_a_copy_of_a_comparison_adds_nothing():
    whole = seven()
    found = merge([whole, whole])
    assert found.records == whole.records
    assert found.inputs == whole.inputs
    assert found.header.notices == ("Merged from example (1) and example (2).",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": GPT2}, "Model differs: llama-2-7b in a; gpt2 in b."),
        ({"model": RANDOM}, "Weights differs: pretrained in a; random in b."),
        ({"model": REVISED}, "Revision differs: none in a; f00 in b."),
        ({"task": "translation"}, "Task differs: summarization in a; translation in b."),
        ({"train_data": OTHER_DATA}, "train.jsonl (80 examples, 0c8c84f1) in a;"),
        ({"eval_data": OTHER_DATA}, "other.jsonl (24 examples, deadbeef) in b."),
        ({"settings": {"seq_len": 512}}, "--seq-len differs: 1024 in a; 512 in b."),
        (
            {"settings": {"precision": "bf16-true"}},
            "--precision differs: fp32 in a; bf16-true in b.",
        ),
    ],
)
def test_what_was_run_differently_is_named_and_said_not_to_compare(changes, said):
    other = [ok("lora", cell=cell("lora", id="other", **changes))]
    text = notices(named("a", [ok("lora")]), named("b", other))
    assert said in text
    assert "do not compare with each other" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"device_name": "NVIDIA A100"}, "Device differs: NVIDIA H200 in a; NVIDIA A100 in b."),
        ({"driver": "590.1"}, "Driver differs: 580.95 in a; 590.1 in b."),
        ({"python": "3.12.1"}, "Python differs: 3.11.7 in a; 3.12.1 in b."),
        ({"versions": {}}, "Version of torch differs: 2.13.0 in a; none in b."),
    ],
)
def test_what_it_ran_on_is_named_and_said_of_speed_and_memory(changes, said):
    other = [ok("lora", cell=cell("lora", id="other"), environment=environment(**changes))]
    text = notices(named("a", [ok("lora")]), named("b", other))
    assert said in text
    assert "Speed and memory do not compare" in text
    assert "do not compare with each other" not in text


def test_what_a_strategy_declares_is_no_difference_between_comparisons():
    declaring = cell("lora", settings={"learning_rate": 2e-4}, declared={"learning_rate": 2e-4})
    text = notices(named("a", [ok("full")]), named("b", [ok("lora", cell=declaring)]))
    assert "learning-rate" not in text


def test_what_a_strategy_declares_otherwise_than_before_is_one():
    def declaring(rate: float):
        own = {"learning_rate": rate}
        return [ok("lora", cell=cell("lora", id=f"{rate}", settings=own, declared=own))]

    text = notices(named("a", declaring(0.1)), named("b", declaring(0.2)))
    assert "--learning-rate of lora differs: 0.1 in a; 0.2 in b." in text


def test_examples_of_different_data_are_never_paired_though_their_ids_are_alike():
    here, there = ok("full"), on_other_data("lora")
    assert here.examples[0].id == there.examples[0].id
    assert paired_differences(Variant((here,)), Variant((there,)), "rougeL") == []
    found = merge([named("a", [here]), named("b", [there])]).records
    assert not {e.id for e in found[0].examples} & {e.id for e in found[1].examples}


def test_cells_of_other_data_get_no_verdict_and_do_not_compete():
    made = [named("a", [ok("full"), ok("lora")]), named("b", [on_other_data("qlora")])]
    standing = stand(merge(made))
    assert [r.cell.composition for r in standing.records] == ["full", "lora", "qlora"]
    assert [r.cell.composition for r in standing.competing] == ["full", "lora"]
    assert len(standing.verdicts) == 1


def test_every_prediction_keeps_the_input_that_it_was_made_for():
    one = named("a", [ok("full")])
    other = named("b", [on_other_data("lora")])
    other = replace(other, inputs={k: f"Other {k}" for k in other.inputs})
    found = merge([one, other])
    first, second = (r.examples[0].id for r in found.records)
    assert found.inputs[first] == one.inputs["eval-0000"]
    assert found.inputs[second] == "Other eval-0000"
    assert len(found.inputs) == 48


def test_the_merged_comparison_renders_and_names_all_that_it_is_made_of():
    one = named("one", seeded(0, "full"), command="llmbench compare 0")
    two = named("two", seeded(1, "full"), command="llmbench compare 1")
    found = merge([replace(one, problems=("'x' cannot be read.",)), two])
    assert found.header.name == "one + two"
    assert found.header.command == "llmbench compare 0\nllmbench compare 1"
    assert found.problems == ("one: 'x' cannot be read.",)
    assert "one + two" in render(found)


def test_names_that_are_alike_are_numbered():
    assert labels(["a", "b", "a"]) == ["a (1)", "b", "a (2)"]


def test_learning_rates_that_were_tried_stay_apart_and_are_no_difference():
    one, two = [ok("full"), tried("full", 1e-3, 2.0)], [ok("lora"), tried("lora", 1e-2, 2.0)]
    found = merge([named("a", one), named("b", two)])
    assert [r.cell.composition for r in found.equal.records] == ["full", "lora"]
    assert [r.cell.composition for r in found.tried.records] == ["full", "lora"]
    assert not any("differs" in n for n in found.header.notices)
