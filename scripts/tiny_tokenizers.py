"""Kinds of tokenizers that models come with, each made of the shipped one in a model's folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"


@dataclass(frozen=True)
class Kind:
    """A kind of tokenizer, and what makes a folder's tokenizer one."""

    name: str
    spoil: Callable[[Path], None]


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a JSON file holds."""
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def ends_prompts(folder: Path) -> None:
    """It puts the token that ends a text after every text."""

    def change(content: dict[str, Any]) -> None:
        end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
        content["post_processor"]["single"].append(end)
        tokens = content["post_processor"]["special_tokens"]
        tokens["</s>"] = {"id": "</s>", "ids": [1], "tokens": ["</s>"]}

    rewrite(folder / FILE, change)


def without(*names: str) -> Callable[[Path], None]:
    """Some of its tokens have no name."""

    def spoil(folder: Path) -> None:
        def change(content: dict[str, Any]) -> None:
            for name in names:
                content.pop(name, None)

        rewrite(folder / CONFIG, change)

    return spoil


def without_any_end(folder: Path) -> None:
    """Neither the tokenizer nor the model has a token that ends a text."""
    without("eos_token", "pad_token")(folder)
    for name in ("config.json", "generation_config.json"):
        rewrite(folder / name, lambda content: content.update(eos_token_id=None))


def adds(token: str, **named: str) -> Callable[[Path], None]:
    """It has a token beyond the model's embeddings."""

    def spoil(folder: Path) -> None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens([token], special_tokens=bool(named))
        for name in named:
            setattr(tokenizer, name, token)
        tokenizer.save_pretrained(folder)

    return spoil


def reads_bytes(folder: Path) -> None:
    """It is written in Python, and has no vocabulary."""
    (folder / FILE).unlink()
    (folder / CONFIG).write_text('{"tokenizer_class": "ByT5Tokenizer", "extra_ids": 1277}')


def stops_at_strings(folder: Path) -> None:
    """The model asks for generation to stop at a word."""
    rewrite(folder / "generation_config.json", lambda c: c.update(stop_strings=["Summary"]))


def is_missing(folder: Path) -> None:
    """There is none."""
    (folder / FILE).unlink()
    (folder / CONFIG).unlink()


def is_broken(folder: Path) -> None:
    """Its file is cut short."""
    (folder / FILE).write_text((folder / FILE).read_text("utf-8")[:1000], encoding="utf-8")


KINDS = (
    Kind("as shipped", lambda folder: None),
    Kind("puts the end after every text", ends_prompts),
    Kind("no padding token", without("pad_token")),
    Kind("no end token, where the model has one", without("eos_token", "pad_token")),
    Kind("no end token, nor has the model", without_any_end),
    Kind("padding beyond the embeddings", adds("<pad2>", pad_token="<pad2>")),
    Kind("more tokens than embeddings", adds("<extra>")),
    Kind("written in Python, reads bytes", reads_bytes),
    Kind("stop_strings asked for", stops_at_strings),
    Kind("missing", is_missing),
    Kind("broken", is_broken),
)
