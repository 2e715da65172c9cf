"""Why the one that is picked is picked, what it rests on, and who is missing."""

from __future__ import annotations

import re
from typing import Any

import pytest
import records

from llmbench.analysis.choice import quality_pairs
from llmbench.analysis.judging import stand
from llmbench.analysis.standing import Standing
from llmbench.output.html.details import details
from llmbench.output.html.page import render
from llmbench.output.html.view import view
from llmbench.output.methods import Row, table
from llmbench.record.comparison import Comparison
from llmbench.record.record import Moved, Record
from llmbench.wording import first
from llmbench.wording.answer import Answer, answer
from llmbench.wording.notes import notes

SEEDS = (0, 1, 2)


def seeded(
    composition: str,
    quality: float,
    memory: float,
    speed: float = 9000.0,
    apart: float = 0.0,
    **changes: Any,
) -> list[Record]:
    """Three seeds whose scores are those of any other composition, moved by what is between."""
    scores = records.ok("same", 0.5).examples
    made = []
    for seed in SEEDS:
        cell = records.cell(composition, seed, **changes)
        off = quality - 0.5 + apart * (seed - 1)
        examples = [
            e.model_copy(update={"scores": {"rougeL": e.scores["rougeL"] + off}}) for e in scores
        ]
        record = records.ok(composition, 0.5, memory, speed, cell=cell)
        made.append(record.model_copy(update={"examples": tuple(examples)}))
    return made


def compared(*cells: list[Record], **configuration: Any) -> Comparison:
    return records.comparison([r for held in cells for r in held], configuration=configuration)


def standing(*cells: list[Record], **configuration: Any) -> Standing:
    return stand(compared(*cells, **configuration))


def answered(*cells: list[Record], **configuration: Any) -> Answer:
    return answer(standing(*cells, **configuration))


FULL, LORA = seeded("full", 0.6, 62.0, 10000.0), seeded("lora", 0.597, 35.0, 13000.0, apart=0.001)
QLORA = seeded("qlora", 0.598, 5.0, 9000.0, apart=0.001)


def test_who_is_as_good_and_fastest_is_picked_with_nothing_to_add() -> None:
    found = answered(FULL, LORA, QLORA)
    assert found.whole == "Pick `lora`"
    assert re.match(
        r"Its ROUGE-L of 0\.60\d is as good as the highest, 0\.6\d\d of `full`, within 0\.01 \(",
        found.sentences[0],
    )
    assert "Of the 3 methods that are as good, it trains fastest" in found.sentences[0]
    assert "`qlora` needs 5.0 GiB instead of 35.0 GiB, and takes 1.4 times" in found.sentences[1]
    assert "significant" not in " ".join(found.sentences)


def test_what_is_undecided_is_said_in_the_headline_with_what_would_decide_it() -> None:
    found = answered(FULL, seeded("lora", 0.597, 35.0, 13000.0, apart=0.01))
    assert found.whole == (
        "Pick `lora`, with no significant difference in ROUGE-L from `full` (a difference of "
        "0.03 would probably have shown)"
    )
    assert "does not differ significantly from the highest, 0.6" in found.sentences[0]
    told = r"With 3 trainings .* and 24 examples, .* of 0\.03 shows .* of 0\.01 takes (\d+) "
    assert any(re.match(told, s) for s in found.sentences)


def test_a_pick_that_is_the_best_itself_names_those_that_may_be_better() -> None:
    slow = seeded("lora", 0.597, 35.0, 8000.0, apart=0.01)
    found = answered(FULL, slow)
    assert found.whole.startswith("Pick `full`, with no significant difference in ROUGE-L from `l")
    assert found.sentences[0].startswith("It has the highest ROUGE-L, 0.6")


def test_as_good_and_undecided_are_told_from_each_other() -> None:
    found = answered(FULL, QLORA, seeded("lora", 0.595, 35.0, 9500.0, apart=0.004))
    assert (
        "Of the 3 methods that are as good or do not differ significantly, 2 train about"
        in (found.sentences[0])
    )


def test_the_margin_is_the_comparison_s_own() -> None:
    assert "of `full`, within 0.02 (" in answered(FULL, LORA, margin=0.02).sentences[0]
    narrow = answered(FULL, LORA, margin=0.0001)
    assert "as good as" not in narrow.sentences[0]
    assert "within 0.0001 of zero" in narrow.rule


@pytest.mark.parametrize("margin", [None, "much", -1, 0, True])
def test_a_margin_that_is_none_is_the_usual_one(margin: object) -> None:
    assert standing(FULL, LORA, margin=margin).margin == 0.01


# Memory is a limit.


@pytest.mark.parametrize("budget", ["16GiB", 16 * records.GIB])
def test_what_needs_more_than_the_budget_is_not_picked_and_said_to_be_better(budget: Any) -> None:
    small = seeded("qlora", 0.5, 5.0)
    found = answered(FULL, LORA, small, memory_budget=budget)
    assert found.headline == "Pick `qlora`"
    assert found.sentences[0].startswith("It is the only method that needs 16 GiB or less")
    assert "`full` scores 0.6" in " ".join(found.sentences)
    assert "where the budget is 16 GiB" in " ".join(found.sentences)
    assert "16 GiB or less" in found.rule


def test_within_the_budget_the_best_that_fits_decides_who_is_as_good() -> None:
    best = seeded("big", 0.7, 70.0)
    found = answered(best, FULL, LORA, memory_budget="64GiB")
    assert found.headline == "Pick `lora`"
    assert re.search("as good as the highest, 0.6.* of `full`", found.sentences[0])


def test_where_nothing_fits_that_is_the_answer() -> None:
    found = answered(FULL, LORA, memory_budget="4GiB")
    assert found.whole == "Nothing fits: every method needs more than 4 GiB"
    assert "that of `lora`, 35.0 GiB" in found.sentences[0]
    assert found.pick is None


def test_a_budget_that_is_no_size_is_none() -> None:
    assert standing(FULL, LORA, memory_budget="plenty").budget is None


def test_the_reader_s_limit_begins_with_the_budget() -> None:
    html = render(compared(FULL, LORA, QLORA, memory_budget="40GiB"))
    assert re.search(r'id="most-memory"[^>]*value="40"', html)
    assert "value=" not in re.findall(r'<input id="most-memory"[^>]*>', render(records.seven()))[0]


# At the given learning rates.


def worse(**changes: Any) -> tuple[list[Record], list[Record]]:
    return seeded("full", 0.6, 62.0, **changes), seeded("lora", 0.5, 35.0, apart=0.001, **changes)


def test_a_better_method_is_better_at_the_given_learning_rates() -> None:
    for rate in (None, "given", "default"):
        found = answered(*worse(rate=rate))
        assert found.whole == "Pick `full`, at the given learning rates"
        assert any("--tune finds the best of each" in s for s in found.sentences)


@pytest.mark.parametrize("rate", ["tuned", "model"])
def test_rates_that_were_searched_for_need_no_such_word(rate: str) -> None:
    assert answered(*worse(rate=rate)).whole == "Pick `full`"


def test_where_no_method_is_said_to_be_better_rates_are_not_mentioned() -> None:
    assert "learning rates" not in " ".join([answered(FULL, LORA).whole])


# Who did not learn.


def learnt(record: Record, *losses: float, moved: float = 0.9) -> Record:
    settings = record.cell.settings.model_copy(update={"precision": "bf16-true"})
    cell = record.cell.model_copy(update={"settings": settings})
    held = records.validated(record.model_copy(update={"cell": cell}), *losses)
    return held.model_copy(update={"moved": Moved(step=4, share=moved, meant=0.97)})


def lost() -> list[Record]:
    """As seen on a GPU: full fine-tuning in plain bf16 learns nothing."""
    return [
        learnt(records.ok("base", 0.131), 2.51),
        learnt(records.ok("full", 0.138, 62.0), 2.51, 2.50, 2.49, moved=0.03),
        learnt(records.ok("lora", 0.365, 35.0), 2.51, 2.1, 1.86),
    ]


def row(made: list[Record], name: str) -> Row:
    found = table(stand(records.comparison(made)), None, frozenset())
    return next(r for r in found.rows if r.name == name)


def test_where_one_alone_learnt_there_is_no_verdict_on_methods() -> None:
    found = answered(lost())
    assert found.whole == "No verdict on methods: only `lora` learnt"
    assert found.pick is None
    assert "`full` did not learn, and is not ranked" in found.sentences[0]
    assert "lost to rounding" in found.sentences[0]
    assert "Leave --precision at its default" in found.sentences[0]


def test_where_none_learnt_there_is_none_either() -> None:
    made = [learnt(records.ok(c, 0.138, 62.0), 2.51, 2.50) for c in ("full", "lora")]
    assert answered(made).whole == "No verdict on methods: no method learnt"


def test_of_those_that_learnt_one_is_picked_and_the_answer_says_who_is_missing() -> None:
    found = answered([*lost(), learnt(records.ok("qlora", 0.2, 5.0), 2.51, 2.1, 1.9)])
    assert found.headline == "Try `lora` first"
    assert "of those that learnt" in found.limit
    assert any("`full` did not learn" in s for s in found.sentences)


def test_a_cell_that_did_not_learn_cannot_win_however_it_scores() -> None:
    made = lost()
    lucky = learnt(records.ok("full", 0.9, 62.0), 2.51, 2.49, moved=0.03)
    other = learnt(records.ok("qlora", 0.3, 5.0), 2.51, 2.1, 1.9)
    found = answered([made[0], lucky, made[2], other])
    assert found.headline == "Try `lora` first"


def test_it_is_marked_in_its_row_its_details_and_the_notes() -> None:
    made = lost()
    held = stand(records.comparison(made))
    found = row(made, "full")
    assert (found.status, found.good) == ("did not learn", False)
    assert found.cause.startswith("Its validation loss went from 2.510 to 2.490, and its updates")
    (detail,) = (d for d in details(held, frozenset({"full.llama.s0"})))
    assert (detail.status, detail.good) == ("did not learn", False)
    facts = {fact.name: fact.value for fact in detail.facts}
    assert facts["Validation loss"] == "2.510, at the end 2.490"
    assert facts["Weights changed by step 4"] == "3 % of them, of 97 % that were meant to change"
    texts = [n.text for n in notes(records.comparison(made), held) if n.kind == "warning"]
    assert any(
        t.startswith("`full` did not learn, which says nothing of its method") for t in texts
    )
    assert row(made, "lora").status == "ok"


def test_a_wrong_first_loss_comes_before_all_that_follows_from_it() -> None:
    made = lost()
    made[1] = made[1].model_copy(update={"first_loss": 522.0})
    assert row(made, "full").status == "wrong first loss"


# Time to quality.


def timed(composition: str, speed: float, *losses: float) -> list[Record]:
    made = seeded(composition, 0.6, 30.0, speed)
    return [records.validated(r, *losses) for r in made]


def test_the_fastest_to_quality_is_picked_and_not_the_most_tokens_per_second() -> None:
    early, late = timed("full", 9000.0, 3.0, 1.0, 1.0), timed("lora", 12000.0, 3.0, 2.0, 1.0)
    found = answered(early, late)
    assert found.headline == "Pick `full`"
    reached = r"it reaches the target quality \(90 % of .*\) fastest, after \d\.\d s of "
    assert re.search(reached, found.sentences[0])
    assert "the fastest to the target quality, a validation loss of 1.200, is picked" in found.rule
    assert any(
        re.match(r"It trains at [89],\d+ tok/s; the fastest, `lora`", s) for s in found.sentences
    )
    held = standing(early, late)
    assert first.trust(held, held.variants[0]).endswith(
        " Time to quality: shorter than the others' by more than chance."
    )
    page = view(records.comparison([*early, *late]))
    assert [c.label for c in page.few.columns][-1] == "Time to quality"


def test_where_memory_decides_between_equals_the_page_says_so_beside_quality() -> None:
    early, late = timed("full", 9000.0, 3.0, 1.0, 1.0), timed("lora", 9000.0, 3.0, 1.0, 1.0)
    held = standing(early, late)
    assert " 2 methods may be equal; of these it needs the least peak memory." in first.trust(
        held, answer(held).pick
    )


def test_the_first_rows_say_how_to_read_them_and_what_their_methods_are_first() -> None:
    exact = [r for name in ("lora", "qlora", "full") for r in seeded(name, 0.6, 30.0, 9000.0)]
    page = view(records.comparison([*exact, records.ok("base", 0.1)]))
    assert page.key.startswith("In brackets: 95 % intervals.")
    assert [row.cause for row in page.few.rows[:2]] == ["the pick", "the same quality"]
    shown = [row.name for row in page.few.rows]
    assert [name for name, _ in page.meanings][: len(shown)] == shown


def test_there_is_a_column_for_it_where_some_got_there() -> None:
    early, never = timed("full", 9000.0, 3.0, 1.0), timed("lora", 12000.0, 3.0, 2.0)
    found = table(standing(early, never), None, frozenset())
    place = [c.id for c in found.columns].index("time_to_quality_seconds")
    assert found.columns[place].shown
    values = {r.name: r.values[place] for r in found.rows}
    assert values["full"].text.endswith(" s")
    assert (values["lora"].text, values["lora"].absent) == ("", "not reached")
    plain = table(standing(FULL, LORA), None, frozenset())
    assert "time_to_quality_seconds" not in [c.id for c in plain.columns]


def test_pairs_tell_as_good_from_undecided() -> None:
    held = standing(FULL, LORA, seeded("qlora", 0.595, 5.0, apart=0.004))
    assert quality_pairs(held)[0] == {1: "as good", 2: "undecided"}
