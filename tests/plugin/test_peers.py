"""Other libraries as strategies: what each does by itself is the same as what llmbench does."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from records import cell, environment, job_of
from transformers import AutoConfig

from llmbench import plugin
from llmbench.config import composition
from llmbench.errors import CompositionError
from llmbench.plugin.strategy import CannotRun
from llmbench.record.record import ModelRef
from llmbench.record.settings import Settings
from llmbench.worker import batch, brought, load, loop, precision, train
from llmbench.worker.cell import prepared
from llmbench.worker.encoding import Tokens
from llmbench.worker.training import make_optimizer

PEERS = Path(__file__).parents[2] / "plugins" / "peers"
CPU, GPU = environment("cpu"), environment("cuda")


@pytest.fixture(scope="module", autouse=True)
def included() -> Iterator[None]:
    """Every peer, as `--plugin` takes its module; gone after these tests."""
    plugin.registry.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for project in sorted(PEERS.glob("llmbench-*")):
            patch.syspath_prepend(project)
            path = project / project.name.replace("-", "_")
            plugin.include(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))
        yield
    plugin.registry.cache_clear()


class Kept(train.Observer):
    """Keeps the steps of a training."""

    def __init__(self):
        self.steps = []

    def after_step(self, step):
        self.steps.append(step)


def member(text: str):
    """The strategy of that name, with its options."""
    return composition.read(text).members[0]


@pytest.fixture
def unsloth(monkeypatch, tmp_path):
    """A stand-in for the library, which loads with transformers and adapts with peft.

    It notes what it was asked; the library itself needs a GPU to be imported.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    asked = {}
    for name in ("DISABLE_STATISTICS", "COMPILE_LOCATION", "RETURN_LOGITS"):
        monkeypatch.setenv(f"UNSLOTH_{name}", str(tmp_path))  # what is set is taken back

    def from_pretrained(source, **options):
        asked["load"] = dict(options)
        taken = ("revision", "trust_remote_code", "dtype", "device_map", "quantization_config")
        words = AutoTokenizer.from_pretrained(options.get("tokenizer_name", source))
        kept = {name: options[name] for name in taken if name in options}
        return AutoModelForCausalLM.from_pretrained(source, **kept), words

    def adapt(model, r, lora_alpha, lora_dropout, target_modules, **options):
        asked["adapt"] = dict(options)
        config = LoraConfig(r=r, lora_alpha=lora_alpha, target_modules=target_modules)
        return get_peft_model(model, config)

    fast = SimpleNamespace(from_pretrained=from_pretrained, get_peft_model=adapt)
    library = SimpleNamespace(FastLanguageModel=fast, __spec__=SimpleNamespace())
    monkeypatch.setitem(sys.modules, "unsloth", library)
    return asked


def test_unsloth_is_refused_in_a_sentence_without_the_package_or_a_gpu(monkeypatch) -> None:
    strategy = member("unsloth")
    assert "'unsloth' is not installed: pip install" in strategy.skip(Settings(), GPU)
    monkeypatch.setitem(sys.modules, "unsloth", SimpleNamespace(__spec__=SimpleNamespace()))
    assert "need a GPU" in strategy.skip(Settings(), CPU)
    assert strategy.skip(Settings(), GPU) is None


@pytest.mark.parametrize(
    "other", ["gradient-checkpointing", "4-bit", "flash-attention", "ddp", "lora"]
)
def test_unsloth_decides_by_itself_what_its_kernels_are_made_for(other) -> None:
    with pytest.raises(CompositionError):
        composition.read(f"unsloth+{other}")


@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_unsloth_is_given_the_files_and_loras_own_settings(
    unsloth, weights, model_folder, tmp_path
) -> None:
    made = cell("unsloth", model=ModelRef(id="tiny", weights=weights))
    job = job_of(made, tmp_path, model_folder)
    models = []
    for text in ("unsloth(checkpointing=true)", "lora"):
        strategies = composition.read(text).members
        model = load.load_model(job, strategies, torch.device("cpu"))
        models.append(prepared(model, strategies, made.settings))
    own, loras = (
        {name: p.shape for name, p in model.named_parameters() if p.requires_grad}
        for model in models
    )
    assert own == loras
    assert unsloth["load"]["max_seq_length"] == 256  # the model's own; what is longer is cut
    assert unsloth["load"]["use_exact_model_name"]
    assert ("tokenizer_name" in unsloth["load"]) == (weights == "random")
    assert unsloth["adapt"]["use_gradient_checkpointing"] == "unsloth"


def test_unsloth_leaves_the_logits_out_in_training_alone(unsloth, model_folder, tmp_path) -> None:
    strategies = composition.read("unsloth").members
    job = job_of(
        cell("unsloth", model=ModelRef(id="tiny", weights="random")), tmp_path, model_folder
    )
    load.load_model(job, strategies, torch.device("cpu"))
    assert os.environ["UNSLOTH_RETURN_LOGITS"] == "1"
    with strategies[0].training():
        assert os.environ["UNSLOTH_RETURN_LOGITS"] == "0"
    assert os.environ["UNSLOTH_RETURN_LOGITS"] == "1"


def test_unsloths_qlora_is_quantised_as_llmbenchs() -> None:
    of = {text: member(text).load_kwargs(Settings(), GPU) for text in ("unsloth", "qlora")}
    assert of["unsloth"] == {}
    asked = member("unsloth(method=qlora)").load_kwargs(Settings(), GPU)["quantization_config"]
    assert asked.to_dict() == of["qlora"]["quantization_config"].to_dict()


@pytest.mark.parametrize(
    ("text", "kind"), [("full", "fp32"), ("full", "bf16-master"), ("lora", "bf16-mixed")]
)
def test_trls_loop_trains_as_llmbenchs(model, text, kind) -> None:
    pytest.importorskip("trl")
    usual, own = (trained(copy.deepcopy(model), of, kind) for of in (text, f"{text}+trl-sft"))
    assert_equal(usual, own)
    assert usual[0].loss > usual[-1].loss + 0.1


def trained(model, text: str, kind: str, change=lambda model: None):
    """The steps of a training in that precision; `change` sees the model before it begins."""
    settings = Settings(steps=4, batch_size=2, accumulation=2, learning_rate=3e-2, precision=kind)
    texts = [Tokens(tuple(range(1, 9 + n)), prompt=n % 3) for n in range(16)]
    steps = batch.steps(texts, settings, seed=0, pad=0)
    strategies, kept = composition.read(text).members, Kept()
    model.to(precision.dtype(settings.numerics.frozen))
    precision.cast_products(model, settings.numerics, torch.device("cpu"))
    torch.manual_seed(0)
    made = prepared(model, strategies, settings)
    change(made)
    given = (made, make_optimizer(made, strategies, settings), steps, settings, nullcontext, kept)
    own, share = brought.bringer(strategies, "train"), brought.share_of_rate((), settings)
    if own is None:
        train.train(*given, share_of_rate=share)
    else:
        loop.train(own, *given, share)
    return kept.steps


def assert_equal(steps, others) -> None:
    """The same losses, rates and tokens."""
    for one, other in zip(steps, others, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=2e-3)
        assert one.learning_rate == pytest.approx(other.learning_rate)
        assert one.padded_tokens == other.padded_tokens


def same_start(model) -> None:
    """Have the first matrix of every adapter begin at the same values, whatever its name."""
    for name, weight in model.named_parameters():
        if name.casefold().endswith(("lora_a.weight", "lora_a.default.weight")):
            values = torch.arange(weight.numel(), dtype=torch.float32).sin() / 8
            weight.data = values.reshape(weight.shape).to(weight)


@pytest.fixture
def torchtune():
    """The library, where it and a torchao that goes with it are installed."""
    pytest.importorskip("torchtune.models.llama3", exc_type=ImportError)


@pytest.mark.usefixtures("torchtune")
def test_torchtunes_model_and_recipe_train_as_llmbenchs(model, model_folder) -> None:
    options = {"dtype": torch.float32, "device_map": None}
    loaded = member("torchtune").load(str(model_folder), options, Settings())
    usual = trained(model, "lora", "fp32", same_start)
    assert_equal(usual, trained(loaded, "torchtune", "fp32", same_start))
    assert usual[0].loss > usual[-1].loss + 0.1


@pytest.mark.usefixtures("torchtune")
def test_torchtunes_model_continues_prompts_and_saves_adapters_for_peft(
    model, model_folder, tmp_path
) -> None:
    from peft import PeftModel

    strategy = member("torchtune")
    options = {"dtype": torch.float32, "device_map": None}
    made = strategy.prepare(strategy.load(str(model_folder), options, Settings()), Settings())
    for weight in made.parameters():
        if weight.requires_grad:
            weight.data = torch.arange(weight.numel()).sin().reshape(weight.shape) / 4
    made.save_pretrained(tmp_path / "adapters")
    same = PeftModel.from_pretrained(model, tmp_path / "adapters").eval()
    ids = torch.tensor([[0, 0, 5, 6, 7], [9, 8, 7, 6, 5]])
    prompts = {"input_ids": ids, "attention_mask": (ids > 0).long()}
    one, other = (m.eval()(**prompts).logits[:, 2:] for m in (made, same))
    assert torch.allclose(one, other, atol=1e-4)
    kinds = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    assert torch.equal(made.generate(**prompts, **kinds), same.generate(**prompts, **kinds))


@pytest.mark.parametrize(
    ("name", "package"), [("trl-sft", "trl"), ("torchtune", "torchtune"), ("axolotl", "axolotl")]
)
def test_a_peer_that_is_not_installed_is_refused_in_a_sentence(monkeypatch, name, package) -> None:
    strategy = next(s for s in composition.read(name).members if s.id == name)
    monkeypatch.setitem(sys.modules, package, None)
    said = strategy.skip(Settings(), CPU)
    assert said == f"The package '{package}' is not installed: pip install llmbench-{package}."


def test_axolotls_kernels_are_put_into_a_model_that_has_adapters(model, monkeypatch) -> None:
    asked = []
    kernels = SimpleNamespace(
        patch_self_attn_lora=lambda given: asked.append(
            AutoConfig.from_pretrained(given.pop("base_model"))
        ),
        apply_lora_kernel_patches=lambda adapted, given: asked.append(given) or adapted,
    )
    monkeypatch.setitem(sys.modules, "axolotl", SimpleNamespace(__spec__=SimpleNamespace()))
    monkeypatch.setitem(sys.modules, "axolotl.monkeypatch", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "axolotl.monkeypatch.lora_kernels", kernels)
    monkeypatch.setitem(sys.modules, "axolotl.utils", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "axolotl.utils.dict", SimpleNamespace(DictDefault=dict))
    prepared(model, composition.read("lora+axolotl").members, Settings())
    assert asked[0].hidden_size == model.config.hidden_size
    assert asked[1] == {f"lora_{part}_kernel": True for part in ("mlp", "qkv", "o")}
    axolotl = composition.read("lora+axolotl").members[1]
    assert "need a GPU" in axolotl.skip(Settings(), CPU)
    assert axolotl.skip(Settings(), GPU) is None
    with pytest.raises(CannotRun, match=r"write lora\+axolotl"):
        axolotl.prepare(torch.nn.Linear(1, 1), Settings())


def test_torchtune_is_refused_beside_a_torchao_that_it_cannot_import(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torchtune", SimpleNamespace(__spec__=SimpleNamespace()))
    versions = {"torchao": "0.18.0"}
    monkeypatch.setattr("importlib.metadata.version", versions.__getitem__)
    assert "pip install 'torchao<0.16'" in member("torchtune").skip(Settings(), CPU)
    versions["torchao"] = "0.15.0"
    assert member("torchtune").skip(Settings(), CPU) is None
    master = Settings(precision="bf16-master")
    assert "another --precision" in member("torchtune").skip(master, CPU)
