"""The data and the model that ship: what they promise, and that the scripts still write them."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

import make_tasks
from llmbench.plugin.catalogue import Registry
from llmbench_models import ALIASES, INSTRUCT
from make_dialogues import (
    DATA,
    EVAL_ROWS,
    TRAIN_ROWS,
    Example,
    check_disjoint,
    make_splits,
    to_json_lines,
)
from make_tiny import FOLDER

PARAMETERS = {
    "bart-base": 139_420_416,
    "bart-large": 406_291_456,
    "flan-t5-base": 247_577_856,
    "flan-t5-large": 783_150_080,
    "gemma-3-1b": 999_885_952,
    "gemma-3-270m": 268_098_176,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "phi-3-mini": 3_821_079_552,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "smollm2-1.7b": 1_711_376_384,
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
}
"""As the weights that the models' authors publish have them."""


def rows(split: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / f"{split}.jsonl").read_text().splitlines()]


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.mark.parametrize(("split", "count"), [("train", TRAIN_ROWS), ("eval", EVAL_ROWS)])
def test_each_split_has_its_rows_and_fields(split: str, count: int) -> None:
    assert len(rows(split)) == len({row["id"] for row in rows(split)}) == count
    assert all(row.keys() == {"id", "dialogue", "summary"} for row in rows(split))
    assert all(3 <= len(row["dialogue"].splitlines()) <= 8 for row in rows(split))


@pytest.mark.parametrize("field", ["id", "dialogue", "summary"])
def test_no_field_of_an_evaluated_row_occurs_in_training(field: str) -> None:
    assert not {row[field] for row in rows("train")} & {row[field] for row in rows("eval")}


def test_splits_that_share_what_they_are_about_are_refused() -> None:
    first = Example("A: Hi B!", "A greets B.", gist="greeting")
    second = Example("C: Hi D!", "C greets D.", gist="greeting")
    with pytest.raises(AssertionError, match="1 times the same gist"):
        check_disjoint([first], [second])


def test_the_script_writes_the_shipped_bytes() -> None:
    for split, examples in make_splits().items():
        assert to_json_lines(split, examples) == (DATA / f"{split}.jsonl").read_text()


def test_speakers_take_turns() -> None:
    for row in rows("train") + rows("eval"):
        speakers = [turn.partition(":")[0] for turn in row["dialogue"].splitlines()]
        assert len(set(speakers)) == 2
        assert all(one != other for one, other in pairwise(speakers))


def test_the_model_is_small() -> None:
    assert folder_bytes(FOLDER) <= 8_000_000
    with safe_open(FOLDER / "model.safetensors", "pt") as weights:
        shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118
    assert all(width % 64 == 0 for shape in shapes for width in shape)


def test_the_model_loads_and_knows_its_special_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype="float32")
    assert 1_000_000 <= model.num_parameters() <= 3_000_000
    assert type(model).__name__ == "LlamaForCausalLM"
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert getattr(model.generation_config, name) == getattr(tokenizer, name)
        assert getattr(model.config, name) == getattr(tokenizer, name)
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3
    assert len(tokenizer) == model.config.vocab_size


@pytest.mark.parametrize(
    "text", ["Anna: Hi Ben!\nBen: Hello.", "  two , spaces ", "žluťoučký 🐎 日本\t"]
)
def test_the_tokenizer_gives_any_text_back(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    ids = tokenizer(text).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_an_example_fits_the_default_sequence_length(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = "Summarize the dialogue.\n\n{dialogue}\n\nSummary: {summary}"
    texts = [prompt.format(**row) for row in rows("train") + rows("eval")]
    assert max(len(ids) for ids in tokenizer(texts).input_ids) < 160


def parameters(folder: Path) -> int:
    """As published: where there are no weights, T5's output layer is tied to its embeddings."""
    config = AutoConfig.from_pretrained(folder)
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    with torch.device("meta"):
        model = kind.from_config(config)
    apart = config.vocab_size * config.d_model if config.model_type == "t5" else 0
    return int(model.num_parameters()) + apart


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_has_as_many_parameters_as_its_summary_says(
    registry: Registry, alias: str
) -> None:
    model = registry.models.get(alias)
    assert model.config is not None
    count = parameters(model.config)
    short = (
        f"{count / 1e9:.1f} billion" if "billion" in model.summary else f"{count / 1e6:.0f} million"
    )
    assert f", {short} parameters" in model.summary
    assert count == PARAMETERS.get(alias, count)


@pytest.mark.parametrize(("alias", "shape"), [(a, shape) for a, (_, shape) in INSTRUCT.items()])
def test_a_model_that_follows_instructions_has_the_shape_of_its_base(
    registry: Registry, alias: str, shape: str
) -> None:
    model, base = registry.models.get(alias), registry.models.get(shape)
    assert model.config == base.config
    assert model.hub_id != base.hub_id
    assert model.summary == f"{base.summary}, instruction-tuned"


def test_every_shape_that_ships_belongs_to_an_alias() -> None:
    assert {folder.name for folder in (FOLDER.parent / "configs").iterdir()} == set(ALIASES)


@pytest.mark.parametrize("task", make_tasks.TASKS)
def test_the_data_of_a_task_are_what_the_script_writes_and_do_not_overlap(task):
    made = make_tasks.splits(task)
    for split, rows_of in made.items():
        path = DATA / f"{task}-{split}.jsonl"
        assert path.read_text("utf-8") == make_tasks.lines(rows_of)
    train, evaluate = (set(map(json.dumps, of)) for of in made.values())
    assert (len(train), len(evaluate)) == (make_tasks.TRAIN_ROWS, make_tasks.EVAL_ROWS)
    assert not train & evaluate


@pytest.mark.parametrize("split", make_tasks.TEXTS)
def test_the_text_is_what_the_script_writes(split):
    path = DATA / f"language-modelling-{split}.txt"
    assert path.read_text("utf-8") == make_tasks.play(split)
