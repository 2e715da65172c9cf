from __future__ import annotations

import pytest
from rouge_score.rouge_scorer import RougeScorer

from llmbench.errors import ConfigError
from llmbench_metrics.evaluate import Evaluate
from llmbench_metrics.rouge import TYPES, Rouge

PREDICTIONS = [
    "Tom brings a cake to Anna's party.",
    "They met on Monday.\nThen they went climbing.",
    "A runner was running.",
]
REFERENCES = [
    ["Anna has a party on Sunday.", "Tom will bring a cake to the party.", "A cake for Anna."],
    ["On Monday they met.\nThey climbed afterwards.", "Climbing on Monday."],
    ["The runners ran."],
]
SCRIPT = """
import datasets
import evaluate


class {name}(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        references = {references}
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="",
            features=datasets.Features({{"predictions": text, "references": references}}),
        )

    def _compute(self, predictions, references):
        same = [p == r or p in r for p, r in zip(predictions, references)]
        return {{"{key}": sum(same) / len(same), "each": same, "length": 7}}
"""


@pytest.fixture
def script(tmp_path):
    """Writes a metric script: the share of predictions that equal, or are among, references."""

    def write(name: str, key: str, references: str = "text"):
        path = tmp_path / f"{name}.py"
        path.write_text(SCRIPT.format(name=name.title(), key=key, references=references))
        return str(path)

    return write


@pytest.mark.parametrize("count", [1, 3])
def test_rouge_is_what_rouge_score_gives_and_the_best_of_several_references(count):
    references = [r[:count] for r in REFERENCES]
    found = Rouge().score(PREDICTIONS, references).examples
    scorer = RougeScorer(list(TYPES), use_stemmer=True)
    for name in TYPES:
        for score, text, wanted in zip(found[name], PREDICTIONS, references, strict=True):
            best = max(scorer.score(r, text)[name].fmeasure for r in wanted)
            assert score == pytest.approx(best, abs=1e-9)


def test_rouge_of_known_texts_is_what_one_counts_by_hand():
    found = Rouge().score(["the cat sat"], [["the cat sat on the mat"]]).examples
    assert found["rouge1"] == [pytest.approx(2 / 3)]  # precision 3/3, recall 3/6
    assert found["rouge2"] == [pytest.approx(4 / 7)]  # precision 2/2, recall 2/5
    assert found["rougeL"] == [pytest.approx(2 / 3)]


def test_rouge_has_a_score_per_example_and_for_the_set_what_it_cannot_see():
    found = Rouge().score(PREDICTIONS, REFERENCES)
    assert {name: len(values) for name, values in found.examples.items()} == dict.fromkeys(TYPES, 3)
    assert found.corpus == {"rouge_unseen": 0.0}


def test_a_perfect_prediction_scores_one():
    found = Rouge().score(["A cake for Anna."], [["Something else.", "A cake for Anna."]])
    assert found.examples == {name: [1.0] for name in TYPES}


@pytest.mark.parametrize("prediction", ["", " \n", "Торт для Анны", "蛋糕", "!?"])
def test_a_prediction_without_latin_letters_scores_nothing(prediction):
    found = Rouge().score([prediction], [["A cake for Anna."]])
    assert found.examples == {name: [0.0] for name in TYPES}


def test_a_reference_in_another_script_scores_nothing_and_rouge_says_how_blind_it_is():
    found = Rouge().score(["蛋糕"], [["蛋糕"]])
    assert found.examples["rougeL"] == [0.0]
    assert found.corpus == {"rouge_unseen": 1.0}
    half = Rouge().score(["Whatever is said in Latin letters"], [["!? 蛋糕 42"]])
    assert half.corpus == {"rouge_unseen": 0.5}


@pytest.mark.parametrize(
    ("tokenizer", "same", "other"),
    [
        ("character", "明天下雨", "今天晴"),
        ("unicode", "Торт для Анны", "Пирог без соли"),
        ("unicode", "नमस्ते दुनिया", "शुभ रात्रि"),
    ],
)
def test_rouge_with_a_tokenizer_for_other_scripts_tells_equal_texts_from_others(
    tokenizer, same, other
):
    found = Rouge(tokenizer=tokenizer).score([same, other], [[same], [same]])
    equal, apart = found.examples[f"rougeL_{tokenizer}"]
    assert equal == 1.0
    assert apart < 0.5
    assert found.corpus == {f"rouge_unseen_{tokenizer}": 0.0}


def test_rouge_takes_no_argument():
    assert Rouge.check(None) is None
    assert Rouge.check("L") == "'rouge' takes no argument: write 'rouge'."


def test_predictions_and_references_must_pair_up():
    with pytest.raises(ValueError, match="longer"):
        Rouge().score(["one"], [["one"], ["two"]])


def test_a_local_script_scores_without_a_network(script):
    metric = Evaluate(script("exact", key="exact"))
    found = metric.score(["a", "b"], [["a", "x"], ["x", "b"]])
    assert found.corpus == {"exact": 0.5, "exact.length": 7.0}
    assert found.examples == {}


def test_a_script_that_takes_several_references_gets_them_all(script):
    metric = Evaluate(script("among", key="share", references="datasets.Sequence(text)"))
    found = metric.score(["a", "b"], [["a", "x"], ["x", "b"]])
    assert found.corpus["among.share"] == 1.0


def test_a_metric_that_cannot_be_fetched_is_one_sentence():
    with pytest.raises(ConfigError) as caught:
        Evaluate("no-such-metric-anywhere").score(["a"], [["a"]])
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("without a network, give a local script.")


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        (None, "needs a metric"),
        ("", "needs a metric"),
        ("no/such.py", "no metric script"),
        ("x" * 300 + ".py", "no metric script"),
    ],
)
def test_a_metric_must_be_named_and_its_script_be_there(argument, problem):
    assert problem in Evaluate.check(argument)


def test_a_script_that_is_there_and_a_name_will_do(script):
    assert Evaluate.check(script("exact", key="exact")) is None
    assert Evaluate.check("bleu") is None
