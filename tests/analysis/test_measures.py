"""What metrics declare decides what ranks, which way, and under which name it is shown."""

from __future__ import annotations

import pytest
from records import cell, comparison, ok

from llmbench.analysis.diff import rule
from llmbench.analysis.diff.compare import diff
from llmbench.analysis.judging import stand
from llmbench.config.setup import check_metrics
from llmbench.errors import ConfigError
from llmbench.output.diff import as_text
from llmbench.output.methods import table
from llmbench.output.terminal.lines import ended
from llmbench.output.terminal.progress import Progress
from llmbench.record import figure
from llmbench.record.measure import Measure
from llmbench.wording.answer import answer
from llmbench.wording.notes import notes

LOSS = Measure(
    id="loss", label="Loss", better="lower", unit="nats", most=None, margin=0.05, metric="loss"
)


def scored(composition, measures, value, corpus=None, **changes):
    """A cell whose examples all have a value for every measure that is not of the whole set."""
    record = ok(composition, cell=cell(composition), **changes)
    names = [m.id for m in measures if m.id not in (corpus or {})]
    examples = tuple(
        e.model_copy(update={"scores": dict.fromkeys(names, value + 0.01 * (i % 3))})
        for i, e in enumerate(record.examples)
    )
    update = {"examples": examples, "measures": tuple(measures), "corpus_scores": corpus or {}}
    return record.model_copy(update=update)


def test_where_less_is_better_the_lowest_is_the_best_and_said_to_be_the_lowest():
    made = comparison([scored("full", [LOSS], 2.0), scored("lora", [LOSS], 1.5)])
    standing = stand(made)
    assert standing.best is not None
    assert standing.best.cell.composition == "lora"
    assert standing.variants[0] not in standing.level()
    assert standing.margin == 0.05
    said = answer(standing).sentences[0]
    assert said.startswith("It has the lowest Loss, 1.510")
    assert "below every other" in said


def test_the_first_metric_that_has_a_direction_ranks_and_heads_the_table():
    length = Measure(id="length", label="Length", better="neither", most=None, metric="length")
    made = comparison([scored(c, [length, LOSS], v) for c, v in (("full", 2.0), ("lora", 1.5))])
    standing = stand(made)
    assert standing.score is not None
    assert standing.score.id == "loss"
    shown = [c.label for c in table(standing, None, frozenset()).columns if c.shown]
    assert next(label for label in shown if label != "Status") == "Loss"
    assert "Length" in shown


def test_the_line_of_a_cell_names_the_score_that_ranks():
    assert "Loss 1.510" in ended(scored("lora", [LOSS], 1.5), 3.0, Progress())


def test_a_score_that_cannot_see_the_texts_does_not_rank_and_says_so_wherever_it_stands():
    blind = LOSS.model_copy(update={"blind": "unseen", "instead": "another"})
    unseen = Measure(id="unseen", label="Unseen", better="neither", metric="loss")
    made = comparison(
        [scored(c, [blind, unseen], v, {"unseen": 0.93}) for c, v in (("full", 2.0), ("lora", 1.5))]
    )
    standing = stand(made)
    assert standing.score is None
    labels = {c.id: c.label for c in table(standing, None, frozenset()).columns}
    assert labels["loss"] == "Loss, blind to 93 %"
    assert "Loss cannot see these texts" in " ".join(answer(standing).sentences)
    assert any(
        n.kind == "wrong" and "cannot see 93 % of the letters" in n.text and "another" in n.text
        for n in notes(made, standing)
    )


@pytest.mark.parametrize(("share", "ranks"), [(0.04, True), (0.06, False)])
def test_some_accents_do_no_harm_and_more_than_a_few_percent_does(share, ranks):
    blind = LOSS.model_copy(update={"blind": "unseen"})
    unseen = Measure(id="unseen", label="Unseen", better="neither", metric="loss")
    record = scored("lora", [blind, unseen], 1.5, {"unseen": share})
    assert (figure.ranking([record]) is not None) == ranks


def test_the_figure_of_the_whole_set_is_shown_and_its_pseudo_values_tell_its_spread():
    whole = Measure(id="whole", label="Whole", unit="points", most=100.0, metric="whole")
    records = [scored(c, [whole], v) for c, v in (("full", 20.0), ("lora", 30.0))]
    made = [
        r.model_copy(update={"corpus_scores": {"whole": v}})
        for r, v in zip(records, (20.5, 30.5), strict=True)
    ]
    standing = stand(comparison(made))
    assert [standing.quality_of(variant) for variant in standing.variants] == [20.5, 30.5]
    assert standing.variants[0] not in standing.level()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("rouge", "rouge"), "'rouge' is named twice"),
        (("rouge", "rouge(tokenizer=latin)"), "both give 'rougeL'"),
        (("rouge(tokenizer=klingon)",), "'rouge(tokenizer=klingon)' cannot be"),
        (("rouge(stem=no)",), "'rouge' has no option 'stem': known are"),
        (("rouge(argument=x)",), "goes behind a colon"),
    ],
)
def test_metrics_that_cannot_be_are_refused_before_anything_runs(names, said):
    with pytest.raises(ConfigError) as caught:
        check_metrics(names)
    assert said in str(caught.value)


def test_the_same_metric_with_another_tokenizer_stands_beside_it():
    check_metrics(("rouge", "rouge(tokenizer=character)"))


def test_diff_shows_the_score_that_ranks_and_knows_that_less_is_better():
    old, new = (comparison([scored("lora", [LOSS], v)]) for v in (2.0, 1.5))
    found = diff(old, new)
    [change] = [c for c in found.cells[0].changes if c.figure.id == "loss"]
    assert change.word == "better"
    assert "Loss" in as_text(found, [])
    assert rule.judge([rule.read("loss>+0.1", rule.known_figures(found))], found)[0].broken_by == ()
    back = diff(new, old)
    assert [c.word for c in back.cells[0].changes if c.figure.id == "loss"] == ["worse"]
