"""An encoder reads the prompt, and its decoder learns to write the answer: whole cells."""

from __future__ import annotations

import statistics

import pytest
import torch
from records import cell, job_of
from transformers import AutoTokenizer

import tiny_families
from llmbench.plugin.task import Example
from llmbench.record.record import Member, ModelRef
from llmbench.record.settings import Settings
from llmbench.source import data
from llmbench.storage.read import read_record
from llmbench.worker import architecture
from llmbench.worker import cell as worker
from llmbench.worker.scoring import continued, padded
from llmbench.worker.template import Pair, choose

BY_NAME = {family.name: family for family in tiny_families.FAMILIES}
PEOPLE = ("Anna", "Tom", "Eve", "Paul")
THINGS = ("a cake", "the tent", "some bread", "two chairs")
EXAMPLES = [
    Example(f"{name} {thing}", f"{name}: I bring {thing}.", (f"{name} brings {thing}.",))
    for name in PEOPLE
    for thing in THINGS
]
SETTINGS = {
    "steps": 120,
    "burn_in_steps": 1,
    "batch_size": 8,
    "seq_len": 64,
    "learning_rate": 5e-3,
    "eval_examples": len(EXAMPLES),
    "eval_batch_size": 16,
    "max_new_tokens": 16,
    "schedule": "constant",
}


@pytest.fixture
def run(tmp_path, registry):
    """Runs a cell of one strategy on a tiny T5; returns its record."""
    torch.set_num_threads(1)
    folder = tiny_families.save(BY_NAME["FLAN-T5"], tmp_path / "flan")
    examples = tmp_path / "data.jsonl"
    examples.write_text(data.lines(EXAMPLES))

    def start(strategy, weights="pretrained", text=True, **changes):
        made = cell(
            strategy,
            members=(Member(id=strategy, options={}, distribution=""),),
            model=ModelRef(id="flan", weights=weights),
            settings=SETTINGS | changes,
        )
        job = job_of(made, tmp_path, folder, data=examples if text else None)
        worker.run(job, lambda event: None)
        return read_record(job.record_file)

    return start


def quality(record):
    return statistics.fmean(e.scores["rouge1"] for e in record.examples)


def test_it_learns_to_write_and_its_quality_is_above_its_base(run):
    base, trained = run("base"), run("full")
    assert (base.status, trained.status) == ("ok", "ok")
    assert trained.eval_loss < 0.5 * base.eval_loss
    assert quality(trained) > quality(base) + 0.3


def test_only_what_the_decoder_writes_is_supervised_and_both_are_counted(run):
    record = run("full", steps=2, eval_examples=1)
    step = record.steps[0]
    assert 0 < step.supervised_tokens < step.nonpadding_tokens <= step.padded_tokens
    assert record.effective["gradient_checkpointing"] == "off"


def test_random_weights_need_no_text(run):
    record = run("lora", weights="random", text=False, steps=2)
    assert record.status == "ok"
    assert record.steps[0].padded_tokens == 8 * 64
    assert record.generation.new_tokens == 8 * 16


@pytest.mark.parametrize("name", ["T5", "BART"])
def test_a_prompt_and_an_answer_begin_and_end_as_the_tokenizer_has_it(tmp_path, name):
    folder = tiny_families.save(BY_NAME[name], tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    template = choose(tokenizer, "auto", "mine", paired=architecture.paired(BY_NAME[name].made()))
    assert isinstance(template, Pair)
    assert template.prompt("A cake.") == tokenizer("A cake.")["input_ids"]
    answer = template.target("A cake.")
    assert answer[:-1] == tokenizer(text_target="A cake.")["input_ids"]
    assert answer[-1] == tokenizer.eos_token_id


def test_letters_of_a_special_token_in_an_answer_are_letters(tmp_path):
    folder = tiny_families.save(BY_NAME["T5"], tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    template = Pair(tokenizer)
    assert template.target("a </s> b").count(tokenizer.eos_token_id) == 1
    assert tokenizer.eos_token_id not in template.prompt("a </s> b")


def test_an_encoders_prompts_are_padded_behind_so_that_positions_are_those_it_learnt():
    ids, mask = padded([[5, 6, 7], [8]], pad=0, left=False)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("name", ["BART", "FLAN-T5"])
def test_a_prediction_is_the_same_alone_and_beside_a_longer_one(name, tmp_path):
    torch.manual_seed(0)
    config = BY_NAME[name].made()
    model = tiny_families.model_class(config)(config)
    settings = Settings(max_new_tokens=6, eval_batch_size=2)

    def predicted(*prompts):
        return continued(model, prompts, settings, 2, (1,), lambda done: None).ids

    short, long = list(range(20, 26)), list(range(30, 50))
    assert predicted(short, long) == (*predicted(short), *predicted(long))


@pytest.mark.parametrize("strategy", ["dora", "vera", "prompt-tuning"])
def test_what_peft_adds_knows_an_encoder_decoder_for_one(run, strategy):
    record = run(strategy, steps=2, max_new_tokens=4)
    assert record.status == "ok", record.reason
    assert len(record.examples) == len(EXAMPLES)
