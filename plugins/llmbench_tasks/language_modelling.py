"""Plain language modelling: texts that go on, with nothing asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from llmbench.plugin.row import value, words
from llmbench.plugin.task import Example, Task

DATA = Path(__file__).parent / "data"
TEXTS = ("text", "content", "document", "article")
"""Fields of the text, the first that a row has."""


@dataclass(frozen=True)
class LanguageModelling(Task):
    """Every token of a text from those before it."""

    text: Annotated[str, Field(description="Field of the text; found by default.")] = ""

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Not a row whose text is blank: collections have them between their parts."""
        content = value(row, self.field(row))
        return not isinstance(content, str) or bool(content.strip())

    def read(self, row: Mapping[str, Any]) -> Example:
        """The text, its white space included."""
        return Example(id="", input="", references=(words(row, self.field(row)),), before="")

    def field(self, row: Mapping[str, Any]) -> str:
        """Where the text is."""
        return self.text or next((f for f in TEXTS if value(row, f) is not None), TEXTS[0])


LANGUAGE_MODELLING = LanguageModelling(
    id="language-modelling",
    summary="texts that go on, from rows or a .txt file; nothing is asked",
    template="{text}",
    train_file=DATA / "language-modelling-train.txt",
    eval_file=DATA / "language-modelling-eval.txt",
    metrics=("bits-per-byte", "perplexity"),
    defaults={"max_new_tokens": 64},
    running_text=True,
)
