"""`llmbench.testing`, as an author's own tests use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmbench.errors import PluginError
from llmbench.plugin.strategy import Strategy
from llmbench.testing import check, new, run, tiny_model


def test_a_tiny_model_of_another_family_is_compared_in_a_moment(registry, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", model_type="qwen3")
    found = run(tmp_path / "out", model=str(model), weights="random", strategies="lora")
    [base, lora] = found.reported.planned
    assert (base.status, lora.status) == ("ok", "ok"), (base.reason, lora.reason)
    assert len(lora.steps) == 3
    assert (tmp_path / "out" / "report.html").exists()


def test_a_file_is_checked_as_an_installed_plugin_is(registry, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def register_strategy(register):\n    pass\n")
    said = [finding.problem for finding in check([str(file)], tmp_path) if finding.problem]
    assert said == [
        "It registers nothing: implement one of the hooks.",
        "'register_strategy' is no hook: call it 'register_strategies', with @hookimpl above it.",
    ]


def test_a_new_plugin_that_is_not_installed_is_told_how_it_can_be_checked(
    registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    new.create("mine", "strategy", Path())
    for name in ("mine", "llmbench-mine"):
        with pytest.raises(PluginError) as error:
            check([name], tmp_path)
        assert str(error.value) == (
            f"The plugin '{name}' is not installed: pip install -e ./llmbench-mine, "
            "or name its module, llmbench-mine/llmbench_mine/__init__.py."
        )


def test_a_package_given_as_a_file_goes_by_the_name_of_its_folder(registry, tmp_path: Path) -> None:
    file = tmp_path / "llmbench_mine" / "__init__.py"
    file.parent.mkdir()
    file.write_text("")
    assert {finding.plugin for finding in check([str(file)], tmp_path)} == {"llmbench_mine"}


METRIC = """
from llmbench import hookimpl
from llmbench.plugin.metric import Metric, Score
from llmbench.record.measure import Measure


class Words(Metric):
    id = "words"
    summary = "words that were said beyond the reference"

    def measures(self):
        return [Measure(id="words", label="Words", better="lower", most=None)]

    def score(self, predictions, references):
        pairs = zip(predictions, references)
        more = [len(said.split()) - len(known[0].split()) for said, known in pairs]
        return Score(examples={"words": [max(0, one) for one in more]})


@hookimpl
def register_metrics(register):
    register(Words)
"""


@pytest.mark.parametrize("bounded", [True, False])
def test_a_metric_is_tried_on_texts_that_the_little_model_does_not_write(
    registry, tmp_path: Path, bounded: bool
) -> None:
    file = tmp_path / "words.py"
    file.write_text(METRIC.replace(", most=None", "") if bounded else METRIC)
    said = [finding.problem for finding in check([str(file)], tmp_path) if finding.problem]
    if bounded:
        [problem] = said
        assert "declares 0 to 1: its Measure says otherwise with least and most" in problem
    else:
        assert said == []


class Unsaved(Strategy):
    id, summary, group = "unsaved", "doubles what no file tells", "adaptation"

    def prepare(self, model, settings):
        model.lm_head.register_forward_hook(lambda module, given, logits: 2 * logits)
        return model


def test_what_is_not_saved_shows_when_the_model_is_loaded_again(registry) -> None:
    from llmbench.worker.reload import difference

    shipped = str(registry.models.get("llmbench-tiny").folder)
    assert difference([registry.strategies.get("lora")()], shipped) is None
    assert "Loaded again, it computes something else" in (difference([Unsaved()], shipped) or "")
