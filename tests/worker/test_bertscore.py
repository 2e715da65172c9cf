"""BERTScore with a tiny encoder of its own."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

import tiny_families
from llmbench.errors import ConfigError
from llmbench.plugin.metric import Named
from llmbench_metrics import bertscore
from llmbench_metrics.bertscore import BertScore

needs_package = pytest.mark.skipif(
    find_spec("bert_score") is None, reason="bert-score is not installed"
)
TEXT = "Tom will come to the party on Sunday."


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A folder with a BERT of two layers and random weights."""
    bert = next(family for family in tiny_families.FAMILIES if family.name == "BERT")
    return tiny_families.save(bert, tmp_path_factory.mktemp("encoders") / "tiny-bert")


@pytest.fixture
def metric(encoder):
    return Named.read(f"bertscore(model={encoder},layers=2)").make(BertScore)


def states(encoder, text):
    """The states of a text's tokens after the second layer, each of length 1."""
    from transformers import AutoModel, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(encoder)(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        states = AutoModel.from_pretrained(encoder).eval()(ids).last_hidden_state[0]
    return torch.nn.functional.normalize(states, dim=-1)


@needs_package
def test_each_token_is_held_against_the_most_similar_one_of_the_other_text(metric, encoder):
    other = "Anna bakes a cake for her friend."
    found = metric.score([TEXT], [[other]]).examples
    likeness = states(encoder, TEXT) @ states(encoder, other).T
    precision, recall = likeness.amax(1).mean().item(), likeness.amax(0).mean().item()
    expected = [2 * precision * recall / (precision + recall), recall, precision]
    assert [found[m.id][0] for m in metric.measures()] == pytest.approx(expected, abs=1e-4)
    assert metric.measures()[0].id == "bertscore_f1_tiny_bert_l2"


@needs_package
def test_the_same_text_is_worth_1_none_0_and_of_references_the_best_counts(metric):
    found = metric.score([TEXT, "", TEXT], [[TEXT], [TEXT], ["Nobody knows.", TEXT]]).examples
    for measure in metric.measures():
        assert found[measure.id] == pytest.approx([1, 0, 1], abs=1e-5)
        assert (measure.better, measure.unit, measure.least, measure.most) == (
            "higher",
            "score",
            -1,
            1,
        )


@needs_package
def test_a_text_longer_than_the_encoder_is_cut(metric):
    [found] = metric.score([f"{TEXT} " * 200], [[TEXT]]).examples["bertscore_f1_tiny_bert_l2"]
    assert 0 < found < 1


@needs_package
def test_a_folder_needs_a_layer(encoder):
    with pytest.raises(
        ConfigError, match=r"knows no best layer of .*bertscore\(model=DIR,layers=9\)"
    ):
        BertScore(model=str(encoder)).score([TEXT], [[TEXT]])


def test_what_cannot_be_is_said_before_anything_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(bertscore, "find_spec", lambda name: None)
    assert BertScore.check(None) == (
        "'bertscore' needs the package bert-score: pip install 'llmbench[bertscore]'."
    )
    assert "takes no argument" in (BertScore.check("roberta-large") or "")
    with pytest.raises(ConfigError, match="there is no such folder: check the path"):
        Named.read(f"bertscore(model={tmp_path}/none,layers=2)").make(BertScore)
