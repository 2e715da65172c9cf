from __future__ import annotations

import pytest

from llmbench.config.config import OPTIONS, SETTINGS, Config, resolve, rows
from llmbench.errors import ConfigError
from llmbench.record.record import Budget
from llmbench.record.settings import ADJUSTABLE, Settings, difference


def test_without_layers_everything_is_default():
    found = resolve([])
    assert found.config == Config()
    assert set(found.origins.values()) == {"default"}


def test_a_later_layer_lies_on_top_and_gives_its_origin():
    found = resolve([("default for gpt2", {"steps": 10, "seq_len": 64}), ("-", {"steps": 20})])
    assert (found.config.settings.steps, found.origins["steps"]) == (20, "-")
    assert (found.config.settings.seq_len, found.origins["seq_len"]) == (64, "default for gpt2")


def test_none_means_not_given():
    found = resolve([("model", {"steps": 10}), ("command line", {"steps": None, "data": None})])
    assert found.config.settings.steps == 10
    assert found.origins["steps"] == "model"
    assert found.origins["data"] == "default"


def test_lists_are_given_with_commas():
    found = resolve([("command line", {"strategies": "lora(r=4,alpha=8),full"})])
    assert found.config.strategies == ("lora(r=4,alpha=8)", "full")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"steps": -1},
            "--steps cannot be -1 (command line): give 1 or more.",
        ),
        ({"seed": 2**32}, "--seed cannot be 4294967296 (command line): "),
        ({"lr_warmup_ratio": 1.0}, "--lr-warmup-ratio cannot be 1.0 (command line): "),
        ({"learning_rate": float("nan")}, "--learning-rate cannot be nan (command line): "),
        ({"learning_rate": float("inf")}, "--learning-rate cannot be inf (command line): "),
        ({"strategies": ","}, "--strategies cannot be "),
        ({"precision": "fp8"}, "--precision cannot be 'fp8' (command line): "),
        ({"fit": "16"}, "--fit cannot be '16' (command line): write a number and its unit, such"),
        ({"fit": 16}, "--fit cannot be 16 (command line): write a number and its unit, such as"),
        ({"weights": "trained"}, "--weights cannot be 'trained' (command line): "),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_origin(values, sentence):
    with pytest.raises(ConfigError) as caught:
        resolve([("command line", values)])
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(ConfigError, match=r"'step' \(default for x\): did you mean 'steps'"):
        resolve([("default for x", {"step": 3})])


def test_rows_show_every_option_once_with_value_and_origin():
    shown = rows(resolve([("command line", {"strategies": "lora,full", "learning_rate": 2e-3})]))
    names = [name for name, _, _ in shown]
    assert sorted(names) == sorted(n.replace("_", "-") for n in [*OPTIONS, *SETTINGS])
    assert ("strategies", "lora,full", "command line") in shown
    assert ("learning-rate", "0.002", "command line") in shown
    assert ("data", "-", "default") in shown


def test_an_option_and_a_setting_never_share_a_name():
    assert not OPTIONS.keys() & SETTINGS.keys()


def test_every_option_is_described():
    assert all(f.description for f in [*OPTIONS.values(), *SETTINGS.values()])


def test_a_difference_holds_the_changed_settings_alone():
    before = Settings()
    after = before.model_copy(update={"schedule": "cosine"})
    assert difference(before, after) == {"schedule": "cosine"}


def test_what_a_strategy_may_change_are_settings():
    assert SETTINGS.keys() >= ADJUSTABLE


@pytest.mark.parametrize(
    ("given", "every"),
    [
        ({}, (0,)),
        ({"seeds": "3"}, (0, 1, 2)),
        ({"seeds": "2", "seed": 7}, (7, 8)),
        ({"seeds": "5,0,5"}, (5, 0)),
        ({"seeds": [4, 2]}, (4, 2)),
    ],
)
def test_seeds_are_a_number_or_a_list(given, every):
    assert resolve([("test", given)]).config.every_seed == every


@pytest.mark.parametrize("given", ["0", "0,x", "-1,2", "many"])
def test_seeds_that_cannot_be_are_a_mistake(given):
    with pytest.raises(ConfigError, match="--seeds cannot be"):
        resolve([("test", {"seeds": given})])


def test_a_budget_is_bytes_for_the_code_and_text_for_people():
    found = resolve([("llmbench.toml", {"fit": "16 GiB"})])
    assert found.config.budget == Budget(bytes=2**34, stretched="batch_size")
    assert ("fit", "16GiB", "llmbench.toml") in rows(found)
    kept = found.config.model_dump(mode="json")
    assert kept["fit"] == "16GiB"
    assert Config.model_validate(kept) == found.config


def test_without_a_budget_there_is_none():
    assert resolve([("x", {"fit": None, "fit_seq_len": True})]).config.budget is None
