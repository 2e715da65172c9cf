"""Adapters, parts of the model and optimisers beyond the seven strategies, on the tiny model."""

from __future__ import annotations

import json

import pytest
import torch
from records import environment
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from llmbench.config import composition
from llmbench.plugin.strategy import CannotRun
from llmbench.record.settings import Settings
from llmbench.worker import batch, load, reload, train
from llmbench.worker.batch import Tokens
from llmbench.worker.cell import prepared
from llmbench.worker.training import make_optimizer
from llmbench_freezing import BitFit, LastLayers
from llmbench_optimizers import OPTIMIZERS
from llmbench_peft import STRATEGIES as METHODS

ADAPTERS = [m.id for m in METHODS if m.id != "peft"]
ADAPTED = [*ADAPTERS, "peft(method=hra,r=4)", "last-layers", "full+freeze-embeddings"]
STEPPED = ["adamw-8bit", "adafactor", "lion", "sgd", "muon", "lora+muon"]
QUANTISED = [
    "dora+4-bit",
    "rslora+8-bit",
    "lora-plus+4-bit",
    "ia3+4-bit",
    "vera+4-bit",
    "oft+8-bit",
]
STEPS = [[batch.collate([Tokens(tuple(range(1, 30)), prompt=9)], 0)]] * 2
SETTINGS = Settings(steps=2, lr_warmup_ratio=0.0, precision="fp32", learning_rate=1e-3)


class AfterEach(train.Observer):
    """Has strategies do what they do after a step, and keeps the losses."""

    def __init__(self, strategies, model):
        self.strategies, self.model, self.losses = strategies, model, []

    def before_clearing(self):
        for strategy in self.strategies:
            strategy.after_step(self.model, len(self.losses) + 1)

    def after_step(self, step):
        self.losses.append(step.loss)


@pytest.fixture
def made(model_folder):
    """The tiny model as a composition prepares it, with the composition's strategies."""

    def make(text: str):
        strategies = composition.read(text).members
        kwargs = load.load_kwargs(SETTINGS, environment("cpu"), strategies)
        model = AutoModelForCausalLM.from_pretrained(model_folder, **kwargs)
        torch.manual_seed(0)
        return prepared(model, strategies, SETTINGS), strategies

    return make


@pytest.mark.parametrize("text", [*ADAPTED, *STEPPED, *QUANTISED])
def test_two_steps_move_what_trains_and_nothing_else(made, text):
    model, strategies = made(text)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer = make_optimizer(model, strategies, SETTINGS)
    observer = AfterEach(strategies, model)
    train.train(model, optimizer, STEPS, SETTINGS, strategies[0].training, observer)
    after = dict(model.named_parameters())
    moved = {n for n in before if not torch.equal(before[n], after[n].detach())}
    assert moved
    assert moved <= {n for n, p in after.items() if p.requires_grad}
    assert all(loss is not None for loss in observer.losses)


@pytest.mark.parametrize("text", ADAPTED)
def test_the_first_loss_is_the_base_models_unless_it_is_said_to_start_elsewhere(made, text):
    model, strategies = made(text)
    loss, base = (train.first_loss(m, STEPS[0][0]) for m in (model, made("full")[0]))
    if any(s.starts_elsewhere() for s in strategies):
        assert loss != base
    else:
        assert loss == pytest.approx(base, rel=2e-3)


@pytest.mark.parametrize("name", ADAPTERS)
def test_what_an_adapter_saves_goes_with_the_base_as_it_was_published(registry, name):
    shipped = str(registry.models.get("llmbench-tiny").folder)
    assert reload.difference([registry.strategies.get(name)()], shipped) is None


def test_adaloras_penalty_is_in_what_it_trains_on_and_in_no_other_loss(made):
    model, (adalora,) = made("adalora")
    plain = train.first_loss(model, STEPS[0][0])
    assert plain == pytest.approx(train.first_loss(made("full")[0], STEPS[0][0]), rel=0.02)
    with adalora.training():
        assert train.first_loss(model, STEPS[0][0]) > plain + 0.1
    assert train.first_loss(model, STEPS[0][0]) == plain


def test_pissa_saves_plain_lora_of_twice_the_rank(made, tmp_path):
    made("pissa(r=3)")[0].save_pretrained(tmp_path, save_embedding_layers=False)
    config = json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))
    assert (config["r"], config["init_lora_weights"]) == (6, True)
    shapes = {w.shape for w in load_file(tmp_path / "adapter_model.safetensors").values()}
    assert all(6 in shape for shape in shapes)


def test_every_optimiser_is_declared_and_two_are_refused():
    with pytest.raises(Exception, match="both decide the optimizer"):
        composition.read("lora+lion+muon")
    for optimizer in OPTIMIZERS:
        changed = optimizer().adjust(Settings(), environment("cuda"))
        assert changed.optimizer == optimizer.id


def test_a_method_or_an_option_that_peft_has_not_is_named_with_those_that_it_has(made):
    with pytest.raises(CannotRun, match=r"no 'lorra': it has .*\blora\b"):
        made("peft(method=lorra)")
    with pytest.raises(CannotRun, match=r"no option 'rank': it has .*\br\b"):
        made("peft(method=lora,rank=3)")


def test_options_of_a_method_are_read_as_they_are_meant(made):
    model, _ = made("peft(method=lora,r=2,target_modules=q_proj|v_proj,use_rslora=true)")
    config = model.peft_config["default"]
    assert (config.r, config.use_rslora) == (2, True)
    assert config.target_modules == {"q_proj", "v_proj"}


def test_a_model_without_biases_has_nothing_to_train_for_bitfit(made):
    with pytest.raises(CannotRun, match="no biases"):
        made(BitFit.id)


def test_more_last_layers_than_there_are_is_refused(made):
    with pytest.raises(CannotRun, match="asks for more"):
        made(f"{LastLayers.id}(n=99)")


def test_a_paged_optimiser_needs_a_gpu_and_a_missing_package_is_named():
    kinds = {o.id: o for o in OPTIMIZERS}
    assert "needs a GPU" in kinds["paged-adamw-8bit"]().skip(Settings(), environment("cpu"))
    for name in ("galore", "apollo"):
        reason = kinds[name]().skip(Settings(), environment("cuda"))
        assert reason is None or f"pip install {name}-torch" in reason
