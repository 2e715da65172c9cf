"""The tokenizer of a model, made to fit it: how texts end, and which tokens there are."""

from __future__ import annotations

from typing import Any

from transformers import AutoTokenizer

from llmbench.errors import message
from llmbench.plugin.strategy import CannotRun
from llmbench.record.record import ModelRef


def load_tokenizer(source: str, model: ModelRef) -> Any:
    """The tokenizer as its files have it; CannotRun where they are broken."""
    try:
        return AutoTokenizer.from_pretrained(
            source, revision=model.revision, trust_remote_code=model.remote_code
        )
    except Exception as error:  # of several libraries, and of whatever kind
        why = (message(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise CannotRun(
            f"The tokenizer of '{model.id}' cannot be loaded ({why}): copy its files again."
        ) from error


def fit(tokenizer: Any, config: Any, name: str) -> list[str]:
    """Give the tokenizer the model's end of a text, and a padding token that the model knows.

    Returns sentences on what a reader has to know. CannotRun where texts could become tokens that
    the model has no embedding for.
    """
    config = config.get_text_config()
    size, said = int(config.vocab_size), []
    if tokenizer.eos_token_id is None:
        said.append(_give_end(tokenizer, config.eos_token_id, size))
    pad = tokenizer.pad_token_id
    if pad is None or pad >= size:
        tokenizer.pad_token = tokenizer.eos_token
    # No text becomes a special token by itself: Gemma's has one for images, which small ones lack.
    special = {n for n, token in tokenizer.added_tokens_decoder.items() if token.special}
    written = {*tokenizer.get_vocab().values()} - special
    ends = {tokenizer.bos_token_id, tokenizer.eos_token_id} - {None}
    highest = max(written | ends, default=0)
    if highest >= size:
        token = tokenizer.convert_ids_to_tokens(highest)
        raise CannotRun(
            f"The tokenizer of '{name}' has tokens up to {highest:,} ({token!r}), and the model "
            f"knows {size:,}: take the tokenizer that belongs to it, or enlarge its embeddings "
            "(resize_token_embeddings) and save it."
        )
    return said


def _give_end(tokenizer: Any, end: int | list[int] | None, size: int) -> str:
    """Take the end of a text from the model's configuration, if it has one; says what was done."""
    first = end[0] if isinstance(end, list) and end else end
    token = tokenizer.convert_ids_to_tokens(first) if isinstance(first, int) else None
    if token is None or not 0 <= int(first) < size:  # type: ignore[arg-type]
        return (
            "Neither the tokenizer nor the model has a token that ends a text: predictions go on "
            "to --max-new-tokens."
        )
    tokenizer.eos_token = token
    return f"The tokenizer has no token that ends a text: it is the model's, {token!r}."
