"""Compositions that train on several GPUs: what can be, and what is refused before it loads."""

from __future__ import annotations

import pytest
from records import environment

from llmbench.config import composition, setup
from llmbench.errors import CompositionError, ConfigError
from llmbench.record.settings import Settings
from llmbench_parallel import zero


@pytest.fixture(autouse=True)
def plugins(registry):
    """The built-in plugins, whatever else is installed."""
    return registry


def reason(text: str, **settings) -> str | None:
    """Why a composition would be skipped."""
    return composition.read(text).outlook(Settings(**settings), environment("cuda")).skip


def test_a_composition_takes_the_gpus_if_it_has_a_way_to_use_them():
    two = Settings(gpus=2, accumulation=2)
    assert composition.read("lora+ddp").outlook(two, environment("cuda")).settings.gpus == 2
    assert composition.read("lora").outlook(two, environment("cuda")).settings.gpus == 1


def test_it_shares_the_learning_rate_of_the_same_on_one_gpu():
    assert composition.read("full+fsdp").arithmetic.id == "full"


@pytest.mark.parametrize(
    ("text", "settings", "word"),
    [
        ("lora+ddp", {}, "say how many with --gpus"),
        ("lora+ddp", {"gpus": 2, "accumulation": 3}, "make --accumulation a multiple of 2"),
        ("full+ddp", {"gpus": 2, "accumulation": 2, "precision": "bf16-master"}, "fp32 copies"),
        ("full+fsdp", {"gpus": 2, "accumulation": 2, "precision": "fp16-mixed"}, "scale the loss"),
        ("full+fsdp(shard=hybrid)", {"gpus": 2, "accumulation": 2}, "takes 4 GPUs"),
    ],
)
def test_what_cannot_run_is_skipped_with_a_way_out(text, settings, word):
    assert word in reason(text, **settings)


def test_zero_asks_for_deepspeed_and_says_what_else_there_is(monkeypatch):
    monkeypatch.setattr(zero, "installed", lambda: False)
    said = reason("full+zero", gpus=2, accumulation=2)
    assert "pip install deepspeed" in said
    assert "take fsdp" in said


def test_zero_keeps_copies_where_others_round(monkeypatch):
    monkeypatch.setattr(zero, "installed", lambda: True)
    made = Settings(gpus=2, accumulation=2, precision="bf16-stochastic")
    outlook = composition.read("full+zero(stage=3)").outlook(made, environment("cuda"))
    assert (outlook.settings.precision, outlook.skip) == ("bf16-master", None)
    assert "take --precision bf16-master" in reason(
        "full+zero", gpus=2, accumulation=2, precision="bf16-mixed"
    )


def test_what_can_run_is_not_skipped():
    for text in ("lora+ddp", "full+fsdp+gradient-checkpointing", "4-bit+fsdp", "8-bit+ddp"):
        assert reason(text, gpus=2, accumulation=4) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("8-bit+fsdp", "write 'lora+8-bit+ddp' or 'lora+4-bit+fsdp'"),
        ("qlora+fsdp", "write 'qlora(paged=false)+fsdp'"),
        ("qlora(paged=false)+zero", "does not cut up packed weights"),
        ("dora+zero", "was not tried"),
        ("full+lion+zero", "both decide the optimizer"),
        ("qlora+tensor-parallel", "write 'lora+4-bit+fsdp'"),
        ("dora+tensor-parallel", "was not tried"),
        ("full+muon+ddp", "leave one of the two out"),
        ("lora+fused-cross-entropy+ddp", "was not tried"),
        ("lora+ddp+fsdp", "both decide the parallelism"),
    ],
)
def test_what_does_not_go_together_is_refused(text, word):
    with pytest.raises(CompositionError, match="'") as refused:
        composition.read(text)
    assert word in str(refused.value)


def test_the_micro_batches_of_a_step_are_one_for_each_gpu_unless_it_is_said():
    made = setup.set_up([("command line", {"strategies": "lora+ddp", "gpus": 4, "device": "cpu"})])
    assert made.config.settings.accumulation == 4


def test_gpus_that_no_strategy_can_use_are_refused():
    with pytest.raises(ConfigError, match="is of no use to these strategies"):
        setup.set_up([("command line", {"strategies": "lora", "gpus": 2, "device": "cpu"})])


def test_gpus_and_jobs_are_not_joined():
    layer = {"strategies": "lora+ddp", "gpus": 2, "jobs": 2, "device": "cpu"}
    with pytest.raises(ConfigError, match="leave one of them out"):
        setup.set_up([("command line", layer)])
