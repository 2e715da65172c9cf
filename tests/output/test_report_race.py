"""What a time budget gave up and left out, on every output."""

from __future__ import annotations

import csv
import io
import json

import pytest
from records import cell, comparison, ended, ok, validated

from llmbench.analysis.judging import stand
from llmbench.output import csv_json, summary
from llmbench.output.brief import brief
from llmbench.output.html.page import render
from llmbench.output.markdown import markdown
from llmbench.record.timed import GivenUp, Timed
from llmbench.wording.answer import answer
from llmbench.wording.notes import notes
from llmbench.wording.racing import NOT_RUN

SEEDS = {"full": 4, "lora": 4, "lora+4-bit": 2}
QUALITY = {"full": 0.6, "lora": 0.598, "lora+4-bit": 0.45}
LOST = GivenUp(
    composition="lora+4-bit", seeds=2, leader="full", difference=-0.15, low=-0.19, high=-0.11
)


def raced(end="time", missing=True, **changes):
    """Two that stayed in the race, one that was given up, and one that was never run."""
    records = [ok("base", 0.2, cell=cell("base", seed)) for seed in range(4)]
    for name, count in SEEDS.items():
        for seed in range(count):
            made = ok(name, QUALITY[name], cell=cell(name, seed), spread=0.4)
            records.append(validated(made, 3.0, 2.0, 1.5))
    if missing:
        records.append(ended("qlora", "skipped", NOT_RUN))
    timed = Timed(
        seconds=1800,
        spent_seconds=1755.2,
        look_level=0.005,
        last_level=0.03,
        looks=(2, 3, 5, 8),
        given_up=(LOST,),
        end=end,
    )
    return comparison(records, timed=timed, **changes)


def said(compared):
    return " ".join(n.text for n in notes(compared.equal, stand(compared)))


def test_the_answer_says_what_was_given_up_and_what_was_never_run():
    conclusion = answer(stand(raced()))
    assert "`lora+4-bit` was given up after 2 seeds, as clearly worse." in conclusion.sentences
    assert "`qlora` was not run, as the time budget ended." in conclusion.sentences
    assert conclusion.pick is not None
    assert conclusion.pick.cell.composition in ("full", "lora")
    assert "lora+4-bit" not in conclusion.whole


def test_its_row_keeps_its_figures_and_is_marked():
    rows = {line.name: line for line in brief(raced()).lines}
    assert rows["lora+4-bit"].status == "ok, 2 seeds, given up"
    assert rows["lora+4-bit"].figures[0].text
    assert rows["lora+4-bit"].figures[0].detail.startswith("[")
    cause = "Given up after 2 seeds: worse than full by 0.150 [0.110, 0.190]."
    assert rows["lora+4-bit"].cause == cause
    assert rows["full"].status == "ok, 4 seeds"
    assert (rows["qlora"].status, rows["qlora"].cause) == ("not run", NOT_RUN)


def test_tables_for_programs_have_the_seeds_after_which_it_was_given_up():
    rows = list(csv.DictReader(io.StringIO(csv_json.csv(raced()))))
    given = {(r["strategy"], r["given_up_after_seeds"]) for r in rows}
    assert {name for name, count in given if count} == {"lora+4-bit"}
    assert ("lora+4-bit", "2") in given
    methods = {r["method"]: r for r in json.loads(summary.json(raced()))}
    assert methods["lora+4-bit"]["given_up_after_seeds"] == 2
    assert methods["lora+4-bit"]["verdict"] == "worse"
    assert methods["full"]["given_up_after_seeds"] is None
    ordinary = comparison([ok("full"), ok("lora")])
    assert "given_up_after_seeds" not in csv_json.csv(ordinary)


def test_the_page_and_markdown_say_it_as_well():
    for shown in (render(raced()), markdown(raced()).replace("\\", "")):
        assert "Given up after 2 seeds: worse than full by 0.150 [0.110, 0.190]." in shown
        assert "ok, 2 seeds, given up" in shown
        assert NOT_RUN in shown


@pytest.mark.parametrize(
    ("end", "why", "sure"),
    [
        ("time", "as no time was left for another seed of all that were in the race", "97 %"),
        ("seeds", "as every seed was used", "97 %"),
        ("decided", "as further seeds would have decided nothing", "99.5 %"),
        ("", "before the race was over", "99.5 %"),
    ],
)
def test_why_it_ended_and_how_sure_the_page_is(end, why, sure):
    compared = raced(end)
    assert f"The time budget was 30 min. It ended after 29 min 15 s, {why}." in said(compared)
    assert f"the page's intervals of differences are of {sure}" in said(compared)
    assert f"else worse if that of {sure} leaves zero out" in answer(stand(compared)).rule


def test_what_would_tell_more_is_more_time():
    one = comparison([ok("full"), ok("lora", 0.4)], timed=raced().header.timed)
    assert "a longer --time-budget" in said(one)
    assert "--seeds 3" not in said(one)
    assert "--seeds 3" in said(comparison([ok("full"), ok("lora", 0.4)]))


def test_without_a_time_budget_nothing_is_said_of_one():
    ordinary = comparison([ok("full"), ok("lora", 0.4)])
    assert "time budget" not in said(ordinary) + render(ordinary)
