"""A model stands in memory as its files have it, or is refused: no weight is left at random."""

from __future__ import annotations

import json

import pytest
import torch
from records import cell, job_of
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaForSequenceClassification

from llmbench.config.composition import read
from llmbench.plugin.strategy import CannotRun
from llmbench.record.record import ModelRef
from llmbench.worker import checkpoint, coverage, load
from llmbench.worker.cell import prepared

CPU = torch.device("cpu")


@pytest.fixture
def folder(pristine_model, tmp_path):
    """A copy of the tiny Llama's folder to spoil."""
    pristine_model.save_pretrained(tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def loaded(folder, tmp_path, registry):
    """Loads the folder as a cell of a composition does; what is warned of is in `loaded.said`."""

    def run(composition="lora", weights="pretrained"):
        made = cell(composition, model=ModelRef(id="mine", weights=weights))
        job = job_of(made, tmp_path, folder)
        run.said = []
        strategies = read(composition).members
        model = load.load_model(job, strategies, CPU, run.said.append)
        return prepared(model, strategies, made.settings)

    return run


def rewrite(folder, change):
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def configure(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module."])
def test_names_of_a_wrapped_model_leave_its_weights_unset_and_are_refused(folder, loaded, prefix):
    rewrite(folder, lambda held: {prefix + name: w for name, w in held.items()})
    with pytest.raises(CannotRun, match=rf"^'mine' leaves 21 .* unset, and 21 \({prefix}"):
        loaded()


def test_a_missing_layer_is_refused_by_name(folder, loaded):
    rewrite(folder, lambda held: {n: w for n, w in held.items() if "layers.1.mlp" not in n})
    with pytest.raises(CannotRun, match=r"leaves 3 \(model.layers.1.mlp.*they would be random"):
        loaded()


def test_a_missing_head_is_refused(folder, loaded):
    rewrite(folder, lambda held: {n: w for n, w in held.items() if n != "lm_head.weight"})
    with pytest.raises(CannotRun, match=r"leaves 1 \(lm_head.weight\) of its weights unset"):
        loaded()


def test_a_classifiers_head_is_not_dropped_for_a_random_one(folder, loaded, tiny_config):
    LlamaForSequenceClassification(tiny_config).save_pretrained(folder)
    with pytest.raises(CannotRun, match=r"leaves 1 \(lm_head.weight\).*score.weight"):
        loaded()


def test_shapes_that_the_configuration_does_not_have_are_refused(folder, loaded):
    configure(folder, intermediate_size=64)
    with pytest.raises(CannotRun, match=r"has 6 \(model.layers.0.mlp.* in shapes"):
        loaded()


def test_weights_that_have_no_place_are_told(folder, loaded):
    rewrite(folder, lambda held: {**held, "extra.weight": torch.zeros(2)})
    loaded()
    assert loaded.said == [
        "Of the model's files, 1 (extra.weight) have no place in it and are not used."
    ]


@pytest.fixture
def packed(folder):
    """The folder with its weights stored in NF4."""
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=config)
    model.save_pretrained(folder)


@pytest.mark.usefixtures("packed")
def test_lora_on_weights_that_are_stored_in_nf4_passes_gradients(loaded):
    model = loaded("lora")
    assert loaded.said == ["The weights are stored in NF4, and no run has the whole ones."]
    found = coverage.count(model)
    assert found.packed == found.adapted > 0
    ids = torch.arange(8)[None]
    with torch.no_grad():
        model.eval()(input_ids=ids)  # after which bitsandbytes would pass none on some processors
    model.train()(input_ids=ids, labels=ids).loss.backward()
    grads = [p.grad for n, p in model.named_parameters() if "layers.0" in n and "lora_B" in n]
    assert all(g.abs().sum() > 0 for g in grads)


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize(
    ("composition", "reason"),
    [
        ("lora+8-bit", "stored in NF4, and cannot be quantised again: leave"),
        ("qlora", "stored in NF4, and cannot be quantised again: leave"),
        ("full", "stored in NF4, which cannot be trained as a whole: take lora"),
    ],
)
def test_what_cannot_be_done_with_stored_nf4_is_a_reason(loaded, composition, reason):
    with pytest.raises(CannotRun, match=reason):
        loaded(composition)


@pytest.mark.usefixtures("packed")
def test_random_weights_are_packed_as_the_files_would_be(loaded):
    assert coverage.count(loaded("lora", weights="random")).packed


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_weights_are_memory_of_the_process_however_they_are_stored(folder, loaded, stored):
    rewrite(folder, lambda held: {name: w.to(stored) for name, w in held.items()})
    configure(folder, dtype=str(stored).removeprefix("torch."))
    weights = list(loaded().parameters())
    files = checkpoint.mapped_files()
    assert not [w for w in weights if any(w.data_ptr() in span for span in files)]


def test_a_model_asks_for_nothing_but_greedy_decoding(folder, loaded):
    path = folder / "generation_config.json"
    held = json.loads(path.read_text())
    asked = {"repetition_penalty": 1.3, "no_repeat_ngram_size": 3, "temperature": 0.6}
    path.write_text(json.dumps(held | asked | {"do_sample": True}))
    own = loaded().generation_config
    assert own.eos_token_id == held["eos_token_id"]
    assert not own.repetition_penalty
    assert not own.no_repeat_ngram_size
    assert loaded.said == [
        "Decoding is greedy in every run: no_repeat_ngram_size=3 and repetition_penalty=1.3, "
        "which the model's generation_config.json asks for, is left out."
    ]
