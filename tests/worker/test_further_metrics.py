"""The metrics beside ROUGE: each against its definition, and as the worker runs it."""

from __future__ import annotations

import math
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from llmbench.errors import ConfigError
from llmbench.plugin.metric import Score, Subject
from llmbench.plugin.scoring import Scored, metric
from llmbench.record.record import Example
from llmbench_metrics import METRICS
from llmbench_metrics.forgetting import Forgetting

SAID = ["the cat sat on the mat", "a dog ran very fast home", "it rained the whole day long"]
WANTED = [
    ["the cat sat on a mat", "a cat was on the mat"],
    ["the dog ran home very fast", "a dog ran fast"],
    ["it rained all day long", "the whole day it rained"],
]


class Told(Subject):
    """A model that finds an answer as unlikely as it is long, but for those that it likes."""

    def __init__(self, references, liked=()):
        self.references, self.liked = references, liked

    def tokenizer(self, text, add_special_tokens):
        return {"input_ids": text.split()}

    def losses(self, answers):
        return [(0.5 if a in self.liked else float(len(a)), len(a.split())) for a in answers]

    def base(self):
        return nullcontext(self)


def test_bleu_is_that_of_the_whole_set_and_its_pseudo_values_are_about_it():
    found = metric("bleu").score(SAID, WANTED)
    whole = BLEU().corpus_score(SAID, [list(r) for r in zip(*WANTED, strict=True)]).score
    assert found.corpus["bleu"] == pytest.approx(whole)
    without = BLEU().corpus_score(SAID[1:], [list(r) for r in zip(*WANTED[1:], strict=True)]).score
    assert found.examples["bleu"][0] == pytest.approx(3 * whole - 2 * without)


def test_bleu_takes_as_many_references_as_an_example_has():
    found = metric("bleu").score(SAID, [WANTED[0], WANTED[1][:1], WANTED[2]])
    assert 0 < found.corpus["bleu"] < 100


def test_a_way_of_counting_words_has_a_name_of_its_own():
    found = metric("bleu(tokenize=zh)").score(["明天会下雨吗"], [["明天会下雨吗"]])
    assert found.corpus == {"bleu_zh": pytest.approx(100)}
    assert metric("bleu(tokenize=zh)").measures()[0].label == "BLEU (tokenize=zh)"


@pytest.mark.parametrize(
    ("text", "words", "name"), [("chrf", 0, "chrf"), ("chrf(words=2)", 2, "chrf++")]
)
def test_chrf_is_sacrebleu_s_for_each_example(text, words, name):
    found = metric(text).score(SAID, WANTED).examples[name]
    scorer = CHRF(word_order=words)
    assert found == [scorer.sentence_score(s, w).score for s, w in zip(SAID, WANTED, strict=True)]


def test_chrf_tells_equal_texts_from_others_in_any_script():
    same, other = metric("chrf").score(["明天下雨", "今天晴"], [["明天下雨"]] * 2).examples["chrf"]
    assert (same, other < 30) == (100.0, True)


@pytest.mark.parametrize(
    ("said", "exact", "shared"),
    [
        ("The Eiffel Tower!", 1.0, 1.0),
        ("eiffel", 0.0, 2 / 3),
        ("the tower of Eiffel", 0.0, 4 / 5),
        ("", 0.0, 0.0),
        ("Paris", 0.0, 0.0),
        ("la tour Eiffel", 1.0, 1.0),
    ],
)
def test_exact_match_and_token_f1_are_what_one_counts_by_hand(said, exact, shared):
    wanted = [["Eiffel Tower", "La tour Eiffel"]]
    assert metric("exact-match").score([said], wanted).examples["exact_match"] == [exact]
    [found] = metric("token-f1").score([said], wanted).examples["token_f1"]
    assert found == pytest.approx(max(shared, found if said == "la tour Eiffel" else shared))


def test_accuracy_looks_past_case_blanks_and_a_full_stop():
    found = metric("accuracy").score(["Positive.", " negative", "neutral"], [["positive"]] * 3)
    assert found.examples["accuracy"] == [1.0, 0.0, 0.0]


def test_macro_f1_counts_each_label_the_same_however_rare():
    right = ["a"] * 8 + ["b"] * 2
    found = metric("macro-f1").score(["a"] * 10, [[r] for r in right])
    assert found.corpus["macro_f1"] == pytest.approx((2 * 8 / (10 + 8) + 0) / 2)
    assert len(found.examples["macro_f1"]) == 10


def test_perplexity_is_over_all_tokens_and_less_is_better():
    subject = Told([["one two"], ["three"]])
    found = metric("perplexity").look(subject)
    assert found.corpus["perplexity"] == pytest.approx(math.exp((7 + 5) / 3))
    assert found.examples["log_perplexity"] == [3.5, 5.0]
    assert {m.better for m in metric("perplexity").measures()} == {"lower"}


def test_the_likeliest_label_is_chosen_whatever_would_have_been_written():
    found = metric("label-likelihood").look(Told([["yes"], ["no"], ["yes"]], liked=("yes",)))
    assert found.examples["label_accuracy"] == [1.0, 0.0, 1.0]
    assert found.corpus["label_macro_f1"] == pytest.approx((2 * 2 / (3 + 2) + 0) / 2)


def test_labels_that_the_task_knows_are_chosen_among_whether_an_example_has_them_or_not():
    told = Told([["yes"], ["no"]], liked=("perhaps",))
    told.choices = ("yes", "no", "perhaps")
    assert metric("label-likelihood").look(told).examples["label_accuracy"] == [0.0, 0.0]
    told.choices = ()
    assert sum(metric("label-likelihood").look(told).examples["label_accuracy"]) == 1.0


def test_texts_are_no_labels():
    with pytest.raises(ConfigError, match="51 different references"):
        metric("label-likelihood").look(Told([[f"text {i}"] for i in range(51)]))


def test_what_looks_at_the_model_cannot_score_texts_alone():
    with pytest.raises(ConfigError, match="looks at the model, which is gone"):
        metric("perplexity").score(SAID, WANTED)


WITH_A_MODEL = ("bertscore",)
"""They ask an encoder of a hub unless a folder is named; their own tests do."""


@pytest.mark.parametrize(
    "kind", [k for k in METRICS if not k.check(None) and k.id not in WITH_A_MODEL]
)
def test_what_a_metric_gives_is_what_it_declares_and_in_range(kind):
    made = kind()
    examples = tuple(
        Example(id=str(i), references=tuple(w), prediction=s, new_tokens=1)
        for i, (s, w) in enumerate(zip(SAID, WANTED, strict=True))
    )

    def ask() -> Score:
        look = getattr(made, "look", None)
        return look(Told(WANTED)) if look else made.score(SAID, WANTED)

    found = Scored(examples, {}).plus(made.id, made, ask)
    assert [m.id for m in found.measures] == [m.id for m in made.measures()]
    assert found.measures[0].better != "neither"
    assert {m.metric for m in found.measures} == {made.id}
    assert all(m.meaning for m in found.measures)


def test_who_says_which_way_a_hub_metric_is_better_has_it_rank():
    [found] = metric("evaluate:mae(better=lower)").measures()
    assert (found.id, found.better) == ("mae", "lower")
    assert metric("evaluate:mae").measures()[0].better == "neither"


def test_forgetting_is_the_mean_loss_of_the_predicted_tokens_of_a_text(model, tokenizer, tmp_path):
    file = tmp_path / "other.txt"
    file.write_text("It rained all day long, and nobody came to the party on Sunday.")
    ids = tokenizer(file.read_text())["input_ids"]
    subject = SimpleNamespace(model=model.eval(), tokenizer=tokenizer)

    def found(options: str = "") -> float:
        return metric(f"forgetting:{file}{options}").look(subject).corpus["other_loss"]

    def loss(some: list[int]) -> float:
        given = torch.tensor([some])
        return model(input_ids=given, labels=given).loss.item()

    assert found() == pytest.approx(loss(ids), rel=1e-5)
    cut = 5
    wanted = (loss(ids[:cut]) * (cut - 1) + loss(ids[cut:10]) * 4) / (cut - 1 + 4)
    assert found(f"(window={cut},most=10)") == pytest.approx(wanted, rel=1e-5)


def test_forgetting_says_what_it_needs(tmp_path):
    assert "forgetting:FILE" in (Forgetting.check(None) or "")
    assert "is no file" in (Forgetting.check(str(tmp_path / "none.txt")) or "")
    assert Forgetting.check(__file__) is None
