"""What the report says: the answer, its notes, and who is marked as best."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import records

from llmbench.analysis.choice import quality_pairs
from llmbench.analysis.judging import stand
from llmbench.output.html.charts.plot import LINE, Plot, Scale, spread
from llmbench.output.html.charts.scatter import place, scatters
from llmbench.output.html.predictions import marked
from llmbench.output.html.view import view
from llmbench.output.methods import table
from llmbench.record.comparison import Plan, Planned
from llmbench.record.record import Record
from llmbench.wording.answer import Answer, answer
from llmbench.wording.notes import Note, notes


def answered(made: list[Record]) -> Answer:
    return answer(stand(records.comparison(made)))


def noted(made: list[Record], **changes: object) -> tuple[Note, ...]:
    comparison = records.comparison(made, **changes)
    return notes(comparison, stand(comparison))


def test_of_few_measured_steps_none_is_called_the_fastest() -> None:
    for quality in (0.6, None):
        made = [records.ok("full", quality, 62.0, 5930), records.ok("lora", quality, 35.0, 3810)]
        few = [r.model_copy(update={"steps": r.steps[:9]}) for r in made]  # five of them count
        found = answered(few)
        assert "fastest" not in " ".join((found.whole, *found.sentences))
        assert re.search("or in speed|may be as fast", " ".join(found.sentences))


def test_of_cells_that_are_undecided_and_equally_fast_the_one_with_least_memory_is_picked() -> None:
    found = answered([records.ok("full", 0.63, 62.0), records.ok("qlora", 0.63, 5.1)])
    assert found.whole == "Try `qlora` first, as far as one seed can tell"
    assert found.sentences[0].startswith("It has the highest ROUGE-L, 0.63")
    assert found.sentences[0].endswith(
        ". One training cannot tell the 2 methods apart in quality or in speed; this one needs "
        "the least peak memory, 5.1 GiB."
    )


def test_of_cells_that_are_undecided_the_fastest_is_picked_whatever_its_memory() -> None:
    made = [records.ok("lora", 0.62, 35.0, 12993), records.ok("qlora", 0.63, 5.1, 9290)]
    found = answered(made)
    assert found.headline == "Try `lora` first"
    assert found.sentences[0].startswith("Its ROUGE-L is 0.62")
    assert " the highest is 0.63" in found.sentences[0]
    assert "Of the 2 methods that one training cannot tell apart, it trains" in found.sentences[0]
    assert (
        "If memory is tight: `qlora` needs 5.1 GiB instead of 35.0 GiB, and takes 1.4 times as "
        "long." in found.sentences
    )


def test_a_little_less_memory_is_not_worth_a_word() -> None:
    made = [records.ok("lora", 0.62, 5.2, 12993), records.ok("qlora", 0.63, 5.0, 9290)]
    assert not any("If memory is tight" in s for s in answered(made).sentences)


def test_two_that_score_the_same_are_said_to_do_so() -> None:
    full = records.ok("full", 0.6, 62.0)
    made = [full, records.ok("lora", 0.6, 35.0, examples=full.examples)]
    found = answer(stand(records.comparison(made)))
    assert re.search(
        "highest ROUGE-L, 0.*, the same as `full` on every example", found.sentences[0]
    )


def test_with_one_seed_more_examples_are_never_advised() -> None:
    sentences = " ".join(answered([records.ok("full", 0.63), records.ok("qlora", 0.62)]).sentences)
    assert "--seeds 3" in sentences
    assert "examples" not in sentences


def test_a_clear_winner_is_picked_whatever_its_memory() -> None:
    found = answered([records.ok("full", 0.63, 62.0), records.ok("qlora", 0.40, 5.1)])
    assert found.pick is not None
    assert found.pick.cell.composition == "full"
    assert "above every other method" in found.sentences[0]


def test_the_highest_that_no_other_can_be_held_against_is_picked_and_said_to_be_so() -> None:
    full, lora = records.ok("full", 0.63, 62.0), records.ok("lora", 0.40, 5.1)
    same = tuple(e.model_copy(update={"id": "same"}) for e in full.examples)
    found = answered([full.model_copy(update={"examples": same}), lora])
    assert found.sentences[0].endswith("and no other method can be held against it on that.")


def test_one_seed_is_never_a_plain_answer() -> None:
    made = [records.ok("full", 0.63, 62.0), records.ok("qlora", 0.40, 5.1)]
    found = answered(made)
    assert found.whole.startswith("Try `full` first, as far as one seed can tell")
    assert "--seeds 3" in found.sentences[1]
    (said,) = (n for n in noted(made) if n.text.startswith("One seed is one training: "))
    assert said.kind == "warning"


def test_the_base_never_competes() -> None:
    made = [records.ok("base", 0.2, 1.0), records.ok("full", 0.6, 62.0), records.ok("lora", 0.5)]
    assert "base" not in answered(made).headline


def test_a_cell_with_a_wrong_first_loss_cannot_win_and_is_named() -> None:
    made = [
        records.ok("base", 0.2, 14.0),
        records.ok("full", 0.6, 62.0),
        records.ok("lora", 0.5, 35.0),
        records.ok("liger", 0.9, 1.0, 90000, first_loss=522.0),
    ]
    assert answered(made).headline == "Try `full` first"
    first = noted(made)[0]
    assert first.kind == "wrong"
    assert "`liger`" in first.text


def test_without_a_base_it_is_said_that_no_first_loss_was_checked() -> None:
    made = [
        records.ended("base", "oom", "No memory."),
        records.ok("lora", 0.6, 35.0, first_loss=522.0),
        records.ok("full", 0.5),
    ]
    assert "started from the base" not in answered(made).rule
    (said,) = (n for n in noted(made) if "first loss is not known" in n.text)
    assert said.kind == "warning"
    assert "`lora` and `full`" in said.text
    whole = [records.ok("base", 0.2), *made[1:]]
    assert "started from the base" in answered(whole).rule
    assert not any("not known" in n.text for n in noted(whole))


def asked(composition: str, quality: float, shared_rate: float, own_rate: float | None = None):
    """A cell where such a learning rate was asked for; a strategy may declare another."""
    own = shared_rate if own_rate is None else own_rate
    declared = {} if own_rate is None else {"learning_rate": own}
    made = records.cell(composition, settings={"learning_rate": own}, declared=declared)
    shared = {"learning_rate": shared_rate} if declared else {}
    return records.ok(composition, quality, cell=made.model_copy(update={"shared": shared}))


def test_cells_that_were_asked_for_other_settings_do_not_compete() -> None:
    made = [asked("full", 0.5, 1e-3), asked("lora", 0.6, 2e-3, 2e-2), asked("qlora", 0.55, 2e-3)]
    assert {a.cell.composition for a in stand(records.comparison(made)).competing} == {
        "lora",
        "qlora",
    }
    assert any("--learning-rate 0.002" in n.text for n in noted(made))


def test_cells_of_an_earlier_plan_do_not_decide_whom_the_answer_is_for() -> None:
    old = [asked(name, 0.6, 1e-3) for name in ("full", "lora", "qlora")]
    new = [
        r.model_copy(update={"cell": r.cell.model_copy(update={"id": f"{r.cell.id}.new"})})
        for r in (asked("full", 0.3, 2e-3), asked("lora", 0.4, 2e-3))
    ]
    plan = Plan(cells=tuple(Planned(cell=r.cell) for r in new))
    competing = stand(records.comparison([*old, *new], plan=plan)).competing
    assert [a.id for a in competing] == [r.cell.id for r in new]


def test_what_a_strategy_declares_is_in_nobody_s_way() -> None:
    made = [asked("full", 0.5, 1e-3), asked("lora", 0.6, 1e-3, 1e-2)]
    assert len(stand(records.comparison(made)).competing) == 2


def test_training_that_brought_nothing_is_not_an_answer() -> None:
    made = [records.ok(c, 0.3, spread=0.1) for c in ("base", "full", "lora")]
    found = answered(made)
    assert found.headline.startswith("Nothing to pick")
    assert found.pick is None


def test_training_that_did_harm_is_said() -> None:
    made = [records.ok("base", 0.6), records.ok("full", 0.3), records.ok("lora", 0.2)]
    assert "worse than the untrained model" in answered(made).headline


def test_of_one_method_alone_the_base_tells_whether_it_is_worth_anything() -> None:
    found = answered([records.ok("base", 0.165), records.ok("lora", 0.409)])
    assert found.headline == "`lora` is better than the untrained model"
    assert "The untrained `base` has ROUGE-L 0.16" in found.sentences[0]
    assert "nothing to hold it against" not in " ".join(found.sentences)
    worse = answered([records.ok("base", 0.5), records.ok("lora", 0.2)])
    assert worse.headline == "Nothing to pick: every method is worse than the untrained model"
    alike = answered([records.ok("base", 0.5), records.ok("lora", 0.5)])
    assert alike.headline.startswith("Nothing to pick yet")


def test_whatever_ends_below_the_untrained_model_is_said_to() -> None:
    found = answered([records.ok("base", 0.3), records.ok("full", 0.6), records.ok("lora", 0.2)])
    assert found.sentences[-1].endswith("`lora` ends below that.")


def test_without_quality_the_first_rows_are_the_fastest_and_the_smallest() -> None:
    sizes = {"full": (62.0, 10000), "lora": (35.0, 9900), "lora+4-bit": (26.0, 9500)}
    made = [records.ok(name, None, *sizes[name]) for name in sizes]
    page = view(records.comparison([*made, records.ok("qlora", None, 5.1, 9000)]))
    assert [(row.name, row.cause) for row in page.few.rows] == [
        ("full", "the fastest"),
        ("qlora", "the least memory"),
    ]


def test_without_quality_the_answer_is_of_speed_and_memory() -> None:
    made = [records.ok("full", None, 62.0, 10000), records.ok("qlora", None, 5.1, 9000)]
    found = answered(made)
    assert found.headline == "`qlora` for memory, `full` for speed"
    assert found.limit == "as far as one seed can tell"
    assert "quality was not measured" in found.sentences[1]


def test_without_a_gpu_memory_is_the_host_s() -> None:
    made = [
        records.ok("full", 0.6, 0.2, device="cpu"),
        records.ok("lora", 0.6, 0.1, device="cpu"),
    ]
    found = answered(made)
    assert "the least RAM" in " ".join(found.sentences)
    assert "VRAM" not in " ".join([*found.sentences, found.rule])
    assert any(n.text.startswith("No GPU") for n in noted(made))


@pytest.mark.parametrize(
    ("made", "headline"),
    [
        ([records.ended("lora", "oom", "No memory.")], "No training ended well"),
        ([records.ok("base", 0.2)], "Nothing was trained"),
        (
            [records.ok("lora"), records.ended("full", "oom", "No memory.")],
            "Only `lora` can be judged",
        ),
    ],
)
def test_where_there_is_nothing_to_compare_it_says_what_happened(
    made: list[Record], headline: str
) -> None:
    found = answered(made)
    assert found.headline == headline
    if any(r.status == "oom" for r in made):
        assert re.search(r"Of \d runs?, 1 ran out of memory\.", " ".join(found.sentences))
        assert "No memory." in " ".join(found.sentences)


def test_notes_tell_of_the_seed_the_burn_in_and_the_records_warnings() -> None:
    made = [records.ok("full", 0.6, warnings=("3 were cut.",)), records.ok("lora", 0.5)]
    texts = [n.text for n in noted(made, notices=("Mind this.",))]
    assert any(t.startswith("One seed") for t in texts)
    assert any("first 4 steps of 20" in t for t in texts)
    assert "`full`: 3 were cut." in texts
    assert "Mind this." in texts


def test_notes_warn_of_what_differs_and_no_strategy_declares() -> None:
    found = records.comparison([records.ok("lora"), records.ok("full", optimizer="SGD")])
    texts = [n.text for n in notes(found, stand(found)) if n.kind == "warning"]
    assert any("The methods also differ in the optimiser that ran" in t for t in texts)


def test_notes_tell_of_cells_without_a_record_and_of_other_machines() -> None:
    made = [records.ok("full", 0.6), records.ok("lora", 0.5)]
    whole = records.comparison(made)
    torn = type(whole)(whole.header, whole.records[:1], whole.inputs, ("'x' cannot be read.",))
    texts = [n.text for n in notes(torn, stand(torn))]
    assert "`lora` has no record: the comparison is not complete." in texts
    assert "'x' cannot be read." in texts
    other = records.environment(device_name="NVIDIA A100")
    moved = [made[0], records.ok("lora", 0.5, environment=other)]
    assert any("different machines" in n.text for n in noted(moved))


def test_all_cells_level_with_the_best_are_marked() -> None:
    standing = stand(records.seven())
    found = table(standing, None, frozenset())
    column = [c.id for c in found.columns].index("rougeL")
    marks = {row.name: row.values[column].mark for row in found.rows}
    assert marks["full"] == marks["lora"] == "level"
    assert marks["base"] == marks["lora+8-bit"] == ""


def test_nothing_is_marked_where_all_are_alike() -> None:
    found = table(stand(records.comparison([records.ok("a"), records.ok("b")])), None, frozenset())
    column = [c.id for c in found.columns].index("artifact_bytes")
    assert not any(row.values[column].mark for row in found.rows)


def test_pairs_agree_with_the_verdicts_on_the_best() -> None:
    standing = stand(records.seven())
    assert standing.best
    number = [variant.id for variant in standing.competing].index(standing.best.id)
    pairs = quality_pairs(standing)[number]
    assert set(pairs.values()) == {"undecided"}
    level = {standing.competing[i].id for i in pairs}
    assert level == {variant.id for variant in standing.level() if variant is not standing.best}


def test_seeds_are_part_of_the_name_where_they_vary() -> None:
    made = [records.ok("lora", cell=records.cell("lora", seed=s)) for s in (0, 1)]
    assert list(stand(records.comparison(made)).cell_names.values()) == [
        "lora · seed 0",
        "lora · seed 1",
    ]


def test_the_frontier_holds_cells_that_none_beats_on_both() -> None:
    made = [
        records.ok("full", 0.7, 60.0, spread=0.01),
        records.ok("lora", 0.6, 30.0, spread=0.01),
        records.ok("bad", 0.5, 40.0, spread=0.01),
        records.ok("qlora", 0.4, 5.0, spread=0.01),
    ]
    chart = next(scatters(stand(records.comparison(made)), None))
    assert {row[0]: row[-1] for row in chart.table.texts} == {
        "full": "yes",
        "lora": "yes",
        "bad": "no",
        "qlora": "yes",
    }


def test_differences_are_of_whole_words_and_against_the_closest_reference() -> None:
    pieces = marked("Mark lost the red big glove.", ["No.", "Mark lost the glove."])
    assert [(p.kind, p.text) for p in pieces] == [
        ("same", "Mark lost the "),
        ("added", "red big "),
        ("same", "glove."),
    ]
    assert [p.kind for p in marked("Ann left", ["Ann left early"])] == ["same", "missing"]
    assert marked("", ["x"]) == ()


def test_labels_keep_clear_of_each_other_and_of_the_edge() -> None:
    plot = Plot(Scale("x", 0, 1), Scale("y", 0, 1))
    points = [(plot.left + 10, 100.0), (plot.left + 14, 100.0), (plot.right - 10, 100.0)]
    texts = ["full+gradient-checkpointing"] * 3
    labels = place(points, texts, plot)
    assert [labels[i].anchor for i in range(3)] == ["start", "start", "end"]
    lines = sorted(label.y for label in labels.values())
    assert all(b - a >= LINE for a, b in pairwise(lines))
    assert place(points, ["", "", ""], plot) == {}


def test_spread_keeps_the_order_and_the_bounds() -> None:
    assert spread([50, 51, 52], 15, 0, 60) == [30, 45, 60]
    assert spread([], 15, 0, 60) == []
