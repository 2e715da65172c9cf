"""`--metrics lm-eval:NAME`: a task of lm-evaluation-harness, asked of a model that is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from llmbench.errors import ConfigError
from llmbench.plugin.scoring import Scored, declared, metric
from llmbench.record.record import Example
from llmbench_metrics import lm_eval as harness

TASK = """\
task: sky
dataset_path: json
dataset_kwargs:
  data_files: {{test: {data}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_target: label
doc_to_choice: [blue, green and grey]
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata: {{version: 1}}
"""
QUESTIONS = ["The sky is", "Of Anna's eyes, one is", "On Wednesday", "A cake may be", "Why is it"]
CHOICES = (" blue", " green and grey")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one task, whose documents lie beside it."""
    rows = [{"question": text, "label": number % 2} for number, text in enumerate(QUESTIONS)]
    (tmp_path / "sky.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "sky.yaml").write_text(TASK.format(data=tmp_path / "sky.jsonl"))
    return tmp_path


def likelier(model, tokenizer, question: str) -> int:
    """The number of the choice that the model finds likelier."""
    found = []
    for choice in CHOICES:
        before, ids = (tokenizer(text)["input_ids"] for text in (question, question + choice))
        with torch.no_grad():
            tokens = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        found.append(sum(tokens[n - 1, ids[n]].item() for n in range(len(before), len(ids))))
    return found.index(max(found))


def test_a_task_in_a_folder_is_asked_of_the_model_and_its_first_metric_ranks(
    folder, model, tokenizer
) -> None:
    pytest.importorskip("lm_eval")
    asked = metric(f"lm-eval:{folder}/sky(batch=2)")
    subject = SimpleNamespace(model=model.eval(), tokenizer=tokenizer)
    known = Scored((Example(id="0", references=("a",), prediction="b", new_tokens=1),), {})
    made = known.plus("lm-eval:sky", asked, lambda: asked.look(subject))
    hits = [likelier(model, tokenizer, text) == n % 2 for n, text in enumerate(QUESTIONS)]
    assert made.corpus["sky.acc"] == pytest.approx(sum(hits) / len(hits))
    assert 0 < made.corpus["sky.acc_stderr"] < 1
    first, second = made.measures
    assert (first.id, first.better, first.ends) == ("sky.acc", "higher", (0.0, 1.0))
    assert (second.id, second.better) == ("sky.acc_stderr", "neither")


def test_a_task_that_the_harness_does_not_know_is_told_with_a_way_out(
    folder, model, tokenizer
) -> None:
    pytest.importorskip("lm_eval")
    subject = SimpleNamespace(model=model.eval(), tokenizer=tokenizer)
    with pytest.raises(ConfigError, match=r"cannot ask '.*/rain' .*'lm-eval ls tasks'"):
        metric(f"lm-eval:{folder}/rain").look(subject)


def test_without_the_package_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(harness.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'llmbench[lm-eval]'" in harness.LmEval.check("arc_easy")


def test_a_folder_must_hold_tasks_and_may_bring_code(folder, monkeypatch) -> None:
    monkeypatch.setattr(harness.importlib.util, "find_spec", lambda name: True)
    assert "needs a task" in harness.LmEval.check(None)
    assert harness.LmEval.check("arc_easy") is None
    assert harness.LmEval.check(f"{folder}/sky") is None
    assert "There is no folder" in harness.LmEval.check(f"{folder}/none/sky")
    assert harness.LmEval.local_code("arc_easy") is None
    assert harness.LmEval.local_code(f"{folder}/sky") == f"the tasks in {folder}"


def test_figures_are_called_as_the_harness_and_its_filters_call_them() -> None:
    said = {"alias": "t", "f1,none": 0.5, "exact_match,strict": 0.25, "ppl_stderr,none": "N/A"}
    assert harness._figures(said) == {"f1": 0.5, "exact_match.strict": 0.25}


def test_a_direction_is_the_harnesss_own() -> None:
    better = {"word_perplexity": False, "acc": True}
    names = ("word_perplexity", "acc", "acc_stderr")
    measures = [harness._measure("wikitext", name, better) for name in names]
    assert [m.better for m in measures] == ["lower", "higher", "neither"]
    assert measures[0].ends[1] == float("inf")


def test_nothing_is_declared_before_the_task_was_asked() -> None:
    assert declared(metric("lm-eval:arc_easy")) == ()
