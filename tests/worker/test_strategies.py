from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from records import cell, environment, job_of
from transformers import AutoConfig, AutoModelForCausalLM
from watching import Watcher

from llmbench.config import composition
from llmbench.plugin.strategy import Strategy
from llmbench.record.precision import PRECISIONS
from llmbench.record.record import ModelRef
from llmbench.record.settings import Settings
from llmbench.worker import batch, coverage, load, train
from llmbench.worker.encoding import Tokens
from llmbench.worker.precision import cast_trained
from llmbench_strategies import STRATEGIES, flash_attention
from llmbench_strategies.qlora import PAGED

BY_ID = {s.id: s for s in STRATEGIES}
CLAIMS = {
    "full": {"adaptation", "quantization"},
    "lora": {"adaptation"},
    "lora-fa": {"adaptation"},
    "qlora": {"adaptation", "optimizer", "quantization"},
    "8-bit": {"quantization"},
    "4-bit": {"quantization"},
    "flash-attention": {"attention"},
    "gradient-checkpointing": {"memory"},
    "eager-attention": {"attention"},
    "precision(to=fp32)": {"precision"},
    "learning-rate(to=1e-3)": {"learning-rate"},
    "base": {"adaptation", "quantization", "memory", "attention", "precision", "learning-rate"},
}
TYPED = {text.partition("(")[0]: text for text in CLAIMS}
"""What is typed for each strategy alone, by its id."""
WHOLE = [
    "full",
    "lora",
    "qlora",
    "lora+8-bit",
    "lora+4-bit",
    "full+flash-attention",
    "full+gradient-checkpointing",
    "full+eager-attention",
    "lora+gradient-checkpointing",
    "qlora+flash-attention+gradient-checkpointing",
]
LINEAR_WIDTHS = 1024
"""Inputs and outputs of all linear layers of a decoder layer: q, k, v, o, gate, up and down."""
LAYERS = 2
CONFIGS = Path(__file__).parents[2] / "plugins" / "llmbench_models" / "configs"
"""Shapes of real models."""
BATCH = batch.collate([Tokens(tuple(range(1, 30)), prompt=9), Tokens((1, 2, 3, 4), prompt=1)], 0)


def members(text: str) -> tuple[Strategy, ...]:
    return composition.read(text).members


@pytest.fixture
def prepare(model_folder, tmp_path):
    """Loads the tiny model and prepares it as a worker does for a composition."""

    def make(text: str, weights: str = "pretrained", precision: str = "fp32"):
        strategies = members(text)
        settings = {"precision": precision}
        made = cell(text, settings=settings, model=ModelRef(id="tiny", weights=weights))
        job = job_of(made, tmp_path, model_folder)
        model = load.load_model(job, strategies, torch.device("cpu"))
        torch.manual_seed(0)
        for strategy in strategies:
            model = strategy.prepare(model, made.settings)
        return model

    return make


def trainable(model) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def gradients(model) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model.train()
    train.forward_loss(model, BATCH).backward()
    return {name: p.grad.clone() for name, p in trainable(model).items()}


def wake(model) -> None:
    """Give adapters weights that are not zero, so that every gradient says something."""
    torch.manual_seed(1)
    for name, parameter in trainable(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.id)
def test_a_strategy_declares_itself(strategy):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", strategy.id)
    assert strategy.summary
    assert "\n" not in strategy.summary
    assert all(f.description for f in strategy.model_fields.values())


def test_strategies_decide_what_they_say():
    found = {text: next(m for m in members(text) if m.id == name) for name, text in TYPED.items()}
    assert {text: set(member.claims()) for text, member in found.items()} == CLAIMS
    assert set(TYPED) == set(BY_ID)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.id)
def test_a_strategy_alone_is_a_whole_composition(strategy):
    whole = members(TYPED[strategy.id])
    assert strategy.id in {m.id for m in whole}
    assert sum("adaptation" in m.claims() for m in whole) == 1


def test_seven_strategies_and_no_reference_run_by_default():
    asked_for = {"eager-attention", "base", "precision", "learning-rate", "lora-fa"}
    assert {s.id for s in STRATEGIES if s.in_all} == TYPED.keys() - asked_for


def test_the_base_alone_trains_nothing():
    assert {s.id for s in STRATEGIES if not s.trains} == {"base"}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("text", WHOLE)
def test_strategies_change_only_what_they_may(text, device):
    whole = composition.read(text)
    changed = whole.adjust(Settings(), environment(device))
    assert (changed.learning_rate > Settings().learning_rate) == ("lora" in text)


def test_qlora_pages_its_optimiser_where_there_is_a_gpu():
    (qlora,) = members("qlora")
    (unpaged,) = members("qlora(paged=false)")
    assert qlora.adjust(Settings(), environment("cuda")).optimizer == PAGED
    assert qlora.adjust(Settings(), environment("cpu")).optimizer == Settings().optimizer
    assert unpaged.adjust(Settings(), environment("cuda")).optimizer == Settings().optimizer


def test_without_a_gpu_no_strategy_brings_an_optimiser():
    parameters = [torch.nn.Parameter(torch.ones(2))]
    every = [m for text in TYPED.values() for m in members(text)]
    assert {m.optimizer(parameters, Settings(), {}) for m in every} == {None}


@pytest.mark.parametrize(
    ("text", "kernels", "right"),
    [
        ("flash-attention", {"flash"}, True),
        ("flash-attention", {"flash", "math"}, False),
        ("flash-attention", {"efficient"}, False),
        ("eager-attention", {"eager"}, True),
        ("eager-attention", {"flash"}, False),
    ],
)
def test_a_promised_kernel_is_the_only_one_that_may_run(text, kernels, right):
    problem = BY_ID[text]().verify(frozenset(kernels))
    assert (problem is None) == right
    if problem:
        assert any(k in problem for k in kernels)


@pytest.mark.parametrize("text", WHOLE)
def test_the_right_weights_are_trained(prepare, text):
    names = trainable(prepare(text)).keys()
    if text.startswith("full"):
        assert not any("lora" in name for name in names)
        assert {"model.embed_tokens.weight", "lm_head.weight"} <= names
    else:
        assert all("lora_A" in name or "lora_B" in name for name in names)
        assert len(names) == LAYERS * 7 * 2


@pytest.mark.parametrize("text", [t for t in WHOLE if not t.startswith("full")])
def test_adapters_have_rank_times_all_widths_parameters(prepare, text):
    found = coverage.count(prepare(text.replace("qlora", "qlora(r=4)")))
    rank = 4 if "qlora" in text else 16
    assert found.trainable == rank * LINEAR_WIDTHS * LAYERS


@pytest.mark.parametrize("text", ["lora", "lora(r=4)", "qlora", "lora+8-bit", "lora+4-bit"])
def test_parameters_are_as_many_as_peft_counts(prepare, text):
    model = prepare(text)
    found = coverage.count(model)
    assert (found.trainable, found.total) == model.get_nb_trainable_parameters()


@pytest.mark.parametrize("alias", ["llama-2-7b", "llama-3.2-1b"])
def test_adapters_of_a_real_shape_are_as_many_as_the_closed_form_says(alias):
    shape = AutoConfig.from_pretrained(CONFIGS / alias)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(shape)
    without = coverage.count(base).total
    with torch.device("meta"):
        model = BY_ID["lora"](r=8).prepare(base, Settings())
    hidden, inner = shape.hidden_size, shape.intermediate_size
    keys = shape.num_key_value_heads * shape.head_dim
    widths = 2 * (hidden + hidden) + 2 * (hidden + keys) + 3 * (hidden + inner)
    found = coverage.count(model)
    assert found.trainable == 8 * widths * shape.num_hidden_layers
    assert found.total == without + found.trainable
    assert (found.trainable, found.total) == model.get_nb_trainable_parameters()


@pytest.mark.parametrize("text", WHOLE)
def test_a_packed_weight_counts_as_the_elements_that_it_holds(prepare, pristine_model, text):
    found = coverage.count(prepare(text))
    base = sum(p.numel() for p in pristine_model.parameters())
    assert found.total == base + (0 if text.startswith("full") else found.trainable)


@pytest.mark.parametrize("weights", ["pretrained", "random"])
@pytest.mark.parametrize("text", ["qlora", "lora+8-bit", "lora+4-bit"])
def test_quantised_weights_are_really_quantised(prepare, text, weights):
    import bitsandbytes as bnb

    model = prepare(text, weights)
    kind = bnb.nn.Linear8bitLt if "8-bit" in text else bnb.nn.Linear4bit
    packed = [m for m in model.modules() if isinstance(m, kind)]
    assert len(packed) == LAYERS * 7
    assert {m.weight.dtype for m in packed} == {torch.int8 if "8-bit" in text else torch.uint8}
    assert model.is_quantized


def test_qlora_quantises_its_scales_as_well_and_4_bit_on_demand(prepare):
    def nested(text):
        model = prepare(text)
        return {m.weight.quant_state.nested for m in model.modules() if is_packed(m)}

    assert nested("qlora") == {True}
    assert nested("4-bit") == {False}
    assert nested("4-bit(double_quantization=true)") == {True}


def is_packed(module) -> bool:
    return getattr(getattr(module, "weight", None), "quant_state", None) is not None


@pytest.mark.parametrize("text", WHOLE)
def test_before_training_a_cell_computes_what_the_base_does(prepare, pristine_model, text):
    base = train.first_loss(copy.deepcopy(pristine_model), BATCH)
    quantized = "8-bit" in text or "4-bit" in text or "qlora" in text
    found = train.first_loss(prepare(text), BATCH)
    assert found == pytest.approx(base, rel=0.02 if quantized else 1e-5)


@pytest.mark.parametrize("text", WHOLE)
def test_a_step_trains_every_trained_weight_and_no_other(prepare, text):
    model = prepare(text)
    wake(model)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    settings = Settings(learning_rate=1e-2, lr_warmup_ratio=0, steps=1)
    watcher = Watcher()
    context = [m.training for m in members(text)][-1]
    optimizer = train.adamw([p for p in model.parameters() if p.requires_grad], settings)
    train.train(model, optimizer, [[BATCH]], settings, context, watcher)
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == trainable(model).keys()
    assert watcher.steps[0].loss > 0


@pytest.mark.parametrize("text", ["qlora", "lora+8-bit", "lora+4-bit"])
def test_evaluating_first_changes_no_gradient(prepare, text):
    fresh, used = prepare(text), prepare(text)
    for model in (fresh, used):
        wake(model)
    train.first_loss(used, BATCH)
    expected, found = gradients(fresh), gradients(used)
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("adaptation", ["full", "lora", "qlora"])
def test_gradient_checkpointing_gives_the_same_gradients(prepare, adaptation):
    plain, checkpointed = prepare(adaptation), prepare(f"{adaptation}+gradient-checkpointing")
    for model in (plain, checkpointed):
        wake(model)
    expected, found = gradients(plain), gradients(checkpointed)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-7)


def kept(model) -> int:
    """Elements that a forward pass keeps for the backward pass, each as often as it is kept."""
    sizes = []
    model.train()
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda t: sizes.append(t.numel()) or t, lambda t: t
    )
    with hooks:
        train.forward_loss(model, BATCH)
    return sum(sizes)


def test_gradient_checkpointing_keeps_fewer_activations(prepare):
    assert kept(prepare("full+gradient-checkpointing")) < kept(prepare("full")) / 2


def test_lora_fa_keeps_no_input_of_an_adapter(prepare):
    linear_inputs = LAYERS * 7
    assert kept(prepare("lora")) - kept(prepare("lora-fa")) >= linear_inputs * BATCH.labels.numel()


@pytest.mark.parametrize("precision", ["fp32", "bf16-true", "bf16-mixed"])
@pytest.mark.parametrize("text", ["lora-fa", "lora-fa+4-bit"])
def test_lora_fa_trains_second_matrices_alone_whatever_the_precision(prepare, text, precision):
    model = prepare(text, precision=precision)
    cast_trained(model, PRECISIONS[precision])
    with torch.autocast("cpu", torch.bfloat16, enabled="mixed" in precision):
        found = gradients(model)
    assert len(found) == LAYERS * 7
    assert all("lora_B" in name and gradient.any() for name, gradient in found.items())


@pytest.mark.parametrize("attention", ["flash", "eager"])
def test_an_attention_strategy_sets_the_models_attention(prepare, attention):
    model = prepare(f"full+{attention}-attention")
    expected = {"flash": "sdpa", "eager": "eager"}[attention]
    assert model.config._attn_implementation == expected


@pytest.mark.parametrize(
    ("device", "package", "attention", "restricted"),
    [
        ("cpu", None, "sdpa", True),
        ("cpu", "flash_attn", "sdpa", True),
        ("cuda", None, "sdpa", True),
        ("cuda", "flash_attn", "flash_attention_2", False),
    ],
)
def test_torch_s_kernels_are_restricted_where_attention_goes_through_them(
    monkeypatch, device, package, attention, restricted
):
    monkeypatch.setattr(flash_attention, "find_spec", lambda name: package)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: device == "cuda")
    strategy = BY_ID["flash-attention"]()
    kwargs = strategy.load_kwargs(Settings(), environment(device))
    assert kwargs == {"attn_implementation": attention}
    with strategy.training():
        assert torch.backends.cuda.math_sdp_enabled() != restricted


def test_lora_adapts_the_modules_that_it_is_told_to(prepare):
    names = trainable(prepare("lora(r=2,targets=q_proj|v_proj)"))
    assert {name.split(".")[-4] for name in names} == {"q_proj", "v_proj"}


def test_loras_dropout_is_on_in_training_alone(prepare):
    model = prepare("lora(dropout=0.5)")
    wake(model)
    model.train()
    first, second = (train.forward_loss(model, BATCH).item() for _ in range(2))
    assert first != second
    assert train.first_loss(model, BATCH) == train.first_loss(model, BATCH)


@pytest.mark.parametrize("text", ["full", "lora"])
def test_a_bf16_model_is_trained_in_bf16(prepare, text):
    model = prepare(text, precision="bf16-true")
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_random_weights_are_the_same_in_every_cell(prepare):
    first, second = prepare("full", "random"), prepare("full", "random")
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("quantized", ["", "4-bit"])
def test_a_strategy_that_loads_is_given_files_of_those_weights(
    quantized, model_folder, tmp_path, registry
):
    class Loads(Strategy):
        id, summary, group = "loads", "", "loading"

        def load(self, source, options):
            seen.append(source)
            return AutoModelForCausalLM.from_pretrained(source, **options)

    seen: list[str] = []
    made = cell("lora", model=ModelRef(id="tiny", weights="random"))
    job = job_of(made, tmp_path, model_folder)
    others = members("+".join(filter(None, ("lora", quantized))))
    one, other = (
        load.load_model(job, strategies, torch.device("cpu"))
        for strategies in (others, (*others, Loads()))
    )
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name])
    [folder] = seen
    assert not Path(folder).exists()
