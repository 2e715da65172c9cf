"""Kept predictions are scored again: nothing runs, and nothing that was measured is lost."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from records import cell, comparison, ended, ok

from llmbench.analysis.judging import stand
from llmbench.cli import cli
from llmbench.storage.store import Store


@pytest.fixture
def kept(tmp_path):
    """A directory of a comparison of two methods whose predictions are kept."""
    made = comparison([ok("full", 0.4), ok("lora", 0.7), ended("qlora", "oom", "No memory.")])
    store = Store(tmp_path / "out")
    store.create_root()
    store.create()
    store.write_header(made.header)
    for record in made.records:
        store.write_record(record)
    return store


def score(store, metrics):
    return CliRunner().invoke(cli, ["score", str(store.root), "--metrics", metrics])


def test_the_first_metric_ranks_from_then_on_and_all_else_is_as_it_was(kept):
    before = kept.read().records
    done = score(kept, "chrf,exact-match")
    assert (done.exit_code, done.exception) == (0, None)
    assert any(line.endswith("report.html") for line in done.output.splitlines())
    found = kept.read()
    standing = stand(found)
    assert standing.score.id == "chrf"
    assert standing.margin == 1.0
    assert [m.id for m in found.records[0].measures][:3] == ["chrf", "exact_match", "rougeL"]
    assert "Scored again from kept predictions" in found.header.notices[-1]
    for old, new in zip(before, found.records, strict=True):
        assert (new.attempt, new.steps, new.status) == (old.attempt, old.steps, old.status)
        for one, other in zip(old.examples, new.examples, strict=True):
            assert one.scores.items() <= other.scores.items()
            assert one.prediction == other.prediction
    assert "chrF" in (kept.root / "report.html").read_text()
    assert "chrf" in (kept.root / "results.csv").read_text().splitlines()[0]


def test_a_metric_that_was_there_is_computed_anew_and_comes_first(kept):
    assert score(kept, "chrf").exit_code == 0
    assert score(kept, "rouge").exit_code == 0
    record = kept.read().records[0]
    assert [m.metric for m in record.measures] == ["rouge"] * 5 + ["chrf"]
    assert record.corpus_scores == {"rouge_unseen": 0.0}


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ("perplexity", "looks at the model, which is gone"),
        ("rouge(tokenizer=latin)", "gives 'rouge1', which 'rouge' gave already"),
        ("no-such", "Unknown metric 'no-such'"),
        ("evaluate:bleu", "allow it with --trust-remote-code"),
    ],
)
def test_what_cannot_be_scored_again_is_refused_and_changes_nothing(kept, metrics, said):
    before = {p: p.read_bytes() for p in kept.records.iterdir()}
    done = score(kept, metrics)
    assert done.exit_code != 0
    assert said in str(done.exception)
    assert {p: p.read_bytes() for p in kept.records.iterdir()} == before


def test_without_predictions_there_is_nothing_to_score(tmp_path):
    made = comparison([ok("lora", None, cell=cell("lora"))])
    store = Store(tmp_path / "out")
    store.create_root()
    store.create()
    store.write_header(made.header)
    store.write_record(made.records[0])
    assert "keeps no predictions" in str(score(store, "chrf").exception)
