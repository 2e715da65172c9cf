"""An encoder with a head for labels, compared as others are."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmbench import plugin
from llmbench.record.record import Record
from llmbench.testing import run

ROOT = Path(__file__).parents[2] / "plugins"
FOLDER = ROOT / "examples" / "encoder"
DATA = ROOT / "llmbench_tasks" / "data"
MODULES = ("wrap", "classifier", "encoder")
LABELS = ("bad", "fair", "good")
LINES = 100


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A BERT of two layers with the words of the data, made ready by `wrap.py`."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    rows = map(json.loads, (DATA / "classification-train.jsonl").read_text("utf-8").splitlines())
    split = pre_tokenizers.Whitespace()
    said = sorted({word for row in rows for word, _ in split.pre_tokenize_str(row["text"])})
    words = dict.fromkeys(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *LABELS, *said])
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, "[UNK]"))
    made.pre_tokenizer = split
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", **special)
    tokenizer.save_pretrained(folder / "bert")
    shape = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=96,
    )
    torch.manual_seed(0)
    BertForMaskedLM(shape).save_pretrained(folder / "bert")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        importlib.import_module("wrap").wrap(folder / "bert", folder / "labels", LABELS)
        yield folder / "labels"
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def records(model: Path) -> dict[str, Record]:
    """A short comparison, by composition."""
    plugin.registry.cache_clear()
    plugin.include(FOLDER / "encoder.py")
    try:
        made = run(
            model.parent / "run",
            model=str(model),
            trust_remote_code=True,
            task="labels",
            data=str(DATA / "classification-train.jsonl"),
            eval_data=str(DATA / "classification-eval.jsonl"),
            strategies="full,lora",
            steps=40,
            batch_size=16,
            learning_rate="0.003",
            seq_len=96,
            eval_examples=40,
        )
    finally:
        plugin.registry.cache_clear()
    return {record.cell.composition: record for record in made.records}


def accuracy(record: Record) -> float:
    """The share of evaluated texts whose label was found."""
    assert record.status == "ok", record.reason
    return sum(e.scores["encoder-accuracy"] for e in record.examples) / len(record.examples)


def test_an_encoder_learns_labels_and_writes_nothing(records: dict[str, Record]) -> None:
    assert accuracy(records["full"]) > max(0.6, accuracy(records["base"]) + 0.2)
    assert {e.prediction for e in records["full"].examples} == {""}
    assert records["full"].generation is None


def test_its_adapters_start_from_the_base(records: dict[str, Record]) -> None:
    lora = records["lora"]
    assert accuracy(lora) >= 0
    assert lora.first_loss == pytest.approx(records["base"].first_loss)
    assert 0 < lora.parameters.trainable < lora.parameters.total


def test_it_reads_no_label_and_knows_those_of_its_head_alone(model: Path) -> None:
    torch = importlib.import_module("torch")
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model, trust_remote_code=True).eval()
    text = [20, 21, 22]
    inputs = [text + own + [2] for own in loaded.config.label_ids]
    losses = [
        loaded(torch.tensor([ids]), torch.tensor([[-100] * 3 + ids[3:]])).loss for ids in inputs
    ]
    assert sum(loss.neg().exp() for loss in losses).item() == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="none of the labels"):
        loaded.numbered([20])


@pytest.mark.parametrize("name", MODULES)
def test_each_module_is_short(name: str) -> None:
    assert len((FOLDER / f"{name}.py").read_text("utf-8").splitlines()) <= LINES
