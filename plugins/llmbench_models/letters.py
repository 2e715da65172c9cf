"""A small Llama that reads single characters, for pre-training from scratch: made for a text.

`python -m llmbench_models.letters TEXT FOLDER` writes its shape and its tokenizer, and no weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

SPECIAL = ("<unk>", "<s>", "</s>")
"""An unknown character, and what starts and ends a text; their numbers come first."""


def alphabet(texts: Iterable[str]) -> tuple[str, ...]:
    """Every character of the texts, in the order of their code points."""
    return tuple(sorted(set().union(*texts)))


def config(
    vocabulary: int, width: int = 128, layers: int = 4, heads: int = 4, positions: int = 256
) -> dict[str, Any]:
    """The shape, in the words of transformers; `width` is a multiple of `2 * heads`."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": 8 * width // 3,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": positions,
        "vocab_size": vocabulary,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "initializer_range": 0.02,
    }


def tokenizer(characters: Iterable[str]) -> dict[str, Any]:
    """A tokenizer of single characters, as the `tokenizers` library has it: BPE without merges."""
    vocabulary = {token: number for number, token in enumerate((*SPECIAL, *characters))}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": vocabulary[token], "content": token, **flags, "special": True}
            for token in SPECIAL
        ],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "unk_token": SPECIAL[0], "vocab": vocabulary, "merges": []},
    }


def files(texts: Iterable[str], **shape: int) -> Mapping[str, dict[str, Any]]:
    """What a model's folder holds but for weights, by the names of its files."""
    characters = alphabet(texts)
    return {
        "config.json": config(len(SPECIAL) + len(characters), **shape),
        "tokenizer.json": tokenizer(characters),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": SPECIAL[0],
            "bos_token": SPECIAL[1],
            "eos_token": SPECIAL[2],
            "clean_up_tokenization_spaces": False,
        },
    }


def write(folder: Path, texts: Iterable[str], **shape: int) -> None:
    """Write the files into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files(texts, **shape).items():
        (folder / name).write_text(said(content), encoding="utf-8")


def said(content: dict[str, Any]) -> str:
    """A file's text."""
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


@click.command("python -m llmbench_models.letters")
@click.argument("texts", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--width", type=click.IntRange(8), default=128, show_default=True)
@click.option("--layers", type=click.IntRange(1), default=4, show_default=True)
@click.option("--heads", type=click.IntRange(1), default=4, show_default=True)
@click.option(
    "--positions",
    type=click.IntRange(2),
    default=256,
    show_default=True,
    help="Characters of a sequence, at most.",
)
def command(texts: tuple[str, ...], folder: str, **shape: int) -> None:
    """Write a model of single characters for plain TEXTS into FOLDER, without weights.

    Train it with --model FOLDER --weights random --train-from-scratch --task language-modelling
    --data TEXT --eval-data TEXT.
    """
    if shape["width"] % (2 * shape["heads"]):
        raise click.UsageError(
            f"--width {shape['width']} is no multiple of twice --heads {shape['heads']}: each head "
            "has an even share of it."
        )
    if (Path(folder) / "model.safetensors").exists():
        raise click.UsageError(f"'{folder}' holds a model with weights: name another folder.")
    write(Path(folder), [_read(Path(text)) for text in texts], **shape)
    click.echo(f"Wrote a model of single characters into {folder}.")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise click.UsageError(f"'{path.name}' is not UTF-8 text: save it as UTF-8.") from None


if __name__ == "__main__":
    command()
