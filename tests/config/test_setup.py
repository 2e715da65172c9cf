from __future__ import annotations

import pytest

from llmbench import plugin
from llmbench.config.setup import check_metrics, compositions, notices, set_up
from llmbench.errors import CompositionError, ConfigError, PluginError
from llmbench.source.safety import Trust


@pytest.fixture
def settle(registry, model_folder):
    """Sets a comparison of the tiny model up from the values given."""

    def make(**values):
        asked = {"model": str(model_folder), "device": "cpu", "strategies": "lora", **values}
        return set_up([("command line", asked)])

    return make


def test_what_is_asked_for_lies_over_the_models_own_defaults(registry):
    config = ("command line", {"model": "llmbench-tiny", "device": "cpu", "steps": 9})
    resolved = set_up([config]).resolved
    assert resolved.origins["steps"] == "command line"
    assert resolved.origins["learning_rate"] == "default for llmbench-tiny"
    expected = registry.models.get("llmbench-tiny").defaults["learning_rate"]
    assert resolved.config.settings.learning_rate == expected


def test_where_quality_is_judged_three_seeds_are_the_default_but_for_the_model_that_ships(settle):
    assert len(settle().config.every_seed) == 3
    assert len(settle(weights="random").config.every_seed) == 1
    assert len(settle(model="llmbench-tiny").config.every_seed) == 1
    assert settle(seeds=2).resolved.origins["seeds"] == "command line"
    assert settle().resolved.origins["seeds"] == "default where quality is judged"


def test_random_weights_evaluate_less(settle):
    found = settle(weights="random")
    assert found.resolved.origins["eval_examples"] == "default for random weights"


def test_random_weights_without_data_are_noted(settle):
    random, tokens = notices(settle(weights="random", seq_len=64))
    assert "quality means nothing" in random
    assert "fill every sequence to 64" in tokens


def test_random_weights_with_data_read_text(settle):
    found = settle(weights="random", data="train.jsonl")
    assert found.has_text
    assert len(notices(found)) == 1


def test_pretrained_weights_need_no_notice(settle):
    assert notices(settle()) == ()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"task": "translating"}, "Unknown task 'translating': did you mean 'translation'?"),
        ({"launcher": "frok"}, "Unknown launcher 'frok': did you mean 'fork'?"),
        ({"metrics": "rogue"}, "Unknown metric 'rogue': did you mean 'rouge'?"),
        ({"metrics": "rouge:L"}, "'rouge' takes no argument: write 'rouge'."),
        ({"metrics": "evaluate"}, "'evaluate' needs a metric: "),
        ({"metrics": "evaluate:none.py"}, "There is no metric script 'none.py': check the path."),
        ({"fit_seq_len": True}, "--fit-seq-len needs a budget: add --fit with one, such as "),
        ({"fit": "900TiB"}, "--fit 900TiB is more than there is ("),
        ({"steps": 4}, "--steps 4 leaves nothing to time after 4 burn-in steps: "),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(settle, values, sentence):
    with pytest.raises(ConfigError) as caught:
        settle(**values)
    assert str(caught.value).startswith(sentence)


def test_a_composition_that_cannot_be_is_refused(settle):
    with pytest.raises(CompositionError):
        settle(strategies="lora,full+4-bit")


def test_the_base_is_first_and_each_composition_is_there_once(registry):
    found = compositions(["8-bit", "lora+8-bit", "base", "full"])
    assert [c.id for c in found] == ["base", "lora+8-bit", "full"]


def test_all_leaves_out_what_is_there_for_reference_only(registry):
    assert "full+eager-attention" not in {c.id for c in compositions(["all"])}


def test_all_leaves_out_an_id_that_two_plugins_claim(registry):
    lora = registry.strategies.get("lora")
    registry.strategies.add("lora", lora, plugin.Plugin("mine", "my-package 1.0"))
    assert "lora" not in {c.id for c in compositions(["all"])}
    with pytest.raises(PluginError, match="'mine' of my-package"):
        compositions(["lora"])


def test_a_metric_script_that_is_there_will_do(registry, tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("")
    check_metrics(["rouge", f"evaluate:{script}"])
    check_metrics(["evaluate:bleu"], Trust(remote_code=True))


@pytest.mark.parametrize("name", ["bleu", "bleu/bleu", "./bleu"])
def test_a_metric_of_a_hub_runs_code_and_needs_to_be_allowed(registry, name):
    with pytest.raises(ConfigError, match=r"runs code of the hub's .* --trust-remote-code"):
        check_metrics([f"evaluate:{name}"])


@pytest.mark.parametrize("origin", ["llmbench.toml", "LLMBENCH_METRICS"])
def test_a_metric_script_runs_only_where_it_was_typed(registry, tmp_path, origin):
    script = tmp_path / "mine.py"
    script.write_text("")
    with pytest.raises(ConfigError) as caught:
        check_metrics([f"evaluate:{script}"], Trust(remote_code=True), origin)
    assert str(caught.value) == (
        f"'evaluate:{script}' runs the script {script}, which cannot be asked for in {origin}: "
        "name it on the command line, with --metrics."
    )
    check_metrics(["rouge"], Trust(), origin)
